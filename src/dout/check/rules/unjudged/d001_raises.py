"""D001: the layer raises an exception of its own when it runs."""

from __future__ import annotations

from dout.adapt.search.own_faults import is_own_fault
from dout.check.exact.subject import Subject
from dout.check.report.rule import Rule
from dout.check.report.source_places import raised_at
from dout.check.report.verdicts import Finding, Raised

RULE = Rule("D001", "error", "forward or backward raises")


def raising(subject: Subject, error: Exception, *, all_chosen: bool) -> Finding:
    """Return the finding on an exception; `all_chosen` says that nothing of the layer's construction was given."""
    reason = Raised.of(error, always=all_chosen and is_own_fault(error))
    message = f"{subject.name} raises {reason.text}{', whatever it is given' if reason.always else ''}"
    return RULE.finding(message, raised_at(error), layer=subject.name, cause=reason.name, reason=reason)
