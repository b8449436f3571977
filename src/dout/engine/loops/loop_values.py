"""What names and expressions in a loop stand for: numbers, arrays, tuples, objects that do not change.

Numbers have the types that Python and NumPy give them, and so has what arithmetic makes of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import product
from typing import Any

import numpy as np

from dout.engine.loop_source.loop_refusal import LoopRefusal

PYTHON = ("int", "float", "bool")
WEAK = frozenset(PYTHON)
TYPES: dict[str, type] = {  # Python's own, and NumPy's by the letters of their dtypes
    "int": int, "float": float, "bool": bool, "l": np.int64, "d": np.float64, "f": np.float32, "?": np.bool_,
}  # fmt: skip
KINDS = tuple(TYPES)
FORMS = {kind: np.dtype(one).name.replace("bool", "bool_") for kind, one in TYPES.items()}  # in a kernel
WIDEST, GIVEN, EXACT = 62, 31, 53  # bits: of a whole number, of one that is given, and of one that a float holds
_ARITHMETIC = {"+", "-", "*", "/", "//", "%"}


@dataclass(frozen=True)
class LoopNumber:
    """A number: its text in the kernel, the kinds that it can have, and the bits of a whole number of Python's.

    `natural` ones are known not to be negative.
    """

    text: str
    kinds: frozenset[str]
    bits: int = 0
    natural: bool = False

    @property
    def stored(self) -> str:
        """How a kernel holds it."""
        return stored(self.kinds, self.bits)

    @property
    def is_whole(self) -> bool:
        """Whether it can be an index."""
        return self.kinds <= {"int", "l"}

    def to(self, form: str) -> str:
        """Its text in another form."""
        return self.text if self.stored == form else f"np.{form}({self.text})"


ONE = "1"  # the length of an axis of which it is known


@dataclass(frozen=True)
class LoopArray:
    """An array, or an expression over arrays that nothing has computed yet.

    `lengths` are the texts of its shape, `letter` is that of its dtype, `element` gives the text of one element, and
    `reads` are the arrays whose memory it lies in or comes from. Into a `view` can be written.
    """

    lengths: tuple[str, ...]
    letter: str
    element: Callable[[Sequence[str]], str]
    reads: frozenset[str]
    view: bool = False
    in_order: bool = True  # whether what NumPy makes of it lies in C order


@dataclass(frozen=True)
class Items:
    """A tuple."""

    items: tuple[Value, ...]


@dataclass(frozen=True)
class Known:
    """An object of the user's surroundings, the same at every call: a module, a function, a type."""

    item: Any


Value = LoopNumber | LoopArray | Items | Known


def stored(kinds: frozenset[str], bits: int = 0) -> str:
    """The one form that holds a number of each of these kinds without loss."""
    forms = {FORMS[kind] for kind in kinds}
    if len(forms) == 1:
        return forms.pop()
    if "float32" in forms and kinds <= {"f", "int", "float"}:
        return "float32"
    if forms == {"int64", "float64"} and "l" not in kinds and bits <= EXACT:
        return "float64"
    raise LoopRefusal("a number is sometimes of one type and sometimes of another")


def literal(value: Any) -> LoopNumber:
    """A number that stands in the user's code."""
    kind = type(value).__name__
    if kind not in PYTHON or (kind == "int" and abs(value) >= 1 << WIDEST):
        raise LoopRefusal(f"it uses {value!r}"[:60])
    if kind == "int":
        return LoopNumber(f"np.int64({value})", frozenset([kind]), abs(value).bit_length(), value >= 0)
    if kind == "float":
        text = repr(value) if abs(value) < float("inf") else "np.inf" if value > 0 else "-np.inf"
        return LoopNumber(f"np.float64({text})", frozenset([kind]))
    return LoopNumber(repr(value), frozenset([kind]))


def joined(sign: str, one: str, other: str) -> str:
    """The kind of a sum, product, … of two kinds, NumPy's rules for weak Python numbers included."""
    if "bool" in (one, other) or (one == other == "?"):
        raise LoopRefusal("it computes with truth values")
    if one in PYTHON and other in PYTHON:
        return "float" if sign == "/" or "float" in (one, other) else "int"
    letter = strong(one, other)
    return "d" if sign == "/" and letter == "l" else letter


def strong(one: str, other: str) -> str:
    """The letter of the dtype in which NumPy computes with two kinds, one of which is NumPy's."""
    if one in PYTHON:
        one, other = other, one
    if other in PYTHON:
        if one in "l?":
            return {"float": "d", "int": "l", "bool": one}[other]
        return one
    letter = np.result_type(np.dtype(one), np.dtype(other)).char
    if letter not in TYPES:
        raise LoopRefusal(f"it computes in {np.dtype(letter)}")
    return letter


def together(kinds: Sequence[str]) -> str:
    """The kind in which NumPy computes with several; where all are Python's, the widest of these."""
    weak, letters = [kind for kind in kinds if kind in PYTHON], [kind for kind in kinds if kind not in PYTHON]
    if not letters:
        return max(weak, key=("bool", "int", "float").index)
    return reduce(strong, [*letters, *weak])


def arithmetic(sign: str, one: LoopNumber, other: LoopNumber) -> LoopNumber:
    """One of + - * / // % of two numbers."""
    if sign not in _ARITHMETIC:
        raise LoopRefusal(f"it computes with {sign}")
    kinds = frozenset(joined(sign, *pair) for pair in product(one.kinds, other.kinds))
    if sign in ("//", "%") and kinds != {"int"}:
        raise LoopRefusal(f"it takes {sign} of numbers that are not all whole")
    bits = _bits(sign, one.bits, other.bits) if "int" in kinds else 0
    form = stored(kinds, bits)
    if form == "float32" and "float" in kinds:
        raise LoopRefusal("a number is sometimes of one type and sometimes of another")
    natural = one.natural and other.natural and sign != "-"
    return LoopNumber(f"({one.to(form)} {sign} {other.to(form)})", kinds, bits, natural)


def _bits(sign: str, one: int, other: int) -> int:
    """The bits of a whole result; a counter stays as wide as any, for no loop takes turns enough to leave that."""
    if sign in ("+", "-"):
        counts = max(one, other) == WIDEST and min(one, other) <= GIVEN + 1
        bits = WIDEST if counts else max(one, other) + 1
    else:
        bits = one + other if sign == "*" else one + 1 if sign == "//" else other
    if bits > WIDEST:
        raise LoopRefusal("a whole number may become too large")
    return bits
