"""What operators and plain functions give for values that are known: numbers, sequences, shapes."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from dout.adapt.usage.known_arrays import product_of
from dout.adapt.usage.observed_call import UNKNOWN, Array, Shape

_OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_FUNCTIONS = (int, float, str, tuple, list, len, round, abs, max, min, sum, math.sqrt, math.prod)
PLAIN: Mapping[str, Callable[..., Any]] = {function.__name__: function for function in _FUNCTIONS}
_LARGEST = 1e9  # of a number that is computed with
_LARGEST_EXPONENT = 30
_LARGEST_REPEAT = 64


def tried(function: Callable[..., Any], *args: Any) -> Any:
    """The result of a plain function of numbers and short sequences; UNKNOWN where it raises."""
    try:
        return function(*args)
    except Exception:
        return UNKNOWN


def combined(op: ast.operator, left: Any, right: Any) -> Any:
    """Arithmetic of numbers, of arrays with numbers or arrays, and of sequences."""
    if isinstance(op, ast.MatMult):
        return product_of(left, right)
    if _is_number(left) and _is_number(right):
        function = _OPERATORS.get(type(op))
        small = not isinstance(op, ast.Pow) or abs(right) <= _LARGEST_EXPONENT
        return tried(function, left, right) if function is not None and small else UNKNOWN
    arrays = [value for value in (left, right) if isinstance(value, Shape | Array)]
    if arrays and all(isinstance(value, Shape | Array) or _is_number(value) for value in (left, right)):
        return Shape(max((array.sizes for array in arrays), key=len))
    if isinstance(op, ast.Add) and type(left) is type(right) and isinstance(left, tuple | list | str):
        return left + right
    if isinstance(op, ast.Mult) and isinstance(left, tuple | list) and isinstance(right, int):
        return left * right if right < _LARGEST_REPEAT else UNKNOWN
    return UNKNOWN


def negated(value: Any) -> Any:
    """A number or an array with the other sign."""
    return -value if isinstance(value, int | float) else value if isinstance(value, Shape) else UNKNOWN


def item_of(value: Any, index: ast.expr, key: Any) -> Any:
    """The item of a sequence or dict at a known key, or the part of a sequence between literal ends."""
    if isinstance(value, tuple | list | dict) and isinstance(key, int | str):
        return tried(operator.getitem, value, key)
    if isinstance(value, tuple | list) and isinstance(index, ast.Slice) and index.step is None:
        ends = [None if end is None else tried(ast.literal_eval, end) for end in (index.lower, index.upper)]
        return tried(operator.getitem, value, slice(*ends)) if UNKNOWN not in ends else UNKNOWN
    return UNKNOWN


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) < _LARGEST
