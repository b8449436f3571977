"""What is said of a gradient: the gradient that is judged, and how it compares with the derived one at one point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import dropwhile
from typing import Any

import numpy as np

from dout.graph import Node

Point = Mapping[Node, Any]  # values of the inputs of a graph


class NoRuleError(Exception):
    """A primitive without exact arithmetic."""


class Word(StrEnum):
    """What a verdict may say about a gradient, from best to worst.

    Each has a mark, its words in a table, and its words where all gradients are counted.
    """

    mark: str
    short: str
    counted: str

    EXACT = "exact", "✓", "exact", "exact"
    ROUNDED = "exact up to rounded constants", "✓", "exact", "exact"
    STABILISED = "exact up to a stabiliser", "✓", "exact", "exact"
    SUBGRADIENT = "a subgradient at a kink", "~", "at a kink", "right up to a choice at a kink"
    AGREES = "agrees within rounding", "~", "within rounding", "right within rounding"  # a fallback's word: no proof
    SCALED = "right up to a constant factor", "~", "up to a factor", "right up to a constant"
    PENALISED = "right, with a penalty that forward does not add", "~", "with a penalty", "right with a penalty"
    CLIPPED = "right where it is not clipped", "~", "clipped", "right where not clipped"
    PASSED = "passed through: its loss must do the work", "~", "passed through", "passed through"
    JOINED = (
        "right for the loss and its activation together", "~", "right with its activation", "right with its activation"
    )  # fmt: skip
    DIAGONAL = "the diagonal of its derivative alone", "~", "the diagonal alone", "right on the diagonal"
    THROUGH = "passed straight through a step", "~", "straight through", "passed straight through"
    STOPPED = "stopped on purpose: nothing is passed on", "~", "stopped on purpose", "stopped on purpose"
    BUT_AT_KINKS = "right except at a kink", "~", "right except at a kink", "right except at a kink"
    INCONCLUSIVE = "inconclusive", "?", "inconclusive", "inconclusive"
    REFUTED = "refuted", "✗", "wrong", "wrong"

    def __new__(cls, text: str, mark: str, short: str, counted: str) -> Word:
        """Make a word from a row of the table."""
        word = str.__new__(cls, text)
        word._value_, word.mark, word.short, word.counted = text, mark, short, counted
        return word

    @property
    def said(self) -> str:
        """The word as a report prints it: documents say "refuted", people "wrong"."""
        return self.short if self is Word.REFUTED else self.value

    def __repr__(self) -> str:
        return repr(self.value)


class Doubt(StrEnum):
    """Why a gradient that differs at one point is inconclusive there."""

    UNCONFIRMED = "differences of the forward do not confirm it"
    MORE_SIDES = "more sides of the kink meet than were looked at"


RIGHT = frozenset({Word.EXACT, Word.ROUNDED, Word.STABILISED})  # what exact arithmetic says of a right gradient
CLOSE = frozenset({Word.AGREES, Word.SUBGRADIENT})  # what differences say of one


@dataclass(frozen=True, eq=False, slots=True)
class Judged:
    """A gradient to be judged: of the value `node`, as the user's `gradient` computes it.

    `derived` computes the derivative, which is 0 where there is none. A gradient is `whole` if it is that of all uses
    of the value.
    """

    name: str
    node: Node
    gradient: Node
    parameter: bool = False
    derived: Node | None = None
    whole: bool = True

    @property
    def is_unused(self) -> bool:
        """Whether this is the gradient of a parameter that forward makes no use of."""
        return self.parameter and self.derived is None

    @property
    def only_axes_of_one(self) -> bool:
        """Whether value and gradient have other shapes, but alike to axes of length 1: b (1, 3), db (3,).

        Of an input only axes in front: x (3,), dx (1, 3). With others, dx is spread in the next sum that it enters. Of
        one number that has axes it is not known which are in front.
        """
        shapes = self.node.shape, self.gradient.shape
        mine, theirs = ([n for n in shape if n != 1] for shape in shapes)
        bare = {tuple(dropwhile(lambda n: n == 1, shape)) for shape in shapes}
        in_front = len(bare) == 1 and (bool(mine) or not self.node.shape)
        return shapes[0] != shapes[1] and mine == theirs and (self.parameter or in_front)

    def fitted(self, gradient: Any) -> Any:
        """The user's gradient as it is compared: axes of length 1 more or less are a finding of their own."""
        return np.reshape(gradient, self.node.shape) if self.only_axes_of_one else gradient


@dataclass(frozen=True, eq=False, slots=True)
class Outcome:
    """How a gradient compares at one point: a word, and both gradients as float64."""

    judged: Judged
    word: Word
    expected: Any
    got: Any
    point: Point
    because: str = ""
    doubt: Doubt | None = None

    def doubted(self, doubt: Doubt) -> Outcome:
        """The same gradients, inconclusive for this reason."""
        return replace(self, word=Word.INCONCLUSIVE, because=str(doubt), doubt=doubt)

    @property
    def index(self) -> tuple[int, ...] | None:
        """The place of the largest difference, or of the first number that is not finite; None if the shapes differ."""
        expected, got = np.asarray(self.expected, dtype=float), np.asarray(self.got, dtype=float)
        if expected.shape != got.shape or not expected.size:
            return None
        distance = np.where(np.isfinite(got), np.abs(expected - got), np.inf)
        distance = np.where(np.isfinite(expected), distance, -1.0)  # there nothing is right
        return tuple(int(i) for i in np.unravel_index(int(np.argmax(distance)), expected.shape))

    def at(self, index: tuple[int, ...]) -> tuple[float, float]:
        """Expected and got there."""
        return float(np.asarray(self.expected)[index]), float(np.asarray(self.got)[index])
