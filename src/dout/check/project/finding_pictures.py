"""The recording of a layer whose gradient is wrong, as a document: a reader can draw it, far from the user's code."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dout.adapt.interface.method_pairs import required
from dout.adapt.sizes.proposed_arrays import upstream_of
from dout.adapt.target import Target
from dout.check.exact.subject import Subject
from dout.check.report.report import Report
from dout.check.report.verdicts import Refuted
from dout.run import copied, quiet
from dout.trace.model.trace_writer import to_document
from dout.trace.record.record import record

MOST_NODES = 2_000
MOST_ELEMENTS = 400  # of an array that is sent whole


def picture(report: Report, target: Any, inputs: Sequence[Any], init: Mapping[str, Any]) -> dict[str, Any] | None:
    """The document of a recording in which a gradient is wrong; None where none is, or it is too large.

    It is made on the smallest failing input that the report tells, else on `inputs`. It is of plain data alone, and may
    leave the process.
    """
    wrong = [f for f in report.findings if f.severity == "error" and isinstance(f.reason, Refuted)]
    if not wrong:
        return None
    try:
        make = Target(target).builder(init) if isinstance(target, type) else Subject.of(target, (), ()).make
        subject = Subject(report.layer, make, tuple(inputs), tuple(required(make().forward)))
        itself = subject.fresh_inputs(), upstream_of
        for ordered, dout in (*_failing(subject, [finding.inputs for finding in wrong]), itself):
            try:
                with quiet():
                    trace = record(subject.make(), *map(copied, ordered), dout=copied(dout))
            except Exception:  # these inputs are not taken: the next may be
                continue
            if len(trace.graph.nodes) <= MOST_NODES and trace.wrong:
                return json.loads(json.dumps(to_document(trace, MOST_ELEMENTS)))  # type: ignore[no-any-return]
    except Exception:  # what cannot be recorded has no picture; its report stands without
        return None
    return None


def _failing(subject: Subject, told: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Sequence[Any], Any]]:
    """The smallest failing inputs that are told, and the upstream gradient there."""
    inputs = dict(zip(subject.names, subject.inputs, strict=False))
    for failing in told[:1]:
        if failing and len(inputs) == len(subject.inputs) and set(failing) <= {*inputs, "dout"}:
            yield [_array(failing.get(name, value)) for name, value in inputs.items()], _array(failing.get("dout"))


def _array(item: Any) -> Any:
    return np.array(item) if isinstance(item, list) else item
