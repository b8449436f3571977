"""Which attribute of a layer holds its parts: that whose items a method calls one after the other."""

from __future__ import annotations

import ast

from dout.adapt.source.syntax import Function, items_of, name_of, read, total, walk


@total(str)
def parts_in(cls: type) -> str:
    """The attribute over which a method loops and calls `part.forward(x)`, or `part(x)`; "" where there is none."""
    for method in _methods(cls):
        for node in walk(method.node):
            if isinstance(node, ast.For):
                body = [part for statement in node.body for part in walk(statement)]
                attribute, item = _attribute(node.iter, method.me), items_of(node.target)[-1]
                if attribute and any(_calls(part, name_of(item)) for part in body):
                    return attribute
    return ""


def _methods(cls: type) -> list[Function]:
    found = [read(value) for base in cls.__mro__ for value in list(vars(base).values())]
    return [method for method in found if method is not None]


def _attribute(node: ast.AST, me: str) -> str:
    """The attribute of the instance in `self.layers`, `enumerate(self.layers)`, `self.layers[::-1]`; "" of others."""
    match node:
        case ast.Call(func=ast.Name("reversed" | "list" | "tuple" | "enumerate"), args=[inner]):
            return _attribute(inner, me)
        case ast.Subscript(value=inner):
            return _attribute(inner, me)
        case ast.Attribute(value=ast.Name(name), attr=attribute) if name == me:
            return attribute
    return ""


def _calls(node: ast.AST, name: str) -> bool:
    """Whether this is a call of an item, or of its forward, with something."""
    match node:
        case ast.Call(func=ast.Name(called) | ast.Attribute(value=ast.Name(called)), args=[_, *_]):
            return called == name
    return False
