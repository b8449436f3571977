"""D402: a difference of nearly equal numbers loses digits that the exact value has."""

from __future__ import annotations

from dout.check.lab.probe import Lab
from dout.check.report.rule import Findings, Rule
from dout.check.rules.numerics.stressed_runs import first_serious, stressed_runs
from dout.check.rules.numerics.trouble_words import at

RULE = Rule("D402", "warning", "digits are lost")


def check(lab: Lab) -> Findings:
    """Yield a finding for the first loss of digits; a note if it is at inputs that training hardly meets."""
    yield from first_serious(_findings(lab))


def _findings(lab: Lab) -> Findings:
    for stress, lost in stressed_runs(lab)[1]:
        place = f" at {list(lost.index)}" if lost.index else ""
        message = (
            f"{at(stress)}{lost.target.name} is {lost.got:.10g}{place}, exactly {lost.expected:.10g}: a relative error "
            f"of {lost.error:.0e}, by a difference of nearly equal numbers; rearrange the formula"
        )
        yield RULE.about(
            lab.subject, message, severity="warning" if stress.usual else "note", argument=lost.target.argument,
            index=lost.index, expected=lost.expected, got=lost.got, cause="cancellation",
            because=f"rounding the inputs explains a relative error of {lost.explained:.0e}",
        )  # fmt: skip
