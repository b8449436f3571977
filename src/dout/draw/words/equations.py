"""One line of arithmetic with real numbers: "1 × 650 = 650", with ≈ where the digits shown do not give the result.

`page/equations.js` does the same in the page, where the numbers can be changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal, localcontext
from functools import cached_property
from typing import Any

import numpy as np

from dout.draw.words.readable_numbers import show
from dout.graph import NUMPY_VALUES, PYTHON_NUMBERS, Node, Primitive
from dout.number_text import format_number
from dout.ops import PRIMITIVES, primitives
from dout.trace.model.recorded import Gradient

ADD, MULTIPLY = PRIMITIVES["add"], PRIMITIVES["multiply"]

_NEAR = 1e-6  # relative; what is off by more was not computed so
_EXACT = Context(prec=700)  # from 1e-300 to 1e300 and their digits
_DECIMAL = primitives("add subtract multiply divide negative square")  # rows that decimals compute exactly, or not
_PLACE = re.compile(r"[{<](\d+)[}>]")
_MOST_OPERANDS = 6

# Patterns by symbol and number of operands: {0} is an operand, <0> puts parentheses around a negative one.
_PATTERNS = {
    ("−", 1): "−<0>",
    ("+", 1): "+<0>",
    ("²", 1): "<0>²",
    ("√", 1): "√<0>",
    ("∛", 1): "∛<0>",
    ("|·|", 1): "|{0}|",
    ("1/x", 1): "1 / <0>",
    ("ᵀ", 1): "{0}ᵀ",
    ("⁻¹", 1): "<0>⁻¹",
    ("^", 2): "<0> ^ <1>",
    ("where", 3): "{1} if {0} else {2}",
}


@dataclass(frozen=True)
class Operand:
    """A number or array in a line. `source` says what computes it: a node, or the slope of a node by an argument.

    An array that has a `name` is called by it.
    """

    data: Any
    source: Node | tuple[Node, int] | None = None
    name: str = ""

    @property
    def is_number(self) -> bool:
        """True if it is one number, not an array or something else."""
        return isinstance(self.data, PYTHON_NUMBERS + NUMPY_VALUES) and np.ndim(self.data) == 0

    def text(self, digits: int, *, gradient: bool = False) -> str:
        """The number, or the array, as it is shown in one line."""
        if self.name and np.ndim(self.data):
            return self.name
        if self.is_number and not (isinstance(self.data, NUMPY_VALUES) and self.data.dtype.kind not in "biufc"):
            return format_number(self.data.item() if isinstance(self.data, NUMPY_VALUES) else self.data, digits)
        return show(self.data, digits, gradient=gradient).text


@dataclass(frozen=True)
class EquationLine:
    """`before`, and a `result` with how it comes about: the row, on operands that stand in a pattern.

    That is left out where the operands do not give the result, unless it is `sure`. `formula` stands before the
    numbers, `rule` in place of them.
    Without a row the operands lead to the result, and no sign says how. `gradient` is what the result is, if it is one.
    """

    before: str
    result: Operand
    row: Primitive | None = MULTIPLY
    pattern: str = ""
    operands: tuple[Operand, ...] = ()
    static: Mapping[str, Any] = field(default_factory=dict)
    sure: bool = False
    formula: str = ""
    rule: str = ""
    gradient: Gradient | None = None

    def text(self, digits: int) -> str:
        """The line as it is read."""
        reached = self._reached(digits)
        if self._target is self.result:
            return self.before + reached
        return self.before + beside(self.result.text(digits, gradient=True), reached)

    @cached_property
    def _target(self) -> Operand:
        """The number that the operands should give: the result, or the right one if that is wrong."""
        wrong = self.gradient is not None and self.gradient.expected is not None
        return Operand(self.gradient.expected) if self.gradient is not None and wrong else self.result

    @cached_property
    def leads(self) -> bool:
        """True if only an arrow can stand before the result: there is no row, or not all are numbers."""
        numbers = all(o.is_number for o in (*self.operands, self._target))
        return self.row is None or (not numbers and self._follows(self.row))

    def _follows(self, row: Primitive) -> bool:
        return self.sure or near(row, [o.data for o in self.operands], self._target.data)

    def _reached(self, digits: int) -> str:
        text = self._target.text(digits, gradient=self.gradient is not None)
        if self.rule:
            return f"{self.rule} → {text}"
        if not self.pattern:
            return text
        texts = [o.text(digits) for o in self.operands]
        if self.leads or self.row is None:
            return f"{filled(self.pattern, texts)} → {text}"
        if not self._follows(self.row):
            return text
        sign = "=" if gives(self.row, texts, text, self.static) else "≈"
        formula = self.formula and f"{self.formula} = "
        return f"{formula}{filled(self.pattern, texts)} {sign} {text}"


def beside(got: str, right: str) -> str:
    """A wrong gradient, with the right one."""
    return f"{got} ✗ right: {right}"


def symbol_of(row: Primitive) -> str:
    """The sign of a row; its name if it has none."""
    return row.symbol or str(row)


def pattern_of(row: Primitive, count: int) -> str:
    """The pattern of a row with so many operands.

    >>> [pattern_of(PRIMITIVES[name], n) for name, n in (("multiply", 2), ("negative", 1), ("hypot", 2))]
    ['{0} × <1>', '−<0>', 'hypot({0}, {1})']
    """
    symbol = symbol_of(row)
    if (symbol, count) in _PATTERNS:
        return _PATTERNS[symbol, count]
    if count == 2 and symbol != "array" and not any(c.isalnum() or c in "[]" for c in symbol):
        return f"{{0}} {symbol} <1>"
    return call_pattern(symbol, count)


def call_pattern(name: str, count: int) -> str:
    """A call with so many operands.

    >>> call_pattern("log", 1), call_pattern("Affine", 8)
    ('log({0})', 'Affine({0}, {1}, {2}, {3}, {4}, {5}, …)')
    """
    places = [f"{{{i}}}" for i in range(min(count, _MOST_OPERANDS))]
    return f"{name}({', '.join(places + ['…'] * (count > _MOST_OPERANDS))})"


def sum_pattern(count: int) -> str:
    """A sum of so many terms.

    >>> sum_pattern(3)
    '{0} + <1> + <2>'
    """
    return " + ".join(f"<{i}>" if i else "{0}" for i in range(count))


def filled(pattern: str, texts: Sequence[str]) -> str:
    """The pattern with texts in its places.

    >>> filled("{0} × <1>", ["−2", "−3"])
    '−2 × (−3)'
    """

    def put(match: re.Match[str]) -> str:
        text = texts[int(match[1])]
        return f"({text})" if match[0][0] == "<" and text.startswith("−") else text

    return _PLACE.sub(put, pattern)


def near(row: Primitive, numbers: Sequence[Any], result: Any) -> bool:
    """True if the row gives this result for these numbers, within rounding."""
    try:
        with np.errstate(all="ignore"):
            found = applied(row, numbers)
            return _same(found, result) or bool(abs(found - result) <= _NEAR * abs(result))
    except Exception:  # no numbers, or outside the domain
        return False


def gives(row: Primitive, operands: Sequence[str], result: str, static: Mapping[str, Any] = {}) -> bool:
    """True if the numbers as shown give the result as shown: exactly if decimals can compute it, else as floats.

    >>> multiply = PRIMITIVES["multiply"]
    >>> gives(multiply, ["1.1", "650"], "715"), gives(multiply, ["0.3333", "3"], "1")
    (True, False)
    """
    texts = [text.replace("−", "-").replace("∞", "inf") for text in (*operands, result)]
    for number in (Decimal, _read) if row in _DECIMAL else (_read,):
        try:
            *given, wanted = [number(text) for text in texts]
            with localcontext(_EXACT), np.errstate(all="ignore"):
                return _same(applied(row, given, static), wanted)
        except Exception:  # decimals do not have every function; some numbers are outside a domain
            continue
    return False


def applied(row: Primitive, numbers: Sequence[Any], static: Mapping[str, Any] = {}) -> Any:
    """The row on numbers; several terms are added from the left."""
    if row is ADD and len(numbers) != 2:
        return sum(numbers[1:], numbers[0])
    return row.apply(numbers, static)


def _read(text: str) -> Any:
    return text == "True" if text in ("True", "False") else float(text)


def _same(one: Any, other: Any) -> bool:
    return bool(one == other or (one != one and other != other))
