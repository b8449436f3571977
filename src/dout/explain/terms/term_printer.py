"""The base of all printers: binding strength, brackets by it, and what text, LaTeX and MathML write alike.

A term is printed from the inside out, without recursion, so that a formula may be thousands of functions deep.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from dout.explain.terms import notation, terms
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
    """One way to print terms. What differs between text, LaTeX and MathML is how printed formulas are joined."""

    plus, minus, times, comma = " + ", " − ", " · ", ", "
    brackets: Callable[..., str]  # a formula in brackets
    negate: Callable[..., str]  # a formula with a minus in front
    stacked: Callable[..., str]  # a fraction
    raised: Callable[..., str]  # a base and its superscript
    lowered: Callable[..., str]  # a base and its subscript
    under: Callable[..., str]  # a big sign, and what it runs over
    beside: Callable[..., str]  # two matrices side by side
    turned: Callable[..., str]  # a transposed matrix
    relation: Callable[..., str]  # the sign of a comparison, and the formulas on its sides
    row: Callable[..., str] = "{}".format  # several formulas side by side, as one
    digits: Callable[..., str] = "{}".format  # a number's own characters
    word: Callable[..., str] = "{}".format  # a name that mathematics gives: max, σ, Σ
    letters: Callable[..., str] = "{}".format  # a name that the user gives
    named: Callable[..., str] = "{}".format  # a formula, and the name of the value that it stands for

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

    def matrix_product(self, term: terms.MatrixProduct, parts: Parts) -> Printed:
        """A product of matrices, which has no dot: that is the product of elements."""
        chain = isinstance(term.left, terms.MatrixProduct)
        left = self.fit(parts[0], Strength.PREFIX if chain else Strength.FACTOR)
        return Printed(self.beside(left, self.fit(parts[1], Strength.FACTOR)), Strength.PREFIX)

    def transposed(self, term: terms.Transposed, parts: Parts) -> Printed:
        """A matrix with its axes swapped."""
        return Printed(self.turned(self.fit(parts[0], Strength.ATOM)), Strength.POWER)

    def number(self, term: Number, parts: Parts) -> Printed:
        """The fewest digits that mean the number: 0.044715, 1.5 · 10⁻⁷, a fraction over its bar."""
        negative = term.value < 0
        mantissa, exponent = notation.digits(-term.value if negative else term.value)
        top, bar, bottom = mantissa.partition("/")
        if bar:
            return Printed(self.stacked(self.digits(top), self.digits(bottom)), Strength.FACTOR, negative)
        if not exponent:
            return Printed(self.digits(mantissa), Strength.ATOM, negative)
        size = self.digits(str(abs(exponent)))
        power = self.raised(self.digits("10"), self.negate(size) if exponent < 0 else size)
        if mantissa == "1":
            return Printed(power, Strength.POWER, negative)
        return Printed(self.row(self.digits(mantissa) + self.times + power), Strength.FACTOR, negative)

    def symbol(self, term: Symbol, parts: Parts) -> Printed:
        """A name, maybe with its indices as a subscript."""
        name = self.letters(term.name)
        whole = self.lowered(name, self.listed(parts)) if parts else name
        return Printed(self.named(whole, term.name))

    def listed(self, parts: Parts) -> str:
        """Formulas with commas between them."""
        return self.row(self.comma.join(self.fit(part, Strength.LOGIC) for part in parts))

    def partial(self, term: Partial, parts: Parts) -> Printed:
        """∂L over ∂y."""
        above = self.row(self.word("∂") + self.letters("L"))
        whole = self.stacked(above, self.row(self.word("∂") + self.letters(term.of)))
        return Printed(self.named(whole, f"∂L/∂{term.of}"), Strength.FACTOR)

    def fraction(self, term: Product, above: Parts, below: Parts) -> Printed:
        """A fraction; gradients from downstream stand before it, for a fraction in a fraction is small."""
        partials = [part for f, part in zip(term.factors, above, strict=True) if isinstance(f, Partial)]
        inner = [part for f, part in zip(term.factors, above, strict=True) if not isinstance(f, Partial)]
        made = self.stacked(self._side(inner), self._side(below))
        if not partials:
            return Printed(made, Strength.FACTOR, term.negative)
        text = self.row(self.times.join([*(part.text for part in partials), made]))
        return Printed(text, Strength.PRODUCT, term.negative)

    def _side(self, factors: Parts | list[Printed]) -> str:
        """What stands on one side of the bar."""
        if not factors:
            return self.digits("1")
        return self.fit(factors[0]) if len(factors) == 1 else self.multiplied(tuple(factors))

    def power(self, term: Power, parts: Parts) -> Printed:
        """A superscript."""
        return Printed(self.raised(self.fit(parts[0], Strength.ATOM), self.fit(parts[1])), Strength.POWER)

    def call(self, term: FunctionCall, parts: Parts) -> Printed:
        """A function; sums with what they run over below them, elements with their place."""
        name = notation.plain_name(term.function)
        if name in notation.SUMS and len(parts) == 1 and term.axis:
            return self.added_up(notation.SUMS[name], term.axis, parts[0])
        if len(parts) > 1 and name == "getitem":
            return Printed(self.lowered(self.fit(parts[0], Strength.ATOM), self.listed(parts[1:])))
        if name in notation.PUTTING:
            base = self.fit(parts[0], Strength.ATOM)
            place = self.lowered(base, self.listed(parts[2:]))
            written = self.relation("←", place, self.fit(parts[1], Strength.SUM))
            return Printed(self.row(self.beside(self.beside(base, self.word("with")), written)), Strength.CASES)
        return self.function(term, parts)

    def below(self, axes: Sequence[str]) -> str:
        """The axes or indices that a function goes along, as they stand below it."""
        if notation.is_axis_number(tuple(axes)):
            return self.relation("=", self.letters("axis"), self.row(self.comma.join(map(self.digits, axes))))
        return self.row(self.comma.join(map(self.letters, axes)))

    def over(self, term: SumOver, parts: Parts) -> Printed:
        """A big sign with the indices under it."""
        return self.added_up(term.symbol, term.indices, parts[0])

    def added_up(self, sign: str, indices: Sequence[str], part: Printed) -> Printed:
        """A term behind a big sign."""
        whole = self.under(self.word(sign), self.below(indices)) + self.fit(part, Strength.PREFIX)
        return Printed(self.row(whole), Strength.PREFIX)

    @abstractmethod
    def function(self, term: FunctionCall, parts: Parts) -> Printed:
        """A function, by its sign where mathematics has one."""

    @abstractmethod
    def cases(self, term: Cases, parts: Parts) -> Printed:
        """Terms with their conditions."""
