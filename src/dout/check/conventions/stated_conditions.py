"""Wrong always, or under a condition: more than one sample, images that are not square."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dout.adapt.argument_names import names_label
from dout.check.report.layer_report import Report

_GRADIENTS = ("D101", "D103", "D501")


def under_conditions(
    report: Report, inputs: Sequence[Any], is_right: Callable[[Sequence[Any]], bool], names: Sequence[str] = ()
) -> Report:
    """The report with its wrong gradients as warnings, where `is_right` says that they are right on simpler inputs.

    A layer that its author only ever gave one sample, or square images, is wrong under a condition, which is said.
    So is a loss of two classes on more than one column, and one that has the classes along the first axis.
    """
    if not any(f.code in _GRADIENTS and f.severity == "error" for f in report.findings):
        return report
    for condition, simpler in (*_simpler(inputs), *_of_a_loss(report.layer, inputs, names)):
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


_TWO_CLASSES = re.compile(r"sigmoid|binary|logistic|bce", re.IGNORECASE)


def _of_a_loss(name: str, inputs: Sequence[Any], names: Sequence[str]) -> Iterator[tuple[str, list[Any]]]:
    """The same for a loss of scores, or shares, and labels: in a line or a column, or labels that add up down columns.

    The labels are the input that is called so, or that of whole numbers or of rows with one 1.
    """
    labels = [i for i, called in enumerate(names) if names_label(called)]
    labels = labels or [i for i, item in enumerate(inputs) if np.ndim(item) and np.isin(item, (0, 1)).all()]
    labels = labels or [i for i, item in enumerate(inputs) if getattr(item, "dtype", np.dtype(float)).kind in "iu"]
    if len(inputs) != 2 or len(labels) != 1:
        return
    (place,) = labels
    scores = np.asarray(inputs[1 - place])
    if _TWO_CLASSES.search(name):
        line, classes = np.resize(scores, 3), np.arange(3) % 2
        for shape, of_labels in (((3, 1), (3, 1)), ((3,), (3,)), ((3, 1), (3,))):
            pair = [line.reshape(shape), classes.reshape(of_labels)]
            yield "more than one number a sample", pair if place else pair[::-1]
    if np.shape(inputs[place]) == scores.shape and scores.ndim == 2:
        down = np.eye(scores.shape[0])[:, np.arange(scores.shape[1]) % scores.shape[0]]
        yield "labels that do not add up to 1 along the first axis", [*inputs[:place], down, *inputs[place + 1 :]]


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
