"""Numbers of a constructor that go together: a stride with its window, and both with the lengths that they divide.

A setting at which backward raises alone, and is right once the others fit it, may not be meant.
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
    """A layer, and the arguments of its constructor, some of which may have to fit others."""

    what: Target
    init: Mapping[str, Any]

    def make_it_right(self, other: OtherSubject, is_wrong: Callable[[OtherSubject], bool]) -> bool:
        """Whether nothing is wrong at a setting where what equalled it is changed alike, or where it divides lengths.

        A window of 3 with a stride of 2 may end beyond the image: a layer may be meant for others alone. By a word it
        may be meant for fewer axes: a softmax of one sample, a vector.
        """
        fitting = _on_fewer_axes(other.subject) if other.of_a_word else self._fitting(other)
        return any(is_right_there(replace(other, subject=subject), is_wrong) for subject in fitting)

    def _fitting(self, other: OtherSubject) -> Iterator[Subject]:
        numbers = {p.name: self.init.get(p.name, p.default) for p in self.what.constructor}
        pairs = [pair for n, now in other.changed.items() for pair in numbers_changed(numbers.get(n), now)]
        changes = {a: b for a, b in pairs if a != b}
        together = other.alike
        if together is None and changes:
            alike = {n: _with(item, changes) for n, item in numbers.items() if n not in other.changed}
            alike = {n: item for n, item in alike.items() if item != numbers[n]} | dict(other.changed)
            together = replace(other.subject, make=partial(self.what.fresh, {**self.init, **alike}))
        if together is None or min(changes.values(), default=1) < 1:
            return
        for subject in (together, other.subject):
            for number in (1, *{*changes.values()}):
                yield replace(subject, inputs=_in_multiples(subject, number))


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


def _on_fewer_axes(subject: Subject) -> Iterator[Subject]:
    """The layer on a part of the only input that it is given: a line, a table of an image."""
    x = subject.inputs[0] if len(subject.inputs) == 1 else None
    if isinstance(x, np.ndarray):
        yield from (replace(subject, inputs=(x[(0,) * (x.ndim - axes)],)) for axes in range(1, x.ndim))


@otherwise(False)
def is_right_there(other: OtherSubject, is_wrong: Callable[[OtherSubject], bool]) -> bool:
    """Whether a layer runs at a setting, and nothing is wrong there."""
    return not is_wrong(other)
