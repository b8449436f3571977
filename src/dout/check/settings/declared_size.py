"""Layers that were told the size of their inputs: other inputs come with another size, or they are no fair example."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from math import isnan
from typing import Any, NamedTuple

import numpy as np

from dout.adapt.target import Target
from dout.check.exact.judge import Judgement
from dout.check.exact.ratio import Likeness
from dout.check.exact.subject import Subject
from dout.check.settings.fitting_numbers import is_right_there, numbers_changed
from dout.check.settings.other_inputs import OtherSubject
from dout.judge.judged_run import is_label
from dout.run import arrays


class DeclaredSizes(NamedTuple):
    """A layer as it was given, and the arguments of its constructor, which may tell it the size of its inputs."""

    given: Subject
    what: Target
    init: Mapping[str, Any]

    def explain(self, other: OtherSubject, found: Judgement, is_wrong: Callable[[OtherSubject], bool]) -> bool:
        """Whether a gradient has the shape that was told, and is right where inputs and constructor agree.

        `Pool(size=(3, 6, 8))` keeps that size for its backward: on inputs of (3, 6, 9) it was built wrongly, and so it
        is with `size=(3, 6, 9)` on inputs of (3, 6, 8).
        """
        for outcome in found.refuted.values():
            shape, returned = outcome.judged.node.shape, np.shape(outcome.got)
            if outcome.index is not None:  # a number of classes that forward divides by, say
                returned = self._told(other, shape)
            if returned != shape and not outcome.judged.parameter and len(shape) == len(returned):
                agreed = self._agreed(other, shape, returned)
                if any(is_right_there(replace(other, subject=subject), is_wrong) for subject in agreed):
                    return True
        return False

    def is_forgotten_step(self, other: OtherSubject, found: Judgement) -> bool:
        """Whether a setting that backward alone reads is a step or a border of 0 or 1, which is no length at hand.

        It does not have to agree with an input, as the size of a kernel may, nor does it scale gradients. Where forward
        gives one place along most axes that it shortens, no step is seen.
        """
        held = [*self.given.inputs, *arrays(self.given.runner.layer).values()]
        lengths = {n for x in held for n in np.shape(x)}
        steps = bool(other.changed) and all(a == 1 and a not in lengths and b > a for a, b in self._changed(other))
        ratios = (found.likeness.get(o.judged.name, Likeness()).ratio for o in found.refuted.values())
        if not (steps and self._changed(other) and any(ratio is None or isnan(ratio) for ratio in ratios)):
            return False
        outputs = self.given.forward()
        return not any(_has_one_place(np.shape(x), np.shape(y)) for x in self.given.inputs for y in outputs)

    def _told(self, other: OtherSubject, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of an input that the constructor was told, by the numbers in it: as given, or at the setting."""
        if other.of_inputs:
            return next((np.shape(x) for x in self.given.inputs if len(np.shape(x)) == len(shape)), shape)
        return tuple(next((b for a, b in self._changed(other) if a == n), n) for n in shape)

    def _changed(self, other: OtherSubject) -> set[tuple[int, int]]:
        told = {p.name: self.init.get(p.name, p.default) for p in self.what.constructor}
        return {(a, b) for name, now in other.changed.items() for a, b in numbers_changed(told.get(name), now)}

    def _agreed(self, other: OtherSubject, shape: tuple[int, ...], returned: tuple[int, ...]) -> Iterator[Subject]:
        """The layer with inputs and constructor of one size: that of the inputs, or that of the setting."""
        arguments = self.what.constructor if self.what.is_class else ()
        told = {p.name: self.init.get(p.name, p.default) for p in arguments}
        if not other.of_inputs:
            was = self._changed(other)
            meant = tuple(b if a != b and (a, b) in was else a for a, b in zip(shape, returned, strict=True))
            if meant != shape:  # samples may have been made of the numbers that were given
                inputs = (np.resize(x, meant) if np.shape(x) == shape else x for x in other.subject.fresh_inputs())
                most = min(b for _, b in was)  # labels are smaller
                yield replace(other.subject, inputs=tuple(x % most if is_label(x) else x for x in inputs))
            return
        for before, now in zip(self.given.inputs, other.subject.inputs, strict=False):
            if np.shape(before) == returned and np.shape(now) == shape:
                for change in _told_anew(told, returned, shape):
                    make = partial(self.what.fresh, {**self.init, **change})
                    yield replace(other.subject, make=make)


def _told_anew(told: Mapping[str, Any], before: tuple[int, ...], now: tuple[int, ...]) -> Iterator[dict[str, Any]]:
    """Arguments of the constructor that name lengths of an input, with those of a longer one.

    Tuples that name several in a row, the longest first; then all numbers that name one.
    """
    rows = [(n, v) for n, v in told.items() if isinstance(v, tuple | list) and len(v) > 1]
    for name, value in sorted(rows, key=lambda row: -len(row[1])):
        for start in range(len(before) - len(value) + 1):
            end = start + len(value)
            if tuple(value) == before[start:end] != now[start:end]:
                yield {name: type(value)(now[start:end])}
    lengths = {a: b for a, b in zip(before, now, strict=True) if a != b}
    numbers = {name: lengths[value] for name, value in told.items() if type(value) is int and value in lengths}
    if numbers:
        yield numbers


def _has_one_place(before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    """Whether of the axes whose length a forward changes more have the length 1 than others: channels change, too."""
    changed = [n for m, n in zip(before, after, strict=False) if m != n] if len(before) == len(after) else []
    return 2 * changed.count(1) > len(changed)
