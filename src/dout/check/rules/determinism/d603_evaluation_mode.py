"""D603: in evaluation mode backward raises, or is not the derivative of forward."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from dout.adapt.argument_names import MODE_FLAGS, taken_by
from dout.check.lab.conditional_exactness import refuted
from dout.check.lab.probe import CrashError, Lab, users_code
from dout.check.report.rule import Findings, Rule
from dout.run import attributes_of, copied
from dout.trace.model.replay import same_bits_deep

RULE = Rule("D603", "warning", "fails in evaluation mode", compares=True)


def check(lab: Lab) -> Findings:
    """Yield a finding if backward raises or is wrong in evaluation mode, after a step of training."""
    mode = _evaluation_mode(lab)
    if mode is None:
        return
    flag, what, inputs, keywords, set_up = mode
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
        if _tells_modes_apart(lab, flag, set_up, inputs, keywords):
            message = (
                f"with {what} {wrong.said(digits=4)}: backward has lines of its own for this mode, and they are wrong"
            )
            yield RULE.about(lab.subject, message, cause="formula", severity="error", **wrong.details)
            return
        message = f"with {what} {wrong.said(digits=4)}: backward uses what a forward in training mode kept"
        yield RULE.about(lab.subject, message, cause="stale", **wrong.details)


def _tells_modes_apart(
    lab: Lab, flag: str, set_up: Callable[[Any], None], inputs: tuple[Any, ...], keywords: Mapping[str, Any]
) -> bool:
    """Whether backward gives something else if only the flag that forward keeps is turned on again before it."""
    gradients = []
    for is_turned in (False, True):
        layer = _trained(lab, set_up)
        outputs = lab.forward(layer, tuple(map(copied, inputs)), **keywords)
        held = attributes_of(layer)
        if flag not in held:
            return False
        if is_turned:
            held[flag] = "train" if flag == "mode" else True
        try:
            gradients.append(lab.backward(layer, lab.douts(outputs)))
        except CrashError:
            return False
    return not same_bits_deep(*gradients)


Mode = tuple[str, str, tuple[Any, ...], dict[str, Any], Callable[[Any], None]]


def _evaluation_mode(lab: Lab) -> Mode | None:
    """How to bring a layer into evaluation mode: the flag, the words for it, inputs, keywords, and what to set."""
    inputs = lab.inputs()
    for i, parameter in enumerate(taken_by(lab.layer.forward)):
        if parameter.name not in MODE_FLAGS:
            continue
        if i < len(inputs):
            if inputs[i] is not True:
                return None
            return (
                parameter.name,
                f"{parameter.name}=False",
                (*inputs[:i], False, *inputs[i + 1 :]),
                {},
                lambda layer: None,
            )
        if parameter.default is True:
            return parameter.name, f"{parameter.name}=False", inputs, {parameter.name: False}, lambda layer: None
    held = attributes_of(lab.layer)
    for name in MODE_FLAGS:
        if held.get(name) is True:
            return name, f"{name} = False", inputs, {}, lambda layer, name=name: setattr(layer, name, False)
    if held.get("mode") == "train":
        modes = "eval" if "'eval'" in _source(lab) or '"eval"' in _source(lab) else "test"
        return "mode", f"mode = {modes!r}", inputs, {}, lambda layer: setattr(layer, "mode", modes)
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
