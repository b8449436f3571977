"""The base of all printers: binding strength, and brackets by it.

A term is printed from the inside out, without recursion, so that a formula may be thousands of functions deep.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from dout.explain.terms import terms
from dout.explain.terms.terms import (
    Cases,
    Compare,
    FunctionCall,
    Number,
    Partial,
    Power,
    Product,
    Sum,
    SumOver,
    Symbol,
    Term,
)

Parts = tuple["Printed", ...]


class Strength(IntEnum):
    """How strongly a printed formula holds together; a part that is weaker than its place asks for has brackets."""

    CASES = 0
    LOGIC = 1  # x > 0 ∧ y > 0
    COMPARISON = 2
    SUM = 3  # and everything with a minus in front
    PREFIX = 4  # Σₙ x[n], x · W: what may be added, but not multiplied
    PRODUCT = 5
    FACTOR = 6  # ∂L/∂y: what may be multiplied, but not raised to a power
    POWER = 7
    ATOM = 8


@dataclass(frozen=True)
class Printed:
    """A printed formula; `negative` says that a minus belongs in front of its `text`."""

    text: str
    level: Strength = Strength.ATOM
    negative: bool = False


class TermPrinter(ABC):
    """One way to print terms: what differs between text, LaTeX and MathML is abstract here."""

    plus = " + "
    minus = " − "
    times = " · "
    comma = ", "

    def __init__(self) -> None:
        self._writers: dict[type[Term], Callable[[Any, Parts], Printed]] = {
            Number: self.number,
            Symbol: self.symbol,
            Partial: self.partial,
            Sum: self.sum,
            Product: self.product,
            Power: self.power,
            FunctionCall: self.call,
            Compare: self.compare,
            Cases: self.cases,
            SumOver: self.over,
            terms.MatrixProduct: self.matrix_product,
            terms.Transposed: self.transposed,
        }

    def print(self, term: Term) -> str:
        """Print a term."""
        done: dict[int, Printed] = {}
        waiting = [term]
        while waiting:
            one = waiting[-1]
            inside = terms.parts(one)
            missing = [part for part in inside if id(part) not in done]
            if missing:
                waiting += missing
                continue
            if id(one) not in done:
                done[id(one)] = self._writers[type(one)](one, tuple(done[id(part)] for part in inside))
            waiting.pop()
        return self.fit(done[id(term)])

    # --- brackets and signs -------------------------------------------------------------------------------------------

    def fit(self, part: Printed, level: Strength = Strength.CASES) -> str:
        """The text of a part with its sign, in brackets if it binds less tightly than its place requires."""
        if not part.negative:
            return self.magnitude(part, level)
        signed = self.negate(self.magnitude(part, Strength.PREFIX))
        return self.brackets(signed) if level > Strength.SUM else signed

    def magnitude(self, part: Printed, level: Strength) -> str:
        """A part without its sign."""
        return part.text if part.level >= level else self.brackets(part.text)

    def row(self, inside: str) -> str:
        """Several formulas side by side, as one."""
        return inside

    @abstractmethod
    def brackets(self, inside: str) -> str:
        """A formula in brackets."""

    @abstractmethod
    def negate(self, inside: str) -> str:
        """A formula with a minus in front."""

    # --- the kinds of terms -------------------------------------------------------------------------------------------

    def sum(self, term: Sum, parts: Parts) -> Printed:
        """Terms with their signs between them."""
        if not parts:
            return self.number(terms.ZERO, ())
        text = self.fit(parts[0], Strength.PREFIX if not parts[0].negative else Strength.SUM)
        for part in parts[1:]:
            text += (self.minus if part.negative else self.plus) + self.magnitude(part, Strength.PREFIX)
        return Printed(self.row(text), Strength.SUM)

    def product(self, term: Product, parts: Parts) -> Printed:
        """Factors with a sign in front, or a fraction."""
        above, below = parts[: len(term.factors)], parts[len(term.factors) :]
        if below:
            return self.fraction(term, above, below)
        if len(above) == 1:
            level = above[0].level if above[0].level >= Strength.PREFIX and not above[0].negative else Strength.ATOM
            return Printed(self.fit(above[0], Strength.PREFIX), level, term.negative)
        return Printed(self.multiplied(above), Strength.PRODUCT, term.negative)

    def multiplied(self, factors: Parts) -> str:
        """Factors side by side."""
        return self.row(self.times.join(self.fit(factor, Strength.FACTOR) for factor in factors))

    @abstractmethod
    def number(self, term: Number, parts: Parts) -> Printed:
        """A number."""

    @abstractmethod
    def symbol(self, term: Symbol, parts: Parts) -> Printed:
        """A name, maybe with indices."""

    @abstractmethod
    def partial(self, term: Partial, parts: Parts) -> Printed:
        """The gradient of a value."""

    @abstractmethod
    def fraction(self, term: Product, above: Parts, below: Parts) -> Printed:
        """Factors above and below a bar."""

    @abstractmethod
    def power(self, term: Power, parts: Parts) -> Printed:
        """A power."""

    @abstractmethod
    def call(self, term: FunctionCall, parts: Parts) -> Printed:
        """A function of terms."""

    @abstractmethod
    def relation(self, symbol: str, left: str, right: str) -> str:
        """Two formulas with the sign of a comparison between them."""

    def compare(self, term: Compare, parts: Parts) -> Printed:
        """A condition."""
        connective = term.symbol in ("∧", "∨", "⊻")
        weakest = Strength.COMPARISON if connective else Strength.SUM
        sides = []
        for side, part in zip((term.left, term.right), parts, strict=True):
            inner = side.symbol if isinstance(side, Compare) else ""
            same = inner == term.symbol and connective
            chained = side is term.left and {inner, term.symbol} <= set(terms.ORDER)  # 0 < x < 1
            sides.append(self.fit(part, Strength.LOGIC if same else Strength.COMPARISON if chained else weakest))
        text = self.relation(term.symbol, *sides)
        return Printed(text, Strength.LOGIC if connective else Strength.COMPARISON)

    @abstractmethod
    def cases(self, term: Cases, parts: Parts) -> Printed:
        """Terms with their conditions."""

    @abstractmethod
    def over(self, term: SumOver, parts: Parts) -> Printed:
        """A term added up over indices."""

    @abstractmethod
    def beside(self, left: str, right: str) -> str:
        """Two matrices side by side."""

    @abstractmethod
    def turned(self, matrix: str) -> str:
        """A transposed matrix."""

    def matrix_product(self, term: terms.MatrixProduct, parts: Parts) -> Printed:
        """A product of matrices, which has no dot: that is the product of elements."""
        chain = isinstance(term.left, terms.MatrixProduct)
        left = self.fit(parts[0], Strength.PREFIX if chain else Strength.FACTOR)
        return Printed(self.beside(left, self.fit(parts[1], Strength.FACTOR)), Strength.PREFIX)

    def transposed(self, term: terms.Transposed, parts: Parts) -> Printed:
        """A matrix with its axes swapped."""
        return Printed(self.turned(self.fit(parts[0], Strength.ATOM)), Strength.POWER)
