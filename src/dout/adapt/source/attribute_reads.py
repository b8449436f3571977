"""Which attributes a method reads, of an argument and of its own instance, and which it writes."""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Iterable, Iterator, Sequence
from types import FunctionType
from typing import Any

import numpy as np

from dout.adapt.source.scopes import Scope, scopes_of
from dout.adapt.source.syntax import bindings, bound_in, name_of, read, total, walk
from dout.run import is_class
from dout.trace.model.user_source import is_user_code


@total(frozenset)
def attributes_read(function: Any, name: str, cls: type | None = None) -> frozenset[str]:
    """The attributes that are read of an argument, those of its items too: `prev.out_shape` of `prev`.

    Also where a class keeps it: `self.prev.out_shape` in any method or property.
    """
    found = set()
    for scope in scopes_of(function, name, cls):
        items = {n.id for node in walk(scope.function.node) for n in _items_of(node, scope)}
        for node in walk(scope.function.node):
            if isinstance(node, ast.Attribute) and (scope.holds(_whole(node.value)) or _is_named(node.value, items)):
                found.add(node.attr)
    return frozenset(found)


def _whole(node: ast.expr) -> ast.expr:
    """What a value is, or is an item of, by its place: `args` of `args[0]`."""
    match node:
        case ast.Subscript(value=value, slice=ast.Constant(value=int())):
            return value
    return node


def asked_of_objects(function: Any, name: str, cls: type | None = None) -> frozenset[str]:
    """The attributes that are read of an argument and that no array has: it is an object of the user's."""
    return attributes_read(function, name, cls) - _OF_ARRAYS


_OF_ARRAYS = frozenset(dir(np.ndarray))


def _items_of(node: ast.AST, scope: Scope) -> list[ast.Name]:
    """The names to which a statement binds the items of an argument: `a, b = prev`."""
    if not isinstance(node, ast.Assign) or not scope.holds(node.value):
        return []
    return [n for t in node.targets if isinstance(t, ast.Tuple) for n in t.elts if isinstance(n, ast.Name)]


def _is_named(node: ast.AST, names: set[str]) -> bool:
    return isinstance(node, ast.Name) and node.id in names


@total(lambda: (frozenset(), frozenset()))
@functools.lru_cache(maxsize=1024)
def own_attributes(function: Any) -> tuple[frozenset[str], frozenset[str]]:
    """The attributes of its instance that a method reads, and those that it writes, or writes into."""
    nodes = _nodes_of(function)
    stored = _stored(nodes)
    mine = [n for n in nodes if isinstance(n, ast.Attribute)]
    return (
        _of_itself(function, (n for n in mine if not isinstance(n.ctx, ast.Store))),
        _of_itself(function, (n for n in mine if id(n) in stored)),
    )


@total(frozenset)
def may_write(function: Any) -> frozenset[str]:
    """The attributes of its instance that a method may give other numbers than 0: all but those that are operands."""
    nodes = _nodes_of(function)
    idle = _cleared(nodes) | {id(operand) for node in nodes for operand in _operands(node)}
    return _of_itself(function, (n for n in nodes if id(n) not in idle))


@total(frozenset)
def attributes_written(function: Any) -> frozenset[str]:
    """The attributes of its instance that a method surely gives other numbers than 0, by itself or in place."""
    nodes = _nodes_of(function)
    targets = _stored(nodes)
    for node in nodes:
        match node:
            case ast.Call(func=ast.Attribute(attr="at"), args=[into, *_]) | ast.keyword(arg="out", value=into):
                targets.add(id(_base(into)))
    targets -= _cleared(nodes)
    return _of_itself(function, (n for n in nodes if id(n) in targets))


def _nodes_of(function: Any) -> list[ast.AST]:
    """All that a function consists of."""
    own = read(function)
    return list(walk(own.node)) if own else []


def _of_itself(function: Any, nodes: Iterable[ast.AST]) -> frozenset[str]:
    """The names of those among some nodes of a method that are attributes of its instance."""
    own = read(function)
    mine = (n.attr for n in nodes if isinstance(n, ast.Attribute) and own and name_of(n.value) == own.me)
    return frozenset(own.held_as(name) for name in mine) if own else frozenset()


def _stored(nodes: Iterable[ast.AST]) -> set[int]:
    """What is bound, or written into: identities of names and attributes."""
    return {id(_base(n)) for n in nodes if isinstance(n, ast.expr) and isinstance(getattr(n, "ctx", None), ast.Store)}


def _cleared(nodes: Iterable[ast.AST]) -> set[int]:
    """The identities of all parts of statements that set something to 0 or None."""
    return {id(part) for node in nodes if _clears(node) for part in ast.walk(node)}


def _operands(node: ast.AST) -> list[ast.expr]:
    match node:
        case ast.BinOp(left=left, right=right):
            return [left, right]
        case ast.UnaryOp(operand=operand):
            return [operand]
        case ast.Compare(left=left, comparators=others):
            return [left, *others]
        case ast.AugAssign(value=value):
            return [value]
    return []


def _clears(node: ast.AST) -> bool:
    """Whether a statement sets something to 0 or None: `self.dW = np.zeros_like(self.W)`, `self.dW.fill(0)`."""
    match node:
        case (
            ast.Assign(value=ast.Constant(value=value)) | ast.AugAssign(op=ast.Mult(), value=ast.Constant(value=value))
        ):
            return not value
        case ast.Assign(value=ast.Call(func=function)):
            return name_of(function) in ("zeros", "zeros_like")
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr="fill"), args=[ast.Constant(value=value)])):
            return not value
    return False


def _fields(function: Any, name: str) -> set[str]:
    """The attributes in which a method keeps an argument."""
    return {field for scope in scopes_of(function, name) for field in scope.fields}


@total(bool)
def keeps_for(first: Any, name: str, second: Any) -> bool:
    """Whether a method keeps an argument on its instance, and another method reads it there."""
    kept = _fields(first, name)
    return not kept.isdisjoint(own_attributes(second)[0])


@total(frozenset)
def attributes_set(function: Any) -> frozenset[str]:
    """The attributes of its instance that a method sets, to something else than None."""
    own = read(function)
    bound = [pair for _, *pair in bound_in(own.node)] if own else []
    return frozenset(
        own.held_as(target.attr)
        for target, value in bound
        if isinstance(target, ast.Attribute)
        and own
        and name_of(target.value) == own.me
        and not (isinstance(value, ast.Constant) and value.value is None)
    )


def reachable_methods(classes: Sequence[type]) -> Iterator[FunctionType]:
    """The methods of a class with its bases in order; one that another replaces only if that asks its base."""
    found: dict[str, FunctionType] = {}
    for base in classes:
        for name, method in vars(base).items():
            if isinstance(method, FunctionType) and (name not in found or "super" in found[name].__code__.co_names):
                found[name] = method
                yield method


@total(bool)
def sets_by_name(function: Any) -> bool:
    """Whether a method may set attributes by names that it computes: `setattr(self, "d" + key, g)`, `vars(self)`."""
    own = read(function)
    called = {"setattr", "vars", "exec", "locals"}
    return own is not None and any(
        (isinstance(node, ast.Name) and node.id in called)
        or (isinstance(node, ast.Attribute) and node.attr in ("__dict__", "__setattr__"))
        for node in walk(own.node)
    )


def asks_for(nodes: Sequence[ast.AST], name: str) -> bool:
    """Whether code tests an attribute of this name, or what it is bound to: `if layer.dW is not None`."""
    tests = ast.Compare | ast.BoolOp | ast.UnaryOp | ast.If | ast.IfExp | ast.While | ast.comprehension
    pairs = [pair for node in nodes for pair in bindings(node)]
    bound = {name_of(target) for target, value in pairs if isinstance(value, ast.Attribute) and value.attr == name}
    for node in nodes:
        parts = [*ast.iter_child_nodes(node)]
        if isinstance(node, tests) and any(
            (isinstance(x, ast.Attribute) and x.attr == name) or (isinstance(x, ast.Name) and x.id in bound)
            for x in parts
        ):
            return True
        is_call = isinstance(node, ast.Call) and name_of(node.func) in ("getattr", "hasattr")
        if is_call and any(isinstance(x, ast.Constant) and x.value == name for x in parts):
            return True
    return False


@total(frozenset)
def attributes_always_set(function: Any) -> frozenset[str]:
    """The attributes of its instance that a method sets at each call, under no condition: caches, no parameters.

    Not those of which it makes the new value: `self.W = self.W * self.keep`.
    """
    own = read(function)
    lines = own.node.body if own and isinstance(own.node, ast.FunctionDef) else []
    return frozenset(
        own.held_as(target.attr)
        for line in lines
        for target, value in bindings(line)
        if isinstance(target, ast.Attribute)
        and own
        and name_of(target.value) == own.me
        and not any(isinstance(n, ast.Attribute) and n.attr == target.attr for n in walk(value) if value is not None)
    )


@total(tuple)
def attributes_given(function: Any) -> tuple[str, ...]:
    """The attributes that a method sets of other objects than its instance: `x.grad = …`, `self.w.grad += …`."""
    own = read(function)
    nodes = [n for n in walk(own.node) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)] if own else []
    return tuple(dict.fromkeys(n.attr for n in nodes if own and name_of(n.value) != own.me))


@total(bool)
def users_with(cls: Any, attribute: str) -> bool:
    """Whether this is a class of the user's whose objects have an attribute: nothing is made to see it."""
    if not is_class(cls) or inspect.isabstract(cls):
        return False
    methods = [item for item in vars(cls).values() if type(item) is FunctionType]
    if not any(is_user_code(method.__code__.co_filename) for method in methods):
        return False
    made = (vars(base).get("__init__") for base in cls.__mro__)
    return hasattr(cls, attribute) or any(attribute in own_attributes(init)[1] for init in made)


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
