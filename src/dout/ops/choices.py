"""Comparisons, logic, and choosing between values."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from dout.ops.registry import define

for _name, _forward, _python, _symbol, _latex, _code, _onnx in [
    ("less", np.less, operator.lt, "<", "<", "<", "Less"),
    ("less_equal", np.less_equal, operator.le, "≤", r"\le", "<=", "LessOrEqual"),
    ("greater", np.greater, operator.gt, ">", ">", ">", "Greater"),
    ("greater_equal", np.greater_equal, operator.ge, "≥", r"\ge", ">=", "GreaterOrEqual"),
    ("equal", np.equal, operator.eq, "=", "=", "==", "Equal"),
    ("not_equal", np.not_equal, operator.ne, "≠", r"\ne", "!=", None),
    ("bitwise_and", np.bitwise_and, operator.and_, "&", r"\land", "&", "BitwiseAnd"),
    ("bitwise_or", np.bitwise_or, operator.or_, "|", r"\lor", "|", "BitwiseOr"),
    ("bitwise_xor", np.bitwise_xor, operator.xor, "⊻", r"\oplus", "^", "BitwiseXor"),
    ("left_shift", np.left_shift, operator.lshift, "≪", r"\ll", "<<", None),
    ("right_shift", np.right_shift, operator.rshift, "≫", r"\gg", ">>", None),
    ("logical_and", np.logical_and, None, "∧", r"\land", "and", "And"),
    ("logical_or", np.logical_or, None, "∨", r"\lor", "or", "Or"),
    ("logical_xor", np.logical_xor, None, "⊻", r"\oplus", None, "Xor"),
]:
    define(
        _name,
        forward=_forward,
        python=_python,
        symbol=_symbol,
        latex=f"{{0}} {_latex} {{1}}",
        says="no gradient: a condition is not a number",
        kernel=f"{{0}} {_code} {{1}}" if _code else "({0} != 0) != ({1} != 0)",
        onnx=_onnx,
    )

for _name, _invert, _not in [("invert", np.invert, operator.invert), ("logical_not", np.logical_not, None)]:
    define(
        _name,
        forward=_invert,
        python=_not,
        symbol="¬",
        latex=r"\lnot {0}",
        says="no gradient: a condition is not a number",
        kernel="not {0}" if _not is None else "~{0}",
        onnx="Not" if _not is None else "BitwiseNot",
    )

for _name, _test, _code, _onnx in [
    ("isnan", np.isnan, "isnan({0})", "IsNaN"),
    ("isinf", np.isinf, "isinf({0})", "IsInf"),
    ("isfinite", np.isfinite, "isfinite({0})", None),
    ("signbit", np.signbit, "copysign(1, {0}) < 0", None),
]:
    define(
        _name,
        forward=_test,
        symbol=f"{_name}?",
        says="no gradient: a condition is not a number",
        kernel=_code,
        onnx=_onnx,
    )

where = define(
    "where",
    forward=np.where,
    backward=lambda dout, out, condition, x, y: (None, np.where(condition, dout, 0), np.where(condition, 0, dout)),
    calls={np.where: lambda condition, x, y: ((condition, x, y), {})},
    latex=r"\begin{{cases}} {1} & {0} \\ {2} & \text{{otherwise}} \end{{cases}}",
    says="dout goes to the side that was chosen",
    kernel="{1} if {0} else {2}",
    onnx="Where",
)


def _extremum_backward(dout: Any, out: Any, x: Any, y: Any) -> tuple[Any, Any]:
    # Equal inputs get half each: the middle of the subgradients.
    half = np.where(np.equal(x, y), 0.5, 1.0).astype(out.dtype)
    return dout * half * np.equal(out, x), dout * half * np.equal(out, y)


for _name, _function, _symbol, _which, _code, _onnx in [
    ("maximum", np.maximum, "max", "larger", "{0} if {0} >= {1} or {0} != {0} else {1}", "Max"),  # NaN wins
    ("minimum", np.minimum, "min", "smaller", "{0} if {0} <= {1} or {0} != {0} else {1}", "Min"),
]:
    define(
        _name,
        forward=_function,
        backward=_extremum_backward,
        symbol=_symbol,
        latex=rf"\{_symbol}({{0}}, {{1}})",
        says=f"dout goes to the {_which} input",
        kernel=_code,
        onnx=_onnx,
    )

clip = define(
    "clip",
    forward=lambda x, low, high: np.clip(x, low, high),
    backward=lambda dout, out, x, low, high: (
        np.where((x >= low) & (x <= high), dout, 0),
        np.where((x < low) & (low <= high), dout, 0),
        np.where((x > high) | (low > high), dout, 0),  # if the lower bound is above the upper one, the upper counts
    ),
    calls={
        np.clip: lambda x, a_min=None, a_max=None, *, min=None, max=None: _clip(
            x, a_min if min is None else min, a_max if max is None else max
        )
    },
    methods={"clip": lambda x, min, max: _clip(x, min, max)},
    latex=r"\operatorname{{clip}}({0}, {1}, {2})",
    says="dout passes where the input lies within the bounds",
    kernel="minimum(maximum({0}, {1}), {2})",
)


def _clip(x: Any, low: Any, high: Any) -> Any:
    if low is None or high is None:
        raise TypeError("one bound alone: np.maximum or np.minimum")  # other rows
    return (x, low, high), {}
