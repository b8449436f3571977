"""Which attributes a method reads, of an argument and of its own instance, and which it writes."""

from __future__ import annotations

import ast
import inspect
from types import FunctionType
from typing import Any

from dout.adapt.source.syntax import read, total, walk
from dout.run import is_class
from dout.trace.model.user_source import is_user_code


@total(frozenset)
def attributes_read(function: Any, name: str) -> frozenset[str]:
    """The attributes of an argument that a method reads, those of its items too: `prev.out_shape` of `prev`."""
    own = read(function)
    known = {name}
    for node in walk(own.node) if own else ():
        if isinstance(node, ast.Assign) and _is_one_of(node.value, known):
            known |= {target.id for target in node.targets if isinstance(target, ast.Name)}
            known |= {
                n.id for t in node.targets if isinstance(t, ast.Tuple) for n in walk(t) if isinstance(n, ast.Name)
            }
    found = (node for node in walk(own.node) if isinstance(node, ast.Attribute)) if own else ()
    return frozenset(node.attr for node in found if _is_one_of(node.value, known))


@total(lambda: (frozenset(), frozenset()))
def own_attributes(function: Any) -> tuple[frozenset[str], frozenset[str]]:
    """The attributes of its instance that a method reads, and those that it writes, or writes into."""
    own = read(function)
    nodes = list(walk(own.node)) if own else []
    me = own.me if own else ""
    mine = [n for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == me]
    items = {_base(n) for n in nodes if isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Store)}
    stored = {id(n) for n in mine if isinstance(n.ctx, ast.Store)} | {id(n) for n in items}
    return (
        frozenset(n.attr for n in mine if not isinstance(n.ctx, ast.Store)),
        frozenset(n.attr for n in mine if id(n) in stored),
    )


@total(bool)
def users_with(cls: Any, attribute: str) -> bool:
    """Whether this is a class of the user's whose objects have an attribute: nothing is made to see it."""
    if not is_class(cls) or inspect.isabstract(cls):
        return False
    methods = [item for item in vars(cls).values() if type(item) is FunctionType]
    if not any(is_user_code(method.__code__.co_filename) for method in methods):
        return False
    return hasattr(cls, attribute) or attribute in own_attributes(cls.__init__)[1]


def _base(node: ast.expr) -> ast.expr:
    """What is written into: `self.p` of `self.p["W"][0] = …`."""
    while isinstance(node, ast.Subscript):
        node = node.value
    return node


@total(dict)
def items_unpacked(function: Any) -> dict[str, str]:
    """The local names of items of an attribute: {"params[0]": "W", "params[1]": "b"} after `W, b = self.params`."""
    own = read(function)
    found: dict[str, str] = {}
    for node in walk(own.node) if own else ():
        match node:
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Attribute(ast.Name(me), attribute)):
                places = {f"{attribute}[{i}]": name for i, name in enumerate(names)}
            case ast.Assign(
                targets=[name], value=ast.Subscript(ast.Attribute(ast.Name(me), attribute), ast.Constant(key))
            ):
                places = {f"{attribute}[{key!r}]": name}
            case _:
                continue
        if own and me == own.me:
            found |= {place: name.id for place, name in places.items() if isinstance(name, ast.Name)}
    return found


def _is_one_of(node: ast.AST, names: set[str]) -> bool:
    return isinstance(node, ast.Name) and node.id in names
