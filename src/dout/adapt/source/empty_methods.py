"""Methods and functions in name only: without a body, handing on to one that has none, or giving nothing."""

from __future__ import annotations

import ast
import builtins
import inspect
import sys
from collections.abc import Sequence
from typing import Any

from dout.adapt.source.syntax import name_of, read, walk
from dout.run import names_of


def is_unwritten(cls: type, name: str) -> bool:
    """Whether a method is a stub, or does nothing but call one, whatever it is given: `return self._forward(x)`."""
    body = _what_it_does(getattr(cls, name, None))
    return is_stub(getattr(cls, name, None)) or (len(body) == 1 and any(map(is_stub, _own_called(cls, name))))


def is_template(cls: type, name: str) -> bool:
    """Whether a method always calls one that raises as not written: only a class that writes that can be run.

    A stub that does nothing may be there for others to fill, beside code.
    """
    return any(is_stub(one) and isinstance(_body(one)[-1], ast.Raise) for one in _own_called(cls, name))


def _what_it_does(function: Any) -> list[ast.stmt]:
    return [statement for statement in _body(function) if not _does_nothing(statement)]


def _own_called(cls: type, name: str) -> list[Any]:
    """The methods of its class that a method calls whenever it runs."""
    body = _what_it_does(getattr(cls, name, None))
    return [getattr(cls, other, None) for statement in body for other in _always_called(statement) - {name}]


def _always_called(node: ast.AST | None) -> set[str]:
    """The methods of `self` that are called whenever a statement or an expression runs."""
    match node:
        case ast.If(test=test, body=[*one], orelse=[*other]) | ast.IfExp(test=test, body=one, orelse=other):
            sides = [set[str]().union(*map(_always_called, x if isinstance(x, list) else [x])) for x in (one, other)]
            return _always_called(test) | (sides[0] & sides[1])
        case ast.Return(value=inner) | ast.Assign(value=inner) | ast.Expr(value=inner):
            return _always_called(inner)
        case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=name)):
            return {name}
    return set()


def is_stub(function: Any) -> bool:
    """Whether a function's body does nothing, or says that it is not implemented."""
    body = _body(function)
    return bool(body) and all(map(_does_nothing, body))


def only_loops(function: Any) -> bool:
    """Whether a method's body does nothing but go through what `self` holds: nothing at all where that is nothing."""
    body = _body(function)
    return bool(body) and all(_does_nothing(one) or _goes_through_self(one) for one in body)


def _goes_through_self(statement: ast.stmt) -> bool:
    every = ast.walk(statement.iter) if isinstance(statement, ast.For) else ()
    return any(isinstance(n, ast.Name) and n.id == "self" for n in every)


def replaced_by(cls: type, name: str) -> str:
    """The class derived from `cls` that has its own method of this name, where that of `cls` returns its argument."""
    match [statement for statement in _body(getattr(cls, name, None)) if not _does_nothing(statement)]:
        case [ast.Return(value=ast.Name())]:
            below: list[type] = type.__subclasses__(cls)
            written = (one for one in below if _is_in_its_module(one) and name in vars(one))
            return next((one.__qualname__ for one in written), "")
    return ""


def _is_in_its_module(cls: type) -> bool:
    """Whether a class stands in its module, as one that somebody has written does."""
    return names_of(sys.modules.get(cls.__module__)).get(cls.__name__) is cls


def gives_nothing(function: Any) -> bool:
    """Whether a function returns nothing, or but True and False: it shows, tests or fills something.

    So does a template that nobody has filled in: the first name that it returns is never anything but None.
    """
    body = _body(function)
    every = [n for statement in body for n in ast.walk(statement)]
    returned = [n.value for n in every if isinstance(n, ast.Return)]
    empty = _never_more_than_none(every)
    return bool(body) and all(value is None or _is_nothing(_first(value), empty) for value in returned)


def _never_more_than_none(nodes: Sequence[ast.AST]) -> set[str]:
    """The names that are bound, and to nothing but None, or what a method of theirs gives: `out = out.astype(…)`."""
    bound: dict[str, bool] = {}
    nothing: set[int] = set()
    for node in nodes:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                names, values = (_items(target), _items(node.value))
                if len(names) == len(values):
                    pairs = zip(names, values, strict=True)
                    nothing |= {id(n) for n, v in pairs if _is_none(v) or _is_a_call_of(v, name_of(n))}
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound[node.id] = bound.get(node.id, True) and id(node) in nothing
    return {name for name, only in bound.items() if only}


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_a_call_of(node: ast.expr, name: str) -> bool:
    """Whether this calls a method of what has a name."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=owner))):
            return owner == name
    return False


def _items(node: ast.expr) -> list[ast.expr]:
    return list(node.elts) if isinstance(node, ast.Tuple) else [node]


def _first(node: ast.expr) -> ast.expr:
    return next(iter(_items(node)), node)


def _is_nothing(node: ast.expr, names: set[str]) -> bool:
    return isinstance(node, ast.Constant) or (isinstance(node, ast.Name) and node.id in names)


def _body(function: Any) -> list[ast.stmt]:
    found = read(function)
    return found.node.body if found is not None and isinstance(found.node, ast.FunctionDef) else []


def _does_nothing(statement: ast.stmt) -> bool:
    match statement:
        case ast.Pass() | ast.Expr(value=ast.Constant()) | ast.Return(value=ast.Constant(value=builtins.Ellipsis)):
            return True
        case ast.Raise(exc=ast.Call(func=ast.Name(id="Exception"), args=[ast.Constant()]) | ast.Name(id="Exception")):
            return True  # `raise Exception("to be written")`: an error of its own says more
        case ast.Raise(exc=ast.Call(func=ast.Name(id=name)) | ast.Name(id=name)) | ast.Return(value=ast.Name(id=name)):
            return name in ("NotImplementedError", "NotImplemented")
    return False


def kept_when_called(cls: type) -> frozenset[str]:
    """The attributes that `layer(x)` sets beside what its forward does: backward may need them."""
    function = inspect.getattr_static(cls, "__call__", None)
    found = read(function) if inspect.isfunction(function) else None
    nodes = walk(found.node) if found is not None else ()
    return frozenset(n.attr for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store))


def read_by(function: Any, names: Sequence[str]) -> set[str]:
    """Those of a function's arguments that it reads; all where there is no source.

    What its source does not take by that name, it may be given in another: nothing says that it does not read it.
    """
    found = read(function)
    if found is None:
        return set(names)
    unknown = set(names).difference(found.parameters)
    return unknown | {n.id for n in walk(found.node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
