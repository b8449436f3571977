"""Rows of arrays as other rows: a mean is a sum and a quotient, a product of matrices is products and their sum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dout.graph import Node
from dout.ops import by_primitive
from dout.ops.abstract import AbstractRecorder
from dout.ops.reduce import count_along
from dout.rewrite.softmax_forms import PLAIN


class NotComputed(Exception):
    """A node that a page cannot compute; the message says what it is."""


def _mean(x: Any, *, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    return np.sum(x, axis=axis, keepdims=keepdims, dtype=dtype) / count_along(x.shape, axis)


def _variance(x: Any, *, axis: Any = None, keepdims: bool = False, dtype: Any = None, ddof: float = 0) -> Any:
    apart = x - _mean(x, axis=axis, keepdims=True, dtype=dtype)
    return np.sum(apart * apart, axis=axis, keepdims=keepdims) / (count_along(x.shape, axis) - ddof)


def _deviation(x: Any, **static: Any) -> Any:
    return np.sqrt(_variance(x, **static))


def _product(x: Any, y: Any) -> Any:
    row, column = len(x.shape) == 1, len(y.shape) == 1
    x = np.reshape(x, (1, *x.shape)) if row else x
    y = np.reshape(y, (*y.shape, 1)) if column else y
    pairs = np.reshape(x, (*x.shape, 1)) * np.reshape(y, (*y.shape[:-2], 1, *y.shape[-2:]))
    return np.sum(pairs, axis=-2)


def _dot(x: Any, y: Any) -> Any:
    if not x.shape or not y.shape:
        return x * y
    if len(y.shape) < 2:
        return np.sum(x * y, axis=-1)
    front = len(x.shape) - 1
    left = np.reshape(x, (*x.shape[:-1], *(1,) * (len(y.shape) - 2), x.shape[-1], 1))
    return np.sum(left * np.reshape(y, (*(1,) * front, *y.shape)), axis=-2)


def _inner(x: Any, y: Any) -> Any:
    if not x.shape or not y.shape:
        return x * y
    left = np.reshape(x, (*x.shape[:-1], *(1,) * (len(y.shape) - 1), x.shape[-1]))
    return np.sum(left * y, axis=-1)


def _einsum(*operands: Any, subscripts: str, optimize: Any = False) -> Any:
    left, _, result = subscripts.partition("->")
    terms = left.split(",")
    letters = result + "".join(dict.fromkeys(c for c in left if c.isalpha() and c not in result))
    product: Any = None
    for term, operand in zip(terms, operands, strict=True):
        turned = np.transpose(operand, [term.index(letter) for letter in letters if letter in term])
        sizes = {term[axis]: operand.shape[axis] for axis in range(len(term))}
        apart = np.reshape(turned, tuple(sizes.get(c, 1) for c in letters))
        product = apart if product is None else product * apart
    summed = tuple(range(len(result), len(letters)))
    return np.sum(product, axis=summed) if summed else product


def _convolve(x: Any, y: Any, mode: str = "full") -> Any:
    (x, y) = (x, y) if x.shape[0] >= y.shape[0] else (y, x)
    n = y.shape[0]
    beside = {"full": (n - 1, n - 1), "same": (n - 1 - (n - 1) // 2, (n - 1) // 2), "valid": (0, 0)}[mode]
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, beside), n)
    return np.sum(windows * np.flip(y), axis=-1)


def _as_nodes(formula: Callable[..., Any]) -> Callable[[Node], Node]:
    """The node of a formula over the inputs of another node."""

    def made(node: Node) -> Node:
        recorder = AbstractRecorder(node.where)
        try:
            found: Node = formula(*map(recorder.wrap, node.inputs), **node.static).node
        except TypeError:  # a mask of the elements that count, or weights
            raise NotComputed(f"{node.primitive} of chosen elements") from None
        return found

    return made


_FORMULAS: dict[str, Callable[..., Any]] = {
    "mean": _mean,
    "var": _variance,
    "std": _deviation,
    "matmul": _product,
    "dot": _dot,
    "inner": _inner,
    "einsum": _einsum,
    "convolve": _convolve,
}
COMPOSED = {row: _as_nodes(formula) for row, formula in {**by_primitive(_FORMULAS), **PLAIN}.items()}
