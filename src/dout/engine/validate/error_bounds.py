"""How far a recorded value can be from the exact one: a running bound of rounding errors, node by node.

Two programs for the same mathematics, each rounding in its own way, are both this near to the exact value, and so twice
as near to each other. The bound is of first order: err(out) = Σ |∂out/∂xᵢ| · err(xᵢ) + rounding, with exact inputs; a
condition that errors could turn over counts as unknown. Where the bound is no finite number, nothing is known.

Source: N. J. Higham, *Accuracy and Stability of Numerical Algorithms* (SIAM, 2002), chapter 3.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from dout.engine.validate.error_rules import magnitude, moves_alone, product_at, propagated
from dout.engine.validate.rounded_step import EXACT, Error, RoundedStep
from dout.graph import CONSTANT, INPUT, Node, Primitive, evaluate
from dout.ops import by_primitive, primitives
from dout.ops.plain_math import MATH
from dout.ops.registry import broadcast

# How many ulp each kind of row may round by, in one program; everything else by FUNCTION.
FUNCTION = 4.0
ULPS: Mapping[Primitive, float] = by_primitive(
    {
        **dict.fromkeys(["add", "subtract", "multiply", "divide", "reciprocal", "square", "sqrt", "astype"], 1.0),
        **dict.fromkeys(
            ["sum", "mean", "cumsum", "matmul", "dot", "inner", "einsum", "convolve", "add_at", "scatter"], 1.0
        ),
        **dict.fromkeys(["negative", "positive", "absolute", "maximum", "minimum", "clip", "where", "max", "min"], 0.0),
        **dict.fromkeys(
            ["reshape", "ravel", "flatten", "transpose", "broadcast_to", "copy", "getitem", "setitem"], 0.0
        ),
        **dict.fromkeys(["concatenate", "repeat", "tile", "pad", "roll", "tril", "triu", "diag", "diagonal"], 0.0),
        **dict.fromkeys(["windows", "zeros", "ones", "empty", "full", "array", "asarray", "item", "float"], 0.0),
    }
)


def bounds(
    nodes: Iterable[Node],
    data: Mapping[Node, Any],
    known: Mapping[Node, Error] = MappingProxyType({}),
    wanted: Collection[Node] | None = None,
) -> Mapping[Node, Error]:
    """Return the bound of every node (of those `wanted` alone, to save memory), from the values in `data`.

    `nodes` are in topological order; what is behind them is exact, or its bound is `known`. An array of bounds has the
    shape of the value; where a value is exact everywhere, its bound is the number 0.
    """
    nodes = tuple(nodes)
    last = {i: place for place, node in enumerate(nodes) for i in (node, *node.inputs)}
    leaving: dict[int, list[Node]] = {}
    for node, place in last.items():
        leaving.setdefault(place, []).append(node)
    found: dict[Node, Error] = {}
    values = _Values(data, last)
    for place, node in enumerate(nodes):
        values.place = place
        if node in known:
            found[node] = known[node]
        elif node.primitive is not INPUT and node.primitive is not CONSTANT:
            errors = [found.get(i, known.get(i, EXACT)) for i in node.inputs]
            if not _passes_on(node):
                found[node] = bound(node, [values[i] for i in node.inputs], values[node], errors)
            elif any(error is not EXACT for error in errors):
                alone = moves_alone(node)  # where errors go does not hang on the values, which may be large
                given = [_of_shape(i) if alone else values[i] for i in node.inputs]
                found[node] = bound(node, given, _of_shape(node) if alone else values[node], errors)
        values.carry_on(node)
        for gone in leaving.get(place, ()):
            values.pop(gone, None)
            if wanted is not None and gone not in wanted:
                found.pop(gone, None)
    return {node: found.get(node, EXACT) for node in nodes if wanted is None or node in wanted}


class _Values(dict[Node, Any]):
    """Recorded values. What is computed anew is kept as long as a later step needs it, as in a loop that writes."""

    def __init__(self, data: Mapping[Node, Any], last: Mapping[Node, int]) -> None:
        self.data, self.last, self.place = data, last, 0

    def __missing__(self, node: Node) -> Any:
        if node in self.data:
            return self.data[node]
        with np.errstate(all="ignore"):
            found = evaluate([node], {**self.data, **self})
        needed = (n for n in found if n not in self.data and self.last.get(n, -1) >= self.place)
        self.update({n: found[n] for n in needed})
        return found[node]

    def carry_on(self, node: Node) -> None:
        """Compute a node that is needed later while one of its inputs is there that was computed anew: it leaves."""
        if self.last[node] > self.place and node not in self.data and any(i in self for i in node.inputs):
            self[node]


def _passes_on(node: Node) -> bool:
    """Whether a row neither rounds nor casts to fewer digits: of exact inputs its result is exact."""
    own = np.dtype(node.dtype)
    digits = (
        dtype.itemsize for dtype in map(np.dtype, (i.dtype for i in node.inputs)) if dtype.kind == own.kind == "f"
    )
    return ULPS.get(node.primitive, FUNCTION) == 0 and all(size <= own.itemsize for size in digits)


def bound(node: Node, inputs: Sequence[Any], out: Any, errors: Sequence[Error]) -> Error:
    """The bound of one node. Of a pointwise one, values and errors may be those of some elements alone."""
    epsilon, tiny = _rounding(out)
    if epsilon == 0 and all(error is EXACT for error in errors):
        return EXACT  # whole numbers and conditions
    shape = np.shape(out)
    try:
        with np.errstate(all="ignore"):
            errors = [_with_cast(item, out, error) for item, error in zip(inputs, errors, strict=True)]
            step = RoundedStep(node, inputs, out, errors, epsilon)
            if any(map(np.iscomplexobj, (*inputs, out))):
                return np.full(shape, np.inf)
            total: Any = propagated(step) if any(error is not EXACT for error in errors) else 0.0
            ulps = ULPS.get(node.primitive, FUNCTION)
            if ulps and epsilon:
                total = total + (magnitude(step) * (ulps * epsilon) + ulps * tiny)
            total = total if np.shape(total) == shape else np.zeros(shape) + total
    except (ArithmeticError, ValueError, TypeError):  # math's function beyond its domain, say
        return np.full(shape, np.inf)
    return total if np.any(total) else EXACT


def _of_shape(node: Node) -> Any:
    """Something of a node's shape and dtype that takes no memory."""
    return np.broadcast_to(np.zeros((), node.dtype), node.shape)


def product_bound(node: Node, inputs: Sequence[Any], points: Sequence[Any]) -> Error | None:
    """The bound of a product of two matrices at some of its elements, if its factors are exact; None if it is none."""
    shapes = [np.shape(item) for item in inputs]
    if node.primitive not in primitives("dot matmul") or [len(shape) for shape in shapes] != [2, 2]:
        return None
    dtype = np.dtype(node.dtype)
    if dtype.kind != "f" or any(np.asarray(item).dtype != dtype for item in inputs):
        return None
    if len(points[0]) * shapes[0][1] > MOST_FACTORS:
        return None
    epsilon, tiny = _rounding(dtype.type(0))
    return ULPS[node.primitive] * (epsilon * product_at(*inputs, *points) + tiny)


MOST_FACTORS = 1 << 22  # that are looked at one by one; a product of all is faster than more


def pointwise(node: Node) -> bool:
    """Whether each element of a node depends on the elements in its own place alone."""
    row = node.primitive
    return (row.infer is broadcast or row in primitives("copy astype asarray")) and row not in MATH


def _with_cast(item: Any, out: Any, error: Error) -> Error:
    """The error of an input, also by its cast to the dtype of the result where that has fewer digits: x32 * 0.3."""
    dtype, given = np.asarray(out).dtype, np.asarray(item)
    if dtype.kind == given.dtype.kind == "f" and given.dtype.itemsize > dtype.itemsize:
        lost = np.abs(given.astype(dtype).astype(given.dtype) - given)
        return error + lost if lost.any() else error
    return error


def _rounding(value: Any) -> tuple[float, float]:
    """The relative rounding of a value's dtype, and the smallest number there is."""
    dtype = value.dtype if isinstance(value, np.ndarray | np.generic) else np.dtype(type(value))
    if dtype.kind not in "fc":
        return 0.0, 0.0
    limits = np.finfo(dtype)
    return float(limits.eps), float(limits.smallest_subnormal)
