"""What layers share. First, two lines that a layer can be read, and copied, without.

`keep_form(self, out)` at the end of `forward` remembers which shape went out, and `arriving(self, dout)` at the
beginning of `backward` holds what comes back against it. Leave out both, and a layer computes the same.
"""

import importlib
import math
from functools import cache
from typing import Any, TypeAlias

import numpy as np

# A Python number, a NumPy scalar or an array. NumPy's types cannot say "one of these, and the result likewise".
Value: TypeAlias = Any


def keep_form(layer: Any, out: Value) -> None:
    """Keep the shape and dtype of what `forward` returns, for the `dout` that will come back."""
    layer.out_shape = np.shape(out)
    layer.out_dtype = getattr(out, "dtype", None)


def arriving(layer: Any, dout: Value) -> Value:
    """Return `dout` in the shape `forward` returned, or raise and say what does not fit.

    Raises RuntimeError where `forward` has not run, ValueError for another shape. A single number counts for every
    element.
    """
    name = type(layer).__name__
    shape = getattr(layer, "out_shape", None)
    if shape is None:
        raise RuntimeError(f"{name}.backward was called before forward: call forward first")
    if np.shape(dout) == shape:
        return dout
    if np.ndim(dout) == 0:
        return dout * np.ones(shape, layer.out_dtype)
    raise ValueError(
        f"{name}.backward: dout has shape {np.shape(dout)}, forward returned shape {shape}: "
        "give one gradient for each element, or a single number for all"
    )


def sum_back(gradient: Value, shape: tuple[int, ...]) -> Value:
    """Add up `gradient` over the axes along which an input of `shape` was repeated by broadcasting."""
    if np.shape(gradient) == shape:
        return gradient
    new = np.ndim(gradient) - len(shape)
    repeated = tuple(axis for axis in range(np.ndim(gradient)) if axis < new or shape[axis - new] == 1)
    total = np.sum(gradient, axis=repeated)
    return np.reshape(total, shape) if shape else total


def either(condition: Value, x: Value, y: Value) -> Value:
    """Return `x` where the condition holds and `y` elsewhere: a fresh array, or a number for a number."""
    out: Value = np.where(condition, x, y)
    return out[()]


def fresh(out: Value) -> Value:
    """Return `out` for the caller to keep and write into, while the layer keeps its own."""
    return out.copy() if isinstance(out, np.ndarray) else out


def sigmoid(x: Value) -> Value:
    """Return `1 / (1 + exp(-x))`; exp is taken of numbers that are not positive, and overflows nowhere."""
    positive = x >= 0
    small = np.exp(either(positive, -1.0 * x, x))  # both branches have the slope of the curve; abs(x) has none at 0
    return either(positive, 1, small) / (1 + small)


def erf(x: Value) -> Value:
    """Return the error function of each element in its dtype: SciPy's, or, where there is none, Python's one by one."""
    special = _scipys()
    out: Value = np.vectorize(math.erf, otypes=[float])(x)[()] if special is None else special.erf(x)
    is_wider = isinstance(x, np.ndarray | np.generic) and x.dtype.kind == "f" and out.dtype != x.dtype
    return out.astype(x.dtype) if is_wider else out


@cache
def _scipys() -> Any:
    """SciPy's special functions, which are loaded when they are first asked for; None where there is no SciPy."""
    try:
        return importlib.import_module("scipy.special")
    except ModuleNotFoundError:
        return None
