"""What a program does with a layer, in its report: an error that is none on what the program gives is a warning."""

from __future__ import annotations

import numpy as np

from dout.adapt.search.example import as_found
from dout.check.program.used_example import Closeness, UsedExample
from dout.check.repair.run_repairs import is_right_by_chance
from dout.check.report.report import Report
from dout.check.report.verdicts import Finding, Refuted
from dout.check.rules.formula.d105_no_gradient import RULE as NO_GRADIENT
from dout.check.verb.judged_layer import agrees, subject_of
from dout.check.verb.other_meanings import wrong_here
from dout.run import arrays


def as_used(report: Report, used: UsedExample) -> Report:
    """A warning for what is wrong at smaller sizes alone, and right as it was used: it may not be meant for others.

    So for a gradient that backward does not return, where the program does nothing with what that returns. A use on one
    number is no ground: one side of a condition is right there, or a dout of 1. Nor is one where the numbers of the
    smaller sizes are right, too, and others on another side of a condition alone are wrong.

    Nor is one on which the change that mends it changes nothing: what is wrong is right there by chance, as where no
    index comes twice.

    Of a loss that is used on one number a sample, and right there, nobody has asked for more.
    """
    if used.use.back.turn >= 0 and not used.use.back.is_asked:
        unasked = f"; nothing asks for it where it is used, {used.place}"
        mine = (NO_GRADIENT.code, "error")
        report = report.with_each(lambda item: item.doubted(unasked) if (item.code, item.severity) == mine else item)
    more = {id(f) for f in report.findings if _is_on_more_columns(report, f, used)}
    alone = f"; {used.place} gives it one number a sample, and it is right there"
    report = report.with_each(lambda item: item.doubted(alone) if id(item) in more else item)
    found = {id(f): f for f in wrong_here(report)}
    if not found or used.closeness is not Closeness.SMALLER or (itself := used.as_it_was()) is None:
        return report
    layer, ordered = as_found(itself.target, itself.example)
    if all(array.size == 1 for array in arrays(ordered).values()):
        return report
    subject = subject_of(layer, ordered, itself.example.init)
    wrong = {place: str(f.argument) for place, f in found.items() if not is_right_by_chance(subject, f.fix)}
    smaller = (*as_found(used.target, used.example), used.example.init, wrong.values())
    if not wrong or agrees(*smaller) or not agrees(layer, ordered, itself.example.init, wrong.values()):
        return report
    doubt = f"; {itself.said} it is right: it may not be meant for other numbers"
    return report.with_each(lambda item: item.doubted(doubt) if id(item) in wrong else item)


def _is_on_more_columns(report: Report, item: Finding, used: UsedExample) -> bool:
    """Whether an error is that of a loss on more columns alone, of which the program gives it one."""
    is_elsewhere = item.severity == "error" and isinstance(item.reason, Refuted) and item.reason.elsewhere
    if not is_elsewhere or not any(verdict.role.startswith("loss") for verdict in report.verdicts):
        return False
    shapes = [(np.shape(x), np.shape(item.inputs[name])) for name, x in used.use.inputs.items() if name in item.inputs]
    return bool(shapes) and all(len(a) == len(b) == 2 and a[1] == 1 < b[1] for a, b in shapes)
