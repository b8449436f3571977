"""A function of the user's in; the other classes that run it, which a change of it changes, out."""

from __future__ import annotations

import ast
import inspect

from dout.adapt.interface.function_pairs import PAIR
from dout.check.repair.edits.expression_places import ScratchFunction


def heirs_beside(function: ScratchFunction, cls: type) -> list[str]:
    """The classes that have a method from its owner, beside this one and its own."""
    own = {base.__qualname__ for base in cls.__mro__}  # what is tried derives from them, and is called so
    found, left = dict[str, None](), [function.owner] if function.owner is not None else []
    while left:
        below = vars(type)["__subclasses__"](left.pop())
        left += below
        theirs = [(sub, inspect.getattr_static(sub, function.attribute, None)) for sub in below]
        same = (sub for sub, item in theirs if getattr(item, "__func__", item) is function.function)
        found |= dict.fromkeys(sub.__qualname__ for sub in same if sub.__qualname__ not in own)
    return [*found]


def users_beside(function: ScratchFunction, cls: type) -> list[str]:
    """The heirs, and of a function of a module the classes of its file that name it, or another that does.

    Of a pair of functions the functions count, too, that are neither of it nor called by it.
    """
    if function.owner is not None or function.is_closure:
        return heirs_beside(function, cls)
    body, pair = function.source.tree.body, getattr(cls, PAIR, ())
    own = {base.__name__ for base in cls.__mro__} | {*pair}
    parts = [node for node in body if isinstance(node, ast.FunctionDef) and node.name in pair]
    helpers, users = [function.name], dict[str, None]()
    for name in helpers:  # grows
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name not in own and _names(node, name):
                if isinstance(node, ast.ClassDef) or (pair and not any(_names(part, node.name) for part in parts)):
                    users.setdefault(node.name)
                else:
                    helpers.append(node.name)
        body = [node for node in body if getattr(node, "name", None) not in helpers]
    return [*users]


def _names(node: ast.AST, name: str) -> bool:
    return any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(node))
