"""How each primitive is computed over balls, where its own forward does not do it for objects.

A rule takes the evaluation (it notes kinks there), the node, and the values of its inputs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import numpy as np
from flint import arb, arb_mat

from dout.graph import Node, Primitive
from dout.judge.ball_numbers import as_objects, ball, exact, is_exact, middle
from dout.ops import PRIMITIVES, by_primitive
from dout.ops.operators import fill_key
from dout.ops.reduce import axes_of

MOST_EXPONENT = 10_000  # that is multiplied out


class BallOrder(Protocol):
    """What a rule asks of the evaluation: the order of two balls; and it notes the nodes that met a kink."""

    kinks: set[Node]

    def order(self, node: Node, a: Any, b: Any) -> int:
        """-1, 0 or 1 as a is below, equal to or above b; a kink where a small step might change that."""


Rule = Callable[..., Any]  # (balls, node, *values) → value


def _unary(function: Callable[[arb], Any]) -> Rule:
    each = as_objects(lambda x: function(ball(x)))
    return lambda balls, node, x: each(x)


def _binary(function: Callable[[arb, arb], Any]) -> Rule:
    each = as_objects(lambda x, y: function(ball(x), ball(y)), 2)
    return lambda balls, node, x, y: each(x, y)


def _conditions(test: Callable[..., Any], *values: Any) -> Any:
    """What a test says of each element."""
    answer = as_objects(test, len(values))(*values)
    return answer.astype(bool) if isinstance(answer, np.ndarray) else bool(answer)


def _tests(test: Callable[[arb], bool]) -> Rule:
    return lambda balls, node, x: _conditions(lambda e: test(ball(e)), x)


def _compared(test: Callable[[int], bool]) -> Rule:
    def rule(balls: BallOrder, node: Node, a: Any, b: Any) -> Any:
        if not (is_exact(a) or is_exact(b)):
            return node.primitive.apply([a, b], {})
        return _conditions(lambda x, y: test(balls.order(node, x, y)), a, b)

    return rule


def _ordered(function: Callable[..., Any]) -> Rule:
    """Element by element: `function` takes the order of two numbers, and an element of each input."""

    def rule(balls: BallOrder, node: Node, *values: Any) -> Any:
        return as_objects(partial(function, partial(balls.order, node)), len(values))(*values)

    return _only_balls(rule)


def _clipped(order: Callable[[Any, Any], int], x: Any, low: Any, high: Any) -> Any:
    x = low if order(x, low) < 0 else x
    return high if order(x, high) > 0 else x


def _whole(function: Callable[[arb], arb]) -> Rule:
    """floor, ceil and their kin: a step is a kink."""

    def rule(balls: BallOrder, node: Node, x: Any, *rest: Any) -> Any:
        def one(e: Any) -> Any:
            found = function(ball(e)).unique_fmpz()
            if found is None or balls.order(node, e, int(found)) == 0:
                balls.kinks.add(node)
            return found if found is not None else function(ball(e).mid()).unique_fmpz()

        answer = as_objects(lambda e: int(one(e)))(x)
        return exact(answer) if node.kind == "f" else np.asarray(answer).astype(node.dtype)[()]

    return rule


def _rounded(x: arb) -> arb:
    """To the nearest whole number, to the even one of two."""
    half = (x + arb(0.5)).floor()
    return half - 1 if half - x == arb(0.5) and (half / 2).floor() * 2 != half else half


def _rounded_to(balls: BallOrder, node: Node, x: Any) -> Any:
    """To so many digits behind the point."""
    scale: Any = arb(10) ** (node.static.get("decimals", node.static.get("ndigits")) or 0)
    whole = _whole(_rounded)(balls, node, np.multiply(x, scale))
    return np.true_divide(whole, scale) if node.kind == "f" else whole


def _truncated(x: arb) -> arb:
    return -((-x).floor()) if x < 0 else x.floor()


def _floor_divide(balls: BallOrder, node: Node, x: Any, y: Any) -> Any:
    whole = _whole(lambda q: q.floor())
    return whole(balls, node, np.true_divide(exact(x), exact(y)))


def _power(x: arb, y: arb) -> arb:
    """X ** y; for a whole exponent also of a negative number."""
    whole = y.unique_fmpz() if y.is_exact() else None
    if whole is not None and abs(whole) <= MOST_EXPONENT:
        return _whole_power(x, int(whole)) if whole >= 0 else 1 / _whole_power(x, -int(whole))
    if y == arb(0.5):
        return x.sqrt()
    return arb(0) if x == 0 and y > 0 else x**y


def _whole_power(x: arb, exponent: int) -> arb:
    """X multiplied so many times; of a ball that contains 0, for which arb's own power is no number."""
    if not x.contains(0):
        return x**exponent
    found = arb(1)
    while exponent:
        found, x, exponent = (found * x if exponent % 2 else found), x * x, exponent // 2
    return found


def _cbrt(x: arb) -> arb:
    return -((-x).root(3)) if x < 0 else x.root(3)


def _as_type(balls: BallOrder, node: Node, x: Any, **_: Any) -> Any:
    dtype, kind = node.dtype, node.kind
    if kind == "f" or not is_exact(x):
        return exact(x) if kind == "f" and is_exact(x) else exact(np.asarray(x, dtype=dtype)[()])
    if kind == "b":
        return _truth(balls, node, x)
    return _whole(_truncated)(balls, node, x)


def _truth(balls: BallOrder, node: Node, x: Any) -> Any:
    """Which elements are not zero."""
    if not is_exact(x):
        return np.asarray(x, dtype=bool)[()]
    return _conditions(lambda e: balls.order(node, e, 0) != 0, x)


def _logical(function: Callable[..., Any]) -> Rule:
    return lambda balls, node, *values: function(*(_truth(balls, node, value) for value in values))


# --- matrices ---------------------------------------------------------------------------------------------------------


def _matrix(x: Any) -> arb_mat:
    rows, columns = np.shape(x)
    return arb_mat(rows, columns, [ball(e) for e in np.ravel(x)])


def _on_matrices(function: Callable[..., Any]) -> Rule:
    """A function of square matrices, and of stacks of them."""

    def rule(balls: BallOrder, node: Node, x: Any, *rest: Any) -> Any:
        if np.ndim(x) > 2 or any(np.ndim(r) > 2 for r in rest):
            stacked = [np.broadcast_to(v, (len(node.shape) and node.shape[0], *np.shape(v)[-2:])) for v in (x, *rest)]
            return _stacked(tuple(rule(balls, node, *parts) for parts in zip(*stacked, strict=True)))
        found = function(_matrix(x), *(_matrix(np.reshape(r, (len(r), -1))) for r in rest))
        if not isinstance(found, arb_mat):
            return found
        out = np.empty(found.nrows() * found.ncols(), dtype=object)
        out[:] = found.entries()
        return out.reshape(np.shape(rest[0]) if rest else np.shape(x))

    return rule


# --- reductions -------------------------------------------------------------------------------------------------------


def _rows(x: Any, axis: Any) -> tuple[np.ndarray[Any, Any], tuple[int, ...]]:
    """The array with the reduced axes joined into a last one, and the axes."""
    x = np.asarray(x)
    axes = axes_of(axis, x.ndim)
    kept = [a for a in range(x.ndim) if a not in axes]
    turned = np.transpose(x, (*kept, *axes))
    return turned.reshape([x.shape[a] for a in kept] + [math.prod(x.shape[a] for a in axes)]), axes


def _reduced(fold: Callable[..., Any]) -> Rule:
    """A reduction by `fold(balls, node, elements)` of the elements that count."""

    def rule(balls: BallOrder, node: Node, x: Any, *where: Any) -> Any:
        static, shape = node.static, np.shape(x)
        rows, axes = _rows(x, static.get("axis"))
        mask = None
        if where:
            mask = _rows(np.broadcast_to(_truth(balls, node, where[0]), shape), static.get("axis"))[0]
        out = np.empty(rows.shape[:-1], dtype=object)
        for place in np.ndindex(*out.shape):
            elements = rows[place] if mask is None else rows[place][mask[place]]
            out[place] = fold(balls, node, [*elements, *([exact(static["initial"])] if "initial" in static else ())])
        if static.get("keepdims"):
            out = out.reshape([1 if a in axes else n for a, n in enumerate(shape)])
        value = out if out.shape else out.item()
        is_whole = node.kind != "f" and not any(isinstance(element, arb) for element in out.flat)  # places, say
        return np.asarray(value).astype(node.dtype) if is_whole else value

    return rule


def _sum(balls: BallOrder, node: Node, elements: list[Any]) -> Any:
    return sum(map(ball, elements), start=arb(0))


def _product(balls: BallOrder, node: Node, elements: list[Any]) -> Any:
    return math.prod(map(ball, elements), start=arb(1))


def _mean(balls: BallOrder, node: Node, elements: list[Any]) -> Any:
    return _sum(balls, node, elements) / len(elements)


def _variance(balls: BallOrder, node: Node, elements: list[Any]) -> Any:
    mean = _mean(balls, node, elements)
    squares = [_whole_power(ball(e) - mean, 2) for e in elements]
    return sum(squares, start=arb(0)) / (len(elements) - node.static.get("ddof", 0))


def _place_of(sign: int) -> Callable[..., Any]:
    def fold(balls: BallOrder, node: Node, elements: list[Any]) -> Any:
        best = 0
        for i in range(1, len(elements)):
            best = i if sign * balls.order(node, elements[i], elements[best]) > 0 else best
        return best

    return fold


def _largest(sign: int) -> Callable[..., Any]:
    return lambda balls, node, elements: elements[_place_of(sign)(balls, node, elements)]


def _weighted_log_sum_exp(balls: BallOrder, node: Node, x: Any, *weights: Any) -> Any:
    powers = as_objects(lambda e: ball(e).exp())(x)
    return as_objects(lambda e: e.log())(_reduced(_sum)(balls, node, powers * weights[0] if weights else powers))


def _only_balls(rule: Rule) -> Rule:
    """The rule for balls; whole numbers and conditions go the ordinary way."""

    def chosen(balls: BallOrder, node: Node, *values: Any) -> Any:
        if node.kind == "f" or any(map(is_exact, values)):
            return rule(balls, node, *values)
        return node.primitive.apply(values, node.static)

    return chosen


def _softmax(log: bool) -> Rule:
    def rule(balls: BallOrder, node: Node, x: Any) -> Any:
        powers = as_objects(lambda e: ball(e).exp())(x)
        share = powers / np.sum(powers, axis=node.static.get("axis"), keepdims=True)
        return as_objects(lambda e: e.log())(share) if log else share

    return rule


# --- moving elements --------------------------------------------------------------------------------------------------


def _made(balls: BallOrder, node: Node, *values: Any) -> Any:
    """Arrays out of nothing, or of one number."""
    if not values:
        return exact(node.primitive.forward(**node.static))
    out = np.empty(node.shape, dtype=object if node.kind == "f" else node.dtype)
    out[...] = values[0] if node.kind == "f" else middle(values[0])
    return out


def _written(balls: BallOrder, node: Node, x: Any, value: Any, *index: Any) -> Any:
    out, key = np.array(x, dtype=object if node.kind == "f" else None), fill_key(node.static["key"], index)
    value = exact(value) if node.kind == "f" else value
    if node.primitive is PRIMITIVES["add_at"]:
        np.add.at(out, key, value)
    else:
        out[key] = value
    return out


def _scattered(balls: BallOrder, node: Node, dout: Any, *index: Any) -> Any:
    out = np.full(node.static["shape"], arb(0), dtype=object)
    np.add.at(out, fill_key(node.static["key"], index), dout)
    return out


def _counted(balls: BallOrder, node: Node, x: Any, *rest: Any) -> Any:
    """Places of the elements that are not zero, an order of places: what float64 says, with kinks at ties."""
    if is_exact(x):
        numbers = np.sort(middle(x), axis=None)
        if node.primitive is PRIMITIVES["nonzero"] or np.any(np.diff(numbers) == 0):
            balls.kinks.add(node)
    return node.primitive.forward(middle(x), *rest, **node.static)


def _xlogy(shift: int) -> Callable[[arb, arb], arb]:
    return lambda x, y: arb(0) if x == 0 else x * (y + shift).log()


_UNARY: dict[str, Callable[[arb], Any]] = {
    "exp": arb.exp, "log": arb.log, "log1p": arb.log1p, "expm1": arb.expm1, "sqrt": arb.sqrt, "cbrt": _cbrt,
    "log2": lambda x: x.log() / arb(2).log(), "log10": lambda x: x.log() / arb(10).log(),
    "exp2": lambda x: (x * arb(2).log()).exp(), "square": lambda x: x * x, "reciprocal": lambda x: 1 / x,
    "sin": arb.sin, "cos": arb.cos, "tan": arb.tan, "sinh": arb.sinh, "cosh": arb.cosh, "tanh": arb.tanh,
    "arcsin": arb.asin, "arccos": arb.acos, "arctan": arb.atan,
    "arcsinh": arb.asinh, "arccosh": arb.acosh, "arctanh": arb.atanh,
    "sigmoid": lambda x: 1 / (1 + (-x).exp()), "softplus": lambda x: (1 + x.exp()).log(),
    "special_expit": lambda x: 1 / (1 + (-x).exp()), "special_logit": lambda x: (x / (1 - x)).log(),
    "special_log_expit": lambda x: -(1 + (-x).exp()).log(),
    "special_erf": arb.erf, "special_erfc": arb.erfc,
    "special_entr": lambda x: arb(0) if x == 0 else -x * x.log(),
    "math_erf": arb.erf, "math_erfc": arb.erfc,
    "math_degrees": lambda x: x * 180 / arb.pi(), "math_radians": lambda x: x * arb.pi() / 180,
    **{f"math_{name}": getattr(arb, name) for name in
       ("exp", "expm1", "log1p", "sqrt", "sin", "cos", "tan", "asin", "acos", "atan",
        "sinh", "cosh", "tanh", "asinh", "acosh", "atanh")},
}  # fmt: skip
_UNARY |= {f"math_{name}": _UNARY[name] for name in ("exp2", "log2", "log10", "cbrt")}

_BINARY: dict[str, Callable[[arb, arb], Any]] = {
    "power": _power, "pow": _power, "math_pow": _power, "divide": lambda x, y: x / y,
    "hypot": lambda x, y: (x * x + y * y).sqrt(),
    "arctan2": lambda y, x: arb.atan2(y, x), "math_atan2": lambda y, x: arb.atan2(y, x),
    "logaddexp": lambda x, y: (x.exp() + y.exp()).log(),
    "special_xlogy": _xlogy(0), "special_xlog1py": _xlogy(1),
}  # fmt: skip

RULES: dict[Primitive, Rule] = by_primitive({
    **{name: _unary(function) for name, function in _UNARY.items()},
    **{name: _only_balls(_binary(function)) for name, function in _BINARY.items()},
    "math_log": lambda balls, node, x, *base: _unary(arb.log)(balls, node, x)
    / (ball(base[0]).log() if base else 1),
    "less": _compared(lambda order: order < 0), "less_equal": _compared(lambda order: order <= 0),
    "greater": _compared(lambda order: order > 0), "greater_equal": _compared(lambda order: order >= 0),
    "equal": _compared(lambda order: order == 0), "not_equal": _compared(lambda order: order != 0),
    "maximum": _ordered(lambda order, x, y: x if order(x, y) >= 0 else y), "clip": _ordered(_clipped),
    "minimum": _ordered(lambda order, x, y: x if order(x, y) <= 0 else y),
    "sign": _ordered(lambda order, x: arb(order(x, 0))),
    **dict.fromkeys(("absolute", "math_fabs"), _ordered(lambda order, x: -ball(x) if order(x, 0) < 0 else ball(x))),
    **{name: _only_balls(_whole(function)) for name, function in {
        "floor": arb.floor, "ceil": arb.ceil, "math_floor": arb.floor, "math_ceil": arb.ceil, "trunc": _truncated,
        "math_trunc": _truncated, "rint": _rounded}.items()},
    "around": _only_balls(_rounded_to), "round": _only_balls(_rounded_to),
    "floor_divide": _only_balls(_floor_divide), "astype": _as_type,
    "mod": _only_balls(lambda balls, node, x, y: x - exact(y) * exact(_floor_divide(balls, node, x, y))),
    "sum": _only_balls(_reduced(_sum)), "prod": _only_balls(_reduced(_product)), "mean": _only_balls(_reduced(_mean)),
    "var": _reduced(_variance), "std": _reduced(lambda *given: _variance(*given).sqrt()),
    "max": _only_balls(_reduced(_largest(1))), "min": _only_balls(_reduced(_largest(-1))),
    "argmax": _only_balls(_reduced(_place_of(1))), "argmin": _only_balls(_reduced(_place_of(-1))),
    "special_logsumexp": _weighted_log_sum_exp,
    "special_softmax": _softmax(log=False), "special_log_softmax": _softmax(log=True),
    "zeros": _made, "ones": _made, "empty": _made, "full": _made,
    "setitem": _written, "add_at": _written, "scatter": _scattered,
    "nonzero": _counted, "argsort": _counted,
    **dict.fromkeys(("isnan", "math_isnan"), _tests(arb.is_nan)),
    **dict.fromkeys(("isfinite", "math_isfinite"), _tests(arb.is_finite)),
    **dict.fromkeys(("isinf", "math_isinf"), _tests(lambda x: not x.is_finite() and not x.is_nan())),
    "signbit": lambda balls, node, x: _compared(lambda order: order < 0)(balls, node, x, 0),
    "where": lambda balls, node, condition, x, y: np.where(_truth(balls, node, condition), x, y),
    "float": lambda balls, node, x: exact(np.asarray(x).item()), "item": lambda balls, node, x: np.asarray(x).item(),
    "copy": lambda balls, node, x: np.array(x) if isinstance(x, np.ndarray) else x,
    "array": lambda balls, node, *elements: _stacked(elements), "asarray": lambda balls, node, x: x,
    "logical_and": _logical(np.logical_and), "logical_or": _logical(np.logical_or),
    "logical_xor": _logical(np.logical_xor), "logical_not": _logical(np.logical_not),
    "inv": _on_matrices(arb_mat.inv), "solve": _on_matrices(arb_mat.solve), "det": _on_matrices(arb_mat.det),
    "flatten": lambda balls, node, x: node.primitive.forward(np.asarray(x), **node.static),
    "places": lambda balls, node, *x: node.primitive.forward(*map(middle, x), **node.static),
    "math_hypot": lambda balls, node, *sides: _sum(balls, node, [_whole_power(ball(side), 2) for side in sides]).sqrt(),
    "math_fsum": lambda balls, node, *elements: _sum(balls, node, list(elements)),
})  # fmt: skip


def _stacked(elements: tuple[Any, ...]) -> Any:
    if not any(map(is_exact, elements)):
        return exact(np.array(elements))
    out = np.empty((len(elements), *np.shape(elements[0])), dtype=object)
    for i, element in enumerate(elements):
        out[i] = element
    return out
