"""A refuted gradient in; its suspected cause out, with a proven repair, and the smallest input on which it is wrong.

The search is loaded when the first gradient is refuted: most layers are right.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from dout.check.report.source_places import is_lambda
from dout.check.report.verdicts import Cause
from dout.run import keeping_random_states, quiet

if TYPE_CHECKING:
    from dout.check.exact.exact_route import Examination
    from dout.check.exact.subject import Subject
    from dout.check.repair.shrink import Failing
    from dout.check.report.fix import Fix
    from dout.graph import Node
    from dout.judge.outcomes import Outcome

__all__ = [
    "cause_by_differences",
    "causes",
    "first_fix",
    "line_repairs",
    "line_search",
    "run_repairs",
    "scratch_functions",
    "smallest_failing",
    "test_stand",
]


def smallest_failing(subject: Subject, examination: Examination, outcome: Outcome) -> Failing | None:
    """The smallest input that a few tries find on which a refuted gradient is wrong."""
    from dout.check.repair.shrink import smallest
    from dout.check.repair.test_stand import KIND_ALONE

    try:
        return None if KIND_ALONE.get() else smallest(subject, examination, outcome)
    except Exception:  # an example is a convenience: the verdict stands without it
        return None


def causes(
    subject: Subject, examination: Examination, refuted: Mapping[Node, Outcome], given: Subject | None = None
) -> dict[Node, Cause]:
    """The suspected cause of each refuted gradient, by the node of the value it is for.

    If the layer is wrong at another setting alone, a repair has to leave it right as `given`.
    """
    if not refuted:
        return {}
    from dout.check.exact.own_step import of_own_step
    from dout.check.repair.derived_backward import with_derived_backward
    from dout.check.repair.line_repairs import in_another_block
    from dout.check.repair.run_repairs import lines_moved_up, written_in_place
    from dout.check.repair.suspected_cause import CauseSearch
    from dout.check.repair.test_stand import KIND_ALONE

    found: dict[Node, Cause] = {}
    with quiet(), suppress(Exception):  # an explanation is a convenience, too
        found = of_own_step(subject, examination, refuted)
        names = {outcome.judged.name for node, outcome in refuted.items() if node in found}
        moved = lines_moved_up(subject, names) if found else None
        found = {node: replace(cause, fix=moved.fix) for node, cause in found.items()} if moved else found
    if given is None and not found:
        with quiet(), suppress(Exception):
            common = lines_moved_up(subject) or written_in_place(subject, refuted.values())
            common = common or (None if KIND_ALONE.get() else in_another_block(subject))
            found = dict.fromkeys(refuted, common) if common else found
    if found:
        return found
    with quiet(), keeping_random_states(), suppress(Exception):  # each of its many runs draws from a seed
        found = CauseSearch(subject, examination, refuted, given).found()
    with quiet(), keeping_random_states(), suppress(Exception):
        is_last = given is None and not KIND_ALONE.get()
        found = with_derived_backward(subject, refuted, found) if is_last else found
    if is_lambda(subject.runner.layer):
        found = {node: cause if cause.fix else _of_lambda(cause) for node, cause in found.items()}
    return found


def cause_by_differences(subject: Subject, wrong: Collection[str], *, ignores_dout: bool) -> Cause | None:
    """The suspected cause of the wrong gradients of a layer that cannot be recorded, by its repair."""
    from dout.check.repair.plain_search import plain_cause
    from dout.check.repair.test_stand import KIND_ALONE

    with quiet(), keeping_random_states(), suppress(Exception):
        return None if KIND_ALONE.get() else plain_cause(subject, wrong, ignores_dout=ignores_dout)
    return None


def _of_lambda(cause: Cause) -> Cause:
    why = "no repair is looked for in a lambda, write backward with def"
    return replace(cause, sentence=f"{cause.sentence}; {why}" if cause.sentence else why)


def first_fix(
    subject: Subject, examination: Examination | None, wrong: Mapping[Node, Outcome], given: Subject | None = None
) -> Fix | None:
    """The first change that mends one of some gradients; None where none is known. `given` is that of `causes`."""
    found = causes(subject, examination, wrong, given) if examination is not None else {}
    return next((cause.fix for cause in found.values() if cause.fix is not None), None)
