"""A refuted gradient in; its suspected cause out, with a proven repair, and the smallest input on which it is wrong."""

from __future__ import annotations

from collections.abc import Mapping

from dout.check.exact.exact_route import Examination
from dout.check.exact.subject import Subject
from dout.check.repair.shrink import Failing, smallest
from dout.check.repair.suspected_cause import CauseSearch
from dout.check.report.verdicts import Cause
from dout.graph import Node
from dout.judge.outcomes import Outcome
from dout.run import quiet

__all__ = ["causes", "line_repairs", "smallest_failing"]


def smallest_failing(subject: Subject, examination: Examination, outcome: Outcome) -> Failing | None:
    """The smallest input that a few tries find on which a refuted gradient is wrong."""
    try:
        return smallest(subject, examination, outcome)
    except Exception:  # an example is a convenience: the verdict stands without it
        return None


def causes(subject: Subject, examination: Examination, refuted: Mapping[Node, Outcome]) -> dict[Node, Cause]:
    """The suspected cause of each refuted gradient, by the node of the value it is for."""
    if not refuted:
        return {}
    try:
        with quiet():
            return CauseSearch(subject, examination, refuted).found()
    except Exception:  # and so is an explanation
        return {}
