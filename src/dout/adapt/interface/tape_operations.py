"""The operations of a class that keeps a tape, as layers: the result of `a * b` holds the closure that goes back.

So do Karpathy's micrograd, and all that is written after it: the result's `_backward` adds to `self.grad` and
`other.grad` what arrives in `out.grad`. What the attributes are called the code tells.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping, Sequence
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np

from dout.adapt.argument_names import is_named, taken_by
from dout.adapt.interface.array_holders import attributes_held, wrapped
from dout.adapt.interface.learned_gradients import KEPT
from dout.adapt.source.attribute_reads import asked_of_objects
from dout.adapt.source.syntax import name_of, read, total, walk
from dout.run import attributes_of, copied, function_copy, is_class, vars_of
from dout.trace.tracer.traced import plain

OPERANDS = "dout_operands"  # of the class of an operation: the inputs that stand on the tape
_FIRST = ("x", "a", "value")  # what `self` is called as an input, whichever is free
_NUMBERS = (int, float)
_OWN = ("__class__", "cls", "")  # `self.__class__(…)`, `type(self)(…)`


class TapeKept(NamedTuple):
    """What an operation's forward leaves: its result, and its operands, each with the gradient that stood there."""

    result: Any
    nodes: list[tuple[Any, Any]]
    slot: str


class _Tape(NamedTuple):
    """The attribute with the closure, that with the gradient, and what the class of the result is called."""

    closure: str
    slot: str
    made_by: str


@total(lambda: None)
def tape_in(function: ast.AST) -> _Tape | None:
    """How a function's result goes back, by its syntax; None of others: `out._backward = _backward`."""
    nodes = [*ast.walk(function)]
    inner = {n.name: n for n in nodes if isinstance(n, ast.FunctionDef) and n is not function}
    results = {t.id: n.value for n in nodes if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)}
    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Attribute(value=ast.Name(result), attr=closure)], value=ast.Name(name)):
                back, made = inner.get(name), results.get(result)
                if back is not None and isinstance(made, ast.Call):
                    slot = next(_slots(back, result), "")
                    return _Tape(closure, slot, name_of(made.func)) if slot else None
    return None


def _slots(back: ast.FunctionDef, result: str) -> Iterator[str]:
    """The attributes that are read of the result, and changed of something else."""
    read_ = {n.attr for n in ast.walk(back) if isinstance(n, ast.Attribute) and name_of(n.value) == result}
    for node in ast.walk(back):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            if isinstance(target, ast.Attribute) and target.attr in read_ and name_of(target.value) != result:
                yield target.attr


def tape_operations(names: Mapping[str, Any], cls: type | None = None) -> dict[str, type]:
    """The functions of a class, or of a module, whose result holds what goes back, each as a class, by its name."""
    own = vars_of(cls) if cls is not None else names
    found: dict[str, type] = {}
    for name, function in own.items():
        known = read(function) if type(function) is FunctionType else None
        tape = tape_in(known.node) if known is not None and function.__name__ != "__init__" else None
        holder = None if tape is None else cls if tape.made_by in (*_OWN, getattr(cls, "__name__", "")) else None
        if tape is not None and holder is None and is_class(named := function.__globals__.get(tape.made_by)):
            holder = named
        if tape is not None and holder is not None and _takes_numbers(function, cls):
            found[name] = _operation(function, holder, tape, cls)
    return found


def _takes_numbers(function: FunctionType, cls: type | None) -> bool:
    return bool(taken_by(function)) and all(is_named(p) for p in taken_by(function))


def _operation(function: FunctionType, holder: type, tape: _Tape, owner: type | None) -> type:
    """The class of an operation: its forward takes arrays, or numbers, and gives what the result holds."""
    parameters = taken_by(function)
    bound = owner is not None
    first = next(n for n in _FIRST if n not in {p.name for p in parameters})
    inputs = [parameters[0].replace(name=first), *parameters[1:]] if bound else parameters
    read_ = {node.attr for node in walk(read(function).node) if isinstance(node, ast.Attribute)}  # type: ignore[union-attr]
    wanted = {p.name: True for p in taken_by(holder) if p.default is False and p.name in read_}  # `requires_grad`
    is_node = [(bound and not i) or bool(asked_of_objects(function, p.name)) for i, p in enumerate(parameters)]

    def forward(self: Any, *given: Any) -> Any:
        items = [
            wrapped(holder, x, wanted) if node and _is_number(x) else x for x, node in zip(given, is_node, strict=False)
        ]
        result = getattr(self, function.__name__)(*items)
        nodes = [item for item, own in zip(items, given, strict=False) if item is not own]
        starts = [getattr(node, tape.slot, None) for node in nodes]
        shapes = {np.shape(plain(x)) for x, node in zip(given, is_node, strict=False) if node}
        if any(type(start) in _NUMBERS for start in starts) and len(shapes) > 1:
            raise ValueError(f"{holder.__name__} holds numbers: of arrays all have one shape")
        attributes_of(self)[KEPT] = TapeKept(result, [*zip(nodes, map(copied, starts), strict=True)], tape.slot)
        held = next(x for n, x in attributes_held(result).items() if n != tape.slot and _is_number(x))
        return _as_wide(held, given)

    def backward(self: Any, dout: Any) -> Any:
        result, nodes, _ = attributes_of(self)[KEPT]
        for node, before in nodes:
            setattr(node, tape.slot, copied(before))
        setattr(result, tape.slot, dout)
        getattr(result, tape.closure)()
        found = tuple(_as_wide(getattr(node, tape.slot), [dout]) for node, _ in nodes)
        return found[0] if len(found) == 1 else found

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    me = inspect.Parameter("self", kind)
    written: Any = function_copy(function)
    written.__signature__ = inspect.Signature([me, *inputs])
    written.__qualname__ = function.__qualname__
    forward.__wrapped__ = written  # type: ignore[attr-defined]
    backward.__wrapped__ = function_copy(function)  # type: ignore[attr-defined]
    backward.__signature__ = inspect.Signature([me, inspect.Parameter("dout", kind)])  # type: ignore[attr-defined]
    place = {"__module__": function.__module__, "__qualname__": function.__qualname__, "__doc__": function.__doc__}
    operands = frozenset(p.name for p, node in zip(inputs, is_node, strict=True) if node)
    own = {"forward": forward, "backward": backward, function.__name__: staticmethod(function)}
    return type(function.__name__, (), {**place, OPERANDS: operands, **own})


def _as_wide(item: Any, given: Sequence[Any]) -> Any:
    """What a node holds in the precision of what was given: its class may make float64 of all that it is given."""
    types = {plain(x).dtype for x in given if isinstance(plain(x), np.ndarray | np.generic)}
    own = getattr(plain(item), "dtype", None)
    return item.astype(np.float32) if types == {np.dtype(np.float32)} and own == np.float64 else item


def _is_number(item: Any) -> bool:
    value = plain(item)
    return isinstance(value, np.ndarray | np.generic) or type(value) in _NUMBERS
