"""D603: in evaluation mode backward raises, or is not the derivative of forward."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from dout.adapt.argument_names import MODE_FLAGS, taken_by
from dout.adapt.source import own_attributes
from dout.check.lab.conditional_exactness import refuted
from dout.check.lab.probe import CrashError, Lab, users_code
from dout.check.report.rule import Findings, Rule
from dout.run import attributes_of, copied

RULE = Rule("D603", "warning", "fails in evaluation mode", compares=True)


def check(lab: Lab) -> Findings:
    """Yield a finding if backward raises or is wrong in evaluation mode, after a step of training."""
    mode = _evaluation_mode(lab)
    if mode is None:
        return
    what, inputs, keywords, set_up = mode
    try:
        layer = _trained(lab, set_up)
        outputs = lab.forward(layer, tuple(map(copied, inputs)), **keywords)
        lab.backward(layer, lab.douts(outputs))
    except CrashError as crash:
        if not crash.refused:
            message = f"with {what} it raises {crash}: forward must keep what backward needs in this mode, too"
            yield RULE.about(lab.subject, message, crash.where, cause="stale")
        return
    wrong = refuted(lab, _trained(lab, set_up), tuple(map(copied, inputs)), keywords, outputs)
    if wrong is not None and refuted(lab, lab.fresh(), lab.inputs(), {}, lab.base.outputs) is None:
        if _asks_for_the_mode(lab):
            message = (
                f"with {what} {wrong.said(digits=4)}: backward has lines of its own for this mode, and they are wrong"
            )
            yield RULE.about(lab.subject, message, cause="formula", severity="error", **wrong.details)
            return
        message = f"with {what} {wrong.said(digits=4)}: backward uses what a forward in training mode kept"
        yield RULE.about(lab.subject, message, cause="stale", **wrong.details)


def _asks_for_the_mode(lab: Lab) -> bool:
    """Whether backward reads the flag, or the word, that forward keeps: it is meant for both modes."""
    interface = lab.subject.interface
    backward = getattr(type(lab.layer), interface.backward if interface is not None else "backward", None)
    return bool({*MODE_FLAGS, "mode"} & own_attributes(backward)[0])


Mode = tuple[str, tuple[Any, ...], dict[str, Any], Callable[[Any], None]]


def _evaluation_mode(lab: Lab) -> Mode | None:
    """How to bring a layer into evaluation mode: the words for it, inputs, keywords, and what to set."""
    inputs = lab.inputs()
    for i, parameter in enumerate(taken_by(lab.layer.forward)):
        if parameter.name not in MODE_FLAGS:
            continue
        if i < len(inputs):
            if inputs[i] is not True:
                return None
            return f"{parameter.name}=False", (*inputs[:i], False, *inputs[i + 1 :]), {}, lambda layer: None
        if parameter.default is True:
            return f"{parameter.name}=False", inputs, {parameter.name: False}, lambda layer: None
    held = attributes_of(lab.layer)
    for name in MODE_FLAGS:
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
