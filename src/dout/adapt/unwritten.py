"""Methods and functions in name only: without a body, handing on to one that has none, or giving nothing."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import Any


def is_unwritten(cls: type, name: str) -> bool:
    """Whether a method is a stub, or does nothing but call one: `return self.forward(x)`."""
    function = getattr(cls, name, None)
    if is_stub(function):
        return True
    match _body(function):
        case [ast.Return(value=ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=other)))] if other != name:
            return is_stub(getattr(cls, other, None))
    return False


def is_stub(function: Any) -> bool:
    """Whether a function's body does nothing, or says that it is not implemented."""
    body = _body(function)
    return bool(body) and all(map(_does_nothing, body))


def gives_nothing(function: Any) -> bool:
    """Whether a function returns nothing, or but True and False: it shows, tests or fills something."""
    body = _body(function)
    returned = [n.value for statement in body for n in ast.walk(statement) if isinstance(n, ast.Return)]
    return bool(body) and all(value is None or isinstance(value, ast.Constant) for value in returned)


def _body(function: Any) -> list[ast.stmt]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError, ValueError):
        return []
    return tree.body[0].body if tree.body and isinstance(tree.body[0], ast.FunctionDef) else []


def _does_nothing(statement: ast.stmt) -> bool:
    match statement:
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Raise(exc=ast.Call(func=ast.Name(id=name)) | ast.Name(id=name)) | ast.Return(value=ast.Name(id=name)):
            return name in ("NotImplementedError", "NotImplemented")
    return False
