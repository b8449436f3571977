"""How many samples a layer was run on, and what becomes of a constant factor with another number of them.

A factor 1/3 is 1/N only if it is 1/4 with one more sample: the layer is run again. Where it takes no other number, a
length that no other axis has decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from dout.check.exact.difference_route import judge_numerically
from dout.check.exact.exact_route import Examination
from dout.check.exact.judge import judge
from dout.check.exact.ratio import constants
from dout.check.exact.subject import Subject, axis_with
from dout.check.lab.batch_axis import resized_along
from dout.graph import Shape
from dout.judge.judged_run import MOST_ELEMENTS, elements, is_label
from dout.run import PlainRun, attributes_of, copied, quiet

Ratios = Mapping[str, float | None]  # by argument: how many times the derivative its gradient is


class CountedLengths(NamedTuple):
    """The shape of the input along whose axes is counted, and that of the output; () where there is none."""

    input: Shape
    output: Shape


_IsNear = Callable[[float | None, "Constant", CountedLengths], bool]


class Axes(NamedTuple):
    """What is counted along axes of the input, or of the output: a letter, and what it stands for in the plural."""

    letter: str
    axes: tuple[int, ...]
    what: str
    output: bool = False

    def size(self, lengths: CountedLengths) -> int:
        """How many there are; as many as of nothing, 1, where there are no such axes."""
        shape = lengths.output if self.output else lengths.input
        return math.prod(shape[axis] for axis in self.axes if -len(shape) <= axis < len(shape))


@dataclass(frozen=True)
class Constant:
    """A factor: a number, times or through a product of lengths."""

    number: float = 1.0
    counted: tuple[Axes, ...] = ()
    power: int = 0  # 1: times the lengths, -1: through them

    def at(self, lengths: CountedLengths) -> float:
        """Its value for an input and an output of these shapes."""
        return self.number * float(math.prod(axes.size(lengths) for axes in self.counted)) ** self.power

    @property
    def symbol(self) -> str:
        """How it is written.

        >>> samples = Axes("N", (0,), "samples")
        >>> [Constant(c, (samples,), p).symbol for c, p in ((1, -1), (2, -1), (0.5, -1), (0.5, 1))]
        ['1/N', '2/N', '1/(2·N)', 'N/2']
        """
        letters = [axes.letter for axes in self.counted]
        if self.power == 1:
            product = "·".join(["2"] * (self.number == 2) + letters)
            return f"{product}/2" if self.number == 0.5 else product
        below = ["2"] * (self.number == 0.5) + letters
        above = "2" if self.number == 2 else "1"
        product = "·".join(below)
        return f"{above}/{f'({product})' if len(below) > 1 else product}" if below else above

    def says(self, at: CountedLengths) -> str:
        """The factor in words: `1/N of the derivative of forward, N = 3 samples`."""
        times = "of" if "/" in self.symbol else "times"
        lengths = ", ".join(f"{axes.letter} = {axes.size(at)} {axes.what}" for axes in self.counted)
        return f"{self.symbol} {times} the derivative of forward{f', {lengths}' if lengths else ''}"


@dataclass(frozen=True, eq=False)
class Samples:
    """The samples that a subject was run on, and runs on others, each made once; `first` is the input with them."""

    subject: Subject
    numerically: bool = False  # the layer cannot be recorded

    @cached_property
    def shape(self) -> Shape:
        """The shape of the input along whose axes is counted; () where there is none."""
        arrays = [x for x in self.subject.inputs if isinstance(x, np.ndarray) and x.ndim and x.size]
        return next((x.shape for x in arrays if not is_label(x)), arrays[0].shape if arrays else ())

    @cached_property
    def lengths(self) -> CountedLengths:
        """What is counted on the inputs as they are."""
        return CountedLengths(self.shape, _shape_of_first(self.subject.run()))

    @cached_property
    def _varied(self) -> dict[int, tuple[CountedLengths, Ratios] | None]:
        return {}

    def varied(self, axis: int) -> tuple[CountedLengths, Ratios] | None:
        """The shapes with another length along an axis, and the ratios there; None where the layer does not take it."""
        axis %= len(self.shape)
        if axis not in self._varied:
            self._varied[axis] = next(self._tried(axis), None)
        return self._varied[axis]

    def _tried(self, axis: int) -> Iterator[tuple[CountedLengths, Ratios]]:
        length = self.shape[axis]
        for size in dict.fromkeys((length + 1, 2 * length, length - 1)):
            if size < 1 or size == length:
                continue
            inputs = tuple(
                copied(x) if at is None else resized_along(x, at, length, size)
                for x, at in ((x, axis_with(x, self.shape, axis)) for x in self.subject.inputs)
            )
            try:
                output, ratios = _ratios(replace(self.subject, inputs=inputs), self.numerically)
            except Exception:  # the layer's own, or there is no rule: it does not take these
                continue
            is_one, was_one = (math.prod(shape) == 1 for shape in (output, self.lengths.output))
            if was_one and not is_one:  # `E @ E.T` of several rows is no loss
                continue
            if not all(ratio is not None and math.isnan(ratio) for ratio in ratios.values()):  # dead units say nothing
                yield CountedLengths((*self.shape[:axis], size, *self.shape[axis + 1 :]), output), ratios

    @cached_property
    def totals(self) -> Mapping[int, Literal["sum", "mean", ""]]:
        """What forward makes of an axis: a sum if its result doubles with everything twice along it, or a mean."""
        return {axis: self._total(axis) for axis in range(len(self.shape))}

    def _total(self, axis: int) -> Literal["sum", "mean", ""]:
        given = self.subject.fresh_inputs()
        along = [axis_with(x, self.shape, axis) for x in given]
        twice = tuple(x if at is None else np.concatenate([x, x], at) for x, at in zip(given, along, strict=True))
        try:
            once, doubled = (self.subject.run(inputs).outputs for inputs in (self.subject.fresh_inputs(), twice))
        except Exception:  # the layer's own: it does not take these
            return ""
        a, b = np.asarray(once[0], dtype=float), np.asarray(doubled[0], dtype=float)
        if a.shape != b.shape:  # one number for each: as in a sum, no other counts
            places = [i for i, n in enumerate(a.shape) if b.shape[i : i + 1] == (2 * n,)]
            return "sum" if places and np.allclose(np.take(b, range(a.shape[places[0]]), places[0]), a) else ""
        return "sum" if np.allclose(b, 2 * a) else "mean" if np.allclose(b, a) else ""

    def may_count(self, constant: Constant) -> bool:
        """Whether a loss may average over these axes where forward sums, or leave out a mean that forward takes.

        What forward and backward divide by has to be the samples, or nothing in one of the two: a mean over all numbers
        of which backward divides by the samples alone is wrong, whatever their number.
        """
        if not self.shape or not constant.counted:
            return True
        axes = {axis % len(self.shape) for counted in constant.counted for axis in counted.axes}
        wanted = "mean" if constant.power > 0 else "sum"
        if any(self.totals[axis] != wanted and (axis or self.totals[axis]) for axis in axes):
            return False  # of the samples nothing is known where they depend on each other
        others = {axis for axis, total in self.totals.items() if total == "mean"} - axes
        return 0 in axes or not others

    def first_that_holds(self, name: str, ratio: float, close: float, guesses: Iterable[Constant]) -> Constant | None:
        """The first constant that a ratio is, here and on other inputs."""

        def is_near(value: float | None, constant: Constant, lengths: CountedLengths) -> bool:
            meant = constant.at(lengths)
            return value is not None and abs(value - meant) <= close * abs(meant)

        fitting = [guess for guess in guesses if is_near(ratio, guess, self.lengths)]
        return next((guess for guess in fitting if self._holds(name, guess, is_near)), None)

    def _holds(self, name: str, guess: Constant, is_near: _IsNear) -> bool:
        own = [axes for axes in guess.counted if not axes.output]
        counted = {axis % len(self.shape) for axes in own for axis in axes.axes} if self.shape else set()
        ran = set()
        for axis in range(len(self.shape)):
            other = self.varied(axis)
            value = other[1].get(name) if other else None
            if other is None or (axis and None in other[1].values()):
                continue  # with other columns a row of labels may be none any more, or channels may pass for samples
            if not is_near(value, guess, other[0]):
                return False
            ran.add(axis)
        return not counted or bool(counted & ran) or (not ran and self._is_distinct(counted))

    def _is_distinct(self, counted: set[int]) -> bool:
        """Whether no other axis, of an input or of what the layer holds, is as long as one of these; nor 2 is."""
        lengths = {self.shape[axis] for axis in counted}
        inputs = [np.shape(x) for x in self.subject.inputs if isinstance(x, np.ndarray)]
        others = {n for shape in inputs for axis, n in enumerate(shape) if axis not in counted}
        held = attributes_of(self.subject.again()).values()
        others |= {n for x in held if isinstance(x, np.ndarray) for n in x.shape}
        return not lengths & (others | {1, 2})


def _ratios(subject: Subject, numerically: bool) -> tuple[Shape, Ratios]:
    """The shape of the first output, and by argument how many times the derivative its gradient is."""
    with quiet():
        first = subject.run()
        if numerically:
            found = judge_numerically(subject, first).likeness
            return _shape_of_first(first), {name: one.ratio for name, one in found.items()}
        trace = subject.recorded(first.douts)
        large = elements(trace.graph.nodes) > MOST_ELEMENTS
        ratios = {n: o.ratio for n, o in judge(trace).likeness.items()} if large else constants(Examination(trace))
        return _shape_of_first(first), ratios


def _shape_of_first(run: PlainRun) -> Shape:
    return np.shape(run.outputs[0]) if run.outputs else ()
