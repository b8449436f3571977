"""Templates: the contents of the user's objects before and after a run, with nodes in the place of computed values."""

from __future__ import annotations

import sys
from abc import ABCMeta
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import BuiltinFunctionType, FunctionType, MemberDescriptorType, ModuleType
from typing import Any
from weakref import WeakSet

import numpy as np

from dout.graph import INPUT, Node, topological
from dout.ops.raising import may_raise
from dout.trace.session.attribute_swap import Place, refill, slice_parts
from dout.trace.tracer.traced import Step


@dataclass(frozen=True, eq=False, slots=True)
class Held:
    """The very array that entered the run as the input `node`, whatever was written into it."""

    node: Node


@dataclass(frozen=True, eq=False, slots=True)
class Same:
    """Any other object, as it is."""

    item: Any


@dataclass(frozen=True, eq=False, slots=True)
class Built:
    """A tuple, list, slice, dict, or object of a user's class that holds templates; the last two have `keys`."""

    kind: type
    parts: tuple[Template, ...]
    keys: tuple[Any, ...] = ()


@dataclass(frozen=True, eq=False, slots=True)
class HeldView:
    """A view, by `step`, into the memory of `base`; `node` is its present content."""

    base: Template
    step: Step
    node: Node


Template = Node | Held | Same | Built | HeldView  # the make-up of a user's object; a Node stands for its value


@dataclass(frozen=True, eq=False, slots=True)
class Spot:
    """A place in one of the user's objects: its content before the run, and after it if that changed."""

    holder: Any
    place: Place
    before: Template | None  # None: nothing stood there
    after: Template | None  # None: as before


def whole(holder: list[Any] | dict[Any, Any]) -> Place:
    """All that a list or dict holds, as one place."""
    put = partial(list.__setitem__, holder, slice(None)) if isinstance(holder, list) else partial(refill, holder)
    return Place("[:]", "content", holder, put)


def end(holder: list[Any]) -> Place:
    """The place behind the last element of a list: more elements are put there."""
    return Place("[:]", "end", holder, partial(list.extend, holder))


def can_be_made(kind: type) -> bool:
    """Whether objects of a class are their attributes and nothing else: then they can be made without `__init__`."""
    new: Any = kind.__new__
    plain = type(kind) in (type, ABCMeta) and new is object.__new__ and not hasattr(kind, "__del__")
    slots = any(isinstance(item, MemberDescriptorType) for cls in kind.__mro__ for item in vars(cls).values())
    return plain and kind.__dictoffset__ != 0 and not slots and not issubclass(kind, BaseException)


made_anew: WeakSet[type] = WeakSet()  # classes of which runs make objects: those may be others at each call


def nodes_in(template: Template | None) -> Iterator[Node]:
    """The nodes of which a template needs the values, in order."""
    if isinstance(template, Built):
        for part in template.parts:
            yield from nodes_in(part)
    elif isinstance(template, HeldView):
        yield from nodes_in(template.base)
        yield from template.step[1]
    elif isinstance(template, Node):
        yield template


def held_in(template: Template | None) -> Iterator[Node]:
    """The inputs whose very arrays are part of a template, and those whose values it begins with."""
    if isinstance(template, Built):
        for part in template.parts:
            yield from held_in(part)
    elif isinstance(template, HeldView):
        yield from held_in(template.base)
    elif isinstance(template, Held):
        yield template.node
    elif isinstance(template, Node) and template.primitive is INPUT:
        yield template


def is_held(template: Template) -> bool:
    """Whether the array below all views was there before the run."""
    while isinstance(template, HeldView):
        template = template.base
    return isinstance(template, Held)


def outputs(
    result: Template,
    spots: Sequence[Spot],
    written: Mapping[Node, Node],
    outcomes: Mapping[tuple[Node, str], Any],
    nodes: Sequence[Node],
    sizing: Iterable[Node],
    sized_by: Mapping[Node, Iterable[Node]],
) -> dict[str, Node]:
    """Every node whose value, error or shape the run needs, once, under a name of its own.

    Of `sizing` it needs the shape; so it does of its results, and of what is read by nodes that nothing needs: with
    another shape these might raise. `sized_by` are the nodes whose values give a node its shape.
    """
    found: dict[Node, str] = {}
    for i, node in enumerate(nodes_in(result)):
        found.setdefault(node, f"result{i}")
    for spot in spots:
        for node in nodes_in(spot.after):
            found.setdefault(node, f"{spot.place.name}{len(found)}")
    for node in written.values():
        found.setdefault(node, f"written{len(found)}")
    for node, _ in outcomes:
        found.setdefault(node, f"steers{len(found)}")
    needed = set(topological(found))  # their errors come anyway; and what only they read may be computed otherwise
    for node in nodes:
        if node not in needed and may_raise(node):
            found.setdefault(node, f"raises{len(found)}")
    asked = {*found, *(i for node in nodes if node not in needed for i in node.inputs)}
    for source in (*sizing, *(one for node in nodes if node in asked for one in sized_by.get(node, ()))):
        found.setdefault(source, f"sizes{len(found)}")
    return {name: node for node, name in found.items()}


_FIXED = (type(None), bool, int, float, complex, str, bytes, np.generic, np.dtype, type, FunctionType, ModuleType,
          BuiltinFunctionType, np.ufunc, range, type(Ellipsis))  # fmt: skip


def is_fixed(item: Any) -> bool:
    """Whether an object is as good as itself made again: numbers, text, code; a stand-in only says that it is one.

    A function is that which holds nothing of the call in which it was made.
    """
    if type(item) is FunctionType and (item.__closure__ or item.__defaults__ or item.__kwdefaults__ or item.__dict__):
        found: Any = sys.modules.get(item.__module__)
        for name in item.__qualname__.split("."):
            found = getattr(found, name, None)
        return found is item
    if type(item) is slice:
        return all(map(is_fixed, slice_parts(item)))
    return issubclass(type(item), _FIXED) or (type(item) in (tuple, frozenset) and all(map(is_fixed, item)))
