"""Rows without an operator of their own, as plain NumPy of rows that have one.

NumPy records itself here, so that a composition is ordinary nodes. It gives what the row gives, NaN and infinities
included, and keeps the digits near 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np

from dout.graph import Graph, Node, Primitive, rebuild, renewed, settled
from dout.ops import PRIMITIVES, by_primitive
from dout.ops.create import asarray, item
from dout.ops.elementwise import sigmoid, softplus
from dout.ops.rearrange import concatenate
from dout.ops.reduce import Axis, count_along
from dout.ops.shape import astype
from dout.rewrite.node_facts import recorded_operands, standing_for
from dout.rewrite.simplify import simplify

_LOG2, _LOG10 = math.log(2), math.log(10)


def composed(graph: Graph) -> Graph:
    """Return the graph, simplified, in which rows without an operator are made of rows that have one."""
    return settled(graph, lambda graph: simplify(rebuild(graph, lambda node, new: _composed(renewed(node, new)))))


def _composed(node: Node) -> Node:
    rule = _RULES.get(node.primitive)
    if rule is None:
        return node
    operands = recorded_operands(node)
    kind = np.dtype(node.dtype)
    if node.primitive in _IN_DOUBLES and kind != np.float64:
        return node
    if node.primitive in _IN_FLOATS and kind.kind == "f":
        operands = [x if x.dtype == kind else astype(x, dtype=kind) for x in operands]
    made = rule(*operands, **node.static)
    return standing_for(node, made.node if hasattr(made, "node") else None)


# --- functions of one number ------------------------------------------------------------------------------------------


def _log1p(x: Any) -> Any:
    u = 1 + x
    near = np.where(np.equal(u, 1), x, np.log(u) * (x / np.where(np.equal(u, 1), 1, u - 1)))  # Kahan: digits near 0
    return np.where(np.equal(u, np.inf), u, near)


def _expm1(x: Any) -> Any:
    half = np.tanh(x / 2)
    return np.where(np.less(np.abs(x), 1), 2 * half / (1 - half), np.exp(x) - 1)


def _cbrt(x: Any) -> Any:
    y = np.power(np.abs(x), 1 / 3)
    y = np.where(np.logical_and(np.isfinite(y), np.greater(y, 0)), y - (y - np.abs(x) / (y * y)) / 3, y)  # Newton
    return np.where(np.less(x, 0), -y, np.where(np.equal(x, 0), x, y))


def _sinh(x: Any) -> Any:
    e = np.exp(np.abs(x) / 2)
    small = np.expm1(np.abs(x))
    value = np.where(np.less(np.abs(x), 1), (small + small / (small + 1)) / 2, e / 2 * e - 1 / e / 2 / e)
    return np.where(np.less(x, 0), -value, np.where(np.equal(x, 0), x, value))


def _cosh(x: Any) -> Any:
    e = np.exp(np.abs(x) / 2)
    return e / 2 * e + 1 / e / 2 / e


def _arcsinh(x: Any) -> Any:
    size = np.abs(x)
    big = np.greater(size, 1e8)
    plain = np.where(big, 1, size)
    value = np.where(big, np.log(size) + _LOG2, np.log1p(plain + plain * plain / (1 + np.sqrt(plain * plain + 1))))
    return np.where(np.less(x, 0), -value, np.where(np.equal(x, 0), x, value))


def _arccosh(x: Any) -> Any:
    big = np.greater(x, 1e8)
    above = np.where(big, 1, x) - 1
    inside = np.log1p(above + np.sqrt(above * (above + 2)))
    return np.where(big, np.log(x) + _LOG2, np.where(np.less(x, 1), np.nan, inside))


def _arctanh(x: Any) -> Any:
    return np.where(np.equal(x, 0), x, np.log1p(2 * x / (1 - x)) / 2)


def _arctan(x: Any) -> Any:
    # The angle in 32 bits, and one step of Newton's, which doubles the digits.
    size = np.abs(x)
    steep = np.greater(size, 1)
    s = np.where(steep, 1 / np.where(steep, size, 1), size)
    near = astype(np.arctan(astype(s, dtype=np.dtype(np.float32))), dtype=np.dtype(float))
    sine, cosine = np.sin(near), np.cos(near)
    angle = near + (s * cosine - sine) / (cosine + s * sine)
    angle = np.where(steep, math.pi / 2 - angle, angle)
    return np.where(np.less(x, 0), -angle, np.where(np.equal(x, 0), x, angle))


def _arctan2(y: Any, x: Any) -> Any:
    # The angle in the first quadrant, then its sign and side; −0 counts as negative.
    size, other = np.abs(y), np.abs(x)
    both = np.logical_and(np.isinf(size), np.isinf(other))
    steep = np.greater(size, other)
    over, under = np.where(steep, other, size), np.where(steep, size, other)
    ratio = np.where(both, 1, np.where(np.equal(under, 0), 0, over / np.where(np.equal(under, 0), 1, under)))
    angle = np.arctan(ratio)
    angle = np.where(steep, math.pi / 2 - angle, angle)
    angle = np.where(np.signbit(x), math.pi - angle, angle)
    angle = np.where(np.signbit(y), -angle, angle)
    return np.where(np.logical_or(np.isnan(x), np.isnan(y)), x + y, angle)


def _hypot(x: Any, y: Any) -> Any:
    large, small = np.maximum(np.abs(x), np.abs(y)), np.minimum(np.abs(x), np.abs(y))
    inf = np.logical_or(np.isinf(x), np.isinf(y))
    ratio = small / np.where(np.equal(large, 0), 1, large)
    value = large * np.sqrt(1 + np.where(np.isinf(large), 0, ratio * ratio))
    return np.where(inf, np.inf, value)


def _logaddexp(x: Any, y: Any) -> Any:
    apart = np.where(np.equal(x, y), 0, x - y)
    return np.maximum(x, y) + np.log1p(np.exp(-np.abs(apart)))


def _around(x: Any, decimals: int = 0) -> Any:
    if np.dtype(x.dtype).kind != "f":
        return x if decimals >= 0 else None
    if decimals == 0:
        return np.rint(x)
    scale = 10.0 ** abs(decimals)
    return np.rint(x * scale) / scale if decimals > 0 else np.rint(x / scale) * scale


def _logit(x: Any) -> Any:
    return np.log(x) - np.log1p(-x)


def _xlogy(x: Any, y: Any, log: Callable[[Any], Any] = np.log) -> Any:
    zero = np.logical_and(np.equal(x, 0), np.logical_not(np.isnan(y)))
    return np.where(zero, 0, x * log(np.where(zero, 1, y)))


def _entr(x: Any) -> Any:
    inside = np.where(np.greater(x, 0), x, 1)
    value = np.where(np.greater(x, 0), -x * np.log(inside), np.where(np.equal(x, 0), x * 0, -np.inf))
    return np.where(np.isnan(x), x, value)


# --- along axes -------------------------------------------------------------------------------------------------------


def _var(x: Any, *where: Any, axis: Axis = None, keepdims: bool = False, ddof: Any = 0, dtype: Any = None) -> Any:
    kind = {} if dtype is None else {"dtype": dtype}
    mask = {"where": where[0]} if where else {}
    deviation = x - np.mean(x, axis=axis, keepdims=True, **kind, **mask)
    square = np.square(deviation)
    if not where and ddof == 0:
        return np.mean(square, axis=axis, keepdims=keepdims, **kind)
    total = np.sum(square, axis=axis, keepdims=keepdims, **kind, **mask)
    if not where:
        return total / max(count_along(x.shape, axis) - ddof, 0)
    number = np.sum(np.broadcast_to(where[0], x.shape), axis=axis, keepdims=keepdims)
    return total / astype(np.maximum(number - ddof, 0), dtype=total.dtype)


def _logsumexp(x: Any, *weights: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    largest = np.max(x, axis=axis, keepdims=True)
    largest = np.where(np.isfinite(largest), largest, 0)
    each = np.exp(x - largest)
    total = np.log(np.sum(each * weights[0] if weights else each, axis=axis, keepdims=True)) + largest
    return total if keepdims else np.reshape(total, np.sum(x, axis=axis).shape)


def _inner(x: Any, y: Any) -> Any:
    if not x.shape or not y.shape:
        return x * y
    n = len(y.shape)
    return np.dot(x, np.transpose(y, (*range(n - 2), n - 1, n - 2)) if n > 1 else y)


def _dot(x: Any, y: Any) -> Any:
    if not x.shape or not y.shape:
        return x * y
    if len(y.shape) <= 2:
        return np.matmul(x, y)
    rows = np.reshape(x, (*x.shape[:-1], *(1,) * (len(y.shape) - 2), 1, x.shape[-1]))
    product = np.matmul(rows, y)
    return np.reshape(product, (*x.shape[:-1], *y.shape[:-2], y.shape[-1]))


def _convolve(x: Any, y: Any, mode: str = "full") -> Any:
    if x.shape[0] < y.shape[0]:
        x, y = y, x
    long, short = x.shape[0], y.shape[0]
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, (short - 1, short - 1)), short)
    full = np.matmul(windows, np.flip(y))
    start = {"full": 0, "same": short - 1 - short // 2, "valid": short - 1}[mode]
    length = {"full": long + short - 1, "same": long, "valid": long - short + 1}[mode]
    return full[start : start + length]


def _cumprod(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    line = np.reshape(x, (-1,)) if axis is None else np.moveaxis(x, axis, -1)
    n = line.shape[-1]
    rows = np.broadcast_to(np.reshape(line, (*line.shape[:-1], 1, n)), (*line.shape, n))
    inside = np.tril(np.ones_like(rows)) > 0
    product = np.prod(np.where(inside, rows, 1), axis=-1, **({} if dtype is None else {"dtype": dtype}))
    return product if axis is None else np.moveaxis(product, -1, axis)


def _roll(x: Any, shift: Any, axis: Any = None) -> Any:
    if axis is None:
        return np.reshape(_roll(np.reshape(x, (-1,)), shift, 0), x.shape)
    for at, by in zip(*map(np.ravel, np.broadcast_arrays(axis, shift)), strict=True):
        at, by = int(at) % len(x.shape), int(by)
        n = x.shape[at]
        if n and by % n:
            front: tuple[Any, ...] = (slice(None),) * at
            x = concatenate(x[(*front, slice(n - by % n, None))], x[(*front, slice(0, n - by % n))], axis=at)
    return x


def _repeat(x: Any, repeats: int, axis: int) -> Any:
    apart = np.reshape(x, (*x.shape[: axis + 1], 1, *x.shape[axis + 1 :]))
    wide = np.broadcast_to(apart, (*x.shape[: axis + 1], max(repeats, 0), *x.shape[axis + 1 :]))
    return np.reshape(wide, (*x.shape[:axis], x.shape[axis] * max(repeats, 0), *x.shape[axis + 1 :]))


def _diag(x: Any, k: int = 0) -> Any:
    if len(x.shape) == 2:
        return np.diagonal(x, k)
    n = x.shape[0] + abs(k)
    wide = np.pad(x, (max(k, 0), max(-k, 0)))
    rows = np.broadcast_to(np.reshape(wide, (1, n)), (n, n))
    line = np.tril(np.triu(np.ones_like(rows), k), k)
    return astype(np.where(line > 0, rows, 0), dtype=np.dtype(x.dtype))


# Functions for which onnxruntime has kernels of 32 bits, and none of 64.
_DOUBLES: dict[str, Callable[..., Any]] = {
    "sinh": _sinh, "cosh": _cosh, "arcsinh": _arcsinh, "arccosh": _arccosh, "arctanh": _arctanh, "arctan": _arctan,
    "tan": lambda x: np.sin(x) / np.cos(x),
    "arcsin": lambda x: np.arctan2(x, np.sqrt((1 - x) * (1 + x))),
    "arccos": lambda x: np.arctan2(np.sqrt((1 - x) * (1 + x)), x),
    "softplus": lambda x: np.logaddexp(x, 0),
}  # fmt: skip
_ONE: dict[str, Callable[..., Any]] = {
    "log1p": _log1p, "expm1": _expm1, "cbrt": _cbrt, "arctan2": _arctan2, "hypot": _hypot, "logaddexp": _logaddexp,
    "log2": lambda x: np.log(x) / _LOG2,
    "log10": lambda x: np.log(x) / _LOG10,
    "exp2": lambda x: np.power(2.0, x),
    "square": lambda x: x * x,
    "trunc": lambda x: x if np.dtype(x.dtype).kind != "f" else np.where(np.less(x, 0), np.ceil(x), np.floor(x)),
    "isfinite": lambda x: np.logical_not(np.logical_or(np.isnan(x), np.isinf(x))),
    "signbit": lambda x: np.less(np.where(np.equal(x, 0), 1 / x, x), 0),
    "special_expit": sigmoid,
    "special_logit": _logit,
    "special_log_expit": lambda x: -softplus(-x),
    "special_erfc": lambda x: 1 - PRIMITIVES["special_erf"](x),
    "special_entr": _entr,
    "special_xlogy": _xlogy,
    "special_xlog1py": lambda x, y: _xlogy(x, y, np.log1p),
}  # fmt: skip

# --- functions of Python's math: NumPy's, and the plain number that it gives ------------------------------------------

_MATH: dict[str, Callable[..., Any]] = {
    "exp": np.exp, "log1p": np.log1p, "log2": np.log2, "log10": np.log10, "expm1": np.expm1, "exp2": np.exp2,
    "cbrt": np.cbrt, "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos,
    "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "asinh": np.arcsinh, "acosh": np.arccosh,
    "atanh": np.arctanh, "sqrt": np.sqrt, "fabs": np.abs, "erf": PRIMITIVES["special_erf"],
    "erfc": PRIMITIVES["special_erfc"], "pow": np.power, "atan2": np.arctan2,
    "degrees": lambda x: x * (180 / math.pi), "radians": lambda x: x * (math.pi / 180),
    "log": lambda x, *base: np.log(x) / np.log(base[0]) if base else np.log(x),
    "hypot": lambda *inputs: reduce(np.hypot, inputs) if inputs[1:] else np.abs(inputs[0]),
    "isnan": np.isnan, "isinf": np.isinf, "isfinite": np.isfinite,
    **{name: lambda x, step=step: astype(step(x), dtype=np.dtype(np.int64))
       for name, step in {"floor": np.floor, "ceil": np.ceil, "trunc": np.trunc}.items()},
}  # fmt: skip


def _plainly(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of plain numbers that a function of NumPy is."""
    double = np.dtype(float)
    return lambda *numbers: item(function(*(astype(asarray(x), dtype=double) for x in numbers)))


_IN_DOUBLES = frozenset(by_primitive(_DOUBLES))
_IN_FLOATS = frozenset(by_primitive({**_ONE, **_DOUBLES}))
_RULES: Mapping[Primitive, Callable[..., Any]] = by_primitive(
    {
        **_ONE,
        **_DOUBLES,
        **{f"math_{name}": _plainly(function) for name, function in _MATH.items()},
        "math_fsum": lambda *numbers: item(sum(asarray(x) for x in numbers)),
        "clip": lambda x, low, high: np.minimum(np.maximum(x, low), high),
        "around": _around, "var": _var, "inner": _inner, "dot": _dot,
        "std": lambda x, *where, **options: np.sqrt(_var(x, *where, **options)),
        "special_logsumexp": _logsumexp, "convolve": _convolve, "cumprod": _cumprod, "roll": _roll, "repeat": _repeat,
        "diag": _diag,
    }
)  # fmt: skip


def composed_rows() -> frozenset[Primitive]:
    """The rows that are made of others."""
    return frozenset(_RULES)
