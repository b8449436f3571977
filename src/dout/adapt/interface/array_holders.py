"""Objects of the user's own in which arrays stand: `Variable(data)`, a blob with a value and a gradient."""

from __future__ import annotations

import ast
import functools
import linecache
import sys
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType, MemberDescriptorType, ModuleType
from typing import Any

import numpy as np

from dout.adapt.argument_names import is_named, names_wish, taken_by
from dout.adapt.array_makers import Maker, known_above, maker_of
from dout.adapt.interface.collaborators import RATE
from dout.adapt.interface.interface import Interface
from dout.adapt.source.attribute_reads import asked_of_objects, attributes_read, users_with
from dout.adapt.source.syntax import name_of, read, total, walk, written
from dout.run import attributes_of, is_class, mro_of, names_of, quiet, vars_of
from dout.trace.model.user_source import behind, is_user_code
from dout.trace.tracer.traced import plain

_MOST = 2  # classes that are tried


def holders_for(cls: type, interface: Interface, error: Exception) -> list[type | Maker]:
    """The classes that forward's module knows and in which its arrays may have to stand, by the error without them.

    Where no constructor of them keeps an array, a function that makes one of lists.
    """
    asked = isinstance(error, AttributeError) and isinstance(error.obj, np.ndarray | np.generic)
    forward = behind(getattr(cls, interface.forward))
    if interface.holder is not None or not (
        asked or "ndarray" in str(error) or _reads_data(forward) or _is_raised_by_its_type(error)
    ):
        return []
    known = [*getattr(forward, "__globals__", {}).values(), *known_above(cls)]
    attribute = error.name if asked and isinstance(error, AttributeError) and error.name else "data"
    modules = [item for item in known if isinstance(item, ModuleType) and is_user_code(_file_of(item))]
    named = [*known, *(item for module in modules for item in vars(module).values())]
    others = [item for item in dict.fromkeys(filter(is_class, named)) if users_with(item, attribute)]
    others = [item for item in others if not issubclass(cls, item)]
    found: list[type | Maker] = [item for item in others if _holds_an_array(item)][:_MOST]
    if not found:
        found += [made for item in others if (made := maker_of(item, named)) is not None][:1]
    connects = interface.forward == "__call__"  # it may ask a layer before it
    return [*found, *([] if connects else [_holder_of(attribute)])]


def as_asked(backward: Any, place: int, item: Any) -> Any:
    """What a backward is given there: an object with the array, where it reads of it one thing that no array has.

    As of the layer before, `prev_layer.output`, of which forward was given the array alone.
    """
    function = getattr(backward, "__func__", backward)
    at = place + (function is not backward)
    attribute = _asked_at(function, at) if isinstance(item, np.ndarray) else ""
    return _holder_of(attribute)(item) if attribute else item


@total(str)
@functools.lru_cache(maxsize=256)
def _asked_at(backward: Any, place: int) -> str:
    asked = asked_of_objects(behind(backward), taken_by(backward)[place].name)
    return next(iter(asked)) if len(asked) == 1 else ""


def operands_of(cls: type, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Objects that hold a number, for those of the constructor's arguments of which a layer reads what no array has.

    They are of a class of the user's that has all of that, known beside the layer's own: `self.a.grad` of `Add(a, b)`.
    """
    init = cls.__init__  # type: ignore[misc]
    read_of = {n: attributes_read(init, n, cls) for n in names if asked_of_objects(init, n, cls)}
    wanted = frozenset[str]().union(*read_of.values())
    user = [m for m in list(sys.modules.values()) if is_user_code(_file_of(m))] if wanted else []
    beside = [item for m in user if cls.__name__ in names_of(m) for item in list(names_of(m).values())]
    known = dict.fromkeys(filter(is_class, [*known_above(cls), *beside]))
    fitting = [c for c in known if wanted and all(users_with(c, name) for name in wanted) and _holds_an_array(c)]
    yield from ({name: wrapped(holder, np.array(0.5)) for name in read_of} for holder in fitting[:_MOST])


@total(bool)
@functools.lru_cache(maxsize=256)
def _reads_data(forward: Any) -> bool:
    """Whether forward reads `data` of an argument: of an array these are bytes alone."""
    return any("data" in attributes_read(forward, p.name) for p in taken_by(forward))


def _is_raised_by_its_type(error: Exception) -> bool:
    """Whether the user's own `raise` stands under a test of a type: `if not isinstance(a, Tensor): raise TypeError`."""
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    code = step.tb_frame.f_code if step is not None else None
    tree = written(code, "".join(linecache.getlines(code.co_filename))) if code is not None else None
    tests = (node for node in ast.walk(tree) if isinstance(node, ast.If)) if tree is not None else ()
    return any(
        isinstance(node.body[-1], ast.Raise)
        and step is not None
        and node.body[0].lineno <= step.tb_lineno <= (node.body[-1].end_lineno or 0)
        and any(isinstance(n, ast.Name) and n.id in ("type", "isinstance") for n in ast.walk(node.test))
        for node in tests
    )


def _file_of(module: ModuleType) -> str:
    return getattr(module, "__file__", None) or ""


def _holder_of(attribute: str) -> type:
    """A class of objects with an array in this attribute, which answer for the rest as that does, but for operators."""

    def asked(self: Any, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(attributes_of(self)[attribute], name)

    own = {"__init__": lambda self, array: setattr(self, attribute, array), "__getattr__": asked}
    return type("Holder", (), {**own, "__qualname__": f"Holder.{attribute}"})


def _holds_an_array(cls: type) -> bool:
    """Whether an object that is made of an array keeps it."""
    array = np.array([0.5, 0.25])
    try:
        with quiet():
            made = wrapped(cls, array)
    except Exception:
        return False
    return any(
        isinstance(item, np.ndarray) and np.array_equal(plain(item), plain(array))
        for item in attributes_held(made).values()
    )


def in_holders(
    interface: Interface, items: Sequence[Any], bare_ones: Container[int] = (), asked: Container[int] = (),
    settings: Mapping[str, Any] = MappingProxyType({}),
) -> Sequence[Any]:  # fmt: skip
    """Arrays in the user's own objects, where they work on such, but for those at the places of `bare_ones`.

    So are numbers at the places of `asked`.
    """
    if interface.holder is None:
        return items
    return [
        wrapped(interface.holder, item, settings)
        if (isinstance(plain(item), np.ndarray) and place not in bare_ones) or place in asked
        else item
        for place, item in enumerate(items)
    ]


def wrapped(holder: type | Maker, array: Any, settings: Mapping[str, Any] = MappingProxyType({})) -> Any:
    """An object of the user's class that holds an array; what else it must be given is a number."""
    if isinstance(holder, Maker):
        return holder(array)
    needed = [p for p in taken_by(holder) if is_named(p) and p.default is p.empty]
    return holder(array, *[RATE] * (len(needed) - 1), **settings)


def settings_asked(holder: type | Maker | None, functions: Sequence[Any]) -> dict[str, bool]:
    """What asks for a gradient, is off by default in a class, and is read of its objects: `requires_grad`."""
    if holder is None or isinstance(holder, Maker):
        return {}
    own = {id(item) for item in vars_of(holder).values()}
    codes = [(one, id(function) in own) for function in functions if (one := read(function)) is not None]
    asked = {
        n.attr
        for one, of_objects in codes
        for n in walk(one.node)
        if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Load) and (of_objects or name_of(n.value) != one.me)
    }
    return {p.name: True for p in taken_by(holder) if p.default is False and p.name in asked and names_wish(p.name)}


def bare(item: Any, holder: type | Maker | None = None) -> Any:
    """What stands in the user's own objects, be it in one inside another."""
    if isinstance(item, tuple | list):
        return type(item)(bare(part, holder) for part in item)
    if isinstance(holder, Maker):
        return holder.numbers_of(item)
    held = list(attributes_held(item).values())
    for array in held:
        if isinstance(plain(array), np.ndarray | np.floating):
            return array
    return next((bare(part) for part in held if type(part) is type(item) and part is not item), item)


def arrays_held(holders: Sequence[Any]) -> list[dict[str, Any]]:
    """The numbers that stand in each object, by attribute."""
    return [{n: np.array(plain(x)) for n, x in attributes_held(h).items() if _is_array(x)} for h in holders]


def left_in(holders: Sequence[Any], before: Sequence[Mapping[str, Any]]) -> Any:
    """The gradients that backward has left in the objects in which the inputs stand: what is new there, or changed."""
    found: list[Any] = []
    for holder, seen in zip(holders, before, strict=True):
        shape = np.shape(next(iter(seen.values()), ()))
        now = {n: x for n, x in attributes_held(holder).items() if _is_array(x) and np.shape(x) == shape}
        new = [x for n, x in now.items() if n not in seen or not np.array_equal(plain(x), seen[n], equal_nan=True)]
        found.append(new[0] if new else None)
    return None if not any(item is not None for item in found) else found[0] if len(found) == 1 else tuple(found)


def attributes_held(item: Any) -> dict[str, Any]:
    """The attributes of an object, those in slots too."""
    found = dict[str, Any]()
    if plain(item) is not item:  # what stands in for a value in a recording
        return found
    for slot in (slot for base in mro_of(type(item)) for slot in vars_of(base).values()):
        if isinstance(slot, MemberDescriptorType):
            with suppress(AttributeError):  # nothing was put there yet
                found[slot.__name__] = slot.__get__(item)
    return found | attributes_of(item)


def _is_array(item: Any) -> bool:
    return isinstance(plain(item), np.ndarray)
