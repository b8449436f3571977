"""A parameter and a gradient of another shape in; where backward makes it, and what to write instead, out."""

from __future__ import annotations

import ast
import inspect
from typing import Any

import numpy as np

from dout.errors import TrainingError
from dout.files import dedented, near
from dout.run import places

_SUMMED = "backward has to leave one number for each number of the parameter, summed over the samples"


def misfit(name: str, owner: Any, parameter: Any, held: Any, gradient: Any) -> TrainingError:
    """The error that a parameter `name` of an object has a gradient of another shape, which is `held` there.

    With the line of backward that makes it; and with what fits there, where it is transposed, or not summed.
    """
    path, _, own = name.rpartition(".")
    theirs, wanted = np.shape(gradient), np.shape(parameter)
    called = next((place.path.removeprefix("item.") for place in places(owner, "item") if place.item is held), None)
    found = called and _made_by(type(owner), called)
    if not found:
        return TrainingError(f"{name} has shape {wanted}, its gradient has shape {theirs}: {_SUMMED}")
    file, line, value = found
    fitting = _fitting(value, wanted, theirs)
    ending = f"; try {ast.unparse(fitting)}" if fitting is not None else f": {_SUMMED}"
    said = f"{called} has shape {theirs}, {own} has {wanted}"
    return TrainingError(f"{type(owner).__name__}.backward ({path}): {said}, at {near(file)}:{line}{ending}")


def _made_by(cls: type, called: str) -> tuple[str, int, ast.expr] | None:
    """The file and line where the class's backward sets an attribute, and to what; None where the code does not say."""
    try:
        method = inspect.unwrap(inspect.getattr_static(cls, "backward"))
        tree = ast.parse(dedented(inspect.getsource(method)))
    except (OSError, TypeError, SyntaxError, AttributeError):
        return None
    first, file = method.__code__.co_firstlineno, method.__code__.co_filename
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and [ast.unparse(one) for one in node.targets] == [f"self.{called}"]:
            return file, first + node.lineno - 1, node.value
    return None


def _fitting(value: ast.expr, wanted: tuple[int, ...], shape: tuple[int, ...]) -> ast.expr | None:
    """An expression that has the parameter's shape: a product the other way round, or a sum over the samples."""
    if shape == wanted[::-1] and isinstance(value, ast.BinOp) and isinstance(value.op, ast.MatMult):
        return ast.BinOp(_transposed(value.right), ast.MatMult(), _transposed(value.left))
    if shape[1:] == wanted and isinstance(value, ast.Name | ast.Attribute):
        return ast.parse(f"{ast.unparse(value)}.sum(axis=0)", mode="eval").body
    return None


def _transposed(value: ast.expr) -> ast.expr:
    is_transposed = isinstance(value, ast.Attribute) and value.attr == "T"
    return value.value if is_transposed else ast.Attribute(value, "T", ast.Load())  # type: ignore[attr-defined]
