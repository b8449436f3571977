"""What makes an object of the user's class of an array where its constructor does not: `tensor([[1.0, 2.0]])`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import FunctionType
from typing import Any, TypeGuard

import numpy as np

from dout.adapt.argument_names import is_named, taken_by
from dout.ops.shape import sum_to
from dout.run import mro_of, quiet, vars_of
from dout.trace.model.user_source import behind, is_user_code
from dout.trace.tracer.traced import plain

_DEEPEST = 4  # functions between the one that is called and the class
_SAMPLE = ((0.5, 0.25, 0.125), (3.0, 2.0, 1.0))  # two axes of different sizes, no number twice


def known_above(cls: type) -> list[Any]:
    """What is known by name where a class, and those above it, are written."""
    methods = [getattr(f, "__func__", f) for base in mro_of(cls) for f in vars_of(base).values()]
    names = {id(f.__globals__): f.__globals__ for f in methods if type(f) is FunctionType}
    return [item for known in names.values() for item in list(known.values())]


@dataclass(frozen=True)
class Maker:
    """A function that makes an object of a class of lists, and the method that gives its numbers back."""

    function: FunctionType
    kind: type
    method: str

    @property
    def __name__(self) -> str:
        return self.kind.__name__

    def __call__(self, array: Any) -> Any:
        """An object of the class that holds these numbers."""
        return self.function(_listed(array) if np.ndim(plain(array)) else [array])

    def numbers_of(self, item: Any) -> Any:
        """The numbers of an object of the class; anything else is its own."""
        return getattr(item, self.method)() if isinstance(item, self.kind) else item


def maker_of(cls: type, known: Iterable[Any]) -> Maker | None:
    """The first of the functions that are known, or of the class's own, that makes it of lists; None without."""
    own = (getattr(item, "__func__", None) for item in vars_of(cls).values() if isinstance(item, staticmethod))
    for function in dict.fromkeys(filter(_is_users, [*known, *own])):
        needed = [p for p in taken_by(function) if p.default is p.empty or not is_named(p)]
        if needed == taken_by(function)[:1] and _leads_to(function, cls, _DEEPEST):
            for method in _methods_without_arguments(cls):
                if _gives_back(maker := Maker(function, cls, method)):
                    return maker
    return None


def as_broadcast(gradients: Any, inputs: Sequence[Any], maker: Maker) -> Any:
    """Gradients in the shapes of their inputs, where broadcasting is all that lies between: the class undoes it."""
    if not isinstance(gradients, tuple):
        return _broadcast(gradients, np.shape(plain(maker.numbers_of(inputs[0]))))
    shapes = [np.shape(plain(maker.numbers_of(item))) for item in inputs]
    return tuple(_broadcast(g, shape) for g, shape in zip(gradients, shapes, strict=False))


def _broadcast(gradient: Any, shape: tuple[int, ...]) -> Any:
    own = np.shape(plain(gradient))
    if own == shape or not own:
        return gradient
    with suppress(ValueError):
        both = np.broadcast_shapes(own, shape)
        if both == shape:
            return np.broadcast_to(gradient, shape)
        if both == own:
            return sum_to(gradient, shape)
    return gradient


def _gives_back(maker: Maker) -> bool:
    """Whether an object that is made so has the numbers that it was made of, in their shape."""
    try:
        with quiet():
            made = maker(np.array(_SAMPLE))
            return isinstance(made, maker.kind) and np.array_equal(plain(maker.numbers_of(made)), _SAMPLE)
    except Exception:
        return False


def _methods_without_arguments(cls: type) -> list[str]:
    methods = {n: f for base in reversed(mro_of(cls)) for n, f in vars_of(base).items() if type(f) is FunctionType}
    return [name for name, f in methods.items() if not name.startswith("__") and len(taken_by(f)) == 1]


def _leads_to(function: FunctionType, cls: type, deepest: int) -> bool:
    """Whether a function names a class, or calls one that does."""
    names = behind(function).__code__.co_names
    called = [item for item in map(function.__globals__.get, names) if _is_users(item)]
    return cls.__name__ in names or (deepest > 0 and any(_leads_to(f, cls, deepest - 1) for f in called))


def _is_users(item: Any) -> TypeGuard[FunctionType]:
    return type(item) is FunctionType and is_user_code(item.__code__.co_filename)


def _listed(array: Any) -> Any:
    """The elements of an array in lists of lists, each as it is: in a recording they stay what they stand for."""
    return [_listed(row) for row in array] if np.ndim(plain(array)) else array
