"""Shapes that broadcast, and numbers that are no arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dout.check.lab.other_values import few, is_float_array, same
from dout.check.lab.probe import CrashError, Lab, examined, states, users_code
from dout.check.repair.line_repairs import returning
from dout.check.report.verdicts import Finding
from dout.run import PlainRun, arrays, copied


def elementwise(lab: Lab) -> bool:
    """Whether all inputs are float arrays of one shape, and each element of the output depends on its own alone.

    A layer with arrays of its own is none: it has a shape already.
    """
    if "elementwise" not in lab.subject.memo:
        try:
            lab.subject.memo["elementwise"] = _is_elementwise(lab)
        except CrashError:
            lab.subject.memo["elementwise"] = False
    return bool(lab.subject.memo["elementwise"])


def _is_elementwise(lab: Lab) -> bool:
    inputs, outputs = lab.subject.inputs, lab.base.outputs
    if not inputs or len(outputs) != 1 or not all(is_float_array(x) and x.ndim and x.size > 1 for x in inputs):
        return False
    shape = inputs[0].shape
    if any(np.shape(x) != shape for x in (*inputs, outputs[0])) or not is_float_array(outputs[0]):
        return False
    if any(array.size > 1 for array in arrays(lab.layer).values()) or not lab.repeatable:
        return False
    for place in ((0,) * len(shape), (*(0,) * (len(shape) - 1), shape[-1] - 1)):
        moved = lab.inputs()
        for x in moved:
            x[place] = x[place] * 1.5 + np.sign(x[place]) * 0.25
        output = np.asarray(lab.forward(lab.fresh(), moved)[0])
        stays = np.ones(shape, dtype=bool)
        stays[place] = False
        if output.shape != shape or not same(output[stays], outputs[0][stays]):
            return False
    return True


def _has_no_shape(lab: Lab) -> bool:
    """Whether an elementwise layer does not care for axes, nor draw a mask of a certain shape."""
    flat = lab.forward(lab.fresh(), tuple(x.ravel() for x in lab.inputs()))
    layer = lab.fresh()
    lab.rewind()
    before = states(lab, layer)
    with users_code():
        layer.forward(*lab.inputs())
    return same(flat[0], lab.base.outputs[0].ravel()) and states(lab, layer) == before


@examined
def broadcast(lab: Lab) -> Iterator[Finding]:
    """D503: where an operand is repeated by broadcasting, its gradient is summed back to its shape."""
    if len(lab.subject.inputs) < 2 or not elementwise(lab) or lab.subject.inputs[0].ndim < 2:
        return
    wrong: dict[str, tuple[Any, Any, Any]] = {}
    for i in reversed(range(len(lab.subject.inputs))):
        for smaller in (np.index_exp[0], np.index_exp[..., :1]):
            inputs = tuple(x[smaller].copy() if k == i else x for k, x in enumerate(lab.inputs()))
            got = lab.trial(inputs)
            if isinstance(got, CrashError) or np.shape(got.outputs[0]) != np.shape(lab.base.outputs[0]):
                continue
            if (
                i < len(got.gradients)
                and got.gradients[i] is not None
                and np.shape(got.gradients[i]) != inputs[i].shape
            ):
                wrong.setdefault(lab.name(i), (inputs[i].shape, np.shape(got.gradients[i]), lab.base.inputs[0].shape))
    if not wrong:
        return
    name, (expected, shape, beside) = next(iter(wrong.items()))
    others = [other for other in wrong if other != name]
    message = (
        f"with {name} of shape {expected}, repeated by broadcasting to {beside}, "
        f"the gradient of {name} has shape {shape}: "
        f"sum it over the axes along which {name} was repeated"
        f"{'; so with ' + ', '.join(others) if others else ''}"
    )
    yield lab.finding(
        "D503", message, returning(type(lab.layer).backward), argument=name, expected=expected, got=shape,
        cause="broadcast", because="each repetition is a use, and the gradients of uses add up",
    )  # fmt: skip


@examined
def plain_numbers(lab: Lab) -> Iterator[Finding]:
    """D504: a layer of single elements works on Python's numbers too."""
    yield from _single(lab, "D504", "plain Python numbers", lambda x: float(x.flat[0]))


@examined
def without_axes(lab: Lab) -> Iterator[Finding]:
    """D505: a layer of single elements works on arrays without axes too."""
    yield from _single(lab, "D505", "arrays without axes", lambda x: np.array(x.flat[0]))


def _single(lab: Lab, code: str, what: str, single: Any) -> Iterator[Finding]:
    if not elementwise(lab) or not _has_no_shape(lab):
        return
    inputs = tuple(single(x) for x in lab.subject.inputs)
    got = lab.trial(tuple(map(copied, inputs)))
    numbers = ", ".join(f"{lab.name(i)} = {float(x):.4g}" for i, x in enumerate(inputs))
    details: dict[str, Any] = {"cause": "scalar", "inputs": {lab.name(i): x for i, x in enumerate(inputs)}}
    advice = "np.where, np.maximum and arithmetic take numbers as well as arrays"
    if isinstance(got, CrashError):
        if not got.refused:
            message = f"takes arrays element by element, but with {what} ({numbers}) it raises {got}; {advice}"
            yield lab.finding(code, f"{lab.subject.name} {message}", got.where, **details)
        return
    wrong = _wrong(lab, got)
    if wrong is not None:
        i, found, right = wrong
        message = f"with {what} ({numbers}) the gradient of {lab.name(i)} is {few(found)}, in an array {few(right)}"
        yield lab.finding(code, message, argument=lab.name(i), expected=right, got=found, **details)


def _wrong(lab: Lab, got: PlainRun) -> tuple[int, Any, Any] | None:
    """A gradient that is not the one of the same element within an array, though the output is."""
    base = lab.run(douts=tuple(np.full(np.shape(out), got.douts[0], np.asarray(out).dtype) for out in lab.base.outputs))
    if len(got.outputs) != 1 or np.shape(got.outputs[0]) or len(got.gradients) != len(base.gradients):
        return None
    if not same(got.outputs[0], base.outputs[0].flat[0]):
        return None  # it depends on how many there are
    for i, (found, right) in enumerate(zip(got.gradients, base.gradients, strict=True)):
        if isinstance(right, np.ndarray) and np.shape(found) == () and not same(found, right.flat[0]):
            return i, found, right.flat[0]
    return None
