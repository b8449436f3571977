"""What a loop takes from around it and does not change: names, attributes of objects, entries of dicts."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any, cast

import numpy as np

from dout.engine.loop_source.liveness import Loop, Names, stored

_OF_ARRAYS = frozenset({"shape", "ndim", "size", "T"})


def place_of(node: ast.expr) -> str:
    """How a place is called that is a name, or an attribute or entry of another such place; else ""."""
    match node:
        case ast.Name():
            return node.id
        case ast.Attribute():
            owner = place_of(node.value)
            return owner and f"{owner}.{node.attr}"
        case ast.Subscript(slice=ast.Constant(value=str(key))):
            owner = place_of(node.value)
            return owner and f"{owner}[{key!r}]"
    return ""


def root_of(node: ast.expr) -> str:
    """The name that a place begins with."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    assert isinstance(node, ast.Name)
    return node.id


def surroundings(loop: Loop, local: Names) -> dict[str, ast.expr]:
    """The largest places of a loop that begin with a name which it does not set; `local` are the function's own names.

    The methods of what has a local name are those of an array. What such an array tells of itself the kernel knows.
    """
    changed = stored(loop)
    found: dict[str, ast.expr] = {}
    for node in _largest(loop, local):
        if root_of(node) not in changed:
            place = place_of(node)
            found[place] = node if isinstance(node.ctx, ast.Store) else found.get(place, node)  # type: ignore[attr-defined]
    return found


def _largest(node: ast.AST, local: Names) -> Iterator[ast.expr]:
    if isinstance(node, ast.expr) and place_of(node):
        yield node
        return
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and place_of(node.func)
        and root_of(node.func) in local
    ):
        yield from _largest(node.func.value, local)
        for child in (*node.args, *node.keywords):
            yield from _largest(child, local)
        return
    for child in ast.iter_child_nodes(node):
        yield from _largest(child, local)


def changed_in_place(loop: Loop, given: Mapping[str, Any]) -> Names:
    """The names of given arrays to which the loop adds, and which it does not set otherwise."""
    added = {id(n.target) for n in ast.walk(loop) if isinstance(n, ast.AugAssign)}
    anew = {
        n.id for n in ast.walk(loop) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store) and id(n) not in added
    }
    return frozenset(name for name in stored(loop) - anew if type(given.get(name)) is np.ndarray)


class NotPlainError(Exception):
    """Code of the user's would run to get an attribute."""


def attribute(owner: Any, name: str) -> Any:
    """An attribute that is there as it is: of a module, or in the `__dict__` of an object or its class."""
    kind: Any = type(owner)
    if kind is np.ndarray and name in _OF_ARRAYS:
        return getattr(owner, name)
    if kind is ModuleType:
        return vars(owner)[name]
    if kind.__getattribute__ is not object.__getattribute__:
        raise NotPlainError
    static = next((vars(cls)[name] for cls in kind.__mro__ if name in vars(cls)), None)
    if static is not None and hasattr(type(static), "__set__"):
        raise NotPlainError
    own = getattr(owner, "__dict__", {})
    if name in own:
        return own[name]
    if static is None:
        raise AttributeError(name)
    if type(static) is FunctionType:  # a method: which function it is
        return static
    if hasattr(type(static), "__get__"):
        raise NotPlainError
    return static


def own_attribute(owner: Any, name: str) -> Any:
    """An array of the object itself, to which `+=` may add in place: to set the attribute to it again does nothing."""
    found, kind = attribute(owner, name), cast(Any, type(owner))
    if type(found) is not np.ndarray or kind.__setattr__ is not object.__setattr__ or name not in vars(owner):
        raise NotPlainError
    return found


def entry(owner: Any, key: str) -> Any:
    """An entry of a plain dict."""
    if type(owner) is not dict:
        raise NotPlainError
    return owner[key]


def value_of(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """What a place holds, from the values of names."""
    match node:
        case ast.Attribute():
            read = own_attribute if isinstance(node.ctx, ast.Store) else attribute
            return read(value_of(node.value, names), node.attr)
        case ast.Subscript(slice=ast.Constant(value=str(key))):
            return entry(value_of(node.value, names), key)
    assert isinstance(node, ast.Name)
    return names[node.id]


def evaluated(node: ast.expr, prefix: str) -> ast.expr:
    """The expression that gets a place, by `attribute` and `entry`, which have a prefix to their names."""
    match node:
        case ast.Attribute():
            given: list[ast.expr] = [evaluated(node.value, prefix), ast.Constant(node.attr)]
            read = "own_attribute" if isinstance(node.ctx, ast.Store) else "attribute"
            return ast.Call(ast.Name(f"{prefix}{read}", ast.Load()), given, [])
        case ast.Subscript():
            given = [evaluated(node.value, prefix), node.slice]
            return ast.Call(ast.Name(f"{prefix}entry", ast.Load()), given, [])
    assert isinstance(node, ast.Name)
    return ast.Name(node.id, ast.Load())
