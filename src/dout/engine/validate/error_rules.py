"""What rounding and the errors of its inputs make of one step's result: one rule for each row."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dout.engine.validate.rounded_step import EXACT, RoundedStep, additions
from dout.graph import Node, Primitive
from dout.ops import PRIMITIVES, by_primitive, primitives
from dout.ops.plain_math import MATH
from dout.ops.registry import broadcast

# --- rounding ---------------------------------------------------------------------------------------------------------


def magnitude(step: RoundedStep) -> Any:
    """What a row's rounding is relative to: mostly the result; of sums, all that is added, once for each addition."""
    how = _MAGNITUDES.get(step.node.primitive)
    return np.abs(step.out) if how is None else how(step)


def _of_sum(step: RoundedStep) -> Any:
    x, static = step.x[0], step.node.static
    if x.size == 0:
        return np.zeros(step.shape)
    count = x.size // max(step.out.size, 1)
    axis = static.get("axis")
    axes = range(x.ndim) if axis is None else [a % x.ndim for a in ((axis,) if isinstance(axis, int) else axis)]
    in_memory = x.flags.c_contiguous and sorted(axes) == list(range(x.ndim - len(axes), x.ndim))
    sizes = np.abs(x)
    return additions(count, in_memory) * step.forward(sizes, *(w > 0 for w in step.x[1:]), without=("initial",)) + abs(
        static.get("initial", 0)
    )


def _of_product(step: RoundedStep) -> Any:
    count = _shared(step)
    sizes = _sizes_of_product(step, count) if step.node.primitive in _PRODUCTS else None
    return additions(count) * (step.forward(*map(np.abs, step.x)) if sizes is None else sizes)


_PRODUCTS = primitives("matmul dot")


def _sizes_of_product(step: RoundedStep, count: int) -> Any:
    """The product of the sizes at least, by float32 numbers in half of the time; None where they do not do."""
    rounding = np.finfo(np.float32)
    if any(np.asarray(item).dtype != rounding.dtype for item in step.given) or count * rounding.eps > _LITTLE:
        return None
    sizes = np.asarray(step.node.primitive.forward(*map(np.abs, step.given)))
    lost = count * float(rounding.tiny)  # what is smaller may be 0
    return sizes.astype(float) * (1 + 2 * count * float(rounding.eps)) + lost if np.isfinite(sizes).all() else None


_LITTLE = 0.05  # by which a bound may be larger


def product_at(x: Any, y: Any, rows: Any, columns: Any) -> Any:
    """What the rounding of a product of two matrices is relative to, at some of its elements: as `_of_product`."""
    sizes = np.einsum("ij,ij->i", np.abs(x[rows]).astype(float), np.abs(y.T[columns]).astype(float))
    return additions(x.shape[1]) * sizes


def _shared(step: RoundedStep) -> int:
    """How many products are added up for one element."""
    row = step.node.primitive
    if row is PRIMITIVES["einsum"]:
        terms, _, result = step.node.static["subscripts"].partition("->")
        size: dict[str, int] = {}
        for term, x in zip(terms.split(","), step.x, strict=True):
            size.update((c, n) for c, n in zip(term, x.shape, strict=True) if n != 1)
        return math.prod(n for c, n in size.items() if c not in result)
    if row is PRIMITIVES["convolve"]:
        return min(len(x) for x in step.x)
    return np.shape(step.given[0])[-1] if all(map(np.ndim, step.given)) else 1


def _of_variance(step: RoundedStep) -> Any:
    # As if every element had its rounding, beside that of the sum.
    x = step.x[0]
    added = additions(x.size // max(step.out.size, 1), along_memory=False)
    return added * np.abs(step.out) + _variance_error(step, added * step.epsilon * np.abs(x)) / step.epsilon


def _of_scattered(step: RoundedStep) -> Any:
    given = 2 if step.node.primitive is PRIMITIVES["add_at"] else 1
    index = _indices(step, range(given, len(step.x)))
    return step.forward(*map(np.abs, step.x[:given]), *index) * step.forward(*map(np.ones_like, step.x[:given]), *index)


def _of_log_of_sum(step: RoundedStep) -> Any:
    """Of the larger input and a logarithm, which may cancel; this is of a difference that is rounded, too."""
    larger, apart = np.maximum(*step.x), np.fmin(np.abs(np.subtract(*step.x)), 1000)
    return np.abs(step.out) + np.abs(larger) + apart * np.exp(-apart)


_MAGNITUDES: dict[Primitive, Callable[[RoundedStep], Any]] = by_primitive(
    {
        **dict.fromkeys(["scatter", "add_at"], _of_scattered),
        "sum": _of_sum,
        "mean": _of_sum,
        "cumsum": lambda step: len(step.x[0]) * step.forward(np.abs(step.x[0])) if step.x[0].ndim else np.abs(step.out),
        "prod": lambda step: step.x[0].size // max(step.out.size, 1) * np.abs(step.out),
        "var": _of_variance,
        "logaddexp": _of_log_of_sum,
        "std": _of_variance,
        **dict.fromkeys(["matmul", "dot", "inner", "einsum", "convolve"], _of_product),
    }
)


# --- errors of inputs -------------------------------------------------------------------------------------------------


def propagated(step: RoundedStep) -> Any:
    """What the errors of the inputs make of the result."""
    row = step.node.primitive
    how = _RULES.get(row)
    if how is not None:
        return how(step)
    if row.infer is broadcast or row in MATH:
        return _by_slopes(step) if row.backward is not None else _unknown(step)
    return _unknown(step)


def moves_alone(node: Node) -> bool:
    """Whether a row moves elements to places that no value says: their errors move the same way."""
    rule, inputs = _RULES.get(node.primitive), len(node.inputs)
    many = node.primitive in primitives("concatenate array")
    return (rule is _moved and (many or inputs == 1)) or (rule is _written and inputs == 2)


def _unknown(step: RoundedStep) -> Any:
    return np.full(step.shape, np.inf)


# Where the inputs with these numbers come to zero, the slope is infinite: an error as large says nothing.
_POLES = by_primitive({
          "divide": (1,), "reciprocal": (0,), "power": (0,), "pow": (0,), "log": (0,), "log2": (0,), "log10": (0,),
          "math_log": (0,), "math_log2": (0,), "math_log10": (0,), "math_pow": (0,), "special_entr": (0,),
          "special_logit": (0,), "special_xlogy": (1,)})  # fmt: skip

_POWERS = primitives("power pow math_pow")


def _by_slopes(step: RoundedStep) -> Any:
    """By the row's own backward: the steepest of the slopes at the value and at both ends of its error."""
    errors = [step.error(i) for i in range(len(step.x))]
    total = np.zeros(step.shape)
    for shift in (0, 1, -1):
        x = [value + shift * error for value, error in zip(step.x, errors, strict=True)]
        out = np.asarray(step.forward(*x)) if shift else step.out
        total = np.maximum(total, _weighed(step, out, x, errors))
    for i in _POLES.get(step.node.primitive, ()):
        steep = step.x[1] < 1 if step.node.primitive in _POWERS else True
        total = np.where((errors[i] > 0) & (errors[i] >= np.abs(step.x[i])) & steep, np.inf, total)
    return total


def _weighed(step: RoundedStep, out: Any, x: Sequence[Any], errors: Sequence[Any]) -> Any:
    row = step.node.primitive
    assert row.backward is not None
    slopes = row.backward(np.ones(step.shape), out, *x, **step.node.static)
    total = np.zeros(step.shape)
    for slope, error in zip(slopes if isinstance(slopes, tuple) else (slopes,), errors, strict=True):
        if slope is None:
            if error.any():
                return _unknown(step)
            continue
        total = total + np.where(error == 0, 0, np.where(np.isinf(error), error, np.abs(slope) * error))
    return total


def _largest(step: RoundedStep) -> Any:
    """Of rows that choose one of their inputs, near which the others then are, or turn its sign."""
    total = step.error(0)
    for i in range(1, len(step.given)):
        total = np.maximum(total, step.error(i))
    return total


def _added(step: RoundedStep) -> Any:
    """Errors add up, whichever sign they have. This is what the slopes would say, in a tenth of the time."""
    return sum((error for error in step.errors if error is not EXACT), np.zeros(step.shape))


def _root(step: RoundedStep) -> Any:
    error = step.error(0)
    return np.where(error == 0, 0, np.minimum(error / step.out, np.sqrt(error)))


def _compared(step: RoundedStep) -> Any:
    """1 where the errors could turn the outcome over."""
    margin = 2 * (step.error(0) + step.error(1))
    same = step.x[0] == step.x[1]  # also where both are infinite
    return ((margin > 0) & (same | ~(np.abs(step.x[0] - step.x[1]) > margin)) | np.isnan(margin)).astype(float)


def _conditions(step: RoundedStep) -> Any:
    total = np.zeros(step.shape)
    for i in range(len(step.x)):
        total = np.maximum(total, step.error(i) != 0)
    return total


def _chosen(step: RoundedStep) -> Any:
    condition, one, other = step.x
    doubt, *errors = (step.error(i) for i in range(3))
    whole = np.abs(one - other) + errors[0] + errors[1]
    return np.where(doubt != 0, whole, np.where(condition != 0, *errors))


def _steps(step: RoundedStep) -> Any:
    """Rows that are flat, with steps."""
    if len(step.x) != 1:
        return _unknown(step)
    error = 2 * step.error(0)
    ends = [np.asarray(step.forward(step.x[0] + sign * error), float) for sign in (1, -1)]
    return np.maximum(*(np.abs(end - step.out) for end in ends))


def _cast(step: RoundedStep) -> Any:
    kind = np.dtype(step.node.dtype).kind
    if kind == "b":
        return (np.abs(step.x[0]) <= 2 * step.error(0)) & (step.error(0) != 0)
    if kind in "iu":
        error = 2 * step.error(0)
        return np.maximum(*(np.abs(np.trunc(step.x[0] + sign * error) - step.out) for sign in (1, -1)))
    return step.error(0)


def _moved(step: RoundedStep) -> Any:
    """Rows that move elements: their errors move with them. An index that is in doubt leaves nothing known."""
    data = 2 if step.node.primitive in primitives("setitem add_at") else 1
    many = step.node.primitive in primitives("concatenate array")
    index = [] if many else list(range(data, len(step.given)))
    if any(step.errors[i] is not EXACT for i in index):
        return _unknown(step)
    moved = [step.error(i) for i in range(len(step.given)) if i not in index]
    return np.asarray(step.forward(*moved, *_indices(step, index), without=("value",)), float)


def _indices(step: RoundedStep, index: Sequence[int]) -> list[Any]:
    """Index arrays are whole numbers or masks again."""
    return [step.x[i].astype(np.dtype(step.node.inputs[i].dtype)) for i in index]


def _written(step: RoundedStep) -> Any:
    """A write of one number through a mask, parts of which may be in doubt."""
    if len(step.given) == 3 and step.errors[2] is not EXACT and np.ndim(step.x[1]) == 0:
        certain = RoundedStep(step.node, step.given, step.result, (*step.errors[:2], EXACT), step.epsilon)
        doubt = step.error(2)
        whole = np.abs(step.x[0] - step.x[1]) + step.error(0) + step.error(1)
        if doubt.shape == step.shape and step.node.inputs[2].dtype == np.bool_:
            return np.where(doubt != 0, whole, _moved(certain))
    return _moved(step)


def _summed(step: RoundedStep) -> Any:
    if any(error is not EXACT for error in step.errors[1:]):
        return _unknown(step)
    return step.forward(step.error(0), *(w > 0 for w in step.x[1:]), without=("initial",))


def _extreme(step: RoundedStep) -> Any:
    if len(step.x) > 1:
        return _unknown(step)
    static = step.node.static
    return np.max(step.error(0), axis=static.get("axis"), keepdims=static.get("keepdims", False), initial=0)


def _tested(step: RoundedStep) -> Any:
    """Any and all: whether it would be another outcome if every doubtful element were."""
    doubt = step.error(0) != 0
    low, high = (step.x[0] != 0) & ~doubt, (step.x[0] != 0) | doubt
    rest = [w > 0 for w in step.x[1:]]
    return np.asarray(step.forward(low, *rest) != step.forward(high, *rest), float)


def _placed(step: RoundedStep) -> Any:
    """Where the largest stands: in doubt where another is as large within its error."""
    sign = 1 if step.node.primitive is PRIMITIVES["argmax"] else -1
    static: dict[str, Any] = {"axis": step.node.static.get("axis"), "keepdims": True}
    x, error = sign * step.x[0], 2 * step.error(0)
    rivals = np.sum(~(x + error < np.max(x - error, **static)), **static)
    return np.where(np.reshape(rivals, step.shape) > 1, np.inf, 0)


def _of_product_errors(step: RoundedStep) -> Any:
    sizes = [np.abs(x) + step.error(i) for i, x in enumerate(step.x)]
    total: Any = 0
    for i, error in enumerate(step.errors):
        if error is not EXACT:
            total = total + step.forward(*sizes[:i], step.error(i), *sizes[i + 1 :])
    return total


def _multiplied(step: RoundedStep) -> Any:
    return _along(step, _slope(step), step.error(0)) if len(step.x) == 1 else _unknown(step)


def _slope(step: RoundedStep) -> Any:
    assert step.node.primitive.backward is not None
    return np.abs(step.node.primitive.backward(np.ones(step.shape), step.out, *step.x, **step.node.static)[0])


def _along(step: RoundedStep, weight: Any, error: Any) -> Any:
    static = step.node.static
    products = np.where(error == 0, 0, weight * error)
    return np.sum(products, axis=static.get("axis"), keepdims=static.get("keepdims", False))


def _varied(step: RoundedStep) -> Any:
    return _variance_error(step, step.error(0)) if step.errors[0] is not EXACT else _unknown(step)


def _variance_error(step: RoundedStep, error: Any) -> Any:
    """Of a variance or its root: 2 |deviation| · error + error², averaged."""
    x, static = step.x[0], step.node.static
    if len(step.x) > 1 or x.size == 0:
        return _unknown(step)
    axis = static.get("axis")
    deviation = np.abs(x - np.mean(x, axis=axis, keepdims=True))
    count = x.size // max(step.out.size, 1) - static.get("ddof", 0)
    error = error + np.mean(error, axis=axis, keepdims=True)
    total = _along(step, 2 * deviation + error, error) / count
    if step.node.primitive is PRIMITIVES["var"]:
        return total
    return np.where(total == 0, 0, np.minimum(total / step.out, np.sqrt(total)))


_RULES: dict[Primitive, Callable[[RoundedStep], Any]] = by_primitive(
    {
        **dict.fromkeys(["maximum", "minimum", "clip", "absolute", "math_fabs", "negative", "positive"], _largest),
        **dict.fromkeys(["add", "subtract"], _added),
        **dict.fromkeys(["sqrt", "math_sqrt"], _root),
        **dict.fromkeys(["less", "less_equal", "greater", "greater_equal", "equal", "not_equal"], _compared),
        **dict.fromkeys(["bitwise_and", "bitwise_or", "bitwise_xor", "invert"], _conditions),
        **dict.fromkeys(["logical_and", "logical_or", "logical_xor", "logical_not"], _conditions),
        **dict.fromkeys(["floor", "ceil", "trunc", "rint", "sign", "around", "signbit"], _steps),
        **dict.fromkeys(["math_floor", "math_ceil", "math_trunc"], _steps),
        **dict.fromkeys(["reshape", "ravel", "flatten", "transpose", "broadcast_to", "copy", "getitem"], _moved),
        **dict.fromkeys(["scatter", "add_at", "concatenate", "repeat", "tile", "pad", "roll", "tril", "triu"], _moved),
        **dict.fromkeys(["diag", "diagonal", "windows", "full", "array", "asarray", "item", "float"], _moved),
        **dict.fromkeys(["sum", "mean", "cumsum"], _summed),
        **dict.fromkeys(["max", "min"], _extreme),
        **dict.fromkeys(["any", "all"], _tested),
        **dict.fromkeys(["argmax", "argmin"], _placed),
        **dict.fromkeys(["multiply", "matmul", "dot", "inner", "einsum", "convolve"], _of_product_errors),
        **dict.fromkeys(["var", "std"], _varied),
        "astype": _cast,
        "mod": _unknown,
        "prod": _multiplied,
        "setitem": _written,
        "where": _chosen,
    }
)
