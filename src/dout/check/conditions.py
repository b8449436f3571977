"""Wrong always, or under a condition: more than one sample, images that are not square."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dout.check.model import Report

_GRADIENTS = ("D101", "D103", "D501")


def under_conditions(report: Report, inputs: Sequence[Any], is_right: Callable[[Sequence[Any]], bool]) -> Report:
    """The report with its wrong gradients as warnings, where `is_right` says that they are right on simpler inputs.

    A layer that its author only ever gave one sample, or square images, is wrong under a condition, which is said.
    """
    if not any(f.code in _GRADIENTS and f.severity == "error" for f in report.findings):
        return report
    for condition, simpler in _simpler(inputs):
        try:
            right = is_right(simpler)
        except Exception:
            continue
        if right:
            found = [
                replace(f, severity="warning", message=f"{f.message}; only on {condition}")
                if f.code in _GRADIENTS and f.severity == "error"
                else f
                for f in report.findings
            ]
            return replace(report, findings=tuple(found))
    return report


def _simpler(inputs: Sequence[Any]) -> Iterator[tuple[str, list[Any]]]:
    """What a layer is wrong on, perhaps, and inputs that are not so."""
    square = [_square(item) for item in inputs]
    if any(np.shape(a) != np.shape(b) for a, b in zip(square, inputs, strict=True)):
        yield "images that are not square", square
    rows = {np.shape(item)[0] for item in inputs if np.ndim(item) >= 2}
    if len(rows) == 1 and rows != {1}:
        (number,) = rows
        one = [item[:1].copy() if np.ndim(item) and np.shape(item)[0] == number else item for item in inputs]
        yield "more than one sample", one


def _square(item: Any) -> Any:
    """The largest square image: axes 2 and 3 of four, or 1 and 2 where the channels are last."""
    shape = np.shape(item)
    if len(shape) != 4:
        return item
    height, width = (2, 3) if shape[1] <= min(shape[2], shape[3]) else (1, 2)
    side = min(shape[height], shape[width])
    cut = [slice(None)] * 4
    cut[height] = cut[width] = slice(side)
    return item[tuple(cut)].copy()
