"""What a run told of an expression, and how it is written."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dout.check.repair.scratch_functions import ExpressionPlace

Found = Iterator[tuple[float, str, str]]  # cost, word and text of an edit
_ATOMS = (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.Constant, ast.Tuple, ast.List)


@dataclass
class Seen:
    """What a run told of one expression: its first value, and the names that were known there."""

    value: Any
    names: Mapping[str, Any]
    times: int = 1
    terms: list[tuple[str, Any]] = field(default_factory=list)

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Its shape; None where it is no number."""
        number = isinstance(self.value, np.ndarray | np.generic | int | float)
        return np.shape(self.value) if number else None

    @property
    def ndim(self) -> int:
        """Its axes; 0 where it is no number."""
        return len(self.shape or ())


def bare(place: ExpressionPlace, node: ast.AST) -> str:
    """The text of an expression, as it stands."""
    return place.function.source.segment(node)


def part(place: ExpressionPlace, node: ast.AST) -> str:
    """The text of an operand, in parentheses where it needs them."""
    text = bare(place, node)
    return text if isinstance(node, _ATOMS) else f"({text})"


def replaced(place: ExpressionPlace, part: ast.AST, text: str) -> str:
    """The expression with one part of it replaced."""
    source = place.function.source
    start, end = source.span(place.node)
    a, b = source.span(part)
    return source.data[start:a].decode() + text + source.data[b:end].decode()


def is_product(node: ast.AST) -> bool:
    """Whether an expression can be multiplied further without parentheses."""
    return isinstance(node, _ATOMS) or (
        isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div | ast.Pow)
    )


def is_bool(value: Any) -> bool:
    """Whether a value is a condition."""
    return type(value) is bool or (isinstance(value, np.ndarray | np.generic) and value.dtype == bool)
