"""Layers that compute each element of their output from the same element of their inputs, and how they take others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dout.check.lab.other_values import few, same
from dout.check.lab.probe import CrashError, Lab, once, states, users_code
from dout.check.report.rule import Findings, Rule
from dout.run import PlainRun, arrays, copied, is_float_array


@once
def is_elementwise(lab: Lab) -> bool:
    """Whether all inputs are float arrays of one shape, and each element of the output depends on its own alone.

    A layer with arrays of its own is none: it has a shape already.
    """
    try:
        return _is_elementwise(lab)
    except CrashError:
        return False


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
    """Whether an elementwise layer gives the same without axes, and draws no mask of a certain shape."""
    flat = lab.forward(lab.fresh(), tuple(x.ravel() for x in lab.inputs()))
    layer = lab.fresh()
    lab.rewind()
    before = states(lab, layer)
    with users_code():
        layer.forward(*lab.inputs())
    return same(flat[0], lab.base.outputs[0].ravel()) and states(lab, layer) == before


def single_elements(rule: Rule, lab: Lab, what: str, single: Callable[[Any], Any]) -> Findings:
    """Yield a finding if a layer does not take its first elements alone, each made by `single`, as within an array."""
    if not is_elementwise(lab) or not _has_no_shape(lab):
        return
    inputs = tuple(single(x.flat[0]) for x in lab.subject.inputs)
    got = lab.trial(tuple(map(copied, inputs)))
    given = {lab.name(i): x for i, x in enumerate(inputs)}
    numbers = ", ".join(f"{name} = {float(x):.4g}" for name, x in given.items())
    if not isinstance(got, CrashError):
        for i, found, right in _unlike_the_array(lab, got):
            message = f"with {what} ({numbers}) the gradient of {lab.name(i)} is {few(found)}, in an array {few(right)}"
            details = {"argument": lab.name(i), "expected": right, "got": found}
            yield rule.about(lab.subject, message, cause="scalar", inputs=given, **details)
            return
    elif not got.refused:
        advice = "np.where, np.maximum and arithmetic take numbers as well as arrays"
        message = f"takes arrays element by element, but with {what} ({numbers}) it raises {got}; {advice}"
        yield rule.about(lab.subject, f"{lab.subject.name} {message}", got.where, cause="scalar", inputs=given)


def _unlike_the_array(lab: Lab, got: PlainRun) -> Iterator[tuple[int, Any, Any]]:
    """Gradients that are not those of the same element within an array, although the output is."""
    base = lab.run(douts=tuple(np.full(np.shape(out), got.douts[0], np.asarray(out).dtype) for out in lab.base.outputs))
    if len(got.outputs) != 1 or np.shape(got.outputs[0]) or len(got.gradients) != len(base.gradients):
        return
    if not same(got.outputs[0], base.outputs[0].flat[0]):
        return  # it depends on how many there are
    for i, (found, right) in enumerate(zip(got.gradients, base.gradients, strict=True)):
        if isinstance(right, np.ndarray) and np.shape(found) == () and not same(found, right.flat[0]):
            yield i, found, right.flat[0]
