"""The beginning of a driver: what the next call must have in common with the recorded one, and where its inputs are.

The lines read each input from the argument or the object that held it, and leave (`return MISS`) where anything that
could have steered the run is another: a type, a dtype, a shape, a flag, an object in an attribute.
"""

from __future__ import annotations

import array
import inspect
import operator
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, astuple
from itertools import combinations, product
from operator import attrgetter, methodcaller
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from dout.engine.names import Loaded
from dout.engine.text import Text
from dout.errors import UnsupportedError
from dout.graph import Node
from dout.trace.capture import Capture
from dout.trace.functions import is_jitted
from dout.trace.state import MOST, Namespace, attributes_of, content
from dout.trace.templates import Built, Held, Same, Spot, Template, View, can_be_made, held_in, is_fixed, made_anew

_LARGE_SET = 100
_MANY = 32  # pairs of arrays that may share memory
_PLAIN = (type(None), bool, type(Ellipsis))
_BY_NAME: tuple[Any, ...] = (getattr, hasattr, vars, dir, attrgetter, methodcaller, asdict, astuple)
_CODE = (FunctionType, BuiltinFunctionType, MethodType, type, staticmethod, classmethod, np.ufunc, type(np.sum))


def alike(one: Any, other: Any) -> bool:
    """Whether two tuples of numbers and text are the same, in value, sign and type: 0.0 is not -0.0."""
    if type(one) is tuple:
        return type(other) is tuple and len(one) == len(other) and all(map(alike, one, other))
    same = type(one) is type(other) and bool(one == other)
    if not same or not isinstance(one, float | complex | np.inexact):
        return same
    return repr(one) == repr(other) if isinstance(one, complex | np.complexfloating) or not one else True


def _is_constant(item: Any) -> bool:
    """Whether something of a library's never changes: `Callable`, or is never called in programs: Numba's functions."""
    return type(item).__module__ in ("typing", "__future__") or is_jitted(item)


def _is_data(item: Any) -> bool:
    return item is None or (isinstance(item, int | float | complex | str | bytes | tuple) and is_fixed(item))


def holds_still(holder: Any, stood: tuple[Any, ...]) -> bool:
    """Whether a long list or dict holds what stood in it, as far as that was numbers and text."""
    now = content(holder)
    return len(now) == len(stood) and (all(map(operator.is_, now, stood)) or all(map(alike, now, stood)))


def are_apart(written: Sequence[Any], others: Sequence[Any]) -> bool:
    """Whether no array that is written into shares memory with another one, or with one of the others.

    Arrays of different owners do not; where some have one owner, or one that is no array, all are compared.
    """
    owners = set(map(_owner, written))
    if len(owners) == len(written) and None not in owners:
        owners_of_others = set(map(_owner, others))
        if None not in owners_of_others and owners.isdisjoint(owners_of_others):
            return True
    pairs = [*combinations(written, 2), *product(written, others)]
    return not any(np.may_share_memory(one, other) for one, other in pairs)


def _owner(array: Any) -> int | None:
    """The identity of the array that owns an array's memory; None where that is another kind of object."""
    owner = array if array.base is None else array.base
    return id(owner) if type(owner) is np.ndarray and owner.flags.owndata else None


class Guards:
    """Writes the guards of one capture into a driver's text. `variables` then names each input that was read."""

    def __init__(self, capture: Capture, needed: frozenset[Node], text: Text) -> None:
        self.capture = capture
        self.text = text
        self.names = Loaded(capture.codes)
        self.names.all = self.names.all or any(map(self._reads_by_name, capture.spots))
        self.restored = frozenset(spot for spot in capture.spots if self._may_be_restored(spot))
        self.needed = needed
        self.kept = {node for spot in self.restored for node in held_in(spot.before)}
        self.variables: dict[Node, str] = {}
        given = (*capture.arguments, *capture.keywords.values())
        self.given = {id(item.item) for item in given if isinstance(item, Same)}
        self.others: list[str] = []  # objects, lists and dicts that may be others at the next call, and each another
        self.at: dict[int, list[Spot]] = {}  # places by the identity of what holds them
        self.reached: set[int] = set()
        for spot in capture.spots:
            self.at.setdefault(id(spot.holder), []).append(spot)
            if self._moves(spot.holder):
                text.movable[id(spot.holder)] = spot.holder
                text.movable[id(attributes_of(spot.holder))] = attributes_of(spot.holder)
        self.modules = {
            id(spot.before.item)
            for spot in capture.spots
            if isinstance(spot.before, Same) and isinstance(spot.before.item, ModuleType)
            if spot.place.key in self.names.outside or spot.place.key in self.names
        }

    def write(self, parameters: list[str]) -> None:
        """Write all guards: of the arguments, then of every object that the code that ran can have looked into."""
        given = [*self.capture.arguments, *self.capture.keywords.values()]
        for name, template in zip(parameters, given, strict=True):
            self._item(name, template)
        roots = {id(s.holder): s.holder for s in self.capture.spots if isinstance(s.holder, Namespace | ModuleType)}
        for holder in (self.capture.root, *roots.values()):
            self._holder(holder)
        self._otherwise()
        self._apart()
        if len(self.others) > 1:
            self.text.leave_unless(f"len({{{', '.join(f'id({name})' for name in self.others)}}}) == {len(self.others)}")

    # --- one item -----------------------------------------------------------------------------------------------------

    def _item(self, expression: str, template: Template) -> None:
        """Guard what an expression gives."""
        assert not isinstance(template, View), "a view that was there before is an array of its own"
        if isinstance(template, Held | Node):
            self._value(expression, template)
        elif isinstance(template, Built):
            self._built(expression, template)
        elif isinstance(template.item, _PLAIN):
            self.text.leave_unless(f"{expression} is {template.item!r}")
        elif isinstance(template.item, float | complex | np.inexact):
            number = self.text.constant(template.item)
            self.text.leave_unless(f"{expression} is {number} or {self.text.constant(alike)}({expression}, {number})")
        elif isinstance(template.item, str | bytes | int | np.generic | np.dtype | slice | range):
            kind = self.text.constant(type(template.item))
            self.text.leave_unless(
                f"type({expression}) is {kind} and {expression} == {self.text.constant(template.item)}"
            )
        elif type(template.item) is tuple and is_fixed(template.item):
            tuple_ = self.text.constant(template.item)
            self.text.leave_unless(f"{expression} is {tuple_} or {self.text.constant(alike)}({expression}, {tuple_})")
        elif isinstance(template.item, list | dict) and id(template.item) in self.capture.lengths:
            self._container(expression, template.item)
        elif self._moves(template.item):
            self._object(expression, template.item)
        else:
            self.text.leave_unless(f"{expression} is {self.text.constant(template.item)}")
            self._contents(template.item)
            self._holder(template.item)

    def _contents(self, item: Any) -> None:
        """Guard what is in a set. Raises UnsupportedError for what changes and does not tell: a deque, an iterator."""
        if isinstance(item, set) and all(map(is_fixed, item)) and len(item) <= _LARGE_SET:
            self.text.leave_unless(f"{self.text.constant(item)} == {self.text.constant(frozenset(item))}")
        elif isinstance(item, set | deque | bytearray | memoryview | array.array | np.ndarray) or (
            hasattr(type(item), "__next__") and id(item) not in self.at
        ):
            raise UnsupportedError(f"it looks into a {type(item).__qualname__}, which may change unseen")
        elif id(item) not in self.at and not isinstance(item, (*_CODE, ModuleType)) and not _is_constant(item):
            read = next((name for name in attributes_of(item) if name in self.names), None)
            if read is not None:
                raise UnsupportedError(f"it reads {type(item).__qualname__}.{read}, which may change unseen")

    def _value(self, expression: str, template: Held | Node) -> None:
        node = template.node if isinstance(template, Held) else template
        if node in self.variables:
            self.text.leave_unless(f"{expression} is {self.variables[node]}")
            return
        if expression.isidentifier():
            name = expression
        else:
            name = self.text.variable(node, self.capture.names.get(node))
            self.text.line(f"{name} = {expression}")
        if isinstance(template, Held) and not any(node in n for n in (self.needed, self.kept, self.capture.looked)):
            self.text.leave_unless(f"type({name}) is ndarray")
            return
        self.variables[node] = name
        if isinstance(template, Held):
            value = self.capture.originals[node]
            flags = self._flags(name, value, written=node in self.capture.written)
            self.text.leave_unless(f"type({name}) is ndarray and {self.text.is_dtype(name, value.dtype)}")
            self.text.leave_unless(f"{name}.shape == {value.shape} and {flags}")
            if node in self.capture.identities:
                self.text.leave_unless(f"id({name}) == {self.capture.identities[node]}")
        else:
            self.text.leave_unless(f"type({name}) is {self.text.constant(_class_of(node))}")

    def _flags(self, name: str, value: np.ndarray[Any, Any], *, written: bool) -> str:
        """Contiguity, alignment, and where it is written into: that it may be, and owns its memory."""
        flags = value.flags
        wanted = (1 if flags.c_contiguous else 2 if flags.f_contiguous else 0) | 0x100 * flags.aligned | 0x400 * written
        layout = "" if flags.c_contiguous or flags.f_contiguous else f" and {name}.strides == {value.strides}"
        return f"{name}.flags.num & {wanted} == {wanted}{layout}"

    def _built(self, expression: str, template: Built) -> None:
        kind = self.text.constant(template.kind)
        self.text.leave_unless(f"{expression}.__class__ is {kind} and len({expression}) == {len(template.parts)}")
        for i, part in enumerate(template.parts):
            self._item(f"{expression}[{i}]", part)

    # --- objects ------------------------------------------------------------------------------------------------------

    def _container(self, expression: str, item: list[Any] | dict[Any, Any]) -> None:
        """A list or dict: it may be another one the next time, with the same in it."""
        if id(item) in self.text.containers:
            self.text.leave_unless(f"{expression} is {self.text.containers[id(item)]}")
            return
        if not expression.isidentifier():
            name = self.text.name(type(item).__name__.lower())
            self.text.line(f"{name} = {expression}")
            expression = name
        kind = self.text.constant(type(item))
        self.text.leave_unless(
            f"{expression}.__class__ is {kind} and len({expression}) == {self.capture.lengths[id(item)]}"
        )
        self.text.containers[id(item)] = expression
        self.others.append(expression)
        self._all_of_it(expression, item)
        self._holder(item)

    def _all_of_it(self, expression: str, item: list[Any] | dict[Any, Any]) -> None:
        """What is in a long list or dict, of which no number is an input; and the order of the keys of any dict."""
        stood = self.capture.long.get(id(item))
        if stood is not None and len(stood) > MOST:
            raise UnsupportedError(f"it reads a {type(item).__qualname__} of {len(item)} elements, which may change")
        if stood is not None:
            self.text.leave_unless(f"{self.text.constant(holds_still)}({expression}, {self.text.constant(stood)})")
        elif type(item) is dict and self.capture.lengths[id(item)] > 1:
            keys = self.text.constant(self.capture.keys[id(item)], "keys")
            self.text.leave_unless(f"(*{expression},) == {keys}")

    def _only_grows(self, spot: Spot) -> bool:
        """Whether a place holds a list to which the code appends, and which it does not read."""
        owned = not isinstance(spot.holder, list | dict | tuple | FunctionType | Namespace | ModuleType)
        return owned and self.names.only_appends(spot.place.key)

    def _growing(self, expression: str, item: list[Any]) -> None:
        """A list of which only the end matters."""
        if id(item) in self.text.containers:
            self.text.leave_unless(f"{expression} is {self.text.containers[id(item)]}")
            return
        name = self.text.name("list")
        self.text.line(f"{name} = {expression}")
        self.text.leave_unless(f"{name}.__class__ is {self.text.constant(list)}")
        self.text.containers[id(item)] = name
        self.others.append(name)

    def _moves(self, item: Any) -> bool:
        """Whether an object may be another one at the next call: it was given, or runs make objects of its class."""
        if item is self.capture.root:
            return False
        return type(item) in made_anew or (id(item) in self.given and id(item) in self.at and can_be_made(type(item)))

    def _object(self, expression: str, item: Any) -> None:
        """An object of a class of which runs make objects: it may be another one the next time, with the same in it."""
        if id(item) in self.text.containers:
            self.text.leave_unless(f"{expression} is {self.text.containers[id(item)]}")
            return
        name = self.text.name(type(item).__name__.lower())
        self.text.line(f"{name} = {expression}")
        self.text.leave_unless(f"{name}.__class__ is {self.text.constant(type(item))}")
        attributes = self.text.name(f"{name}_attributes")
        self.text.line(f"{attributes} = {name}.__dict__")
        self.text.containers[id(item)] = name
        self.others.append(name)
        self.text.containers[id(attributes_of(item))] = attributes
        self._holder(item)

    def _holder(self, holder: Any) -> None:
        """Guard what an object holds, once, as far as the code that ran can have read it."""
        if id(holder) in self.reached:
            return
        self.reached.add(id(holder))
        for spot in self.at.get(id(holder), []):
            if self._matters(spot):
                self._place(spot)
        if type(holder).__dictoffset__ and not isinstance(holder, type | FunctionType | ModuleType | Namespace):
            self._class_of(holder)

    def _class_of(self, holder: Any) -> None:
        """Guard the numbers and words that its class answers with, where an object has none of that name itself."""
        own = {*attributes_of(holder), *(spot.place.key for spot in self.at.get(id(holder), []))}
        read = [name for name in dir(type(holder)) if name in self.names and not name.startswith("__")]
        for name in read:
            value = inspect.getattr_static(type(holder), name)
            if name not in own and _is_data(value):
                self._answer(holder, name, value)

    def _answer(self, holder: Any, name: str, value: Any) -> None:
        self.text.leave_unless(f"{name!r} not in {self.text.constant(attributes_of(holder))}")
        for cls in type(holder).__mro__:
            self._holder(cls)

    def _reads_by_name(self, spot: Spot) -> bool:
        """Whether a place that the code looks into holds what reads attributes by names of its own."""
        item = spot.before.item if isinstance(spot.before, Same) else None
        by_name = isinstance(item, attrgetter | methodcaller) or any(item is each for each in _BY_NAME)
        return by_name and (not isinstance(spot.holder, Namespace | ModuleType) or spot.place.key in self.names.outside)

    def _may_be_restored(self, spot: Spot) -> bool:
        """Whether the run may have put into a place what stood there already: then nothing tells that it does so."""
        read_anyway = isinstance(spot.holder, list | dict | tuple | FunctionType)
        if spot.before is None or spot.after is not None or read_anyway:
            return False
        return self.names.stores(spot.place.key, outside=isinstance(spot.holder, Namespace))

    def _matters(self, spot: Spot) -> bool:
        """Whether a place can have steered the run, or holds what it computes with."""
        if spot in self.restored:
            return True
        if spot.before is None:  # then its class answers, if it can
            answered = self.names.all or hasattr(type(spot.holder), str(spot.place.key))
            return answered and spot.place.key in self.names and not isinstance(spot.holder, list | dict)
        if isinstance(spot.before, Node):  # an unused number steers nothing
            return spot.before in self.needed and self._read(spot)
        if isinstance(spot.before, Same) and isinstance(spot.before.item, ModuleType):
            return False
        return self._read(spot)

    def _read(self, spot: Spot) -> bool:
        """Whether the code that ran can have looked into a place."""
        if isinstance(spot.holder, list | dict | tuple):
            return True
        if isinstance(spot.holder, FunctionType):
            return True
        if isinstance(spot.holder, Namespace | ModuleType):
            asked = id(spot.holder) in self.modules and spot.place.key in self.names
            return asked or spot.place.key in self.names.outside
        return spot.place.key in self.names

    def _place(self, spot: Spot) -> None:
        expression = self.text.place(spot)
        if expression is None:  # a place of a rare kind is not looked at again: what it holds is
            if isinstance(spot.before, Held) and spot.before.node not in self.variables:
                self._value(self.text.constant(self.capture.originals[spot.before.node]), spot.before)
            elif isinstance(spot.before, Same):
                self._holder(spot.before.item)
            return
        if spot.before is None:
            self.text.leave_unless(f"{self.text.absent(spot)}")
        elif isinstance(spot.before, Same) and type(spot.before.item) is list and self._only_grows(spot):
            self._growing(expression, spot.before.item)
        else:
            self._item(expression, spot.before)

    def _otherwise(self) -> None:
        """Inputs that no name led to: they are read from any place that holds them."""
        for spot in self.capture.spots:
            missing = self.needed - self.variables.keys()
            if not missing.isdisjoint(held_in(spot.before)):
                self._place(spot)

    def _apart(self) -> None:
        """Arrays that are written into must not be, or share the memory of, another input."""
        written = list(self.capture.written)
        inputs = [node for node in self.variables if node in self.needed]
        arrays = [node for node in inputs if isinstance(self.capture.originals.get(node), np.ndarray)]
        if len(written) * len(arrays) > _MANY:
            others = [node for node in arrays if node not in self.capture.written]
            each, rest = (", ".join(map(self.variables.__getitem__, nodes)) for nodes in (written, others))
            self.text.leave_unless(f"{self.text.constant(are_apart)}(({each},), ({rest}{',' if rest else ''}))")
            return
        for node in written:
            name = self.variables[node]
            owns = self.capture.originals[node].flags.owndata
            if owns:
                self.text.leave_unless(f"{name}.flags.num & 4")
            for other in arrays:
                if other is not node:
                    self.text.leave_unless(self._are_apart(node, other, owns))

    def _are_apart(self, node: Node, other: Node, owns: bool) -> str:
        """The condition that an array that is written into, and `owns` its memory, is not that of another input.

        Of two that own theirs it is enough to know that they are two; but the other may be a view the next time.
        """
        name, its = self.variables[node], self.variables[other]
        apart = f"not may_share_memory({its}, {name})"
        if not owns or not self.capture.originals[other].flags.owndata:
            return apart
        two = f"{its} is not {name} and " if self._may_be(node, other, owns) else ""
        return f"{two}({its}.flags.num & 4 or {apart})"

    def _may_be(self, node: Node, other: Node, owns: bool) -> bool:
        """Whether another input may be the same array; one that owns its memory is that of no other shape or dtype."""
        if owns and self.capture.originals[other].flags.owndata:
            return (node.shape, node.dtype) == (other.shape, other.dtype)
        return True


def _class_of(node: Node) -> type:
    return node.dtype if isinstance(node.dtype, type) else node.dtype.type
