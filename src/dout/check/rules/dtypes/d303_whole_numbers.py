"""D303: with integers as inputs, the layer makes arrays of integers where it needs fractions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dout.check.lab.other_values import changed, differs_at, few, is_number, same
from dout.check.lab.probe import CrashError, Lab
from dout.check.repair.line_repairs import creates_float64
from dout.check.report.rule import Findings, Rule
from dout.run import PlainRun, copied, size_of

RULE = Rule("D303", "warning", "whole numbers are cut off")
_MOST = 3  # the largest whole number: at the inputs' own size, products of them may not fit into an int64


def check(lab: Lab) -> Findings:
    """Yield a finding if integers give other results than the same numbers as floats, or raise."""
    if not lab.floats or not lab.repeatable:
        return
    floats = changed(lab.inputs(), _whole)
    ints = tuple(x.astype(np.int64) if i in lab.floats else copied(x) for i, x in enumerate(floats))
    right = lab.run(tuple(map(copied, floats)))
    numbers = [np.asarray(x, dtype=float) for x in (*right.outputs, *right.gradients) if is_number(x)]
    if not all(np.isfinite(x).all() for x in numbers):
        return
    names, first = ", ".join(lab.name(i) for i in lab.floats), lab.name(lab.floats[0])
    got = lab.trial(ints, tuple(map(copied, right.douts)))
    if isinstance(got, CrashError):
        if not got.refused:
            message = f"with integers in {names} it raises {got}; take x.astype(float), or make arrays as floats"
            yield RULE.about(lab.subject, message, got.where, argument=first, cause="dtype")
        return
    for i, expected, found in _side_by_side(right, got):
        if np.shape(found) == np.shape(expected) and not same(found, expected, rtol=1e-6):
            what = "the output" if i is None else f"the gradient of {lab.name(i)}"
            index = differs_at(found, expected)
            a, b = np.asarray(found)[index].item(), np.asarray(expected)[index].item()
            message = (
                f"with integers in {names} {what} is {few(a)}{f' at {list(index)}' if index else ''}, "
                f"with the same numbers as floats {few(b)}: an array like x is made of integers, and cuts them off"
            )
            where = creates_float64(lab.layer) if i is None else None
            yield RULE.about(lab.subject, message, where, argument=first, cause="dtype", expected=b, got=a)
            return


def _whole(x: Any) -> Any:
    """Whole numbers as floats, with the signs and the order of the given ones."""
    if not isinstance(x, np.ndarray):
        return x
    return np.sign(x) * np.ceil(_MOST * np.abs(x).astype(float) / size_of(x))


def _side_by_side(right: PlainRun, got: PlainRun) -> Iterator[tuple[int | None, Any, Any]]:
    """Outputs (None) and gradients (the place of their input), each from both runs."""
    for expected, found in zip(right.outputs, got.outputs, strict=False):
        yield None, expected, found
    for i, (expected, found) in enumerate(zip(right.gradients, got.gradients, strict=False)):
        yield i, expected, found
