"""Which attribute of a layer holds its parts: that whose items a method calls one after the other."""

from __future__ import annotations

import ast

from dout.adapt.source.syntax import Function, items_of, name_of, read, text_of, total, walk

_HANDS_ON = frozenset({"list", "tuple", "dict", "copy", "deepcopy", "reversed", "enumerate", "zip"})


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


@total(bool)
def fills_parts(cls: type, argument: str) -> bool:
    """Whether the constructor keeps this argument, or a list of it, as its parts."""
    attribute = parts_in(cls)
    for method in _methods(cls) if attribute else ():
        for node in walk(method.node) if method.name == "__init__" else ():
            if isinstance(node, ast.Assign) and any(_attribute(t, method.me) == attribute for t in node.targets):
                return _is_made_of(node.value, argument)
    return False


def _is_made_of(node: ast.AST, name: str) -> bool:
    """Whether this is what a name stands for, or some of it: not what is made with it, `[Dense(n) for _ in …]`."""
    match node:
        case ast.Name():
            return node.id == name
        case ast.Call(func=function, args=args):
            return name_of(function) in _HANDS_ON and any(_is_made_of(arg, name) for arg in args)
        case ast.ListComp(elt=item, generators=[made]) | ast.GeneratorExp(elt=item, generators=[made]):
            return "?" != text_of(item) == text_of(made.target) and _is_made_of(made.iter, name)
        case (
            ast.Subscript(value=inner)
            | ast.Starred(value=inner)
            | ast.DictComp(generators=[ast.comprehension(iter=inner)])
        ):
            return _is_made_of(inner, name)
        case ast.List() | ast.Tuple() | ast.BoolOp() | ast.IfExp() | ast.BinOp():
            return any(_is_made_of(part, name) for part in ast.iter_child_nodes(node))
    return False


def _methods(cls: type) -> list[Function]:
    found = [read(value) for base in cls.__mro__ for value in list(vars(base).values())]
    return [method for method in found if method is not None]


def _attribute(node: ast.AST, me: str) -> str:
    """The attribute of the instance in `self.layers`, `self.layers[::-1]`, `self.layers.items()`; "" of others."""
    match node:
        case ast.Call(func=ast.Name("reversed" | "list" | "tuple" | "enumerate"), args=[inner]):
            return _attribute(inner, me)
        case ast.Subscript(value=inner) | ast.Call(func=ast.Attribute(value=inner, attr="items" | "values"), args=[]):
            return _attribute(inner, me)
        case ast.Attribute(value=ast.Name(name), attr=attribute) if name == me:
            return attribute
    return ""


def _calls(node: ast.AST, name: str) -> bool:
    """Whether this is a call of an item, or of its forward, with something."""
    match node:
        case ast.Call(func=ast.Name(called) | ast.Attribute(value=ast.Name(called)), args=args, keywords=named):
            return called == name and bool(args or named)
    return False
