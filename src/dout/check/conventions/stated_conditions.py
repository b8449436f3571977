"""Wrong on every input, or on some: of more than one sample, or number a sample; of images that are not square."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dout.adapt.argument_names import names_label
from dout.check.report.report import Report
from dout.check.report.verdicts import Finding, Refuted, Severity
from dout.run import otherwise


def under_conditions(
    report: Report, inputs: Sequence[Any], is_right: Callable[[Sequence[Any]], bool], names: Sequence[str] = ()
) -> Report:
    """Return the report with the condition of its wrong gradients, if `is_right` says that simpler inputs are right.

    A layer that its author only ever gave one sample, or square images, is wrong on ordinary inputs: that stays an
    error. A loss of two classes on more than one column may not be meant for them, nor one that has the classes along
    the first axis: these are warnings. Failing inputs that do not meet the condition refute it, unless a convention
    makes them right: then they are not shown.
    """
    errors = [f for f in report.findings if f.severity == "error"]
    wrong = [f for f in errors if isinstance(f.reason, Refuted) and not (f.reason.elsewhere or f.reason.through)]
    if not wrong:
        return report

    @otherwise(False)
    def right(inputs: Sequence[Any]) -> bool:
        return is_right(inputs)

    is_loss = any(verdict.role.startswith("loss") for verdict in report.verdicts)
    for condition, simpler in _of_a_loss(report.layer, inputs, names, is_loss):
        if right(simpler):
            return replace(report, findings=tuple(_under(condition, f, wrong, {}, "warning") for f in report.findings))
    for condition, simpler in _simpler(inputs):
        beside = {
            id(f): failing for f in wrong if (failing := _failing(f)) and condition not in dict(_simpler(failing))
        }
        if right(simpler) and all(map(right, beside.values())):
            found = (_under(condition, f, wrong, beside, "error") for f in report.findings)
            return replace(report, findings=tuple(found))
    return report


def _failing(finding: Finding) -> list[Any]:
    """The smallest failing inputs of a finding, in their order."""
    return [np.asarray(value) for name, value in finding.inputs.items() if name != "dout"]


def _under(
    condition: str, finding: Finding, wrong: Sequence[Finding], beside: Mapping[int, Any], severity: Severity
) -> Finding:
    """The finding with its condition; without the failing inputs if they do not meet it."""
    if not any(finding is one for one in wrong):
        return finding
    shown: dict[str, Any] = {"inputs": {}, "there": ""} if id(finding) in beside else {}
    return replace(finding, severity=severity, message=f"{finding.message}; only on {condition}", **shown)


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
    if len(inputs) > 1 and len({np.shape(item) for item in inputs}) == 1 and np.ndim(inputs[0]) == 2:
        yield "more than one number a sample", [item[:, 0].copy() for item in inputs]


_TWO_CLASSES = re.compile(r"sigmoid|binary|logistic|bce", re.IGNORECASE)


def _of_a_loss(
    name: str, inputs: Sequence[Any], names: Sequence[str], is_loss: bool
) -> Iterator[tuple[str, list[Any]]]:
    """The same for a loss of scores, or shares, and labels: in a line or a column, or labels that add up down columns.

    The labels are the input that is called so, or that of whole numbers or of rows with one 1; else the second, if it
    is like the first, and forward gives a loss: `forward(logits, y)`.
    """
    labels = [i for i, called in enumerate(names) if names_label(called)]
    labels = labels or [i for i, item in enumerate(inputs) if np.ndim(item) and np.isin(item, (0, 1)).all()]
    labels = labels or [i for i, item in enumerate(inputs) if getattr(item, "dtype", np.dtype(float)).kind in "iu"]
    labels = labels or ([1] if is_loss and len({np.shape(item) for item in inputs}) == 1 else [])
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
        rows = np.eye(scores.shape[1])[np.arange(scores.shape[0]) % scores.shape[1]]
        yield "labels that are no rows with one 1", [*inputs[:place], rows, *inputs[place + 1 :]]
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
