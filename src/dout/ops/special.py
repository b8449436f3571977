"""Functions of `scipy.special`: a row for each that layers use. Nothing here imports SciPy until one is computed.

The rows are always in the table, so that a saved trace can be read; their calls enter it once SciPy is loaded.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from dout.graph import Binder, Primitive
from dout.ops.reduce import Axis, as_axis, reduced, spread
from dout.ops.registry import CALLS, PRIMITIVES, all_inputs, define, dtype_of, shaped
from dout.ops.shape import shape_of

_answered: dict[str, Binder] = {}  # function of scipy.special → how its arguments are sorted


def learn(module: ModuleType | None) -> None:
    """Answer the functions of scipy.special, if the user has loaded it by now."""
    if module is None:
        return
    for name, bind in _answered.items():
        function = getattr(module, name)
        function = getattr(function, "__wrapped__", function)  # while a trace runs it may be a tracing version
        if function not in CALLS:
            CALLS[function] = (PRIMITIVES[f"special_{name}"], bind)


def _define(name: str, bind: Binder = all_inputs, **words: Any) -> Primitive:
    def forward(*inputs: Any, **static: Any) -> Any:
        return getattr(importlib.import_module("scipy.special"), name)(*inputs, **static)

    _answered[name] = bind
    return define(f"special_{name}", **{"forward": forward, **words})


def _apply(name: str, *inputs: Any) -> Any:
    """A function of scipy.special, which may be recorded."""
    return PRIMITIVES[f"special_{name}"](*inputs)


# --- elementwise ------------------------------------------------------------------------------------------------------

_BELL = 2 / math.sqrt(math.pi)

# (name, local derivative from input and output, symbol, LaTeX, how to say it)
_ONE: list[tuple[str, Callable[..., Any], str, str, str]] = [
    ("expit", lambda x, y: y * (1 - y), "σ", r"\sigma({0})", "the output times one minus the output"),
    ("logit", lambda x, y: 1 / (x * (1 - x)), "logit", r"\operatorname{{logit}} {0}", "divide by x (1 − x)"),
    ("log_expit", lambda x, y: _apply("expit", -x), "log σ", r"\log \sigma({0})", "multiply by σ(−x)"),
    ("erf", lambda x, y: _BELL * np.exp(-x * x), "erf", r"\operatorname{{erf}} {0}", "the bell curve 2 e^(−x²) / √π"),
    ("erfc", lambda x, y: -_BELL * np.exp(-x * x), "erfc", r"\operatorname{{erfc}} {0}",
     "minus the bell curve 2 e^(−x²) / √π"),
    ("entr", lambda x, y: -1 - np.log(x), "−x log x", r"-{0} \log {0}", "minus one, minus the logarithm"),
]  # fmt: skip
_KERNELS = {"expit": "sigmoid({0})", "log_expit": "-softplus(-{0})", "erf": "erf({0})", "erfc": "erfc({0})"}
for _name, _slope, _symbol, _latex, _says in _ONE:
    _define(
        _name,
        backward=lambda dout, out, x, slope=_slope: dout * slope(x, out),
        symbol=_symbol,
        latex=_latex,
        says=_says,
        kernel=_KERNELS.get(_name),
        onnx="Erf" if _name == "erf" else None,
    )

_define(
    "xlogy",
    backward=lambda dout, out, x, y: (dout * np.log(y), dout * x / y),
    symbol="x log y",
    latex=r"{0} \log {1}",
    says="the logarithm; to the second input, the first over it",
)

_define(
    "xlog1py",
    backward=lambda dout, out, x, y: (dout * np.log1p(y), dout * x / (1 + y)),
    symbol="x log(1+y)",
    latex=r"{0} \log(1 + {1})",
    says="the logarithm; to the second input, the first over one plus it",
)

# --- along axes -------------------------------------------------------------------------------------------------------


def _along(x: Any, axis: Any = None) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (x,), {"axis": as_axis(axis)}


_define(
    "softmax",
    _along,
    backward=lambda dout, out, x, axis=None: out * (dout - spread(np.sum(dout * out, axis=axis), x, axis)),
    infer=shaped(lambda x, axis=None: x),
    symbol="softmax",
    latex=r"\operatorname{{softmax}} {0}",
    says="the output times what dout has above its mean, weighted by the output",
)

_define(
    "log_softmax",
    _along,
    backward=lambda dout, out, x, axis=None: dout - np.exp(out) * spread(np.sum(dout, axis=axis), x, axis),
    infer=shaped(lambda x, axis=None: x),
    symbol="log softmax",
    latex=r"\log \operatorname{{softmax}} {0}",
    says="dout without its sum times the softmax",
)


def _logsumexp_arguments(
    a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if return_sign or (b is not None and np.broadcast_shapes(shape_of(a), shape_of(b)) != shape_of(a)):
        raise TypeError("logsumexp with signs, or with more weights than numbers")  # no row for it
    weights = () if b is None else (b,)
    return (a, *weights), {"axis": as_axis(axis), **({"keepdims": True} if keepdims else {})}


def _logsumexp(x: Any, *weights: Any, axis: Any = None, keepdims: bool = False) -> Any:
    function = importlib.import_module("scipy.special").logsumexp
    return function(x, axis, *weights, keepdims=keepdims)


def _logsumexp_backward(dout: Any, out: Any, x: Any, *weights: Any, axis: Axis = None, **_: Any) -> tuple[Any, ...]:
    share = spread(dout, x, axis) * np.exp(x - spread(out, x, axis))
    return (share * weights[0], share) if weights else (share,)


_define(
    "logsumexp",
    _logsumexp_arguments,
    forward=_logsumexp,
    backward=_logsumexp_backward,
    infer=lambda row, inputs, static: (reduced(row, inputs[:1], static)[0], dtype_of(row, inputs, {})),
    symbol="log Σ exp",
    latex=r"\log \textstyle\sum e^{{{0}}}",
    says="each input's share of the sum",
)
