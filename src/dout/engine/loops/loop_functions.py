"""The functions that a loop may call: NumPy's over arrays and numbers, and a few of Python's own."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Hashable, Sequence
from itertools import product
from typing import Any

import numpy as np

from dout.engine.loop_source.loop_refusal import LoopRefusal
from dout.engine.loops.loop_text import LoopText, converted, element
from dout.engine.loops.loop_values import (
    FORMS,
    ONE,
    WEAK,
    Items,
    LoopArray,
    LoopNumber,
    Value,
    arithmetic,
    literal,
    stored,
    together,
)

# By the text of one element; those that round in their own way differ from NumPy's in the last bits.
_OF_FLOATS: dict[Any, str] = {np.sqrt: "np.sqrt({0})"}
_ROUNDING: dict[Any, str] = {f: f"np.{f.__name__}({{0}})" for f in (np.exp, np.log, np.tanh, np.sin, np.cos)}
_OF_ANY: dict[Any, str] = {np.square: "({0} * {0})", np.abs: "abs({0})", np.negative: "(-{0})"}
_OF_TWO: dict[Any, str] = {np.maximum: "larger", np.minimum: "smaller"}  # of zeros either
_MATH: dict[Any, tuple[str, str]] = {  # of one number, and where Python raises an error
    math.exp: ("np.exp({0})", "{0} > 709"), math.log: ("np.log({0})", "{0} <= 0"),
    math.sin: ("np.sin({0})", "abs({0}) == np.inf"), math.cos: ("np.cos({0})", "abs({0}) == np.inf"),
    math.tanh: ("np.tanh({0})", ""), math.fabs: ("abs({0})", ""), math.sqrt: ("np.sqrt({0})", "{0} < 0"),
}  # fmt: skip
_EXACT = (math.sqrt, math.fabs)
_BINARY: dict[Any, str] = {np.add: "+", np.subtract: "-", np.multiply: "*", np.divide: "/"}
_REDUCED: dict[Any, str] = {
    np.sum: "summed", np.max: "largest", np.min: "smallest", np.mean: "averaged", np.argmax: "largest_at",
    np.argmin: "smallest_at", np.amax: "largest", np.amin: "smallest",
}  # fmt: skip
_EXTREME: dict[Any, tuple[str, str]] = {
    **dict.fromkeys((np.max, np.amax), ("larger", "min")), **dict.fromkeys((np.min, np.amin), ("smaller", "max")),
}  # fmt: skip
_ENDS = {"min": "-np.inf", "max": "np.inf"}
_METHODS: dict[str, Any] = {name: getattr(np, name) for name in ("sum", "max", "min", "mean", "argmax", "argmin")}
_FILLED: dict[Any, str] = {np.zeros: "0", np.ones: "1", np.zeros_like: "0", np.ones_like: "1"}
NAMES = {f.__name__ for f in (*_OF_FLOATS, *_ROUNDING, *_OF_ANY, *_OF_TWO, *_BINARY, *_REDUCED, *_FILLED)} | {
    "abs", "max", "min", "dot", "matmul", "tensordot", "where", "outer", "unravel_index", "amax", "amin", "copy", "len",
    "int", "float", "fabs", "ndindex",
}  # fmt: skip

_NOT_ZERO = re.compile(r"np\.(int|float)64\(-?[\d.]*[1-9][\d.]*\)")  # a number that stands in the code
Given = Sequence[Value]
Options = dict[str, Any]


def as_array(value: Value) -> LoopArray:
    """A number as an array without axes, with the letter that it has beside arrays."""
    if isinstance(value, LoopArray):
        return value
    raise LoopRefusal("it needs an array")


class LoopFunctions:
    """Answers calls and operators, and writes what they need into a kernel."""

    def __init__(self, text: LoopText) -> None:
        self.text = text

    # --- operators ----------------------------------------------------------------------------------------------------

    def binary(self, sign: str, one: Value, other: Value) -> Value:
        """One of the operators of arithmetic."""
        if isinstance(one, LoopNumber) and isinstance(other, LoopNumber):
            if sign == "**":
                return self._power(one, other)
            divides = sign in ("/", "//", "%") and not _NOT_ZERO.fullmatch(other.text)
            if divides and one.kinds & WEAK and other.kinds & WEAK:
                self.text.leave_if(f"{other.text} == 0")  # an error; NumPy's numbers give infinity
            return arithmetic(sign, one, other)
        if sign == "**":
            if isinstance(one, LoopArray) and isinstance(other, LoopNumber) and other.text == "np.int64(2)":
                return self.elementwise("({0} * {0})", [one], one.letter)
            raise LoopRefusal("it computes a power of an array")
        if sign not in "+-*/":
            raise LoopRefusal(f"it takes {sign} of arrays")
        letter = self.letter(one, other)
        if letter == "?":
            raise LoopRefusal("it computes with truth values")
        return self.elementwise(f"({{0}} {sign} {{1}})", [one, other], "d" if sign == "/" and letter == "l" else letter)

    def _power(self, one: LoopNumber, other: LoopNumber) -> LoopNumber:
        if other.text != "np.int64(2)" or one.kinds & {"bool", "?"}:
            raise LoopRefusal("it computes a power")
        self.text.rounds = self.text.rounds or one.stored.startswith("float")
        return arithmetic("*", one, one)

    def negative(self, one: Value) -> Value:
        """-x"""
        if isinstance(one, LoopArray):
            if one.letter == "?":
                raise LoopRefusal("it computes with truth values")
            return self.elementwise("(-{0})", [one], one.letter)
        assert isinstance(one, LoopNumber)
        if one.kinds & {"bool", "?"}:
            raise LoopRefusal("it computes with truth values")
        return LoopNumber(f"(-{one.text})", one.kinds, one.bits)

    def compared(self, sign: str, one: Value, other: Value) -> Value:
        """One of the comparisons."""
        if isinstance(one, LoopNumber) and isinstance(other, LoopNumber):
            kinds = one.kinds | other.kinds
            form = "bool_" if kinds <= {"bool", "?"} else arithmetic("+", one, other).stored
            return LoopNumber(
                f"({one.to(form)} {sign} {other.to(form)})", frozenset(["bool" if kinds <= WEAK else "?"])
            )
        letter = self.letter(one, other)
        return self.elementwise(f"({{0}} {sign} {{1}})", [one, other], "?", letter)

    def letter(self, *given: Value) -> str:
        """The letter of the dtype in which NumPy computes with these."""
        kinds: list[Collection[str]] = []
        for one in given:
            if not isinstance(one, LoopArray | LoopNumber):
                raise LoopRefusal("it computes with an object that is neither array nor number")
            kinds.append([one.letter] if isinstance(one, LoopArray) else one.kinds)
        found = {together(choice) for choice in product(*kinds)}
        if len(found) > 1:
            raise LoopRefusal("it computes with a number that is sometimes of one type and sometimes of another")
        return found.pop()

    def elementwise(self, pattern: str, given: Given, letter: str, inner: str | None = None) -> Value:
        """An expression over elements; `inner` is the letter in which it is computed, where it is another."""
        form = FORMS[inner or letter]
        arrays = [one for one in given if isinstance(one, LoopArray)]
        names = [self.text.let("x", one.to(form)) if isinstance(one, LoopNumber) else "" for one in given]
        if not arrays:
            return LoopNumber(pattern.format(*names), frozenset([letter]))
        lengths = self.text.broadcast(*arrays)

        def texts(at: Sequence[str]) -> list[str]:
            return [
                converted(one, at, form) if isinstance(one, LoopArray) else name
                for name, one in zip(names, given, strict=True)
            ]

        reads = frozenset(name for one in arrays for name in one.reads)
        in_order = all(one.in_order for one in arrays)
        return LoopArray(lengths, letter, lambda at: pattern.format(*texts(at)), reads, in_order=in_order)

    # --- calls --------------------------------------------------------------------------------------------------------

    def call(self, function: Any, given: Given, options: Options) -> Value:
        """A call of a function of NumPy or Python."""
        name = getattr(function, "__name__", "an object")
        if not isinstance(function, Hashable):
            raise LoopRefusal(f"it calls {name}")
        if function in _REDUCED and len(given) == 1:
            return self.reduced(function, as_array(given[0]), options)
        if options:
            raise LoopRefusal(f"it calls {name} with {', '.join(options)}")
        for table in (_OF_FLOATS, _ROUNDING, _OF_ANY):
            if function in table and len(given) == 1:
                self.text.rounds = self.text.rounds or table is _ROUNDING
                return self._applied(table[function], given, to_floats=table is not _OF_ANY)
        if function in _OF_TWO and len(given) == 2:
            self.text.rounds = True  # of zeros either
            return self._applied(self.text.call(_OF_TWO[function], "{0}", "{1}"), given)
        if function in _BINARY and len(given) == 2:
            return self._applied(f"({{0}} {_BINARY[function]} {{1}})", given, to_floats=_BINARY[function] == "/")
        if function in _FILLED:
            return self._filled(function, *given)
        if function in _MATH and len(given) == 1:
            return self._of_math(function, given[0])
        answer = _OTHERS.get(function)
        if answer is None:
            raise LoopRefusal(f"it calls {name}")
        try:
            return answer(self, *given)
        except TypeError:
            raise LoopRefusal(f"it calls {name} in a way that a kernel does not know") from None

    def _of_math(self, function: Any, one: Value) -> LoopNumber:
        """A function of Python's module `math`; where that raises an error, the kernel leaves it to Python."""
        if not isinstance(one, LoopNumber):
            raise LoopRefusal(f"it calls math.{function.__name__} of what is no number")
        name, (text, fails) = self.text.let("x", one.to("float64")), _MATH[function]
        if fails:
            self.text.leave_if(fails.format(name))
        self.text.rounds = self.text.rounds or function not in _EXACT
        return LoopNumber(text.format(name), frozenset(["float"]))

    def method(self, owner: Value, name: str, given: Given, options: Options) -> Value:
        """A call of an array's method."""
        if name == "dot" and len(given) == 1:
            return self.call(np.dot, [owner, *given], options)
        if not isinstance(owner, LoopArray) or name not in (*_METHODS, "copy") or given:
            raise LoopRefusal(f"it calls the method {name}")
        return self.text.made(owner) if name == "copy" else self.reduced(_METHODS[name], owner, options)

    def _applied(self, pattern: str, given: Given, *, to_floats: bool = False) -> Value:
        """A function of NumPy of one or two arguments, some of which make floats of whole numbers."""
        letter = self._computed(*given)
        return self.elementwise(pattern, given, "d" if to_floats and letter == "l" else letter)

    def _computed(self, *given: Value) -> str:
        """The letter of what a function of NumPy makes of these."""
        letter = self.letter(*given)
        if letter in ("?", "bool"):
            raise LoopRefusal("it computes with truth values")
        return {"int": "l", "float": "d"}.get(letter, letter)

    def _filled(self, function: Any, like: Value) -> Value:
        if function in (np.zeros_like, np.ones_like):
            array = as_array(like)
            lengths, letter = array.lengths, array.letter
        else:
            items = like.items if isinstance(like, Items) else (like,)
            numbers = [item for item in items if isinstance(item, LoopNumber) and item.is_whole]
            if len(numbers) < len(items) or not items:
                raise LoopRefusal("it makes an array of a shape that is no tuple of numbers")
            lengths, letter = tuple(self.text.let("n", number.text) for number in numbers), "d"
            for length in lengths:
                self.text.leave_if(f"{length} < 0")
        filling = f"np.{FORMS[letter]}({_FILLED[function]})"
        return self.text.made(LoopArray(lengths, letter, lambda at: filling, frozenset()))

    # --- reductions ---------------------------------------------------------------------------------------------------

    def reduced(self, function: Any, array: LoopArray, options: Options) -> Value:
        """A sum, maximum, mean … over all elements or along axes."""
        helper = "added" if function is np.sum and array.letter == "l" else _REDUCED[function]
        if array.letter == "?" or (array.letter == "l" and function is np.mean):
            raise LoopRefusal(f"it takes {function.__name__} of whole numbers or truth values")
        letter = "l" if helper.endswith("_at") else array.letter
        axis, keeps = options.pop("axis", None), options.pop("keepdims", False)
        if options or type(keeps) is not bool:
            raise LoopRefusal(f"it calls {function.__name__} with {', '.join(options) or 'keepdims'}")
        whole = axis is None
        axes = self._axes(array, axis)
        if helper in ("summed", "averaged"):  # NumPy adds up what is no new array in C order in another order
            ordered = array.in_order and not array.view and axes == list(range(len(array.lengths)))
            self.text.rounds = self.text.rounds or not ordered
        elif helper in ("largest", "smallest"):
            self.text.rounds = True  # of zeros either
        if helper not in ("summed", "added"):
            for a in axes:
                self.text.leave_if(f"{array.lengths[a]} == 0")
        if whole and not keeps and function in _EXTREME:
            return self._extreme_of(array, *_EXTREME[function])
        if whole and not keeps:
            row, size = self.text.row(array)
            return LoopNumber(self.text.let("s", self.text.call(helper, row, size)), frozenset([letter]))
        kept = [a for a in range(len(array.lengths)) if a not in axes]
        lengths = [ONE if a in axes else n for a, n in enumerate(array.lengths) if keeps or a in kept]
        out = self.text.empty(lengths or [ONE], letter)
        with self.text.over([array.lengths[a] for a in kept]) as outer:
            at, left = [""] * len(array.lengths), iter(outer)
            for a in kept:
                at[a] = next(left)
            row, size = self.text.row(array, at, axes)
            place = ["0" if a in axes else at[a] for a in range(len(at)) if keeps or a in kept]
            self.text.add(f"{element(out, place or ['0'])} = {self.text.call(helper, row, size)}")
        if not lengths:
            return LoopNumber(element(out, ["0"]), frozenset([letter]))
        return LoopArray(tuple(lengths), letter, lambda at: element(out, at), frozenset([out]), True)

    def _extreme_of(self, array: LoopArray, helper: str, start: str) -> LoopNumber:
        """The largest or smallest element, as they go by."""
        form = FORMS[array.letter]
        found = self.text.let(
            "s", f"np.iinfo(np.int64).{start}" if array.letter == "l" else f"np.{form}({_ENDS[start]})"
        )
        with self.text.over(array.lengths) as at:
            self.text.add(f"{found} = {self.text.call(helper, found, array.element(at))}")
        return LoopNumber(found, frozenset([array.letter]))

    def _axes(self, array: LoopArray, axis: Any) -> list[int]:
        count = len(array.lengths)
        if axis is None:
            return list(range(count))
        many = axis if isinstance(axis, tuple) else (axis,)
        if not all(type(a) is int and -count <= a < count for a in many):
            raise LoopRefusal("it reduces along an axis that is not known")
        found = sorted(a % count for a in many)
        if len(set(found)) < len(found):
            raise LoopRefusal("it reduces along one axis twice")
        return found

    # --- others -------------------------------------------------------------------------------------------------------

    def _dot(self, one: Value, other: Value) -> Value:
        a, b = as_array(one), as_array(other)
        if (
            self.letter(a, b) not in "df"
            or not 2 <= len(a.lengths) + len(b.lengths) <= 3
            or not (a.lengths and b.lengths)
        ):
            raise LoopRefusal("it multiplies matrices")  # BLAS does it faster
        self.text.rounds = True
        if len(a.lengths) == 2:  # rows times a vector
            return self.reduced(np.sum, as_array(self.binary("*", a, b)), {"axis": 1})
        if len(b.lengths) == 2:
            a = LoopArray((a.lengths[0], ONE), a.letter, lambda at, row=a: row.element(at[:1]), a.reads)  # type: ignore[misc]
            return self.reduced(np.sum, as_array(self.binary("*", a, b)), {"axis": 0})
        return self.reduced(np.sum, as_array(self.binary("*", a, b)), {})

    def _outer(self, one: Value, other: Value) -> Value:
        a, b = as_array(one), as_array(other)
        if len(a.lengths) != 1 or len(b.lengths) != 1:
            raise LoopRefusal("it takes the outer product of arrays with several axes")
        column = LoopArray((a.lengths[0], ONE), a.letter, lambda at: a.element(at[:1]), a.reads, in_order=a.in_order)
        return self.binary("*", column, b)

    def _where(self, condition: Value, one: Value, other: Value) -> Value:
        mask, letter = as_array(condition), self._computed(one, other)
        if mask.letter != "?":
            raise LoopRefusal("it chooses by what is no condition")
        return self.elementwise("({1} if {0} else {2})", [mask, one, other], letter)

    def _unravelled(self, place: Value, shape: Value) -> Value:
        if not (isinstance(place, LoopNumber) and isinstance(shape, Items)):
            raise LoopRefusal("it calls unravel_index in a way that a kernel does not know")
        lengths = [item.text for item in shape.items if isinstance(item, LoopNumber) and item.is_whole]
        left = self.text.let("k", place.text)
        if len(lengths) < len(shape.items) or not lengths:
            raise LoopRefusal("it calls unravel_index in a way that a kernel does not know")
        self.text.leave_if(f"{left} < 0 or {left} >= {' * '.join(lengths)}")
        found: list[Value] = []
        for i in range(len(lengths)):
            rest = " * ".join(lengths[i + 1 :]) or ONE
            found.append(LoopNumber(self.text.let("k", f"{left} // ({rest})"), frozenset(["l"]), natural=True))
            left = self.text.let("k", f"{left} % ({rest})")
        return Items(tuple(found))

    def _extreme(self, sign: str, *given: Value) -> Value:
        """Python's max and min: the first of those that are equal, of the kind that it has."""
        numbers = [one for one in given if isinstance(one, LoopNumber)]
        if len(numbers) < max(2, len(given)) or "bool_" in {one.stored for one in numbers}:
            raise LoopRefusal("it takes max or min of something else than numbers")
        found = numbers[0]
        for one in numbers[1:]:
            kinds, bits = found.kinds | one.kinds, max(found.bits, one.bits)
            form = stored(kinds, bits)
            names = self.text.let("x", found.to(form)), self.text.let("x", one.to(form))
            text = self.text.let("x", f"{names[1]} if {names[1]} {sign} {names[0]} else {names[0]}")
            found = LoopNumber(text, kinds, bits)
        return found

    def _length(self, one: Value) -> Value:
        if isinstance(one, Items):
            return literal(len(one.items))
        if not as_array(one).lengths:
            raise LoopRefusal("it takes the length of a number")
        return LoopNumber(f"np.int64({as_array(one).lengths[0]})", frozenset(["int"]), 31, True)

    def _int(self, one: Value) -> Value:
        if not isinstance(one, LoopNumber) or not one.is_whole:
            raise LoopRefusal("it makes a whole number of another")
        return LoopNumber(one.text, frozenset(["int"]), one.bits or 31) if one.kinds == {"int"} else self._whole(one)

    def _whole(self, one: LoopNumber) -> LoopNumber:
        name = self.text.let("x", one.text)
        self.text.leave_if(f"abs({name}) >= {1 << 31}")
        return LoopNumber(name, frozenset(["int"]), 31)

    def _float(self, one: Value) -> Value:
        if not isinstance(one, LoopNumber) or "l" in one.kinds:
            raise LoopRefusal("it calls float")
        return LoopNumber(one.to("float64"), frozenset(["float"]))

    def _absolute(self, one: Value) -> Value:
        if isinstance(one, LoopNumber) and one.kinds <= {"int", "float", "d", "f"}:
            return LoopNumber(f"abs({one.text})", one.kinds, one.bits)
        return self.call(np.abs, [one], {})


_OTHERS: dict[Any, Callable[..., Value]] = {
    np.dot: LoopFunctions._dot,
    np.matmul: LoopFunctions._dot,
    np.outer: LoopFunctions._outer,
    np.where: LoopFunctions._where,
    np.unravel_index: LoopFunctions._unravelled,
    max: lambda answer, *given: answer._extreme(">", *given),
    min: lambda answer, *given: answer._extreme("<", *given),
    len: LoopFunctions._length,
    int: LoopFunctions._int,
    float: LoopFunctions._float,
    abs: LoopFunctions._absolute,
}
