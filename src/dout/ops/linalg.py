"""Products of matrices."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import numpy as np

from dout.graph import DType, Node, Primitive, Shape
from dout.ops.registry import define, dtype_of
from dout.ops.shape import sum_to


def _product(primitive: Primitive, inputs: tuple[Node, ...], static: Mapping[str, Any]) -> tuple[Shape, DType]:
    x, y = (i.shape for i in inputs)
    batch = np.broadcast_shapes(x[:-2], y[:-2])
    rows, columns = x[-2:-1] if len(x) > 1 else (), y[-1:] if len(y) > 1 else ()
    return (*batch, *rows, *columns), dtype_of(primitive, inputs, static)


def _swap(x: Any) -> Any:
    n = len(x.shape)
    return np.transpose(x, (*range(n - 2), n - 1, n - 2))


def _matmul_backward(dout: Any, out: Any, x: Any, y: Any) -> tuple[Any, Any]:
    # A vector on the left is a row, on the right a column: give all three their second axis, then drop it again.
    row, column = len(x.shape) == 1, len(y.shape) == 1
    x2 = np.reshape(x, (1, *x.shape)) if row else x
    y2 = np.reshape(y, (*y.shape, 1)) if column else y
    batch = np.broadcast_shapes(tuple(x2.shape[:-2]), tuple(y2.shape[:-2]))
    dout2 = np.reshape(dout, (*batch, x2.shape[-2], y2.shape[-1]))
    dx = sum_to(np.matmul(dout2, _swap(y2)), x2.shape)
    dy = sum_to(np.matmul(_swap(x2), dout2), y2.shape)
    return np.reshape(dx, x.shape), np.reshape(dy, y.shape)


matmul = define(
    "matmul",
    forward=np.matmul,
    python=operator.matmul,
    backward=_matmul_backward,
    infer=_product,
    symbol="@",
    latex=r"{0} {1}",
    says="dout times the other matrix, transposed",
)
