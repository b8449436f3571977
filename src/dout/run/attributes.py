"""What objects, classes and modules hold, read behind their classes' backs.

No property, `__getattr__` or metaclass of the user's runs: it may raise, count, or never end.
"""

from __future__ import annotations

import inspect
import operator
from contextlib import suppress
from threading import local
from types import CellType, FunctionType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

mro_of = type.__dict__["__mro__"].__get__
vars_of = type.__dict__["__dict__"].__get__
qualname_of = type.__dict__["__qualname__"].__get__


def is_class(item: Any) -> bool:
    """Whether something is a class, without asking it: what it answers as `__class__` is code of the user's."""
    return issubclass(type(item), type)


def module_of(cls: type) -> str:
    """The name of the module that a class says it is of; empty where it says none."""
    try:
        said = type.__dict__["__module__"].__get__(cls)
    except AttributeError:
        return ""
    return str.__str__(said) if issubclass(type(said), str) else ""


def names_of(module: Any) -> dict[str, Any]:
    """The names in a module; none in anything else, which somebody may have put in the place of one."""
    if not issubclass(type(module), ModuleType):
        return {}
    names: dict[str, Any] = ModuleType.__getattribute__(module, "__dict__")
    return names


def attributes_of(holder: Any) -> dict[str, Any]:
    """The dict in which an object keeps its attributes, whatever its class makes of the name `__dict__`."""
    if issubclass(type(holder), local):  # those of this thread
        return local.__getattribute__(holder, "__dict__")  # type: ignore[no-any-return]
    if type(holder).__dictoffset__ == 0:
        return {}
    for cls in mro_of(type(holder)):
        descriptor = vars_of(cls).get("__dict__")
        if descriptor is not None and not isinstance(descriptor, property):
            attributes = descriptor.__get__(holder)
            return attributes if isinstance(attributes, dict) else {}
    return {}


_signatures: WeakKeyDictionary[FunctionType, tuple[tuple[Any, ...], inspect.Signature]] = WeakKeyDictionary()


def signature_of(function: Any) -> inspect.Signature:
    """What something that is called takes, as `inspect.signature` says it; of a plain function it is found once."""
    if type(function) is not FunctionType or function.__dict__:  # which may have another function's, or one of its own
        return inspect.signature(function)
    form = function.__code__, function.__defaults__, function.__kwdefaults__
    kept = _signatures.get(function)
    if kept is None or not all(map(operator.is_, kept[0], form)):
        kept = _signatures[function] = form, inspect.signature(function)
    return kept[1]


def function_copy(function: FunctionType, closure: tuple[CellType, ...] | None = None) -> FunctionType:
    """Another function of the same code, with the same defaults, that closes over the same, or over other cells."""
    cells = function.__closure__ if closure is None else closure
    made = FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__, cells)
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def filled_cells(function: Any) -> list[tuple[str, Any]]:
    """The cells that a function closes over, with their names, without those that are empty yet."""
    found = []
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):
            cell.cell_contents  # noqa: B018 - it raises where there is nothing
            found.append((name, cell))
    return found
