"""The search for a repair of a layer that cannot be recorded: its gradients are compared with slopes of forward."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from dout.check.exact.difference_route import Slopes, slopes
from dout.check.exact.judge import Judgement
from dout.check.exact.subject import Subject
from dout.check.repair.repair_proof import Elsewhere, Repair, elsewhere, judged_repaired
from dout.check.repair.repair_search import RepairSearch
from dout.check.repair.scratch_functions import OF_TRIED_CODE
from dout.check.repair.suspected_cause import MOST_SECONDS, said_of
from dout.check.repair.test_stand import CLOSE, Stand, shorter
from dout.check.report.verdicts import Cause
from dout.clock import WorkBudget
from dout.graph import Where
from dout.judge.outcomes import RIGHT, Word
from dout.run import PlainRun
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
            if (unsafe := _proven(repair, stands, search)) is not None:
                edit = repair.edit
                where = Where(edit.place.function.source.file, edit.place.node.lineno)
                return Cause(
                    edit.said, said_of(edit, edit.said), edit.place.function.source.fix(repair.text, unsafe), where
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


def _proven(repair: Repair, stands: Sequence[PlainStand], search: RepairSearch) -> str | None:
    """Why a person has to look at a repair that the judge of the layer itself passes, "" if not; None if it is none.

    It is judged at every point, as the layer was: exactly, where the repaired layer can be recorded.
    """
    judgements = [_judged(repair, stand) for stand in stands]
    words = {verdict.word for found in judgements for verdict in found.verdicts}
    if not all(found.verdicts for found in judgements) or words & _WRONG:
        return None
    there = elsewhere(repair, stands[0].subject, search.wrong, search.others, search.functions)
    if there in (Elsewhere.FAILS, Elsewhere.CONSTANT):
        return None
    return "" if words <= RIGHT and there is Elsewhere.HOLDS else _UNSAFE


def _judged(repair: Repair, stand: PlainStand) -> Judgement:
    """The judgement on the repaired layer at one point. Raises ValueError where forward gives other bits."""
    if not same_bits_deep(stand.after_forward(repair.prepare).outputs, stand.outputs):
        raise ValueError("the repair changes what forward returns")
    return judged_repaired(stand.subject, repair.prepare, stand.douts)
