"""What objects, classes and modules hold, read behind their classes' backs.

No property, `__getattr__` or metaclass of the user's runs: it may raise, count, or never end.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Mapping
from contextlib import suppress
from threading import local
from types import CellType, FunctionType, MemberDescriptorType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary, ref

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
    """The attributes of an object by name: its dict, whatever its class makes of the name `__dict__`.

    Of an object with `__slots__`, the filled slots as well: a dict of what they hold now. Writes reach the object.
    """
    slots = slots_of(type(holder))
    return SlotAttributes(holder, slots) if slots else dict_of(holder)


class SlotAttributes(dict[str, Any]):
    """What an object with slots holds when it is asked; writes go to the slots, or to the object's own dict."""

    def __init__(self, holder: Any, slots: Mapping[str, MemberDescriptorType]) -> None:
        super().__init__(dict_of(holder))
        self.holder, self.slots = holder, slots
        for name, slot in slots.items():
            with suppress(AttributeError):  # it is empty
                super().__setitem__(name, slot.__get__(holder))

    def __setitem__(self, name: str, item: Any) -> None:
        if name in self.slots:
            self.slots[name].__set__(self.holder, item)
        else:
            dict_of(self.holder)[name] = item
        super().__setitem__(name, item)

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name)
        if name in self.slots:
            self.slots[name].__delete__(self.holder)
        else:
            del dict_of(self.holder)[name]

    def pop(self, name: str, *default: Any) -> Any:
        """Take an attribute away and return it."""
        if name not in self and default:
            return default[0]
        item = self[name]
        del self[name]
        return item

    def clear(self) -> None:
        """Take all attributes away."""
        for name in list(self):
            del self[name]

    def update(self, *others: Any, **named: Any) -> None:
        """Set several attributes."""
        for name, item in dict(*others, **named).items():
            self[name] = item

    def setdefault(self, name: str, default: Any = None) -> Any:
        """The attribute of a name, which is set where there is none."""
        if name not in self:
            self[name] = default
        return self[name]


_slots: dict[
    int, tuple[ref[type], dict[str, MemberDescriptorType]]
] = {}  # by identity: a metaclass may hash as it likes


def slots_of(kind: type) -> Mapping[str, MemberDescriptorType]:
    """The slots that a class and its bases name in `__slots__`, by name; those of C cannot be put."""
    known = _slots.get(id(kind))
    if known is None or known[0]() is not kind:
        named = [vars_of(cls) for cls in reversed(mro_of(kind)) if "__slots__" in vars_of(cls)]
        known = _slots[id(kind)] = (
            ref(kind),
            {name: slot for names in named for name, slot in names.items() if type(slot) is MemberDescriptorType},
        )
    return known[1]


def dict_of(holder: Any) -> dict[str, Any]:
    """The dict in which an object keeps attributes, whatever its class makes of the name `__dict__`; no slots."""
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
