"""The names that NumPy has removed, answered while a program runs, and noted with their lines.

Much code was written for an older NumPy: its `np.float` raises today. It runs as if that did not, and what is said of
it names what to write instead.
"""

from __future__ import annotations

import inspect
import linecache
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as np

from dout.graph import Where
from dout.trace.model.user_source import asking_user, is_ours, is_user_code
from dout.trace.tracer.user_functions import OldSpelling

INSTEAD = {
    **{name: name for name in ("bool", "int", "float", "complex", "object", "str")},
    "long": "int", "unicode": "str", "math": "math", "asscalar": "x.item()", "asfarray": "np.asarray(x, dtype=float)",
    "float_": "np.float64", "complex_": "np.complex128", "longfloat": "np.longdouble", "cfloat": "np.complex128",
    "singlecomplex": "np.complex64", "clongfloat": "np.clongdouble", "longcomplex": "np.clongdouble",
    "string_": "np.bytes_", "unicode_": "np.str_", "bool8": "np.bool_", "object0": "np.object_", "int0": "np.intp",
    "uint0": "np.uintp", "str0": "np.str_", "bytes0": "np.bytes_",
    "NaN": "np.nan", "NAN": "np.nan", "Inf": "np.inf", "Infinity": "np.inf", "infty": "np.inf", "PINF": "np.inf",
    "NINF": "-np.inf", "PZERO": "0.0", "NZERO": "-0.0",
    "product": "np.prod", "cumproduct": "np.cumprod", "alltrue": "np.all", "sometrue": "np.any", "round_": "np.round",
    "in1d": "np.isin", "row_stack": "np.vstack", "trapz": "np.trapezoid", "msort": "np.sort(x, axis=0)",
    "mat": "np.asmatrix", "rank": "np.ndim", "alen": "len", "find_common_type": "np.result_type",
    "issubclass_": "issubclass",
    "reshape(x, newshape=…)": "np.reshape(x, shape=…)",
}  # fmt: skip


def said_of(name: str) -> str:
    """What is said of a line that uses such a name."""
    return f"uses np.{name}, which NumPy has removed: write {INSTEAD[name]}"


_TAKEN_APART = """
def asscalar(a):
    return a.item()
def asfarray(a, dtype=float):
    return a.astype(dtype) if hasattr(a, "astype") else np.asarray(a, dtype)
def msort(a):
    return np.sort(a, axis=0)
def in1d(a, b, **options):
    return np.isin(np.ravel(a), b, **options)
def find_common_type(arrays, scalars):
    return np.result_type(*arrays, *scalars)
"""


def _functions() -> dict[str, Any]:
    """What has no other name in today's NumPy. Compiled as if a user had written it: a recording looks into it."""
    names: dict[str, Any] = {"np": np}
    exec(compile(_TAKEN_APART, "<removed from numpy>", "exec"), names)
    return names


@dataclass(frozen=True)
class OldNameUse:
    """A line that uses a removed name, and the user's lines that led there, the nearest first."""

    name: str
    where: Where
    callers: tuple[Where, ...]


class Removed:
    """Answers for the removed names in one process, and notes the first line of each file that asks for one."""

    def __init__(self) -> None:
        self.used: list[OldNameUse] = []
        self._seen: set[tuple[str, str]] = set()  # file and name
        self._functions = _functions()
        self._fromstring, self._reshape = np.fromstring, np.reshape
        self._before: Callable[[str], Any] = vars(np)["__getattr__"]
        self._before_of_lib: Callable[[str], Any] = vars(np.lib)["__getattr__"]

    def install(self) -> None:
        """Be asked for every name that NumPy does not have."""
        vars(np)["__getattr__"] = self._answer
        vars(np)["fromstring"] = self._of_bytes
        vars(np.lib)["__getattr__"] = self._answer_of_lib
        if "newshape" not in inspect.signature(np.reshape).parameters:
            vars(np)["reshape"] = OldSpelling(self._reshape, self._renamed)

    def remove(self) -> None:
        """Be asked no more."""
        vars(np)["__getattr__"], vars(np.lib)["__getattr__"] = self._before, self._before_of_lib
        vars(np)["fromstring"] = self._fromstring
        vars(np)["reshape"] = self._reshape

    def _renamed(self, options: dict[str, Any]) -> dict[str, Any]:
        """The arguments of `np.reshape`, whose `shape` was called `newshape`."""
        if "newshape" not in options:
            return options
        if (frame := _users_frame()) is not None:
            self._note("reshape(x, newshape=…)", frame)
        return {"shape" if name == "newshape" else name: item for name, item in options.items()}

    def _of_bytes(self, string: Any, dtype: Any = float, count: int = -1, *, sep: str = "", **options: Any) -> Any:
        """`np.fromstring`, which reads bytes no more; it did if nothing was said to stand between numbers."""
        if sep:
            return self._fromstring(string, dtype, count, sep=sep, **options)
        return np.frombuffer(string.encode() if isinstance(string, str) else string, dtype, count).copy()

    def _answer(self, name: str) -> Any:
        frame = _users_frame() if name in INSTEAD else None
        if frame is None:
            return self._before(name)
        where = _place(frame)
        if "hasattr(" in (line := linecache.getline(where.file, where.line)) or "getattr(" in line:
            return self._before(name)
        self._note(name, frame)
        return self._meant(name)

    def _note(self, name: str, frame: FrameType) -> None:
        where = _place(frame)
        if (where.file, name) not in self._seen:
            self._seen.add((where.file, name))
            self.used.append(OldNameUse(name, where, _callers(frame)))

    def _answer_of_lib(self, name: str) -> Any:
        """Once `np.lib` had many of NumPy's functions, too."""
        known = name in vars(np) and not name.startswith("_") and _users_frame() is not None
        return vars(np)[name] if known else self._before_of_lib(name)

    def _meant(self, name: str) -> Any:
        if name in self._functions:
            return self._functions[name]
        instead = INSTEAD[name]
        if instead.removeprefix("-").startswith("np."):
            item = getattr(np, instead.rpartition("np.")[2])
            return -item if instead.startswith("-") else item
        return math if instead == "math" else eval(instead, {})

    def __enter__(self) -> Removed:
        self.install()
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def take(self) -> list[OldNameUse]:
        """The uses since the last time; what runs next is noted as if nothing had run before."""
        taken, self.used = self.used, []
        self._seen.clear()
        return taken


def _users_frame() -> FrameType | None:
    """The frame that asks, where it is a user's: libraries look for names of older NumPys themselves."""
    return asking_user(sys._getframe(1), lambda file: is_ours(file) or "importlib" in file)


def _place(frame: FrameType) -> Where:
    return Where(frame.f_code.co_filename, frame.f_lineno)


def _callers(frame: FrameType) -> tuple[Where, ...]:
    """The user's lines that led to a frame, the nearest first."""
    places, above = [], frame.f_back
    while above is not None:
        if is_user_code(above.f_code.co_filename):
            places.append(_place(above))
        above = above.f_back
    return tuple(places)
