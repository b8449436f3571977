"""Recordings in; the notes that say for what a derived backward holds: settings, conditions that went one way, axes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from dout.explain.derive.forward_runs import ForwardRun, ForwardSubject
from dout.explain.derive.verification import Make, judged_again
from dout.explain.model.explanation import Phrase
from dout.files import shown_place
from dout.run import flat, quiet
from dout.trace.capture.covered_sides import FALSE, FIRST, TRUE, Covered
from dout.trace.capture.watched_conditions import watched


def notes_on(subject: ForwardSubject, runs: Sequence[ForwardRun]) -> list[Phrase]:
    """What a reader should know of how it was derived: with which flags and words, and on which side of conditions."""
    given = {p.name: subject.inputs.get(p.name, p.default) for p in subject.target.inputs()} | subject.settings
    fixed = {name: item for name, item in given.items() if isinstance(item, bool | str)}
    after = [Phrase("after_first", {})] if subject.is_warm else []
    return [*(one_side(name, item) for name, item in fixed.items()), *_conditions(runs, fixed), *after]


def one_side(name: str, value: Any) -> Phrase:
    """A setting of which other values were not tried, or give another backward."""
    return Phrase("one_side", {"flag": name, "value": repr(value)})


def _conditions(runs: Sequence[ForwardRun], known: Any) -> Iterator[Phrase]:
    """The conditions in the user's code that went one way in all recordings."""
    covered = Covered()
    for run in runs:
        with suppress(Exception), quiet(), watched() as seen:
            forward = run.subject.forward()
            for _ in range(2):  # the second time as the first left the layer
                ordered, keywords = run.subject.arguments
                forward(*ordered, **keywords)
        covered.add(seen)
    told: set[str] = set()
    for place, sides in covered.open.items():
        text = str(place)
        if text.strip("`").removeprefix("self.") in known or not sides.seen:
            continue
        (side, *_) = sides.seen
        where = shown_place(place.file, place.span[0])
        told.add(where)
        if side in (TRUE, FALSE):
            yield Phrase("one_side_condition", {"condition": text, "where": where, "side": side})
        else:
            argument = "first" if side == FIRST else "second"
            yield Phrase("one_side_choice", {"condition": text, "where": where, "argument": argument})
    for kind, key in (("branch", "one_side_steered"), ("draw", "one_side_drawn")):
        found = [event.where for run in runs for event in run.trace.events if event.kind == kind and event.where]
        for where in dict.fromkeys(shown_place(one.file, one.line) for one in found):
            if where not in told:
                yield Phrase(key, {"where": where})


def other_axes(subject: ForwardSubject, make: Make) -> list[Phrase]:
    """The note that a backward is for so many axes, where forward takes arrays with one more, and it does not."""
    arrays = {n: x for n, x in subject.inputs.items() if isinstance(x, np.ndarray) and x.dtype.kind == "f"}
    if not arrays:
        return []
    name, first = next(iter(arrays.items()))
    more = {n: np.stack([x, 1.25 * x]) for n, x in arrays.items() if x.ndim == first.ndim}
    other = replace(subject, inputs={**subject.inputs, **more})
    try:
        with quiet():
            ordered, keywords = other.arguments
            outputs = list(flat(other.forward()(*ordered, **keywords)))
        runs = all(np.all(np.isfinite(out)) for out in outputs)
    except Exception:  # forward takes no more axes
        return []
    if not runs or judged_again(other, make) is None:
        return []
    return [Phrase("axes", {"name": name, "count": first.ndim})]
