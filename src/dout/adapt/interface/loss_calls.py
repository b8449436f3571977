"""The loss that a network's own code computes: a call on what its forward gives and on the target.

It may stand in any method, `self.criterion.forward(self.out, labels)` in backward, or `mse(y, self.forward(X))` in
`train`. What is called is an attribute of the network, or a global of its module.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dout.adapt.argument_names import names_label, names_loss
from dout.adapt.interface.method_pairs import names_backward, reads_and_writes
from dout.adapt.source.syntax import Function, bindings, literal, name_of, read, total, walk
from dout.trace.tracer.traced import plain


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
    `self.softmax.backward(out, y)`.
    """
    own = read(backward)
    bound = [pair for node in walk(own.node) for pair in bindings(node)] if own else []
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
        names = [one.id for one in called.args if isinstance(one, ast.Name)] if called and called.args[1:] else []
        if target in names:
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

    back = [n for n in nodes if isinstance(n, ast.Call) and any(map(names_backward, _path(n.func)[-1:]))]
    arriving = {name_of(argument) for call in back for argument in call.args}
    upstream = [value for name, value in bound if name_of(name) in arriving]  # `layer.backward(d)`: d is no loss
    for node in nodes:
        if not (isinstance(node, ast.Call) and len(node.args) == 2) or node in upstream:
            continue
        settings = {str(one.arg): literal(one.value, ...) for one in node.keywords}
        if ... in settings.values():
            continue
        path = _path(node.func)
        if not any(map(names_loss, path[-2:])) or any(map(names_backward, path)):
            continue
        if path[0] != own.me and path[0] not in own.names:  # an argument
            continue
        labels = [isinstance(a, ast.Name) and (a.id == target or names_label(a.id)) for a in node.args]
        left = output_in(node.args[labels[0]])
        if sum(labels) == 1 and left is not None:
            names = None if path[0] == own.me else own.names
            yield LossCall(path[names is None :], names, left, labels[0], settings)


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
