"""Findings about the formula: what the exact route refutes, with the numbers, the place and the suspected cause."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from dout.check.conventions.convention import convention_findings
from dout.check.conventions.single_number import is_right_for_one_number, under_one_number
from dout.check.exact.exact_route import Examination
from dout.check.exact.judge import Judgement
from dout.check.exact.subject import Subject
from dout.check.repair import causes, smallest_failing
from dout.check.repair.shrink import Failing
from dout.check.report.codes import finding
from dout.check.report.verdicts import Cause, Finding
from dout.clock import spent
from dout.graph import Node
from dout.judge.judging_points import upstream
from dout.judge.outcomes import Outcome, Word


def formula_findings(subject: Subject, judgement: Judgement) -> Iterator[Finding]:
    """Yield a finding for each gradient that is refuted; where `dout` is ignored it is refuted at another one."""
    examination, refuted, code = judgement.examination, judgement.refuted, "D101"
    if judgement.ignores_dout and judgement.is_loss:
        message = f"{subject.name}.backward does not use dout: it is right where the loss is the end, and dout is 1"
        yield finding("D104", message, subject.place, layer=subject.name)
    elif judgement.ignores_dout and examination is not None:
        stays = {node: o for node, o in _ignoring(examination).items() if o.judged.name not in judgement.conventions}
        refuted, code = stays, "D103"
    here = examination is not None and not judgement.elsewhere  # a repair has to do on the given inputs as well
    found = causes(subject, examination, refuted) if examination is not None and here else {}
    latest = spent() + MOST_SECONDS
    yield from convention_findings(subject, judgement)
    for node, outcome in refuted.items():
        cause = _remarked(found.get(node), judgement.remarks.get(outcome.judged.name))
        if code == "D103" and (cause is None or cause.word != _LOCAL.word):
            cause = replace(cause or _LOCAL, word=_LOCAL.word)
        failing = None
        if examination is not None and spent() < latest:
            failing = smallest_failing(subject, examination, outcome)
        wrong = _wrong(code, subject, outcome, cause, failing)
        if judgement.elsewhere:
            wrong = replace(wrong, message=f"{wrong.message}, {judgement.elsewhere}")
        if outcome.judged.parameter and examination is not None and node not in examination.derived:
            yield _of_nothing(wrong)
        else:
            yield under_one_number(wrong) if wrong.code == "D101" and is_right_for_one_number(subject) else wrong
    for outcome in judgement.at_kinks.values():
        yield _wrong("D102", subject, outcome)


def _of_nothing(wrong: Finding) -> Finding:
    """The finding as a warning, where forward makes no use of the parameter: it may be a copy that packs others."""
    message = f"forward makes no use of {wrong.argument}, and backward gives a gradient for it that is not 0"
    return replace(wrong, severity="warning", message=message)


MOST_SECONDS = 1.5  # for the smallest failing inputs of a layer: a network has dozens of wrong gradients
_LOCAL = Cause("ignores dout", "it is the local derivative: the factor dout is missing")


def _remarked(cause: Cause | None, remark: str | None) -> Cause | None:
    """A cause that says more."""
    if remark is None:
        return cause
    return replace(cause, sentence=f"{cause.sentence}; {remark}") if cause else Cause("factor", remark)


def _ignoring(examination: Examination) -> dict[Node, Outcome]:
    """What is wrong at an upstream gradient other than ones: at ones it may be right."""
    outcomes, _ = examination.outcomes(upstream(examination, examination.base))
    found = {outcome.judged.node: outcome for outcome in outcomes if outcome.word == Word.REFUTED}
    return found or {outcome.judged.node: outcome for outcome in outcomes}


def _wrong(
    code: str,
    subject: Subject,
    outcome: Outcome,
    cause: Cause | None = None,
    failing: Failing | None = None,
) -> Finding:
    """The finding on one gradient: index and numbers are those on the given inputs, or on the first that refute it."""
    name, index = outcome.judged.name, outcome.index
    if index is None:
        numbers = f"has shape {np.shape(outcome.got)}, {name} has {outcome.judged.node.shape}"
        code = "D501" if code == "D101" else code
        expected, got = np.shape(outcome.expected), np.shape(outcome.got)
    else:
        expected, got = outcome.at(index)
        numbers = _numbers(index, expected, got)
    kink = ", where values are equal" if code == "D102" else ""
    ignored = " does not depend on dout:" if code == "D103" else ""
    shown = name if not outcome.judged.parameter else _with_its_argument(subject.again(), name)
    return finding(
        code,
        f"the gradient of {shown}{ignored} {numbers}{kink}{f': {cause.sentence}' if cause else ''}",
        (cause and cause.where) or subject.place,
        layer=subject.name,
        argument=name,
        index=index,
        expected=expected,
        got=got,
        cause=cause.word if cause else None,
        because=cause.sentence if cause else outcome.because,
        fix=cause.fix if cause else None,
        inputs=failing.inputs if failing is not None else {},
        there=f"there it {_numbers(failing.index, failing.expected, failing.got)}" if failing is not None else "",
        first_wrong=cause.first_wrong if cause else None,
    )


def _numbers(index: tuple[int, ...], expected: float, got: float) -> str:
    digits = next((d for d in (6, 9, 12) if f"{got:.{d}g}" != f"{expected:.{d}g}"), 17)
    return f"is {got:.{digits}g}{f' at {list(index)}' if index else ''}, right: {expected:.{digits}g}"


def _with_its_argument(layer: Any, path: str) -> str:
    """A parameter that is kept in a list, with the argument of `__init__` that it came from: `params[1] (b)`."""
    listed, _, place = path.partition("[")
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(type(layer).__init__)))
    except (OSError, TypeError, SyntaxError):
        return path
    for node in ast.walk(body):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.List | ast.Tuple):
            names = [item.id if isinstance(item, ast.Name) else "" for item in node.value.elts]
            kept = any(isinstance(t, ast.Attribute) and t.attr == listed for t in node.targets)
            if kept and place[:-1].isdigit() and int(place[:-1]) < len(names) and names[int(place[:-1])]:
                return f"{path} ({names[int(place[:-1])]})"
    return path
