"""Findings about the formula: what the exact route refutes, with the numbers, the place and the suspected cause."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np

from dout.check.cause import causes, smallest_failing
from dout.check.cause.shrink import Failing
from dout.check.codes import finding
from dout.check.exact import Outcome
from dout.check.judge import Judgement
from dout.check.model import Cause, Finding
from dout.check.subject import Subject
from dout.graph import Where


def formula_findings(subject: Subject, judgement: Judgement) -> Iterator[Finding]:
    """Yield a finding for each gradient that is refuted, and for a `dout` that is ignored."""
    examination = judgement.examination
    if judgement.ignores_dout:
        yield _ignored(subject, judgement.is_loss)
    found = causes(subject, examination, judgement.refuted) if examination is not None else {}
    place = backward_of(subject.make())
    for node, outcome in judgement.refuted.items():
        failing = smallest_failing(subject, examination, outcome) if examination is not None else None
        yield _wrong("D101", subject, outcome, found.get(node), place, failing)
    for outcome in judgement.at_kinks.values():
        yield _wrong("D102", subject, outcome, None, place)


def _ignored(subject: Subject, is_loss: bool) -> Finding:
    place = backward_of(subject.make())
    where = {"file": place.file, "line": place.line} if place else {}
    if is_loss:
        message = f"{subject.name}.backward does not use dout: it is right where the loss is the end, and dout is 1"
        return finding("D104", message, layer=subject.name, **where)
    message = f"{subject.name}.backward does not use dout: it returns the local derivative"
    because = "every gradient is the local derivative times dout"
    return finding("D103", message, layer=subject.name, cause="ignores dout", because=because, **where)


def _wrong(
    code: str,
    subject: Subject,
    outcome: Outcome,
    cause: Cause | None,
    place: Where | None,
    failing: Failing | None = None,
) -> Finding:
    name, index = outcome.judged.name, outcome.index
    where = (cause and cause.where) or place
    if index is None:
        numbers = f"has shape {np.shape(outcome.got)}, {name} has {outcome.judged.node.shape}"
        code = "D501" if code == "D101" else code
        expected, got = np.shape(outcome.expected), np.shape(outcome.got)
    else:
        expected, got = np.asarray(outcome.expected)[index], np.asarray(outcome.got)[index]
        if failing is not None:
            index, expected, got = failing.index, failing.expected, failing.got
        at = f" at {list(index)}" if index else ""
        numbers = f"is {got:.6g}{at}, right: {expected:.6g}"
        expected, got = float(expected), float(got)
    kink = "" if code != "D102" else ", where values are equal" if outcome.expected is not None else ""
    return finding(
        code,
        f"the gradient of {name} {numbers}{kink}{f': {cause.sentence}' if cause else ''}",
        layer=subject.name,
        argument=name,
        index=index,
        expected=expected,
        got=got,
        cause=cause.word if cause else None,
        because=cause.sentence if cause else outcome.because,
        fix=cause.fix if cause else None,
        inputs=failing.inputs if failing is not None and index is not None else {},
        first_wrong=cause.first_wrong if cause else None,
        file=where.file if where else None,
        line=where.line if where else None,
    )


def backward_of(layer: Any) -> Where | None:
    """Where the backward of a layer is written."""
    try:
        function = inspect.unwrap(getattr(layer, "written", type(layer).backward))
        file, (_, line) = inspect.getsourcefile(function), inspect.getsourcelines(function)
    except (OSError, TypeError, AttributeError):
        return None
    return Where(file, line) if file else None
