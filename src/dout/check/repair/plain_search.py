"""The search for a repair of a layer that cannot be recorded: its gradients are compared with slopes of forward."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from dout.check.exact.difference_route import Slopes, judge_numerically, slopes
from dout.check.exact.judge import Judgement
from dout.check.exact.subject import Subject
from dout.check.repair.repair_proof import Elsewhere, Repair, elsewhere
from dout.check.repair.repair_search import RepairSearch
from dout.check.repair.scratch_functions import OF_TRIED_CODE
from dout.check.repair.suspected_cause import MOST_SECONDS, said_of
from dout.check.repair.test_stand import CLOSE, Stand, shorter
from dout.check.report.verdicts import Cause
from dout.clock import WorkBudget
from dout.graph import Where
from dout.judge.outcomes import Word
from dout.run import PlainRun, otherwise
from dout.trace.model.replay import same_bits_deep

_NEAR = 1e-5  # of a slope
_WRONG = frozenset({Word.REFUTED, Word.INCONCLUSIVE})
_UNSAFE = "it was compared with differences alone"


@dataclass(eq=False)
class PlainStand(Stand):
    """A layer at one point that is run alone: what is right is a slope of its forward along each of some directions."""

    slopes: dict[str, Slopes] = field(default_factory=dict)

    def wrong(self, gradients: Mapping[str, Any], times: float = 1.0, scaled: Collection[str] = ()) -> frozenset[str]:
        """The names of the gradients that do not have the slopes of forward."""
        return frozenset(name for name, known in self.slopes.items() if not self._has(gradients.get(name), known))

    def fits(self, gradients: Mapping[str, Any], prepare: Callable[[Any], None]) -> bool:
        """No other forward is meant: it could not be recorded either."""
        return False

    def _has(self, gradient: Any, known: Slopes) -> bool:
        if gradient is None or any(np.shape(gradient) != way.shape for way, _ in known.along):
            return False
        parts = [(np.asarray(gradient, dtype=float) * way, slope) for way, slope in known.along]
        return all(abs(p.sum() - slope) <= _NEAR * (np.abs(p).sum() + self.natural[known.name]) for p, slope in parts)


def plain_cause(subject: Subject, wrong: Collection[str], *, ignores_dout: bool) -> Cause | None:
    """The cause of all these gradients, by a repair of backward with which differences agree at several points."""
    stands = [stand for one in _alike(subject) if (stand := _stand(one, ignores_dout)) is not None]
    stands = [stand for stand in stands if stand.wrong(stand.got)]
    if not stands or not stands[0].wrong(stands[0].got) <= frozenset(wrong):
        return None
    search = RepairSearch(stands, stands[0].wrong(stands[0].got), frozenset(), None, [], WorkBudget(MOST_SECONDS))
    for repair in sorted(search.repairs_of_backward(), key=lambda repair: (repair.cost, repair.longer)):
        with suppress(*OF_TRIED_CODE):
            if all(_agrees(repair, stand) for stand in stands) and _holds_elsewhere(repair, search):
                edit = repair.edit
                where = Where(edit.place.function.source.file, edit.place.node.lineno)
                return Cause(
                    edit.said, said_of(edit, edit.said), edit.place.function.source.fix(repair.text, _UNSAFE), where
                )
    return None


def _alike(subject: Subject) -> Iterator[Subject]:
    """The layer on its inputs, on others, and on these without a row."""
    generator = np.random.default_rng(4)
    floats = (isinstance(x, np.ndarray) and x.dtype.kind == "f" for x in subject.inputs)
    pairs = list(zip(subject.inputs, floats, strict=True))
    others = tuple(x * generator.uniform(0.8, 1.2, x.shape).astype(x.dtype) if is_float else x for x, is_float in pairs)
    rows = next((len(x) for x in subject.inputs if isinstance(x, np.ndarray) and x.ndim), 0)
    yield subject
    yield replace(subject, inputs=others)
    if rows > 1:
        yield replace(subject, inputs=shorter(others, 0, rows - 1))


def _stand(subject: Subject, ignores_dout: bool) -> PlainStand | None:
    """A stand on the inputs of a subject; None where it does not run there, or nothing has a slope."""
    with suppress(*OF_TRIED_CODE):
        first = _run(subject, ignores_dout)
        known = {found.name: found for found in slopes(subject, first) if found.along}
        natural = {name: max(abs(slope) for _, slope in found.along) for name, found in known.items()}
        places = {name: found.place for name, found in known.items()}
        stand = PlainStand(
            subject, subject.inputs, tuple(first.douts), {}, places, CLOSE[8], natural=natural, slopes=known
        )
        runs = stand.after_forward(lambda layer: None)
        stand.outputs, stand.got = runs.outputs, runs.gradients()
        stand.expected = {name: np.ones(found.along[0][0].shape) for name, found in known.items()}
        return stand if known else None
    return None


def _run(subject: Subject, ignores_dout: bool) -> PlainRun:
    first = subject.run()
    if not ignores_dout:
        return first
    return subject.run(douts=tuple(np.ones(np.shape(output))[()] for output in first.outputs))


def _agrees(repair: Repair, stand: Stand) -> bool:
    """Whether differences refute nothing of the repaired layer, and forward gives the same bits as before."""
    runs = stand.after_forward(repair.prepare)
    if not same_bits_deep(runs.outputs, stand.outputs):
        return False
    verdicts = _judged(stand.subject, repair.prepare, stand.douts).verdicts
    return bool(verdicts) and not any(verdict.word in _WRONG for verdict in verdicts)


def _holds_elsewhere(repair: Repair, search: RepairSearch) -> bool:
    """Whether a repair is right on a second example, too: of 4 columns 0.25 is 1 / 4, and the root of 4 is 2."""
    there = elsewhere(
        repair, search.stands[0].subject, search.wrong, search.others, search.functions, otherwise(None)(_judged)
    )
    return there is Elsewhere.HOLDS


def _judged(subject: Subject, prepare: Callable[[Any], None], douts: tuple[Any, ...] | None = None) -> Judgement:
    """The judgement by differences on a layer that was prepared."""
    prepared = replace(subject, make=partial(_prepared, subject, prepare))
    return judge_numerically(prepared, prepared.run(douts=douts))


def _prepared(subject: Subject, prepare: Callable[[Any], None]) -> Any:
    layer = subject.again()
    prepare(layer)
    return layer
