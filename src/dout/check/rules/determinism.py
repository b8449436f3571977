"""Does a layer do the same again, does backward draw, and is the gradient right in evaluation mode?"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dout.check.lab.conditional_exactness import refuted
from dout.check.lab.other_values import copies, differs_at, few, same
from dout.check.lab.probe import MOST_SECONDS, CrashError, Lab, examined, states, users_code
from dout.check.report.verdicts import Finding
from dout.graph import Where
from dout.run import attributes_of, copied, places, run_backward, state_of

_FLAGS = ("train_flg", "train_flag", "train", "training", "is_training", "is_train")


@examined
def repeats(lab: Lab) -> Iterator[Finding]:
    """D601: two runs from the same random state are the same."""
    if lab.repeatable:
        return
    one, two = lab.run(), lab.run()
    pairs = [("the output", a, b) for a, b in zip(one.outputs, two.outputs, strict=False)]
    pairs += [
        (f"the gradient of {lab.name(i)}", a, b)
        for i, (a, b) in enumerate(zip(one.gradients, two.gradients, strict=False))
    ]
    pairs += [(f"the gradient of {name}", a, two.learned.get(name)) for name, a in one.learned.items()]
    what, a, b = next((pair for pair in pairs if not same(pair[1], pair[2])), ("the result", 0, 0))
    numbers = ""
    if np.shape(a) == np.shape(b):
        index = differs_at(a, b)
        numbers = (
            f": {few(np.asarray(a)[index])} and {few(np.asarray(b)[index])}{f' at {list(index)}' if index else ''}"
        )
    message = (
        f"two runs from the same random state differ, {what} is not the same{numbers}; "
        "it depends on a clock, a counter outside the layer, or a generator without a seed"
    )
    yield lab.finding("D601", message, _line_of(lab, "forward") if what == "the output" else None, cause="random")


def _line_of(lab: Lab, method: str) -> Where | None:
    try:
        function = inspect.unwrap(getattr(type(lab.layer), method))
        file, (_, line) = inspect.getsourcefile(function), inspect.getsourcelines(function)
    except (OSError, TypeError, AttributeError):
        return None
    return Where(file, line) if file else None


@examined
def seeds(lab: Lab) -> Iterator[Finding]:
    """D601: a generator without a seed, which another instance made alike does not have."""
    if not lab.repeatable:
        return
    layer = lab.fresh()
    unseeded = [place for place in places(layer) if _has_no_seed(place.item)]
    before = [repr(state_of(place.item)) for place in unseeded]
    lab.run(layer=layer)
    drawn = next((p for p, was in zip(unseeded, before, strict=True) if repr(state_of(p.item)) != was), None)
    if drawn is not None:
        message = f"{drawn.path} has no seed: no two runs of a program give the same; default_rng(seed) does"
        yield lab.finding("D601", message, _line_of(lab, "forward"), severity="note", cause="random")


def _has_no_seed(item: Any) -> bool:
    """Whether the operating system chose where a generator starts: that is a number of 128 bits."""
    sequence = getattr(getattr(item, "bit_generator", None), "seed_seq", None)
    entropy = getattr(sequence, "entropy", None)
    return isinstance(item, np.random.Generator) and isinstance(entropy, int) and entropy >= 2**64


@examined
def unfinished(lab: Lab) -> Iterator[Finding]:
    """D002: the layer took so long that not every check was made. It stands last."""
    if lab.slow:
        message = f"the contract was examined in part only: {MOST_SECONDS:g} s were over; give smaller inputs"
        yield lab.finding("D002", message)


@examined
def draws(lab: Lab) -> Iterator[Finding]:
    """D602: backward draws random numbers, so that its mask is not that of forward."""
    if not lab.repeatable:
        return
    layer = lab.fresh()
    lab.forward(layer, lab.inputs())
    lab.rewind(1)
    before = states(lab, layer)
    with users_code():
        run_backward(layer, tuple(map(copied, lab.base.douts)))
    if states(lab, layer) == before:
        return
    layer = lab.fresh()
    lab.forward(layer, lab.inputs())
    first = copies(lab.backward(layer, tuple(map(copied, lab.base.douts)), seed=1))
    others = [lab.backward(layer, tuple(map(copied, lab.base.douts)), seed=seed) for seed in (2, 3)]
    if all(same(found, first) for found in others):
        return
    message = "backward draws random numbers: it must use those that forward drew, so keep them there (self.mask = …)"
    yield lab.finding("D602", message, cause="random")


@examined
def evaluation(lab: Lab) -> Iterator[Finding]:
    """D603: in evaluation mode, after a training step, backward still is the derivative of forward."""
    mode = _evaluation_mode(lab)
    if mode is None or not lab.repeatable:
        return
    what, inputs, keywords, set_up = mode
    try:
        layer = _trained(lab, set_up)
        outputs = lab.forward(layer, tuple(map(copied, inputs)), **keywords)
        lab.backward(layer, lab.douts(outputs))
    except CrashError as crash:
        if not crash.refused:
            message = f"with {what} it raises {crash}: forward must keep in this mode too what backward needs"
            yield lab.finding("D603", message, crash.where, cause="stale")
        return
    wrong = refuted(lab, _trained(lab, set_up), tuple(map(copied, inputs)), keywords, outputs)
    if wrong is not None and refuted(lab, lab.fresh(), lab.inputs(), {}, lab.base.outputs) is None:
        message = f"with {what} {wrong.said(digits=4)}: backward uses what a forward in training mode kept"
        yield lab.finding("D603", message, cause="stale", **wrong.details)


Mode = tuple[str, tuple[Any, ...], dict[str, Any], Callable[[Any], None]]


def _evaluation_mode(lab: Lab) -> Mode | None:
    """How to bring a layer into evaluation mode: the words for it, inputs, keywords, and what to set."""
    try:
        parameters = list(inspect.signature(lab.layer.forward).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    inputs = lab.inputs()
    for i, parameter in enumerate(parameters):
        if parameter.name not in _FLAGS:
            continue
        if i < len(inputs):
            if inputs[i] is not True:
                return None
            return f"{parameter.name}=False", (*inputs[:i], False, *inputs[i + 1 :]), {}, lambda layer: None
        if parameter.default is True:
            return f"{parameter.name}=False", inputs, {parameter.name: False}, lambda layer: None
    held = attributes_of(lab.layer)
    for name in _FLAGS:
        if held.get(name) is True:
            return f"{name} = False", inputs, {}, lambda layer, name=name: setattr(layer, name, False)
    if held.get("mode") == "train":
        modes = "eval" if "'eval'" in _source(lab) or '"eval"' in _source(lab) else "test"
        return f"mode = {modes!r}", inputs, {}, lambda layer: setattr(layer, "mode", modes)
    return None


def _source(lab: Lab) -> str:
    try:
        return inspect.getsource(type(lab.layer))
    except (OSError, TypeError):
        return ""


def _trained(lab: Lab, set_up: Callable[[Any], None]) -> Any:
    """A layer after one step of training, in evaluation mode."""
    layer = lab.fresh()
    lab.run(layer=layer)
    lab.clear(layer)
    with users_code():
        set_up(layer)
    return layer
