"""Random generators under trace: what they draw enters as an input, and what they move stays traced."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from dout.trace.standin import TracedArray, plain, plain_deep

if TYPE_CHECKING:
    from dout.trace.tracer import Tracer


def is_generator(item: Any) -> bool:
    """Whether something is one of NumPy's random generators; `numpy.random` is loaded late, and not for this."""
    random = sys.modules.get("numpy.random")
    return random is not None and isinstance(item, (random.RandomState, random.Generator)) and type(item) is not Draws


class Draws:
    """A random generator in the user's hands while a trace runs; its methods are called as functions that record."""

    __slots__ = ("__wrapped__", "_answer")

    def __init__(self, generator: Any, answer: Callable[..., Any]) -> None:
        self.__wrapped__ = generator
        self._answer = answer  # makes a recording function of a method

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self.__wrapped__)

    def __getattr__(self, name: str) -> Any:
        item = getattr(self.__wrapped__, name)
        return self._answer(item) if callable(item) else item

    def __repr__(self) -> str:
        return repr(self.__wrapped__)


def is_draw(function: Any) -> bool:
    """Whether a function is a method of a random generator: NumPy's own global one, or the user's."""
    return is_generator(getattr(function, "__self__", None))


def draw(tracer: Tracer, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Draw. A drawn array is an input of the trace; elements of a traced array that are moved or chosen stay traced."""
    name, generator = function.__name__, function.__self__
    first = args[0] if args else None
    if name in ("shuffle", "permutation") and isinstance(first, TracedArray) and first.ndim:
        if len(args) > 1 or kwargs.get("axis", 0) != 0:
            raise tracer.unsupported(f"{name} along another axis")
        order = np.arange(len(first))
        generator.shuffle(order)  # the same steps as on the array itself
        moved = first[tracer.source(order)]
        if name == "permutation":
            return moved
        first[...] = moved
        return None
    if name == "choice" and isinstance(first, TracedArray) and first.ndim:
        if len(args) > 4 or kwargs.get("axis", 0) != 0:
            raise tracer.unsupported("choice along another axis")
        chosen = function(len(first), *plain_deep(list(args[1:])), **plain_deep(kwargs))
        return first[tracer.source(chosen) if isinstance(chosen, np.ndarray) else chosen]
    result = function(*plain_deep(list(args)), **plain_deep(kwargs))
    if result is not None:
        tracer.note("draw", f"{name} drew random numbers")
    return tracer.source(result, made=True) if type(result) is np.ndarray and result.dtype.kind in "biufc" else result


def generator_of(item: Any) -> Any:
    """The real generator behind a stand-in, and anything else as `plain` gives it."""
    return object.__getattribute__(item, "__wrapped__") if type(item) is Draws else plain(item)
