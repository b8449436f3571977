"""The loss that a network's own code computes: a call on what its forward gives and on the target.

It may stand in any method, `self.criterion.forward(self.out, labels)` in backward, or `mse(y, self.forward(X))` in
`train`; its derivative says which it is, too, `d_mse(self.out, labels)`. What is called is an attribute of the network,
or a global of its module. A backward that asks a loss for its gradient, `d = self.loss.prime(y, self.out)`, before its
parts, is given that as `dout`, whatever loss it is.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from types import CodeType, FunctionType
from typing import Any, NamedTuple

import numpy as np

from dout.adapt.argument_names import names_label, names_loss, names_slope, taken_by
from dout.adapt.interface.function_pairs import forward_names
from dout.adapt.interface.method_pairs import names_backward, reads_and_writes
from dout.adapt.source.contained_parts import parts_in
from dout.adapt.source.syntax import Function, bindings, items_of, literal, name_of, read, total, walk
from dout.run import deep_copy, function_copy
from dout.trace.model.user_source import behind
from dout.trace.tracer.traced import plain

_DOUT = "dout"


@dataclass(frozen=True)
class LossCall:
    """What is called, as a path from the instance or from the globals; where forward left its output; the order."""

    path: tuple[str, ...]
    names: Any  # the globals that the path begins in; None for the instance
    left: str = ""
    target_first: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)  # literals that it is given by name

    @property
    def name(self) -> str:
        """What the loss is called: `criterion` of `self.criterion.forward`."""
        return next(name for name in reversed(self.path) if names_loss(name))

    def __call__(self, layer: Any, output: Any, target: Any) -> Any:
        """The loss of an output, one number. Raises TypeError if the code gives the loss something else."""
        if self.left and not np.array_equal(plain(getattr(layer, self.left)), plain(output)):
            raise TypeError(f"self.{self.left} is not what forward returned")
        found = layer if self.names is None else self.names[self.path[0]]
        for name in self.path[self.names is not None :]:
            found = getattr(found, name)
        value = found(*((target, output) if self.target_first else (output, target)), **self.settings)
        return np.sum(value) if np.ndim(plain(value)) else value


@total(lambda: None)
def loss_call(cls: type, forward: str, target: str) -> LossCall | None:
    """The first call of a loss in the methods of a class; None where there is none. `target` is backward's name."""
    kept = reads_and_writes(cls, forward)[1]
    methods = [own for base in cls.__mro__ for own in map(read, vars(base).values()) if own is not None and own.me]
    return next((call for own in methods for call in _calls(own, forward, target, kept)), None)


@total(bool)
def has_residual(backward: Any, target: str) -> bool:
    """Whether a backward takes the target from something, or that from the target: `self.out - y`, but not `1 - y`.

    Nor from what is made of it: a softmax has `g - inner`, where `inner` is a sum of `g`.
    Or 1 where the target says, `d[np.arange(n), y] -= 1`. Or hands it on, beside something, to a backward that may:
    `self.softmax.backward(out, y)`; one of its own is a part of it, unless that is called a label.
    """
    own = read(backward)
    bound = [pair for node in walk(own.node) for pair in bindings(node)] if own else []
    me = own.me if own else ""
    made = {name_of(one) for one, value in bound if value is not None and target in map(name_of, walk(value))}
    for node in walk(own.node) if own else ():
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
            sides = [{n.id for n in walk(x) if isinstance(n, ast.Name)} for x in (node.left, node.right)]
            named = [target in names for names in sides]
            is_of_it = not made.isdisjoint(sides[named[0]])
            if sum(named) == 1 and not is_of_it and not isinstance(node.right if named[0] else node.left, ast.Constant):
                return True
        if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Sub) and isinstance(node.target, ast.Subscript):
            named = [isinstance(n, ast.Name) and n.id == target for n in walk(node.target.slice)]
            if any(named):
                return True
        called = node if isinstance(node, ast.Call) and any(map(names_backward, _path(node.func)[-1:])) else None
        given = [one for one in called.args if not isinstance(one, ast.Constant)] if called else []
        is_own = called is not None and _path(called.func)[:-1] == (me,) and not names_label(target)
        if given[1:] and target in map(name_of, given) and not is_own:
            return True
    return False


@total(lambda: ("", ()))
def compared_with(backward: Any, target: str) -> tuple[str, tuple[int, ...]]:
    """The name, and the places in it, of what the target is taken from: `activations`, (-1,); ("", ()) of others."""
    own = read(backward)
    for node in walk(own.node) if own else ():
        match node:
            case (
                ast.BinOp(op=ast.Sub(), left=side, right=ast.Name(id=one))
                | ast.BinOp(op=ast.Sub(), left=ast.Name(id=one), right=side)
            ) if one == target:
                places: list[int] = []
                while isinstance(side, ast.Subscript) and isinstance(place := literal(side.slice, None), int):
                    places, side = [place, *places], side.value
                if isinstance(side, ast.Name):
                    return side.id, tuple(places)
    return "", ()


def _calls(own: Function, forward: str, target: str, kept: set[str]) -> Iterator[LossCall]:
    """The calls of losses in one method, with two arguments: what forward gave, and the target."""
    nodes = walk(own.node)
    bound = [pair for node in nodes for pair in bindings(node)]
    given = {name.id for name, value in bound if isinstance(name, ast.Name) and _runs(value, own.me, forward)}

    def output_in(node: ast.expr) -> str | None:
        """The attribute with forward's output, "" for the output itself; None for anything else."""
        match node:
            case ast.Attribute(value=ast.Name(id=own.me), attr=name) if name in kept:
                return name
            case ast.Name(id=name) if name in given:
                return ""
        return "" if _runs(node, own.me, forward) else None

    arriving = {name_of(argument) for call in _calls_back(own) for argument in call.args}
    upstream = [value for name, value in bound if name_of(name) in arriving]  # `layer.backward(d)`: d is no loss
    for node in nodes:
        if not (isinstance(node, ast.Call) and len(node.args) == 2) or node in upstream:
            continue
        settings = {str(one.arg): literal(one.value, ...) for one in node.keywords}
        if ... in settings.values():
            continue
        path = _loss_of_slope(_path(node.func), own)
        if not any(map(names_loss, path[-2:])):
            continue
        if path[0] != own.me and path[0] not in own.names:  # an argument
            continue
        labels = [isinstance(a, ast.Name) and (a.id == target or names_label(a.id)) for a in node.args]
        left = output_in(node.args[labels[0]])
        if sum(labels) == 1 and left is not None:
            names = None if path[0] == own.me else own.names
            yield LossCall(path[names is None :], names, left, labels[0], settings)


def _loss_of_slope(path: tuple[str, ...], own: Function) -> tuple[str, ...]:
    """What is called, or the loss beside it whose derivative that is, `mse` of `d_mse`; empty where there is none."""
    if not any(map(names_backward, path)) and not any(map(names_slope, path[-1:])):
        return path
    holder = reduce(getattr, path[1:-1], own.names.get(path[0]))
    beside = [n for n in forward_names(path[-1]) if (hasattr(holder, n) if path[1:] else n in own.names)]
    return next(((*path[:-1], name) for name in beside), ())


def _runs(node: ast.expr | None, me: str, forward: str) -> bool:
    """Whether this is a call of the network's forward."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=called)):
            return name == me and called == forward
    return False


def _path(node: ast.expr) -> tuple[str, ...]:
    """The names of a dotted expression; empty for any other."""
    match node:
        case ast.Name(id=name):
            return (name,)
        case ast.Attribute(value=value, attr=name):
            above = _path(value)
            return (*above, name) if above else ()
    return ()


# --- a backward that asks a loss --------------------------------------------------------------------------------------


class _Asked(NamedTuple):
    """A call of a loss, as it is written, and the arguments of backward that nothing else reads."""

    text: str
    place: int  # of the gradient in what it returns; -1 where it is all of it
    only: frozenset[str]


@total(lambda: None)
def given_upstream(cls: type, forward: str, backward: str) -> type | None:
    """The class with a backward that takes what a loss would give it; None where it does not ask one so."""
    own = read(getattr(cls, backward))
    function = behind(getattr(cls, backward))
    if own is None or not own.me or function.__closure__ or [*own.node.args.args] != own.every_parameter:
        return None
    asked = _asked(cls, own, forward)
    if asked is None or _DOUT in {node.id for node in walk(own.node) if isinstance(node, ast.Name)}:
        return None
    made = _with_dout(function, deep_copy(own.node), asked)
    kept = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    return type(cls)(cls.__name__, (cls,), {**kept, backward: made, "dout_pair": (forward, backward)})


def _asked(cls: type, own: Function, forward: str) -> _Asked | None:
    """The call of a loss in a backward whose gradient goes to parts of the network; None where there is none."""
    parts = parts_in(cls)
    handed = {ast.unparse(item) for call in _calls_back(own) for item in call.args if parts}
    known = reads_and_writes(cls, forward)[0]
    for node in walk(own.node):
        value = node.value if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
        if not isinstance(value, ast.Call) or not _is_of_a_loss(value, own, {*known, parts}):
            continue
        places = [i for i, target in enumerate(items_of(node.targets[0])) if ast.unparse(target) in handed]
        if len(places) == 1:
            text = ast.unparse(value)
            calls = [n for n in walk(own.node) if isinstance(n, ast.Call) and ast.unparse(n) == text]
            inside = {id(part) for call in calls for part in walk(call)}
            others = {n.id for n in walk(own.node) if isinstance(n, ast.Name) and id(n) not in inside}
            only = frozenset({name_of(item) for item in _given(value)} & {*own.arguments} - others)
            return _Asked(text, places[0] if isinstance(node.targets[0], ast.Tuple) else -1, only)
    return None


def _calls_back(own: Function) -> Iterator[ast.Call]:
    """The calls of a backward of another object, or of a function, with something."""
    for node in walk(own.node):
        if isinstance(node, ast.Call) and node.args and names_backward(name_of(node.func)):
            yield node


def _is_of_a_loss(call: ast.Call, own: Function, known: set[str]) -> bool:
    """Whether a call is given a label that backward takes, or is one of a loss; and not of what is known."""
    held = {n.attr for n in walk(call.func) if isinstance(n, ast.Attribute) and name_of(n.value) == own.me}
    names = {name_of(n) for n in walk(call.func) if isinstance(n, ast.Name | ast.Attribute)}
    labels = [item for item in _given(call) if name_of(item) in own.arguments and names_label(name_of(item))]
    return held.isdisjoint(known) and (bool(labels) or (not _given(call) and any(map(names_loss, names))))


def _given(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def _with_dout(function: FunctionType, node: Any, asked: _Asked) -> FunctionType:
    """The function with `dout` in place of these calls, in the lines of its file, without what they alone have read."""
    new = _DoutForCalls(asked).visit(node)
    own, *others = new.args.args
    new.args.args = [own, ast.arg(_DOUT), *(one for one in others if one.arg not in asked.only)]
    new.args.defaults, new.decorator_list = [], []
    code = compile(ast.fix_missing_locations(ast.Module([new], [])), function.__code__.co_filename, "exec")
    made = function_copy(function)
    made.__code__ = next(item for item in code.co_consts if isinstance(item, CodeType))
    defaults = {p.name: p.default for p in taken_by(function) if p.default is not p.empty}
    made.__defaults__ = tuple(item for name, item in defaults.items() if name not in asked.only)
    return made


class _DoutForCalls(ast.NodeTransformer):
    """Puts `dout` in the place of calls, at its place among what they return."""

    def __init__(self, asked: _Asked) -> None:
        self.asked = asked

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if ast.unparse(node) != self.asked.text:
            return self.generic_visit(node)
        dout = ast.Name(_DOUT, ast.Load())
        nothing: list[ast.expr] = [ast.Constant(None)] * max(self.asked.place, 0)
        return ast.copy_location(dout if self.asked.place < 0 else ast.Tuple([*nothing, dout], ast.Load()), node)
