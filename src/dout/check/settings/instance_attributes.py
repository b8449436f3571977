"""The settings that a layer holds: attributes that its `__init__` sets and makes nothing else of."""

from __future__ import annotations

import ast
import inspect
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from dout.files import dedented


class HeldSetting(NamedTuple):
    """An attribute with the number that stands in `__init__`, or with an argument as it is."""

    name: str
    is_argument: bool


def held_settings(cls: type) -> Iterator[HeldSetting]:
    """Yield the attributes that a class's own `__init__` sets so, and does not read again.

    Where something else is made of one, another value of it alone would not fit.
    """
    try:
        tree = ast.parse(dedented(inspect.getsource(vars(cls)["__init__"])))
    except (OSError, TypeError, SyntaxError, KeyError):
        return
    read = Counter(node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load))
    again = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)}
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self"), attr=name)], value=value):
                if name in again:
                    continue
                if isinstance(value, ast.Constant) and type(value.value) is float:
                    yield HeldSetting(name, is_argument=False)
                elif isinstance(value, ast.Name) and read[value.id] == 1:
                    yield HeldSetting(name, is_argument=True)
