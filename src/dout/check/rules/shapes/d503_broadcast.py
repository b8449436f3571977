"""D503: an operand was repeated by broadcasting, and its gradient is not summed back to its shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from dout.check.lab.probe import CrashError, Lab
from dout.check.repair.line_repairs import returning
from dout.check.report.rule import Findings, Rule
from dout.check.rules.shapes.elementwise_layer import is_elementwise

RULE = Rule("D503", "warning", "gradients of broadcast inputs are not summed")


def check(lab: Lab) -> Findings:
    """Yield one finding for all inputs of an elementwise layer whose gradient keeps the shape of the output."""
    if len(lab.subject.inputs) < 2 or not is_elementwise(lab) or lab.subject.inputs[0].ndim < 2:
        return
    wrong: dict[str, tuple[Any, Any]] = {}
    for i in reversed(range(len(lab.subject.inputs))):
        for smaller in (np.index_exp[0], np.index_exp[..., :1]):
            inputs = tuple(x[smaller].copy() if k == i else x for k, x in enumerate(lab.inputs()))
            got = lab.trial(inputs)
            if isinstance(got, CrashError) or np.shape(got.outputs[0]) != np.shape(lab.base.outputs[0]):
                continue
            gradient = got.gradients[i] if i < len(got.gradients) else None
            if gradient is not None and np.shape(gradient) != inputs[i].shape:
                wrong.setdefault(lab.name(i), (inputs[i].shape, np.shape(gradient)))
    if not wrong:
        return
    name, *others = wrong
    expected, got_shape = wrong[name]
    message = (
        f"with {name} of shape {expected}, repeated by broadcasting to {lab.base.inputs[0].shape}, "
        f"the gradient of {name} has shape {got_shape}: "
        f"sum it over the axes along which {name} was repeated"
        f"{'; so with ' + ', '.join(others) if others else ''}"
    )
    yield RULE.about(
        lab.subject, message, returning(type(lab.layer).backward), argument=name, expected=expected, got=got_shape,
        cause="broadcast", because="each repetition is a use, and the gradients of uses add up",
    )  # fmt: skip
