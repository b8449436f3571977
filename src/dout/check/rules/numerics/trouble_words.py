"""The words for overflow, division by 0 and NaN, which D401 and D403 share."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from dout.check.lab.probe import CrashError, Lab
from dout.check.report.rule import Findings, Rule
from dout.check.report.verdicts import Finding
from dout.check.rules.numerics.stressed_runs import NotFinite, Stress, Trouble, TroubleKind, stressed_runs


class KindWords(NamedTuple):
    """A kind of trouble: as NumPy warns of it, as the cause of a wrong number, and how to avoid it."""

    warning: str
    cause: str
    advice: str


_WORDS = {
    TroubleKind.OVERFLOW: KindWords(
        "overflow",
        ": a number overflows on the way",
        "only take exp of values ≤ 0: subtract the maximum, or handle positive and negative x separately",
    ),
    TroubleKind.DIVIDE: KindWords(
        "division by zero",
        ": something is divided by 0, or log(0) is taken",
        "replace the divisor or the argument of log where it is 0, before the operation and not after it",
    ),
    TroubleKind.INVALID: KindWords(
        "an invalid value",
        "",
        "0 / 0, inf - inf and 0 * inf are not a number: avoid them before the operation, not after it",
    ),
}


def at(stress: Stress) -> str:
    """Say at which inputs, before the rest of a sentence; nothing for the inputs as they are."""
    return f"at {stress.words} " if stress.words else ""


def trouble_findings(rule: Rule, lab: Lab, kinds: Collection[TroubleKind]) -> Findings:
    """Yield a finding for each trouble of these kinds."""
    for trouble in stressed_runs(lab)[0]:
        if trouble.kind in kinds:
            yield _finding(rule, lab, trouble)


def _finding(rule: Rule, lab: Lab, trouble: Trouble) -> Finding:
    words, where, what = _WORDS[trouble.kind], at(trouble.stress), trouble.what
    if isinstance(what, NotFinite):
        return _not_finite(rule, lab, trouble, what)
    if isinstance(what, CrashError):
        message = f"{where}it raises {what}, although the exact result is finite: {words.advice}"
    else:
        message = f"{where}NumPy warns of {words.warning}, although the result is right: {words.advice}"
    return rule.about(lab.subject, message, trouble.where, cause="overflow", because=words.advice)


def _not_finite(rule: Rule, lab: Lab, trouble: Trouble, what: NotFinite) -> Finding:
    target, place = what.target, f" at {list(what.index)}" if what.index else ""
    details: dict[str, Any] = {"argument": target.argument, "index": what.index, "cause": "overflow"}
    if what.expected is not None:
        words = _WORDS[trouble.kind]
        message = f"{at(trouble.stress)}{target.name} is {what.got}{place}, exactly {what.expected:.6g}{words.cause}"
        details |= {"expected": what.expected, "got": what.got, "because": words.advice}
        return rule.about(lab.subject, message, trouble.where, **details)
    message = (
        f"{at(trouble.stress)}{target.name} is {what.got:g}{place}: the formula has no value there; "
        "a small number inside the root, or beside the divisor, keeps it finite"
    )
    is_likely = trouble.stress.usual and len(lab.floats) == 1 and target.argument
    return rule.about(lab.subject, message, severity="warning" if is_likely else "note", **details)
