"""D206: what a layer keeps is stale: a second backward, or a second round on other inputs, gives another gradient."""

from __future__ import annotations

from contextlib import suppress
from itertools import zip_longest
from typing import Any

import numpy as np

from dout.check.lab.conditional_exactness import refuted
from dout.check.lab.other_values import difference, opposite, other, same
from dout.check.lab.probe import CrashError, Lab, states
from dout.check.report.rule import Findings, Rule
from dout.run import arrays, attributes_of, copied, deep_copy
from dout.run.held_objects import snapshot
from dout.trace.session.pairing import is_named_as_gradient

RULE = Rule("D206", "warning", "a second backward gives another gradient", compares=True)


def check(lab: Lab) -> Findings:
    """Yield a finding for a second backward after one forward, and one for a second round on other inputs.

    It is an error if what backward changes is the output that forward has returned: that is the caller's. Of a view of
    a parameter D210 says it.
    """
    overwritten = list(_overwritten_output(lab))
    yield from overwritten or _second_backward(lab)
    if lab.copyable:
        yield from _second_round(lab)
        yield from _kept_draw(lab)


def _overwritten_output(lab: Lab) -> Findings:
    layer = lab.fresh()
    held, given = arrays(layer), snapshot(layer)
    outputs = lab.forward(layer, lab.inputs())
    parameters = [x for path, x in held.items() if same(given.get(path), x)]  # forward has not written into them
    before, douts = [*map(copied, outputs)], lab.douts(outputs)
    with suppress(CrashError):  # that has a finding of its own
        lab.backward(layer, douts)
    for was, now in zip(before, outputs, strict=True):
        if not same(was, now) and not any(np.shares_memory(now, x) for x in parameters):
            message = (
                f"backward writes into the output that forward has returned: {difference(was, now)}; copy it first"
            )
            yield RULE.about(lab.subject, message, cause="stale", severity="error")
            return


def _second_backward(lab: Lab) -> Findings:
    layer = lab.fresh()
    before = snapshot(layer)
    run = lab.run(layer=layer)
    first, once = [*map(copied, run.gradients)], snapshot(layer)
    try:
        second = lab.backward(layer, tuple(map(copied, lab.base.douts)))
    except CrashError as crash:
        message = f"a second backward raises {crash}: what forward kept is gone after the first"
        yield RULE.about(lab.subject, message, crash.where, severity="note", cause="stale")
        return
    if not same(second, first) and not _steps(before, once):
        pairs = enumerate(zip_longest(first, second))
        i, (right, got) = next((i, pair) for i, pair in pairs if not same(*pair))
        message = f"a second backward with the same dout gives another gradient of {lab.name(i)}"
        message += f": {difference(right, got)}; backward must not change what forward kept"
        numbers = {"expected": np.asarray(right).tolist(), "got": np.asarray(got).tolist()}
        yield RULE.about(lab.subject, message, argument=lab.name(i), cause="stale", **numbers)


def _steps(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether backward has changed an array that is no gradient and was there before forward: that is D210."""
    kept = [path for path in before if path in after and not is_named_as_gradient(path.rpartition(".")[2])]
    return any(not same(before[path], after[path]) for path in kept)


def _second_round(lab: Lab) -> Findings:
    """After a whole round on other inputs, backward has to be the derivative of the latest forward."""
    for others in (other(lab.subject.inputs), opposite(lab.subject.inputs)):
        layer = lab.fresh()
        try:
            lab.run(others, layer=layer)
        except CrashError:
            continue
        lab.clear(layer)
        used = deep_copy(layer)
        again = lab.run(douts=tuple(map(copied, lab.base.douts)), layer=layer)
        collects = _collects(used, layer)
        is_another = not collects and not same(again.outputs, lab.base.outputs)
        frozen = _frozen(lab, used, layer) if is_another else None
        if frozen is not None:
            message = (
                f"in a second round, on other inputs, forward gives another output: {frozen} is still that of the "
                "first forward; keep it anew in each one"
            )
            severity = "error" if _is_of_samples(lab, frozen) else RULE.severity
            argument = frozen.removeprefix("self.")
            yield RULE.about(lab.subject, message, argument=argument, cause="stale", severity=severity)
            return
        if same(again.gradients, lab.base.gradients) and same(again.learned, lab.base.learned):
            continue
        if refuted(lab, lab.fresh(), lab.inputs(), {}, lab.base.outputs) is not None:
            return  # it is wrong in the first round already
        wrong = refuted(lab, used, lab.inputs(), {}, again.outputs)
        if wrong is not None:  # the output of a network with a memory depends on earlier calls, rightly
            why = "backward uses what the first round left; keep or clear it anew in each one"
            message = f"in a second round, on other inputs, {wrong.said()}: {why}"
            steps = lab.subject.interface is not None and lab.subject.interface.steps  # at a rate that decays, say
            severity = RULE.severity if collects or steps else "error"
            yield RULE.about(lab.subject, message, cause="stale", severity=severity, **wrong.details)
            return


def _kept_draw(lab: Lab) -> Findings:
    """A mask that the first forward draws, and no later one: the same numbers are dropped for ever."""
    layer, draws = lab.fresh(), []
    kept: dict[str, Any] = {}
    for _ in range(2):
        lab.rewind()
        before, kept = states(lab, layer), arrays(layer)
        lab.forward(layer, lab.inputs())
        draws.append(states(lab, layer) != before)
    if draws != [True, False]:
        return
    shapes = {np.shape(x) for x in lab.subject.inputs}
    for path, array in kept.items():
        if path not in arrays(lab.layer) and array.shape in shapes and array.size > 2 and _is_mask(array):
            message = f"{path} is drawn in the first forward alone, and stays the same in all others: draw it each time"
            yield RULE.about(lab.subject, message, argument=path, cause="stale", severity="error")
            return


def _is_mask(array: Any) -> bool:
    """Whether all numbers are 0 or one other."""
    numbers = np.unique(array)
    return array.dtype.kind == "b" or (len(numbers) == 2 and not numbers.min())


def _collects(once: Any, twice: Any) -> bool:
    """Whether a layer keeps more in a list with every round, until it is told to let go: that is how it is used."""
    before, after = attributes_of(once), attributes_of(twice)
    lists = [name for name, item in before.items() if isinstance(item, list)]
    return any(isinstance(after.get(name), list) and len(after[name]) > len(before[name]) for name in lists)


def _is_of_samples(lab: Lab, path: str) -> bool:
    """Whether an array has the shape of an input: it says something of each sample, and is none for others."""
    shapes = {np.shape(x) for x in lab.subject.inputs if np.ndim(x) > 1}
    return arrays(lab.base.layer)[path].shape in shapes


def _frozen(lab: Lab, used: Any, again: Any) -> str | None:
    """An array that the first forward made of its inputs, and the second one left although its inputs are others."""
    first, before, after = arrays(lab.base.layer), arrays(used), arrays(again)
    return next(
        (
            path
            for path, mine in first.items()
            if path in before and path not in arrays(lab.layer) and path in after
            and np.array_equal(before[path], after[path]) and not same(mine, before[path])
        ),
        None,
    )  # fmt: skip
