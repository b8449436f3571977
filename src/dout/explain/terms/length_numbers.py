"""Numbers of a program that are lengths of axes, or made of these: formulas, and whole numbers that know theirs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from dout.explain.terms.terms import FunctionCall, Number, Symbol, Term, number, product, total

NEAR = 1e-12  # relative, of numbers in float64


@dataclass(frozen=True)
class LengthFormula:
    """A number as scale · √under · ∏ length^(halves / 2) + offset, by letters: 2·H, √(D / 2), D − 1."""

    scale: Fraction
    halves: tuple[tuple[str, int], ...]
    offset: int = 0
    under: Fraction = Fraction(1)  # a number under the root of a length; 1 of a whole number

    def called(self, new: Mapping[str, str]) -> LengthFormula:
        """The same with other letters."""
        return replace(self, halves=tuple((new[letter], halves) for letter, halves in self.halves))

    @property
    def term(self) -> Term:
        """The formula."""
        sides: dict[bool, list[Term]] = {True: [], False: []}
        roots: dict[bool, list[Term]] = {True: [], False: []}
        for letter, halves in self.halves:
            sides[halves > 0] += [Symbol(letter)] * (abs(halves) // 2)
            roots[halves > 0] += [Symbol(letter)] * (halves % 2)
        for up, inside in roots.items():
            sides[up] += [FunctionCall("sqrt", (product(*inside),))] if inside else []
        above = (number(self.scale.numerator), *sides[True])
        made = product(*above, over=(Number(self.scale.denominator), *sides[False]))
        return total(made, number(self.offset)) if self.offset else made

    @property
    def text(self) -> str:
        """The formula in a word: 3H, D/2, N−1."""
        above = "·".join(letter for letter, halves in self.halves for _ in range(halves // 2))
        below = "" if self.scale.denominator == 1 else f"/{self.scale.denominator}"
        count = {1: "", -1: "−"}.get(self.scale.numerator, str(self.scale.numerator))
        return f"{count}{above}{below}" + (f"{self.offset:+d}".replace("-", "−") if self.offset else "")


class Length(int):
    """A whole number in an index key that is a length, with its formula."""

    formula: LengthFormula

    @classmethod
    def of(cls, value: int, formula: LengthFormula) -> Length:
        """A number with its formula."""
        made = cls(value)
        made.formula = formula
        return made


def length_text(value: int) -> str:
    """A whole number as it stands in a slice: 12, or 3H where it is a length."""
    return value.formula.text if isinstance(value, Length) else str(value)


def length_term(value: int) -> Term:
    """A whole number as a term; a length as its formula."""
    return value.formula.term if isinstance(value, Length) else number(value)


def formula_of(value: Any, others: Mapping[str, Any], lengths: Mapping[str, tuple[int, int]]) -> LengthFormula | None:
    """The formula of a number in lengths, from its values with one length changed at a time; None if it never changes.

    `others` has the number that it becomes, and `lengths` both lengths, by the letter of the one that is changed. None,
    too, where no simple formula gives all of these.
    """
    moved = {letter: other for letter, other in others.items() if other != value}
    if not moved:
        return None
    halves = {letter: _halves(value, other, *lengths[letter]) for letter, other in moved.items()}
    if None not in halves.values():
        scale = value / math.prod(lengths[letter][0] ** (n / 2) for letter, n in halves.items() if n)
        simple = Fraction(scale).limit_denominator(8)
        powers = tuple((letter, n) for letter, n in halves.items() if n)
        if simple and abs(scale - simple) <= NEAR * abs(scale):
            return LengthFormula(simple, powers)
        under = Fraction(scale**2).limit_denominator(8)
        if under and scale > 0 and any(n % 2 for _, n in powers) and abs(scale**2 - under) <= NEAR * under:
            return LengthFormula(Fraction(1), powers, under=under)
    ((letter, other), *more) = moved.items()
    before, after = lengths[letter]
    if not more and type(value) is int and other - value == after - before:
        return LengthFormula(Fraction(1), ((letter, 2),), value - before)
    return None


def _halves(value: Any, other: Any, before: int, after: int) -> int | None:
    """Twice the power of a length by which a number goes: 2, 1, −1 or −2."""
    if not value or not other or (other < 0) != (value < 0):
        return None
    steps = 2 * math.log(other / value) / math.log(after / before)
    whole = round(steps)
    return whole if abs(whole) in (1, 2) and abs(steps - whole) < 1e-9 else None
