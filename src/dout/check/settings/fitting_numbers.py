"""Numbers of a constructor that go together: a stride with its window, and both with the lengths that they divide.

A setting at which a layer is wrong alone, and right once the others fit it, is no mistake of backward's formula.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from dout.adapt.target import Target
from dout.check.exact.subject import Subject
from dout.check.lab.batch_axis import resized_along
from dout.check.settings.other_inputs import OtherSubject
from dout.judge.judged_run import is_label
from dout.run import otherwise

_MOST_ELEMENTS = 20_000  # of an input


class FittingNumbers(NamedTuple):
    """A layer as it was given, and the arguments of its constructor, some of which may have to fit others."""

    given: Subject
    what: Target
    init: Mapping[str, Any]

    def make_it_right(self, other: OtherSubject, is_wrong: Callable[[OtherSubject], bool]) -> bool:
        """Whether nothing is wrong at a setting where what equalled it is changed alike, or where it divides lengths.

        A window of 3 with a stride of 2 overlaps, or ends beyond the image: a layer may be meant for others alone. By a
        word it may be meant for one sample, a vector: a softmax.
        """
        fitting = _on_a_vector(other) if other.of_a_word else self._fitting(other)
        return any(is_right_there(one, is_wrong) for one in fitting)

    def _fitting(self, other: OtherSubject) -> Iterator[OtherSubject]:
        numbers = {p.name: self.init.get(p.name, p.default) for p in self.what.constructor}
        changes = [
            (a, b) for n, now in other.changed.items() for a, b in numbers_changed(numbers.get(n), now) if a != b
        ]
        if not changes or min(b for _, b in changes) < 1:
            return
        alike = {n: _with(item, dict(changes)) for n, item in numbers.items() if n not in other.changed}
        alike = {n: item for n, item in alike.items() if item != numbers[n]}
        together = {**self.init, **alike, **other.changed}
        ways = [other.subject]
        if alike:
            ways.append(replace(self.given, make=partial(self.what.fresh, together), inputs=other.subject.inputs))
        for subject in reversed(ways):
            for inputs in (subject.inputs, _in_multiples(subject, max(b for _, b in changes))):
                if inputs is not other.subject.inputs or subject is not other.subject:
                    yield replace(other, subject=replace(subject, inputs=inputs))


def numbers_changed(before: Any, now: Any) -> Iterator[tuple[int, int]]:
    """A whole number before and now, and those of a tuple that has as many."""
    both = [item if isinstance(item, tuple | list) else (item,) for item in (before, now)]
    if len(both[0]) == len(both[1]):
        yield from ((a, b) for a, b in zip(*both, strict=True) if type(a) is type(b) is int)


def _with(item: Any, numbers: Mapping[int, int]) -> Any:
    """A whole number, or a tuple of such, with others in their places; anything else as it is."""
    if isinstance(item, tuple | list) and all(type(part) is int for part in item):
        return type(item)(numbers.get(part, part) for part in item)
    return numbers.get(item, item) if type(item) is int else item


def _in_multiples(subject: Subject, number: int) -> tuple[Any, ...]:
    """Inputs whose axes behind the samples are as long as the next multiple of a number; labels as they are."""
    found = []
    for x in subject.fresh_inputs():
        for axis in range(1, x.ndim if isinstance(x, np.ndarray) and not is_label(x) else 0):
            size = -(-x.shape[axis] // number) * number
            if x.size * size <= _MOST_ELEMENTS * x.shape[axis]:
                x = resized_along(x, axis, x.shape[axis], size)
        found.append(x)
    return tuple(found)


def _on_a_vector(other: OtherSubject) -> Iterator[OtherSubject]:
    """The layer on a line of the only input that it is given."""
    x = other.subject.inputs[0] if len(other.subject.inputs) == 1 else None
    if isinstance(x, np.ndarray) and x.ndim > 1:
        yield replace(other, subject=replace(other.subject, inputs=(x[(0,) * (x.ndim - 1)],)))


@otherwise(False)
def is_right_there(other: OtherSubject, is_wrong: Callable[[OtherSubject], bool]) -> bool:
    """Whether a layer runs at a setting, and nothing is wrong there."""
    return not is_wrong(other)
