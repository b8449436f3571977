"""D109: backward gives the local derivative, and its caller multiplies by dout."""

from __future__ import annotations

from dout.check.exact.judge import Judgement
from dout.check.exact.subject import Subject
from dout.check.report.rule import Findings, Rule

RULE = Rule("D109", "note", "the local derivative: the caller multiplies by dout")


def check_judgement(subject: Subject, judgement: Judgement) -> Findings:
    """Yield a note if the interface of the layer says so."""
    interface = subject.interface
    if interface is not None and interface.local:
        message = f"{interface.backward} gives the local derivative: its caller multiplies it by dout"
        yield RULE.about(subject, message)
