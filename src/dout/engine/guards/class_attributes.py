"""The code in the class of an object: methods, properties, and other descriptors."""

from __future__ import annotations

import gc
import inspect
from collections.abc import Collection, Iterator
from functools import cached_property
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from dout.engine.guards.loaded_names import Loaded
from dout.trace.session.attribute_swap import is_special
from dout.trace.tracer.user_functions import is_jitted

_PARTS: dict[type, tuple[str, ...]] = {  # what may stand in a class, and where its functions are
    FunctionType: (), property: ("fget", "fset", "fdel"), staticmethod: ("__func__",), classmethod: ("__func__",),
    cached_property: ("func",),
}  # fmt: skip

_CODE = (FunctionType, BuiltinFunctionType, MethodType, type, staticmethod, classmethod, np.ufunc, type(np.sum))
_CAN_CHANGE = 1 << 9  # a class that was made by a class statement, or might have been


class Settled:
    """Base of dout's own objects that users hold: their code does not look into them."""


def is_code(value: Any) -> bool:
    """Whether what stands in a class is code that runs when an object is asked."""
    return isinstance(value, tuple(_PARTS))


def is_settled(item: Any) -> bool:
    """Whether an object needs no look inside: code, modules, `Callable`, what Numba compiled (no program calls it)."""
    return (
        isinstance(item, (*_CODE, ModuleType, Settled))
        or type(item).__module__ in ("typing", "__future__")
        or is_jitted(item)
    )


def answered(kind: type, names: Loaded, codes: Collection[CodeType]) -> Iterator[tuple[str, Any]]:
    """The code in a class that the run read by name, and the special methods that ran."""
    for name in dir(kind):
        value = inspect.getattr_static(kind, name)
        if is_special(name):
            asked = any(function.__code__ in codes for function in functions(value))
        else:
            asked = name in names and is_code(value)
        if asked:
            yield name, value


def ran(kind: type, codes: Collection[CodeType]) -> Iterator[FunctionType]:
    """The functions in a class that ran."""
    for name in dir(kind):
        yield from (item for item in functions(inspect.getattr_static(kind, name)) if item.__code__ in codes)


def where_it_stands(kind: type, name: str) -> Iterator[tuple[type, bool]]:
    """The classes in which Python looks a name up, each with whether it is there; the last one has it."""
    for cls in kind.__mro__:
        if isinstance(cls, type) and cls.__flags__ & _CAN_CHANGE:
            yield cls, name in vars(cls)
        if name in vars(cls):
            return


def names_of(cls: type) -> dict[str, Any]:
    """The very dict of a class: to read it is much faster than to ask the class, or its `__dict__`."""
    names: dict[str, Any] = gc.get_referents(vars(cls))[0]
    return names


def functions(value: Any) -> Iterator[FunctionType]:
    """The functions in what stands in a class."""
    for base, parts in _PARTS.items():
        if isinstance(value, base):
            inside = [getattr(value, part) for part in parts] if parts else [value]
            yield from (item for item in inside if isinstance(item, FunctionType))
