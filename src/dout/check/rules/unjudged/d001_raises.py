"""D001: the layer raises an exception of its own when it runs."""

from __future__ import annotations

from dout.adapt.search.own_faults import WHATEVER, is_own_fault
from dout.check.exact.subject import Subject
from dout.check.report.rule import Rule
from dout.check.report.source_places import raised_at
from dout.check.report.verdicts import Finding

RULE = Rule("D001", "error", "forward or backward raises")


def raising(subject: Subject, error: Exception, *, all_chosen: bool) -> Finding:
    """Return the finding on an exception; `all_chosen` says that nothing of the layer's construction was given."""
    says = f", {WHATEVER}" if all_chosen and is_own_fault(error) else ""
    message = f"{subject.name} raises {type(error).__name__}: {error}{says}"
    return RULE.finding(message, raised_at(error), layer=subject.name, cause=type(error).__name__)
