"""Why a gradient is wrong: repairs are tried until one makes it right."""

from __future__ import annotations

from collections.abc import Mapping

from dout.check.exact.exact_route import Examination
from dout.check.exact.subject import Subject
from dout.check.repair.expression_edits import Edit
from dout.check.repair.first_wrong import NamedGradient, named_gradients
from dout.check.repair.repair_search import Repair, RepairSearch
from dout.check.repair.shrink import Failing, smallest
from dout.check.repair.source_diff import spliced, unified
from dout.check.repair.test_stand import stands
from dout.check.repair.whole_gradients import is_left_out, word_of
from dout.check.report.verdicts import Cause
from dout.clock import spent
from dout.graph import Node, Where, topological
from dout.judge.judging_points import further
from dout.judge.outcomes import Outcome
from dout.run import quiet

__all__ = ["causes", "smallest_failing"]


def smallest_failing(subject: Subject, examination: Examination, outcome: Outcome) -> Failing | None:
    """The smallest input that a few tries find on which a refuted gradient is wrong."""
    try:
        return smallest(subject, examination, outcome)
    except Exception:  # a convenience as well
        return None


def causes(subject: Subject, examination: Examination, refuted: Mapping[Node, Outcome]) -> dict[Node, Cause]:
    """The suspected cause of each refuted gradient, by the node of the value it is for."""
    if not refuted:
        return {}
    try:
        return _Causes(subject, examination, refuted).found()
    except Exception:  # an explanation is a convenience: the verdict stands without it
        return {}


MOST_SECONDS = 1.2  # for a layer, all its gradients together


class _Causes:
    def __init__(self, subject: Subject, examination: Examination, refuted: Mapping[Node, Outcome]) -> None:
        self.subject = subject
        self.examination = examination
        self.refuted = refuted
        self.latest = spent() + MOST_SECONDS
        points = list({id(outcome.point): outcome.point for outcome in refuted.values()}.values())[:2]
        if points and points[0] is not examination.base:
            points.append(further(examination, points[0]))  # to move a limit is no repair
        self.stands = list(stands(subject, examination, points))

    def found(self) -> dict[Node, Cause]:
        if not self.stands:
            return {}
        with quiet():
            gradients = [stand.after_forward(lambda layer: None).gradients() for stand in self.stands]
        wrong = [stand.wrong(found) for stand, found in zip(self.stands, gradients, strict=True)]
        names = frozenset().union(*wrong)
        order = sorted(range(len(wrong)), key=lambda i: -len(wrong[i]))
        self.stands = [self.stands[i] for i in order]
        gradients = [gradients[i] for i in order]
        all_wrong: frozenset[str] = frozenset(names)
        best = (
            self._best(RepairSearch(self.stands, wrong[order[0]], self.examination, self.latest).repairs())
            if names
            else None
        )
        found: dict[Node, Cause] = {}
        for node, outcome in self.refuted.items():
            name = outcome.judged.name
            mine = best
            in_time = spent() < self.latest
            if mine is None and name in names and len(names) > 1 and in_time:  # several mistakes, each for itself
                others = all_wrong - {name}
                mine = self._best(
                    RepairSearch(self.stands, frozenset({name}), self.examination, self.latest, others).repairs()
                )
            if mine is not None and mine.changes_output and is_left_out(name, self.stands[0], gradients[0]):
                mine = None  # another forward would do, but hardly is what was meant
            cause = self._cause(outcome, mine, word_of(name, self.stands, gradients))
            if cause is not None:
                found[node] = cause
        return found

    def _cause(self, outcome: Outcome, repair: Repair | None, words: tuple[str, str] | None) -> Cause | None:
        first = self._first_wrong(repair)
        if repair is not None:
            return _of_repair(repair, first)
        if first is not None and outcome.judged.gradient not in topological([first.node]):
            first = first if first.node in topological([outcome.judged.gradient]) else None
        where = first.where if first else outcome.judged.gradient.where
        if words is not None:
            return Cause(*words, where=where, first_wrong=_said(first))
        if first is not None:
            return Cause("formula", f"{first.name} is wrong already", where=where, first_wrong=_said(first))
        return None

    def _best(self, repairs: list[Repair]) -> Repair | None:
        """The likeliest repair: the one after which the gradients in between are right, then the cheapest."""
        if len(repairs) < 2:
            return repairs[0] if repairs else None
        return min(repairs, key=lambda r: (self._wrong_names(r), r.cost, r.edit.longer, r.edit.place.line))

    def _wrong_names(self, repair: Repair) -> int:
        try:
            trace = self.stands[0].recorded(repair.prepare)
        except Exception:
            return 1000
        return sum(not named.right and not named.negated for named in named_gradients(Examination(trace)))

    def _first_wrong(self, repair: Repair | None) -> NamedGradient | None:
        """The first wrong gradient in between, in the order in which backward computes them."""
        before = named_gradients(self.stands[0].examination) if self.stands[0].examination else []
        wrong = [named for named in before if not named.right and (repair is not None or not named.negated)]
        if repair is not None and wrong:
            try:
                after = named_gradients(Examination(self.stands[0].recorded(repair.prepare)))
            except Exception:
                return None
            mended = {named.name for named in after if named.right}
            line = repair.edit.place.line  # there the patched source has no names
            wrong = [n for n in wrong if n.name in mended or (n.where and n.where.line == line)]
        return wrong[0] if wrong else None


def _said(first: NamedGradient | None) -> str | None:
    return f"{first.name}, at {first.where}" if first else None


_WHY = {
    "sign": "the sign is wrong",
    "factor": "a factor is wrong",
    "ignores dout": "the factor dout is missing: this is the local derivative alone",
    "mask": "what is let through is wrong",
    "transpose": "it is turned the wrong way",
    "axis": "it is taken along the wrong axis",
    "broadcast": "it has the wrong shape",
    "swapped": "two values are exchanged",
    "missing term": "a term is missing",
    "extra term": "a term is too many",
}


def _of_repair(repair: Repair, first: NamedGradient | None) -> Cause:
    edit, source = repair.edit, repair.edit.place.function.source
    old, new = _change(edit)
    why = _WHY.get(edit.word, "the formula is another")
    where = Where(source.file, edit.place.line)
    side = ", in the forward" if repair.in_forward else ""
    sentence = f"{why}{side}: `{old}` should be `{new}`"
    return Cause(edit.word, sentence, unified(edit, repair.text), where, _said(first))


def _change(edit: Edit) -> tuple[str, str]:
    """The expression before and after; of an assignment the whole."""
    source = edit.place.function.source
    if not edit.spans:
        return source.segment(edit.place.node), edit.text
    start, end = source.span(edit.place.statement)
    old = source.data[start:end]
    return old.decode(), spliced(old, [(a - start, b - start, text) for a, b, text in edit.spans])
