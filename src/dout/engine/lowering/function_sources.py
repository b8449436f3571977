"""The functions of `engine.math` without Numba, of which they import a little to be compiled by it, too.

Their modules run once more here, apart from those that others import: what they take of Numba is answered by markers.
"""

from __future__ import annotations

import builtins
import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

_OURS = "dout.engine.math"


@dataclass(frozen=True)
class NumberType:
    """The type of a number; a call of it says what an instruction returns."""

    name: str

    @property
    def bitwidth(self) -> int:
        """How many bits it has."""
        return int("".join(filter(str.isdigit, self.name)))

    def __call__(self, *arguments: Any) -> Any:
        """What takes numbers of these types and returns one of this type: all that matters is the latter."""
        return self


@dataclass(frozen=True)
class TupleType:
    """The type of a tuple of numbers that are alike."""

    kind: NumberType
    count: int

    def __call__(self, *arguments: Any) -> Any:
        """As for one number."""
        return self

    def __iter__(self) -> Iterator[NumberType]:
        return iter([self.kind] * self.count)


@dataclass(frozen=True, eq=False)
class Inlined:
    """A function that kernels call, and how far what it computes may be rounded otherwise, if it says so."""

    function: Callable[..., Any]
    rounding: tuple[str, ...] | None


@dataclass(frozen=True, eq=False)
class Instruction:
    """What writes its own code: from the types of its arguments the type of its result, and who writes it."""

    build: Callable[..., Any]


def prange(count: Any) -> Any:
    """A range whose numbers are shared among threads."""
    raise NotImplementedError("it stands in kernels alone")


def _njit(*, fastmath: Any = None, **options: Any) -> Any:
    rounding = None if fastmath is None else tuple(sorted(fastmath or ()))
    return lambda function: Inlined(function, rounding)


def _intrinsic(build: Any = None, **options: Any) -> Any:
    return Instruction if build is None else Instruction(build)


_KINDS = {name: NumberType(name) for name in ("int32", "int64", "uint64", "float32", "float64", "intp", "void")}
_NUMBA = {
    "njit": _njit,
    "prange": prange,
    "intrinsic": _intrinsic,
    "register_jitable": _njit,
    "UniTuple": TupleType,
    **_KINDS,
}


def _module(name: str) -> Any:
    """A part of Numba: what it is asked for, if we have it, and nothing of what is only called by Numba."""
    made: Any = ModuleType(name)
    vars(made).update(_NUMBA, types=made if name == "numba" else None)
    made.__getattr__ = lambda one: None
    return made


@cache
def module(name: str) -> Any:
    """A module as kernels see it."""
    if name.partition(".")[0] == "numba":
        return _module(name)
    if not name.startswith(_OURS):
        return importlib.import_module(name)
    spec: Any = importlib.util.find_spec(name)
    made = ModuleType(name)
    made.__file__ = spec.origin
    vars(made)["__builtins__"] = {**vars(builtins), "__import__": _import}
    exec(spec.loader.get_code(name), vars(made))
    return made


def _import(name: str, given: Any = None, own: Any = None, names: Any = (), level: int = 0) -> Any:
    """The answer to an import statement in one of these modules."""
    if level or name.partition(".")[0] not in ("numba", "dout"):
        return builtins.__import__(name, given, own, names, level)
    return module(name if names else name.partition(".")[0])
