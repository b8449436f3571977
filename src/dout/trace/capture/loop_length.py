"""How many turns a loop will have: then a recording that would be broken off later ends at once."""

from __future__ import annotations

import ast
import dis
import operator
from collections.abc import Callable, Mapping
from types import CodeType, FrameType
from typing import Any

import numpy as np

from dout.trace.model import user_source
from dout.trace.tracer.traced import plain

_JUMPS_BACK = frozenset(number for name, number in dis.opmap.items() if "JUMP_BACKWARD" in name)
_OPERATIONS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
}  # fmt: skip
_LEAVING = ast.Break | ast.Return | ast.Raise | ast.Yield | ast.YieldFrom


def may_turn(code: CodeType) -> bool:
    """Whether there may be a loop of two turns in code: it jumps back. Functions inside have code of their own."""
    return not _JUMPS_BACK.isdisjoint(code.co_code[::2])


def turns_around(frame: FrameType) -> int:
    """The turns of the innermost loop around where a frame is: `for t in range(T)`, whose length its names tell.

    0 where there is none, where the length is not told, and where the loop may end before: by a statement in it, or by
    an error that a `try` around it in the same function catches. Not seen are errors that a caller or a `with` catches.
    """
    node: Any = user_source.running_node(frame)
    while node is not None and not isinstance(node, ast.For | ast.While | ast.FunctionDef | ast.Lambda):
        node = getattr(node, "parent", None)
    if not isinstance(node, ast.For) or node.orelse or _is_tried(node):
        return 0  # with an `else` the frame may be there, behind the last turn
    if any(isinstance(one, _LEAVING) for one in ast.walk(node)):
        return 0
    called = node.iter
    if isinstance(called, ast.Call) and _name(called.func) == "reversed" and len(called.args) == 1:
        called = called.args[0]
    if not isinstance(called, ast.Call) or _name(called.func) != "range" or called.keywords or not called.args:
        return 0
    ends = [_value(one, frame.f_locals) for one in called.args]
    return len(range(*ends)) if all(type(end) is int for end in ends) and ends[2:] != [0] else 0


def _is_tried(node: Any) -> bool:
    """Whether a statement stands in a `try` of its function that catches errors."""
    while node is not None and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        if isinstance(node, ast.Try | ast.TryStar) and node.handlers:
            return True
        node = getattr(node, "parent", None)
    return False


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """What an expression of names, shapes and whole numbers gives; None for others. No code of the user's runs."""
    if isinstance(node, ast.Constant | ast.Name):
        return plain(names.get(node.id)) if isinstance(node, ast.Name) else node.value
    if isinstance(node, ast.Attribute) and node.attr == "shape":
        array = _value(node.value, names)
        return array.shape if type(array) is np.ndarray else None
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant | ast.UnaryOp):
        items, at = _value(node.value, names), _value(node.slice, names)
        return items[at] if type(items) is tuple and type(at) is int and -len(items) <= at < len(items) else None
    if isinstance(node, ast.Call) and _name(node.func) == "len" and len(node.args) == 1:
        items = _value(node.args[0], names)
        return len(items) if type(items) in (np.ndarray, tuple, list) and np.ndim(items) else None
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        number = _value(node.operand, names)
        return -number if type(number) is int else None
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        sides = [_value(side, names) for side in (node.left, node.right)]
        return _OPERATIONS[type(node.op)](*sides) if all(type(side) is int for side in sides) else None
    return None
