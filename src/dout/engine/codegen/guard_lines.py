"""The beginning of a driver: what the next call must have in common with the recorded one, and where its inputs are.

The lines read each input from the argument or the object that held it, and leave (`return MISS`) where anything that
could have steered the run is another: a type, a dtype, a shape, a flag, an object in an attribute.
"""

from __future__ import annotations

import array
import inspect
import weakref
from collections import Counter, deque
from collections.abc import Mapping
from threading import local
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from dout.engine.codegen.driver_text import DriverText
from dout.engine.guards.class_attributes import answered, functions, is_code, is_settled, names_of, ran, where_it_stands
from dout.engine.guards.equality import alike, holds_still
from dout.engine.guards.memory_guard import apart
from dout.engine.guards.reachable_state import Read
from dout.errors import UnsupportedError
from dout.graph import INPUT, Node
from dout.run import dict_of
from dout.trace.capture.capture import Capture
from dout.trace.capture.lenient_tracer import error_settings, errors_are_heard
from dout.trace.capture.templates import (
    Built,
    Held,
    HeldView,
    Same,
    Spot,
    Template,
    can_be_made,
    held_in,
    is_fixed,
    made_anew,
)
from dout.trace.model.user_source import is_ours
from dout.trace.session.attribute_swap import CACHE, MOST, Namespace, is_special, remembered

_LARGE_SET = 100
_UNSEEN = (set, deque, bytearray, memoryview, array.array, np.ndarray, weakref.ref, local)
_PLAIN = (type(None), bool, type(Ellipsis))


class Guards:
    """Writes the guards of one capture into a driver's text. `variables` then names each input that was read."""

    def __init__(self, capture: Capture, needed: frozenset[Node], text: DriverText) -> None:
        self.capture = capture
        self.text = text
        self.read = Read(capture, needed)
        self.names = self.read.names
        self.needed = needed
        self.kept = {node for spot in self.read.restored for node in held_in(spot.before)}
        self.variables: dict[Node, str] = {}
        given = (*capture.arguments, *capture.keywords.values())
        self.given = {id(item.item) for item in given if isinstance(item, Same)}
        self.others: list[str] = []  # expressions of what each call may bring anew: all distinct objects
        templates = [*given, *(spot.before for spot in capture.spots)]
        self.shared = self._shared(templates)
        self.stands: dict[int, list[Spot | None]] = {}  # where objects stand, by identity; None for an argument
        for spot, template in [*((None, item) for item in given), *((spot, spot.before) for spot in capture.spots)]:
            if isinstance(template, Same):
                self.stands.setdefault(id(template.item), []).append(spot)
        self.at: dict[int, list[Spot]] = {}  # places by the identity of what holds them
        objects = (s.holder for s in capture.spots if s.place.key == "__class__")
        self.attribute_dicts = {id(dict_of(item)) for item in objects}  # dicts whose keys code reads as attributes
        self.reached: set[int] = set()
        self.classes: set[type] = set()  # of which the code is guarded
        for spot in capture.spots:
            self.at.setdefault(id(spot.holder), []).append(spot)
            if isinstance(spot.holder, FunctionType):  # a cell is listed of one function, and may be that of many
                self.at.setdefault(id(spot.place.put.args[0]), []).append(spot)  # type: ignore[attr-defined]
            if self._moves(spot.holder):
                text.movable[id(spot.holder)] = spot.holder
                text.movable[id(dict_of(spot.holder))] = dict_of(spot.holder)

    def _shared(self, templates: list[Template | None]) -> set[Node]:
        """Arrays that stand at several places, one of them in a list or dict: the run may have put them there again."""
        found = Counter(node for template in templates for node in held_in(template))
        inside = {node for s in self.capture.spots if isinstance(s.holder, list | dict) for node in held_in(s.before)}
        return {node for node in inside if found[node] > 1}

    def write(self, parameters: list[str]) -> None:
        """Write all guards: of the arguments, then of every object that the code that ran can have looked into."""
        for name, template in zip(parameters, [*self.capture.arguments, *self.capture.keywords.values()], strict=True):
            self._item(name, template)
        roots = {id(s.holder): s.holder for s in self.capture.spots if isinstance(s.holder, Namespace | ModuleType)}
        classes = [s.holder for s in self.read.restored if isinstance(s.holder, type)]
        for holder in (self.capture.root, *roots.values(), *classes):
            self._holder(holder)
        self._otherwise()
        self._errors()
        self._apart()
        self._distinct(self.others)
        if self.names.compares_identities:
            originals = self.capture.originals
            self._distinct([name for node, name in self.variables.items() if type(originals.get(node)) is np.ndarray])

    def _distinct(self, names: list[str]) -> None:
        """Guard that these are distinct objects."""
        if len(names) > 1:
            self.text.leave_unless(f"len({{{', '.join(f'id({name})' for name in names)}}}) == {len(names)}")

    def _errors(self) -> None:
        """Kernels raise and report no floating-point errors: they cannot replace NumPy where it is told to do so."""
        if any(n.primitive is not INPUT and not isinstance(n.dtype, type) for n in self.capture.graph.nodes):
            if errors_are_heard():
                raise UnsupportedError("NumPy was told to raise or report floating-point errors")
            asked, heard = self.text.constant(error_settings, "errors"), self.text.constant(errors_are_heard)
            self.text.leave_unless(f"{asked}() is {self.text.constant(error_settings(), 'quiet')} or not {heard}()")

    # --- one item -----------------------------------------------------------------------------------------------------

    def _item(self, expression: str, template: Template) -> None:
        """Guard what an expression gives."""
        assert not isinstance(template, HeldView), "a view that was there before is an array of its own"
        if isinstance(template, Held | Node):
            self._value(expression, template)
        elif isinstance(template, Built):
            self._built(expression, template)
        else:
            self._same(expression, template.item)

    def _same(self, expression: str, item: Any) -> None:
        """Guard that an expression gives what it gave: the same object, or one of the same value or contents."""
        if isinstance(item, _PLAIN):
            self.text.leave_unless(f"{expression} is {item!r}")
        elif isinstance(item, float | complex | np.inexact | slice | range) or (type(item) is tuple and is_fixed(item)):
            known = self.text.constant(item)
            self.text.leave_unless(f"{expression} is {known} or {self.text.constant(alike)}({expression}, {known})")
        elif isinstance(item, str | bytes | int | np.generic | np.dtype):
            kind = self.text.constant(type(item))
            self.text.leave_unless(f"type({expression}) is {kind} and {expression} == {self.text.constant(item)}")
        elif isinstance(item, list | dict) and id(item) in self.capture.lengths:
            self._container(expression, item)
        elif self._moves(item):
            self._object(expression, item)
        else:
            self.text.leave_unless(f"{expression} is {self.text.constant(item)}")
            self._inside(item)

    def _inside(self, item: Any) -> None:
        """Guard what an object that is the same at the next call holds."""
        if isinstance(item, list | dict) and id(item) in self.capture.lengths:
            self._container(self.text.constant(item), item)
        else:
            self._contents(item)
            self._holder(item)

    def _contents(self, item: Any) -> None:
        """Guard what is in a set. Raises UnsupportedError for what changes and does not tell: a deque, an iterator."""
        if isinstance(item, set) and all(map(is_fixed, item)) and len(item) <= _LARGE_SET:
            now, then = f"(*{self.text.constant(item)},)", self.text.constant(tuple(item))  # their order counts
            self.text.leave_unless(f"{self.text.constant(alike)}({now}, {then})")
        elif isinstance(item, tuple | frozenset | CACHE) and id(item) not in self.at:
            for part in remembered(item) if isinstance(item, CACHE) else item:
                self._inside(part)
        elif (
            isinstance(item, _UNSEEN)
            or (isinstance(item, list | dict) and id(item) not in self.capture.lengths)
            or (hasattr(type(item), "__next__") and id(item) not in self.at)
        ):
            raise UnsupportedError(f"it looks into a {type(item).__qualname__}, which may change unseen")
        elif id(item) not in self.at and not is_settled(item):
            for name in dict_of(item):
                if name in self.names or self.names.stores(name):
                    raise UnsupportedError(f"it uses {type(item).__qualname__}.{name}, which may change unseen")

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
            if self.names.compares_identities or node in self.shared:
                self.variables[node] = name
            return
        self.variables[node] = name
        if isinstance(template, Held):
            value = self.capture.originals[node]
            self.text.leave_unless(self.text.is_like(name, value, written=node in self.capture.written))
            if node in self.capture.identities:
                self.text.leave_unless(f"id({name}) == {self.capture.identities[node]}")
        else:
            self.text.leave_unless(f"type({name}) is {self.text.constant(_kind(node))}")

    def _built(self, expression: str, template: Built) -> None:
        kind = self.text.constant(template.kind)
        self.text.leave_unless(f"{expression}.__class__ is {kind} and len({expression}) == {len(template.parts)}")
        for i, part in enumerate(template.parts):
            self._item(f"{expression}[{i}]", part)

    # --- objects ------------------------------------------------------------------------------------------------------

    def _is_known(self, expression: str, item: Any) -> bool:
        """Whether an expression for what each call may bring anew is known: then this one has to give the same."""
        if id(item) not in self.text.containers:
            return False
        self.text.leave_unless(f"{expression} is {self.text.containers[id(item)]}")
        return True

    def _named(self, expression: str, item: Any) -> str:
        """The name of what each call may bring anew; of its kind alone it is known that it is the same."""
        name = expression
        if not expression.isidentifier():
            name = self.text.name(type(item).__name__.lower())
            self.text.line(f"{name} = {expression}")
        self.text.leave_unless(f"{name}.__class__ is {self.text.constant(type(item))}")
        self.text.containers[id(item)] = name
        self.others.append(name)
        return name

    def _container(self, expression: str, item: list[Any] | dict[Any, Any]) -> None:
        """A list or dict: it may be another one the next time, with the same in it."""
        if not self._is_known(expression, item):
            name = self._named(expression, item)
            self.text.leave_unless(f"len({name}) == {self.capture.lengths[id(item)]}")
            self._all_of_it(name, item)
            self._kinds(name, item)
            self._holder(item)

    def _all_of_it(self, expression: str, item: list[Any] | dict[Any, Any]) -> None:
        """What is in a long list or dict, of which no number is an input; and the order of the keys of any dict."""
        stood = self.capture.long.get(id(item))
        if stood is not None and len(stood) > MOST:
            raise UnsupportedError(
                f"it reads a {type(item).__qualname__} of {len(item)} elements, too many to compare at each call"
            )
        if stood is not None:
            self.text.leave_unless(f"{self.text.constant(holds_still)}({expression}, {self.text.constant(stood)})")
        elif id(item) in self.capture.keys and self.capture.lengths[id(item)]:
            keys = self.text.constant(self.capture.keys[id(item)], "keys")
            self.text.leave_unless(f"{self.text.constant(alike)}((*{expression},), {keys})")

    def _kinds(self, expression: str, item: list[Any] | dict[Any, Any]) -> None:
        """Guard the types of what is in a list or dict where it has numbers that no step needs."""
        inside = [spot for spot in self.at.get(id(item), []) if spot.before is not None]
        if any(isinstance(spot.before, Node) and not self.read.matters(spot) for spot in inside):
            each = self.text.constant(list.__iter__ if isinstance(item, list) else dict.values)
            kinds = [_kind(spot.before) for spot in inside]
            self.text.leave_unless(f"[*map(type, {each}({expression}))] == {self.text.constant(kinds)}")

    def _grown(self, spot: Spot) -> list[Any] | None:
        """The list in a place to which the code appends, and which it does not read; else None."""
        item = spot.before.item if isinstance(spot.before, Same) else None
        if type(item) is not list or any(isinstance(part, list | dict) for part in item):
            return None
        return item if self._is_appended_to(spot) else None

    def _is_appended_to(self, spot: Spot) -> bool:
        """Whether the code only appends to what stands in a place, and nowhere else, or to lists in such a dict."""
        if len(self.stands[id(spot.before.item)]) != 1:  # type: ignore[union-attr]
            return False
        if isinstance(spot.holder, list):  # `self.history[-1].append` reads which it is
            return False
        if isinstance(spot.holder, dict) and id(spot.holder) not in self.attribute_dicts:
            around = self.stands.get(id(spot.holder), [])
            return len(around) == 1 and around[0] is not None and self._is_appended_to(around[0])
        return not isinstance(spot.holder, tuple | FunctionType) and self.names.only_appends(spot.place.key)

    def _growing(self, expression: str, item: list[Any]) -> None:
        """A list of which only the end matters."""
        self._named(expression, item)

    def _moves(self, item: Any) -> bool:
        """Whether an object may be another one at the next call: it was given, or runs make objects of its class."""
        if item is self.capture.root:
            return False
        return type(item) in made_anew or (id(item) in self.given and id(item) in self.at and can_be_made(type(item)))

    def _object(self, expression: str, item: Any) -> None:
        """An object of a class of which runs make objects: it may be another one the next time, with the same in it."""
        if not self._is_known(expression, item):
            name = self._named(expression, item)
            attributes = self.text.name(f"{name}_attributes")
            self.text.line(f"{attributes} = {name}.__dict__")
            self.text.containers[id(dict_of(item))] = attributes
            self._holder(item)

    def _holder(self, holder: Any) -> None:
        """Guard what an object holds, once, as far as the code that ran can have read it."""
        if id(holder) in self.reached:
            return
        self.reached.add(id(holder))
        cells = (holder.__closure__ or ()) if isinstance(holder, FunctionType) else ()
        for spot in dict.fromkeys(spot for part in (holder, *cells) for spot in self._spots(part)):
            if self.read.matters(spot):
                self._place(spot)
        if isinstance(holder, FunctionType):
            self._function(holder)
        elif isinstance(holder, type):
            self._code(holder)
        elif not isinstance(holder, ModuleType | Namespace):
            self._class_of(holder)
            self._code_for(holder)

    def _class_of(self, holder: Any) -> None:
        """Guard what its class answers with that is no code, where an object has none of that name itself."""
        if not type(holder).__dictoffset__:
            return
        own = self._own(holder)
        for name in dir(type(holder)):
            if name in self.names and name not in own and not is_special(name):
                value = inspect.getattr_static(type(holder), name)
                if not hasattr(type(value), "__get__"):
                    self._answer(holder, name, value)

    def _answer(self, holder: Any, name: str, value: Any) -> None:
        self.text.leave_unless(f"{name!r} not in {self.text.constant(dict_of(holder))}")
        for cls in type(holder).__mro__:
            self._holder(cls)

    def _own(self, holder: Any) -> set[Any]:
        """The names that an object may answer to itself."""
        return {*dict_of(holder), *(spot.place.key for spot in self._spots(holder))}

    def _spots(self, holder: Any) -> list[Spot]:
        """The places of an object. Where code asks for its `__dict__`, they may be listed as places of that."""
        found = self.at.get(id(holder), [])
        return found if isinstance(holder, Namespace | ModuleType) else [*found, *self.at.get(id(dict_of(holder)), [])]

    def _code_for(self, holder: Any) -> None:
        """Guard the methods with which the class of an object answers for it."""
        kind, own = type(holder), self._own(holder)
        methods = [name for name, _ in answered(kind, self.names, self.capture.codes) if name not in own]
        code = list(ran(kind, self.capture.codes))
        is_root = holder is self.capture.root
        if is_root or (code and id(holder) not in self.text.movable):  # its class is another one when loaded anew
            self.text.leave_unless(f"{self.text.constant(holder)}.__class__ is {self.text.constant(kind)}")
        for function in code if is_root else ():
            self._holder(function)
        for name in methods:
            if kind.__dictoffset__ and not is_special(name):
                self.text.leave_unless(f"{name!r} not in {self.text.constant(dict_of(holder))}")
        if kind.__dictoffset__ and ("__getattr__" in methods or self.names.all):  # they may ask for what it has not
            had = frozenset(dict_of(holder)) - {s.place.key for s in self._spots(holder) if not s.before}
            attributes = self.text.constant(dict_of(holder))
            self.text.leave_unless(f"{attributes}.keys() == {self.text.constant(had, 'attributes')}")
        self._code(kind)

    def _code(self, kind: type) -> None:
        """Guard the code that stands in a class, once."""
        above = kind.__mro__[1:] if "super" in self.names.outside else ()
        for cls in (kind, *above):
            for name, value in answered(cls, self.names, self.capture.codes) if cls not in self.classes else ():
                for place, stands in where_it_stands(cls, name):
                    names = self.text.constant(names_of(place), place.__name__)
                    here = f"{names}[{name!r}] is {self.text.constant(value, name)}"
                    self.text.leave_unless(here if stands else f"{name!r} not in {names}")
                for function in functions(value):
                    self._holder(function)
            self.classes.add(cls)

    def _function(self, function: FunctionType) -> None:
        """Guard the code of a function; of a method what it closes over and its defaults, which are no inputs."""
        name = self.text.constant(function)
        if id(function) in self.at or is_ours(function.__code__.co_filename):  # nobody changes defaults of ours
            self.text.leave_unless(f"{name}.__code__ is {self.text.constant(function.__code__, 'code')}")
            return
        for cell in function.__closure__ or ():
            self._as_it_was(f"{self.text.constant(cell)}.cell_contents", cell.cell_contents)
        for kind in ("__defaults__", "__kwdefaults__"):
            if getattr(function, kind) is not None:
                self._as_it_was(f"{name}.{kind}", getattr(function, kind))

    def _as_it_was(self, expression: str, item: Any) -> None:
        """Guard a value that is no input. (An array there would have been a lost edge.)"""
        if not isinstance(item, np.ndarray):
            self._item(expression, Same(item))

    def _place(self, spot: Spot) -> None:
        in_class = isinstance(spot.holder, type) and spot not in self.read.restored
        if in_class and isinstance(spot.before, Same) and is_code(spot.before.item):
            return
        expression = self.text.place(spot)
        if expression is None:
            self._out_of_reach(spot)
        elif spot.before is None:
            self.text.leave_unless(self.text.absent(spot))
        elif (grown := self._grown(spot)) is not None:
            self._growing(expression, grown)
        else:
            self._there(expression, spot, spot.before)

    def _there(self, expression: str, spot: Spot, before: Template) -> None:
        """Guard what stands in a place."""
        self._item(expression, before)

    def _out_of_reach(self, spot: Spot) -> None:
        """A place of a rare kind is not looked at again: what it holds is."""
        if isinstance(spot.before, Held) and spot.before.node not in self.variables:
            self._value(self.text.constant(self.capture.originals[spot.before.node]), spot.before)
        for part in spot.before.parts if isinstance(spot.before, Built) else [spot.before]:
            if isinstance(part, Same):
                self._inside(part.item)

    def _otherwise(self) -> None:
        """Inputs that no name led to: they are read from any place that holds them."""
        for spot in self.capture.spots:
            missing = self.needed - self.variables.keys()
            if not missing.isdisjoint(held_in(spot.before)):
                self._place(spot)

    def _apart(self) -> None:
        """Arrays that are written into must not be, or share the memory of, another input."""
        originals = {node: self.capture.originals.get(node) for node in self.variables if node in self.needed}
        arrays = {node: item for node, item in originals.items() if isinstance(item, np.ndarray)}
        written = [*self.capture.written]
        if written and len(arrays) > 1:
            self._share_nothing(written, arrays)

    def _share_nothing(self, written: list[Node], arrays: Mapping[Node, np.ndarray[Any, Any]]) -> None:
        names = [self.variables[node] for node in dict.fromkeys([*written, *arrays])]
        are_apart = self.text.constant(apart(len(written), len(names)), "are_apart")
        self.text.leave_unless(f"{are_apart}({', '.join(names)})")


def _kind(template: Template | None) -> type:
    """The type of what stood in a place."""
    if isinstance(template, Node):
        return template.dtype if isinstance(template.dtype, type) else template.dtype.type
    if isinstance(template, Built):
        return template.kind
    return type(template.item) if isinstance(template, Same) else np.ndarray
