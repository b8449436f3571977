"""The operations of a class that keeps a tape, as layers: the result of `a * b` knows how to go back.

It holds a closure that adds to `self.grad` and `other.grad` what arrives in `out.grad`, as in Karpathy's micrograd; or
it is made with its operands, and `out.backward(grad)` goes on to them, as in Trask's "Grokking Deep Learning" (2019),
chapter 13; or it is made with functions that give each operand its part of the gradient, as in Grus's autograd. What
the attributes are called the code tells.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np

from dout.adapt.argument_names import is_named, taken_by
from dout.adapt.interface.array_holders import attributes_held, settings_asked, wrapped
from dout.adapt.interface.learned_gradients import ON_TAPE
from dout.adapt.source.attribute_reads import asked_of_objects, attributes_read, own_attributes
from dout.adapt.source.syntax import name_of, read, total, walk
from dout.adapt.tapes.tape_syntax import (
    OWN,
    changes_own,
    closure_in,
    closures_handed_on,
    goes_on,
    is_made_with_operands,
    way_back,
)  # fmt: skip
from dout.run import attributes_of, copied, function_copy, is_class, mro_of, quiet, vars_of
from dout.trace.tracer.traced import plain

OPERANDS = "dout_operands"  # of the class of an operation: the inputs that stand on the tape
_FIRST = ("x", "a", "value")  # what `self` is called as an input, whichever is free
_NUMBERS = (int, float)


def is_operation(cls: type) -> bool:
    """Whether a class, or one above it, was made here."""
    return any(OPERANDS in vars_of(base) for base in mro_of(cls))


class TapeKept(NamedTuple):
    """What an operation's forward leaves: its result, and its operands, each with the gradient that stood there.

    A tape goes back once: then the operation runs again on what it was `given`.
    """

    result: Any
    nodes: list[tuple[Any, Any]]
    slot: str
    given: tuple[Any, ...]
    named: dict[str, Any]


class _Way(NamedTuple):
    """A class whose objects go back themselves, by which method, and the attribute with their gradient."""

    holder: type
    method: str
    slot: str


@total(lambda: None)
def _way_of(holder: Any) -> _Way | None:
    """How the objects of a class go back where they are given the upstream gradient; None where they do not."""
    if not is_class(holder):
        return None
    functions = {n: one.node for n, f in vars_of(holder).items() if (one := read(f)) is not None}
    back = way_back({n: node for n, node in functions.items() if isinstance(node, ast.FunctionDef)})
    reads, writes = own_attributes(vars_of(holder)[back]) if back else (frozenset[str](), frozenset[str]())
    called_so = [name for name in reads | writes if "grad" in name]
    slot = min(called_so, key=lambda name: (name not in writes, len(name), name), default="")
    return _Way(holder, back, slot) if slot else None


@total(lambda: None)
def _way_in(function: ast.FunctionDef, names: Mapping[str, Any], cls: type | None) -> _Way | None:
    """How the result of a function goes back that is made with its operands, or with functions of gradients."""
    made = {name_of(node.func) for node in ast.walk(function) if isinstance(node, ast.Call)}
    own = [cls] if cls is not None and made & {cls.__name__, *OWN[:2]} else []
    holders = own if cls is not None else list(filter(None, map(names.get, sorted(made))))
    ways = [way for way in map(_way_of, holders) if way is not None and way.method != function.name]
    with_operands = cls is not None and is_made_with_operands(function, cls.__name__)
    return ways[0] if ways and (with_operands or closures_handed_on(function)) else None


@total(dict)
def tape_operations(names: Mapping[str, Any], cls: type | None = None) -> dict[str, type]:
    """The functions of a class, or of a module, whose result knows how to go back, each as a class, by its name.

    Of a module with these names those alone that are written there.
    """
    every = {n: f for n, f in (vars_of(cls) if cls is not None else names).items() if type(f) is FunctionType}
    here = names.get("__name__")
    own = {n: f for n, f in every.items() if n != "__init__" and (cls is not None or f.__module__ == here)}
    syntax = {name: one.node for name, f in own.items() if (one := read(f)) is not None}
    nodes = {name: node for name, node in syntax.items() if isinstance(node, ast.FunctionDef)}
    found: dict[str, type] = {}
    closures = {name: closure_in(node) for name, node in nodes.items()}
    known = next((closure.slot for closure in closures.values() if closure is not None), "") or _known_above(cls)
    for name, node in nodes.items():
        function, closure = own[name], closures[name] or (closure_in(node, known) if known else None)
        if closure is not None and goes_on(node, {n for n, other in closures.items() if other is not None}):
            continue
        if not taken_by(function) or not all(map(is_named, taken_by(function))):
            continue
        if closure is not None:
            is_own = cls is not None and closure.made_by in (*OWN, cls.__name__)
            holder = cls if is_own else function.__globals__.get(closure.made_by)
            if holder is not None and is_class(holder):
                is_part = cls is not None and not is_own and not changes_own(node, closure.slot)
                if is_part and not _names_every(node, closure.slot, holder):
                    continue  # what the closure gives no gradient may be a label, or a mask
                owner = cls if is_part else None
                bound = cls is not None and owner is None
                found[name] = _Operation(function, holder, closure.slot, closure.held_in, bound, owner).as_layer
        elif (way := _way_in(node, function.__globals__, cls)) is not None:
            found[name] = _Operation(function, way.holder, way.slot, way.method, cls is not None).as_layer
    return found


def _known_above(cls: type | None) -> str:
    """Where the classes above have gradients, by the closures in their methods."""
    functions = (item for base in mro_of(cls)[1:-1] for item in vars_of(base).values()) if cls is not None else ()
    written = (own.node for own in map(read, functions) if own is not None)
    return next((closure.slot for node in written if (closure := closure_in(node)) is not None), "")


@total(bool)
def _names_every(function: ast.FunctionDef, slot: str, holder: type) -> bool:
    """Whether a closure names the gradient of every object of the tape that its method reads."""
    me, *taken = (argument.arg for argument in function.args.args)
    nodes = [node for node in ast.walk(function) if isinstance(node, ast.Attribute)]
    having = {ast.unparse(node.value) for node in nodes if node.attr == slot}
    holds = {name for name in own_attributes(vars_of(holder).get("__init__"))[1] if name != slot}
    read_ = {ast.unparse(node.value) for node in nodes if node.attr in holds and isinstance(node.ctx, ast.Load)}
    stored = {ast.unparse(node.value) for node in nodes if isinstance(node.ctx, ast.Store)}  # a running mean
    operands = {text for text in read_ - stored if text in taken or text.startswith(f"{me}.")}
    return operands <= having


@dataclass(frozen=True, eq=False)
class _Operation:
    """A function on a tape: what makes its operands, and the attribute with their gradient.

    Its result goes back by the function in the attribute `way`, which takes the upstream gradient or reads it there.
    A method of an `owner`, `Sigmoid.__call__`, has an instance of that, which is no operand.
    """

    function: FunctionType
    holder: type
    slot: str
    way: str
    bound: bool
    owner: type | None = None

    @cached_property
    def parameters(self) -> list[inspect.Parameter]:
        """What it takes, as a layer would call it: no input is called `self`."""
        first, *others = self._taken
        free = next(n for n in _FIRST if n not in {p.name for p in others})
        return [first.replace(name=free) if self.bound else first, *others]

    @property
    def _taken(self) -> list[inspect.Parameter]:
        return taken_by(self.function)[self.owner is not None :]

    @cached_property
    def on_tape(self) -> list[bool]:
        """Which of them are operands: objects of the class, and not settings."""
        asked = [bool(self._asked_of(p.name)) for p in self._taken]
        is_given = [self._is_given_on(p.name) for p in self._taken]
        return [a or b or (self.bound and not i) for i, (a, b) in enumerate(zip(asked, is_given, strict=True))]

    def _asked_of(self, name: str) -> frozenset[str]:
        """What is read of an argument that an object of the class has, and no array: its `data` are bytes there."""
        read_ = attributes_read(self.function, name)
        return asked_of_objects(self.function, name) | (read_ & self.numbers_in)

    @cached_property
    def numbers_in(self) -> frozenset[str]:
        """Where an object of the class keeps the numbers that it is made of."""
        array = np.array([0.5, 0.25])
        try:
            with quiet():
                made = wrapped(self.holder, array, self.settings)
                shown = {n: getattr(made, n) for n, x in vars_of(self.holder).items() if isinstance(x, property)}
        except Exception:
            return frozenset()
        return frozenset(n for n, x in (attributes_held(made) | shown).items() if np.array_equal(plain(x), array))

    def _is_given_on(self, name: str) -> bool:
        """Whether the result is made with it, beside itself: `creators=[self, other]`."""
        own = read(self.function)
        lists = (n.elts for n in walk(own.node) if isinstance(n, ast.List | ast.Tuple)) if own is not None else ()
        return any({"self", name} <= {name_of(item) for item in items if isinstance(item, ast.Name)} for items in lists)

    @cached_property
    def settings(self) -> dict[str, bool]:
        """What is off by default in the class, and asked for on the way: `requires_grad`."""
        return settings_asked(self.holder, (self.function, *map(vars_of(self.holder).get, (self.way, "__init__"))))

    @cached_property
    def takes_objects(self) -> bool | None:
        """Whether the way back takes the upstream gradient in an object of the class; None where it takes none."""
        method = vars_of(self.holder).get(self.way)
        name = next((p.name for p in taken_by(method)[1:2]), "") if type(method) is FunctionType else ""
        own = read(method)
        if not name or own is None:
            return None
        made = [n.value for n in walk(own.node) if isinstance(n, ast.Assign) and name_of(n.targets[0]) == name]
        makes = any(name_of(getattr(value, "func", None)) == self.holder.__name__ for value in made)
        return makes or bool(asked_of_objects(method, name))

    @cached_property
    def keeps_objects(self) -> bool:
        """Whether a gradient stands in an object of the class, too: `x.grad = Tensor(…)`."""
        own = read(self.function)
        nodes = [node for node in walk(own.node) if isinstance(node, ast.Assign)] if own is not None else []
        made = [n.value for n in nodes if isinstance(n.targets[0], ast.Attribute) and n.targets[0].attr == self.slot]
        calls = [node for one in made for node in walk(one) if isinstance(node, ast.Call)]
        return any(name_of(call.func) == self.holder.__name__ for call in calls)

    def forward(self, layer: Any, *given: Any, **named: Any) -> Any:
        """The numbers of the result of the operation on objects that hold what is given."""
        pairs = [*zip(given, self.on_tape, strict=False)]
        items = [wrapped(self.holder, x, self.settings) if node and _is_number(x) else x for x, node in pairs]
        operands = [(item, own) for item, own in zip(items, given, strict=False) if item is not own]
        before = [copied(self._numbers(node)) for node, _ in operands]
        bound = self.owner is not None
        called = self.function.__get__(layer) if bound else getattr(layer, self.function.__name__)
        result = called(*items, **named)
        for (node, own), held in zip(operands, before, strict=True):  # an operand with other numbers is overwritten
            if type(own) is np.ndarray and not np.array_equal(plain(held), plain(now := self._numbers(node))):
                own[...] = now
        nodes = [node for node, _ in operands]
        starts = [getattr(node, self.slot, None) for node in nodes]
        shapes = {np.shape(plain(x)) for x, node in pairs if node}
        if any(type(start) in _NUMBERS for start in starts) and len(shapes) > 1:
            raise ValueError(f"{self.holder.__name__} holds numbers: of arrays all have one shape")
        attributes_of(layer)[ON_TAPE] = TapeKept(result, [*zip(nodes, starts, strict=True)], self.slot, given, named)
        return _as_wide(self._numbers(result), given)

    def backward(self, layer: Any, dout: Any) -> Any:
        """The gradients that the way back leaves in the operands."""
        kept = attributes_of(layer)[ON_TAPE]
        if not kept.nodes:
            self.forward(layer, *kept.given, **kept.named)
        result, nodes, _, given, named = attributes_of(layer)[ON_TAPE]
        attributes_of(layer)[ON_TAPE] = TapeKept(None, [], self.slot, given, named)
        for node, before in nodes:
            setattr(node, self.slot, before)
        if self.takes_objects is None:
            own = next((before for node, before in nodes if node is result), None)  # it hands its operand on
            arrives = wrapped(self.holder, dout) if self.keeps_objects else dout
            setattr(result, self.slot, arrives if own is None else own + arrives)
            getattr(result, self.way)()
        else:
            getattr(result, self.way)(wrapped(self.holder, dout) if self.takes_objects else dout)
        found = tuple(_as_wide(self._numbers(getattr(node, self.slot)), given) for node, _ in nodes)
        return found[0] if len(found) == 1 else found

    def _numbers(self, item: Any) -> Any:
        """What an object of the class holds beside a gradient; anything else is its own."""
        if not isinstance(item, self.holder):
            return item
        return next(x for n, x in attributes_held(item).items() if n != self.slot and _is_number(x))

    @cached_property
    def as_layer(self) -> type:
        """The class whose forward and backward these are; both are written where the operation is."""
        function = self.function
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        me = inspect.Parameter("self", kind)

        def forward(layer: Any, *given: Any, **named: Any) -> Any:
            return self.forward(layer, *given, **named)

        def backward(layer: Any, dout: Any) -> Any:
            return self.backward(layer, dout)

        for method, taken in ((forward, self.parameters), (backward, [inspect.Parameter("dout", kind)])):
            written: Any = function_copy(function)
            written.__qualname__ = function.__qualname__
            written.__signature__ = inspect.Signature([me, *taken])
            vars(method)["__wrapped__"] = written
        operands = frozenset(p.name for p, node in zip(self.parameters, self.on_tape, strict=True) if node)
        place = {"__module__": function.__module__, "__qualname__": function.__qualname__, "__doc__": function.__doc__}
        made: dict[str, Any] = {function.__name__: staticmethod(function) if self.owner is None else forward, **place}
        made |= {OPERANDS: operands, "forward": forward, "backward": backward}
        if self.owner is not None:
            return type(self.owner)(self.owner.__name__, (self.owner,), made)
        return type(function.__name__, (), made)


def _as_wide(item: Any, given: Sequence[Any]) -> Any:
    """What a node holds in the precision of what was given: its class may make float64 of all that it is given."""
    numbers = [plain(x) for x in given if isinstance(plain(x), np.ndarray | np.generic)]
    types = {x.dtype for x in numbers if x.dtype.kind == "f"}
    own = getattr(plain(item), "dtype", None)
    return item.astype(np.float32) if types == {np.dtype(np.float32)} and own == np.float64 else item


def _is_number(item: Any) -> bool:
    value = plain(item)
    return isinstance(value, np.ndarray | np.generic) or type(value) in _NUMBERS
