"""D303: with integers as inputs, the layer makes arrays of integers where it needs fractions."""

from __future__ import annotations

from typing import Any

import numpy as np

from dout.check.lab.other_values import changed, few, is_number
from dout.check.lab.probe import CrashError, Lab
from dout.check.repair.line_repairs import creates_float64
from dout.check.report.rule import Findings, Rule
from dout.run import copied, differs_at, size_of

RULE = Rule("D303", "warning", "whole numbers are cut off", compares=True)
_MOST = 3  # the largest whole number: at the inputs' own size, products of them may not fit into an int64


def check(lab: Lab) -> Findings:
    """Yield a finding if integers give other results than the same numbers as floats, or raise."""
    if not lab.floats:
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
    wrong = lab.differing(right, got, rtol=1e-6)
    if wrong is not None and np.shape(wrong[1]) == np.shape(wrong[2]):
        what, expected, found = wrong
        index = differs_at(found, expected)
        a, b = np.asarray(found)[index].item(), np.asarray(expected)[index].item()
        message = (
            f"with integers in {names} {what} is {few(a)}{f' at {list(index)}' if index else ''}, "
            f"with the same numbers as floats {few(b)}: an array like x is made of integers, and cuts them off"
        )
        where = creates_float64(lab.layer) if what == "the output" else None
        yield RULE.about(lab.subject, message, where, argument=first, cause="dtype", expected=b, got=a)


def _whole(x: Any) -> Any:
    """Whole numbers as floats, with the signs and the order of the given ones."""
    if not isinstance(x, np.ndarray):
        return x
    return np.sign(x) * np.ceil(_MOST * np.abs(x).astype(float) / size_of(x))
