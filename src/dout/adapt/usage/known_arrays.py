"""The shapes of arrays that NumPy makes, by the name of the function alone."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dout.adapt.usage.observed_call import UNKNOWN, Array, Named, Shape, unknowns

_LARGEST = 10**7  # of a size
_SIZE_FIRST = frozenset(
    {"zeros", "ones", "empty", "full", "random", "random_sample", "standard_normal", "ranf", "sample"}
)
_SIZE_THIRD = frozenset({"normal", "uniform", "randint", "integers", "binomial", "choice"})
_LIKE = frozenset({"zeros_like", "ones_like", "asarray", "array", "float32", "float64", "empty_like", "full_like"})
_OF_SAME_SHAPE = frozenset({"astype", "copy", "clip", "round"})
_WHOLE = frozenset({"randint", "integers", "choice", "arange"})


def made_array(verb: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The array that a call of NumPy makes; UNKNOWN for other calls."""
    first = args[0] if args else UNKNOWN
    if verb in _LIKE and isinstance(first, Shape | Array):
        return first
    if verb == "array" and isinstance(first, list | tuple):
        return UNKNOWN if unknowns(first) else Array(first)
    sizes = _sizes(_asked_size(verb, args, kwargs))
    if sizes is None:
        return UNKNOWN
    whole = verb in _WHOLE or _is_whole(kwargs.get("dtype"))
    return Shape(sizes, whole, _end(verb, args, kwargs) if verb in _WHOLE else None)


def _asked_size(verb: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The size that a call asks for: a number, a tuple, or UNKNOWN."""
    given = kwargs.get("size", kwargs.get("shape", UNKNOWN))
    match verb:
        case "randn" | "rand":
            return args
        case "arange" if 0 < len(args) < 3 and all(type(a) is int for a in args):
            return args[-1] - (args[0] if len(args) == 2 else 0)
        case "linspace":
            return kwargs.get("num", args[2] if len(args) > 2 else UNKNOWN)
        case "eye" | "identity" if args:
            return args[0], args[1] if len(args) > 1 else args[0]
        case _ if verb in _SIZE_FIRST:
            return args[0] if given is UNKNOWN and args else given
        case _ if verb in _SIZE_THIRD and given is UNKNOWN:
            place = 1 if verb == "choice" and len(args) == 2 else 2
            return args[place] if len(args) > place else UNKNOWN
        case _ if verb in _SIZE_THIRD:
            return given
    return UNKNOWN


def _sizes(value: Any) -> tuple[int, ...] | None:
    items = value if isinstance(value, tuple | list) else (value,)
    return tuple(items) if all(type(item) is int and 0 <= item < _LARGEST for item in items) else None


def _end(verb: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int | None:
    """The number below which the whole numbers of a call are."""
    ends = [a for a in args[:2] if type(a) is int] if verb in ("randint", "integers") else args[:1]
    end = kwargs.get("high", ends[-1] if ends else None)
    return end if type(end) is int else None


def _is_whole(dtype: Any) -> bool:
    name = dtype.name if isinstance(dtype, Named) else dtype
    return isinstance(name, str) and re.fullmatch(r"u?int\d*|[iu]\d?|long", name) is not None


def product_of(left: Any, right: Any) -> Any:
    """The matrix product of two arrays; UNKNOWN where the second is no matrix."""
    if not (isinstance(left, Shape | Array) and isinstance(right, Shape | Array) and len(right.sizes) == 2):
        return UNKNOWN
    return Shape((*left.sizes[:-1], right.sizes[1]))


def attribute_of(array: Shape | Array, name: str) -> Any:
    """An attribute of an array that follows from its shape."""
    match name:
        case "shape":
            return array.sizes
        case "size":
            return math.prod(array.sizes)
        case "ndim":
            return len(array.sizes)
        case "T":
            return _with_sizes(array, array.sizes[::-1])
    return UNKNOWN


def method_of(array: Shape | Array, verb: str, args: tuple[Any, ...]) -> Any:
    """The array that a method of an array gives, where only its shape changes."""
    sizes = array.sizes
    if verb in _OF_SAME_SHAPE:
        same = _with_sizes(array, sizes)
        return replace(same, whole=True) if any(map(_is_whole, args[:1])) else same
    if verb == "reshape":
        return _reshaped(array, args[0] if len(args) == 1 and isinstance(args[0], tuple | list) else args)
    if verb == "transpose" and sorted(a for a in args if type(a) is int) == list(range(len(sizes))):
        return _with_sizes(array, tuple(sizes[a] for a in args))
    if verb in ("dot", "matmul") and args:
        return product_of(array, args[0])
    return _with_sizes(array, (math.prod(sizes),)) if verb in ("ravel", "flatten") else UNKNOWN


def _reshaped(array: Shape | Array, asked: tuple[Any, ...] | list[Any]) -> Any:
    rest = math.prod(size for size in asked if type(size) is int and size > 0) or 1
    sizes = _sizes(tuple(math.prod(array.sizes) // rest if size == -1 else size for size in asked))
    return _with_sizes(array, sizes) if sizes is not None else UNKNOWN


def _with_sizes(array: Shape | Array, sizes: tuple[int, ...]) -> Shape:
    return replace(array, sizes=sizes) if isinstance(array, Shape) else Shape(sizes)
