"""Sums and other reductions over axes."""

from __future__ import annotations

from collections.abc import Mapping
from operator import index
from typing import Any

import numpy as np

from dout.graph import DType, Node, Primitive, Shape
from dout.ops.registry import define, dtype_of

Axis = int | tuple[int, ...] | None


def reduced(primitive: Primitive, inputs: tuple[Node, ...], static: Mapping[str, Any]) -> tuple[Shape, DType]:
    """Shape after the reduction over `axis`; the dtype as NumPy reduces."""
    (x,) = inputs
    axes = _axes(static.get("axis"), len(x.shape))
    keep = static.get("keepdims", False)
    shape = tuple(1 if i in axes else n for i, n in enumerate(x.shape) if keep or i not in axes)
    return shape, dtype_of(primitive, inputs, {k: v for k, v in static.items() if k != "axis"})


def _axes(axis: Axis, ndim: int) -> tuple[int, ...]:
    axes = range(ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    return tuple(a % ndim for a in axes) if ndim else ()


def _arguments(x: Any, axis: Axis = None, dtype: Any = None, *, keepdims: bool = False) -> tuple[Any, dict[str, Any]]:
    if axis is not None:
        axis = tuple(map(index, axis)) if isinstance(axis, tuple) else index(axis)
    static: dict[str, Any] = {"axis": axis}
    if dtype is not None:
        static["dtype"] = np.dtype(dtype)
    if keepdims:
        static["keepdims"] = True
    return (x,), static


def spread(dout: Any, x: Any, axis: Axis) -> Any:
    """Repeat a reduced gradient along the axes that were summed away."""
    axes = _axes(axis, len(x.shape))
    kept = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    return np.broadcast_to(np.reshape(dout, kept), x.shape)


sum_ = define(
    "sum",
    forward=np.sum,
    backward=lambda dout, out, x, axis=None, dtype=None, keepdims=False: spread(dout, x, axis),
    infer=reduced,
    calls={np.sum: _arguments},
    methods={"sum": _arguments},
    symbol="Σ",
    latex=r"\sum {0}",
    says="repeat dout along the summed axes",
)
