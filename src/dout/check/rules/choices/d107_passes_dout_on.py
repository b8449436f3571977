"""D107: a softmax hands dout on, since its loss gives the gradient of both together; or a step, to be trained."""

from __future__ import annotations

from dataclasses import replace

from dout.check.conventions.softmax import says_last, says_softmax
from dout.check.exact.judge import Judgement
from dout.check.exact.subject import Subject
from dout.check.report.report import Report
from dout.check.report.rule import Findings, Rule
from dout.check.rules.choices.kept_conventions import keeping, told
from dout.judge.outcomes import RIGHT, Word

RULE = Rule("D107", "note", "backward passes dout on")


def check_judgement(subject: Subject, judgement: Judgement) -> Findings:
    """Yield one note for all gradients that are right only together with a loss."""
    if through := keeping(judgement, Word.THROUGH):
        message = f"{subject.name}.backward passes dout on through the steps of forward, whose derivative is 0"
        yield RULE.about(subject, f"{message}: a straight-through estimator", cause="passes dout on", **told(through))
    if passed := keeping(judgement, Word.PASSED):
        what = "softmax" if says_softmax(subject) else "sigmoid" if says_last(subject) else subject.name
        only = f"right only where its loss gives the gradient of {what} and loss together"
        message = f"{subject.name}.backward passes dout on: {only}"
        yield RULE.about(subject, message, cause="passes dout on", **told(passed))


def left_to_nobody(report: Report, giver: Report | None) -> Report:
    """The report on a layer with an error where it passes dout on, and its giver differentiates itself alone."""
    given = next((v for v in giver.verdicts if v.role != "parameter"), None) if giver is not None else None
    if given is None or given.word not in {*RIGHT, Word.SCALED}:
        return report
    names = {verdict.argument for verdict in report.verdicts if verdict.word == Word.PASSED}
    alone = f"; here it is given the gradient of {giver.layer}, which is of {giver.layer} alone" if giver else ""
    verdicts = (replace(v, word=Word.REFUTED) if v.argument in names else v for v in report.verdicts)
    findings = (
        replace(item, severity="error", message=f"{item.message}{alone}") if item.code == RULE.code and names else item
        for item in report.findings
    )
    return replace(report, verdicts=tuple(verdicts), findings=tuple(findings))
