"""The smallest input on which a gradient is still wrong, in numbers that one can type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dout.check.exact.exact_route import Examination
from dout.check.exact.subject import Subject
from dout.check.repair.test_stand import expected_of, inputs_at, near, shorter
from dout.clock import WorkBudget
from dout.judge.outcomes import Outcome
from dout.run import deep_copy, is_float_array, one_or_all, quiet
from dout.trace.record.record import record

TRIES, SECONDS = 16, 0.12
CLOSE = 1e-3  # what is shown as wrong differs by more than rounding
_EASY = (1.0, 2.0, -1.0, 0.5, 3.0, -2.0)
Inputs = tuple[Any, ...]


@dataclass(frozen=True)
class Failing:
    """An input on which a gradient is wrong, by name and as plain numbers, and where it differs most."""

    inputs: dict[str, Any]
    index: tuple[int, ...]
    expected: float
    got: float


def smallest(subject: Subject, examination: Examination, outcome: Outcome) -> Failing | None:
    """The smallest failing input that a few tries find; None where the gradient is right for all that was tried.

    The layer has its own parameters, and dout is given among the inputs.
    """
    ones = all(np.all(np.equal(outcome.point.get(dout, 0), 1)) for dout in examination.seeds.values())
    search = _Shrinking(subject, outcome.judged.name, WorkBudget(SECONDS), ones)
    other = inputs_at(subject, examination, outcome.point)
    for inputs in (subject.fresh_inputs(), other):
        for easy in (True, False):
            if search.wrong(inputs, easy):
                search.shrink()
                return search.found
    return None


@dataclass
class _Shrinking:
    subject: Subject
    name: str
    budget: WorkBudget
    ones: bool  # a loss that takes dout to be 1 is wrong at any other
    tries: int = 0
    inputs: Inputs = ()
    easy: bool = True
    found: Failing | None = field(default=None)

    def shrink(self) -> None:
        """Equal indices and fewer rows first, then shorter axes, then easier numbers; what still fails is kept."""
        changes: list[Callable[[Inputs], Inputs]] = [lambda inputs: tuple(map(_alike, inputs))]
        changes.append(lambda inputs: shorter(inputs, 0, 1))
        changes.append(lambda inputs: shorter(inputs, 0, 2))
        changes += [lambda inputs, n=n: tuple(_easier(i, n) for i in inputs) for n in (0, 1)]  # type: ignore[misc]
        for axis in (-1, -2, -3):
            changes += [lambda inputs, axis=axis, n=n: shorter(inputs, axis, n) for n in (1, 2)]  # type: ignore[misc]
        for change in changes:
            if self.tries >= TRIES or self.budget.is_over():
                return
            fresh = change(self.inputs)
            if not _same(fresh, self.inputs):
                self.wrong(fresh, self.easy)

    def wrong(self, inputs: Inputs, easy: bool) -> bool:
        """Whether the gradient is wrong here; then it is what was found."""
        self.tries += 1
        try:
            with quiet():
                layer = self.subject.again()
                douts = self.subject.run(deep_copy(inputs)).douts
                douts = tuple(_easier(d, 0) for d in douts) if easy else douts
                douts = tuple(np.ones_like(d)[()] for d in douts) if self.ones else douts
                trace = record(layer, *deep_copy(inputs), dout=one_or_all(douts))
            examination = Examination(trace)
            judged = next(j for j in examination.judged if j.name == self.name)
            got, expected = np.asarray(trace.data[judged.gradient]), np.asarray(expected_of(examination)[self.name])
            if not expected.size or near(got, expected, CLOSE) or got.shape != expected.shape:
                return False
            if not np.all(np.isfinite(expected)) or (easy and not np.all(np.isfinite(got))):
                return False
            if self.found is not None and np.max(np.abs(expected)) < 1e-3 * np.max(np.abs(got)):
                return False  # a case that has hardly a gradient teaches little
        except Exception:  # too short for this layer
            return False
        distance = np.abs(expected - got)
        index = tuple(int(i) for i in np.unravel_index(int(np.argmax(distance)), expected.shape))
        names = dict(zip(self.subject.names, map(_plain, inputs), strict=False))
        names["dout"] = _plain(douts[0] if len(douts) == 1 else list(douts))
        self.inputs, self.easy = inputs, easy
        self.found = Failing(names, index, float(expected[index]), float(got[index]))
        return True


def _easier(item: Any, turn: int) -> Any:
    """Floats become numbers that one can type: the easiest that tell most apart, or what they are to one digit."""
    if is_float_array(item):
        if turn:
            return np.round(item, 1)
        return np.resize(np.array(_EASY, item.dtype), item.shape)
    if isinstance(item, float | np.floating):
        easy: Any = round(float(item), 1) if turn else 2.0
        return np.asarray(easy, item.dtype)[()] if isinstance(item, np.generic) else easy
    return item


def _alike(item: Any) -> Any:
    """Indices, some of which repeat, that are all the first of them: each of a permutation comes once."""
    repeats = isinstance(item, np.ndarray) and item.dtype.kind in "iu" and np.unique(item).size < item.size
    return np.full_like(item, item.flat[0]) if repeats else item


def _same(a: Inputs, b: Inputs) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True) if isinstance(x, np.ndarray | float))


def _plain(item: Any) -> Any:
    if isinstance(item, np.ndarray | np.generic):
        return item.tolist()
    return [_plain(i) for i in item] if isinstance(item, list | tuple) else item
