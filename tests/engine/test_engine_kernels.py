"""Kernels against NumPy: run by Python, compiled, and in parallel they give the same numbers."""

from __future__ import annotations

import platform
import re

import numpy as np
import pytest
from engine_groups import agree, compiled, text_of
from kernel_functions import EDGES, adam, batch_norm, cache_folder, cross_entropy, gates, layer_norm, rows_of, softmax

from dout.engine.runtime import compiler

__all__ = ["cache_folder"]  # fixtures


CASES = {
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), rows_of(7, 33)),
    "at the edges": (lambda x: (np.exp(x) * 2, x * x - 1, np.maximum(x, 0), -x, x > 0), EDGES),
    "of one number": (lambda x: np.exp(x) * 2, np.float64(0.3)),
    "bias and relu": (lambda x, b: np.maximum(x + b, 0), rows_of(9, 20), rows_of(20)),
    "a column": (lambda x, b: x * b, rows_of(9, 20), rows_of(9, 1)),
    "rows with columns": (lambda a, b: a * b, rows_of(9, 1), rows_of(1, 20)),
    "a channel": (lambda x, g: x * g[:, None, None], rows_of(2, 3, 4, 5), rows_of(3)),
    "transposed": (lambda x, y: x + y, rows_of(9, 20).T, rows_of(20, 9)),
    "strided": (lambda x: x * 2, rows_of(9, 20)[::2, 1::3]),
    "gates": (gates, *np.hsplit(rows_of(9, 120), 4)),
    "a gate of a row": (lambda x, y: np.tanh(x) * y, rows_of(1, 120)[:, 30:60], rows_of(9, 120)[:, 61:91]),
    "rows backwards": (lambda x: x * 2 + 1, rows_of(9, 20)[::-1, 3:17]),
    "one row again and again": (lambda x, y: x * y, np.broadcast_to(rows_of(20), (9, 20)), rows_of(9, 20)),
    "rows in another order": (lambda x, y: x - y, rows_of(4, 5, 21).transpose(1, 0, 2)[..., 1:], rows_of(5, 4, 20)),
    "rows of bytes": (lambda m, x: np.where(m, x, 0), (rows_of(9, 20) > 0)[:, 1:19], rows_of(9, 20)[:, 2:]),
    "sums of parts of rows": (layer_norm, rows_of(7, 50)[:, 9:42], rows_of(33)),
    "sums of parts of columns": (batch_norm, rows_of(17, 50)[:, 9:42], rows_of(33), rows_of(33)),
    "empty": (lambda x: np.exp(x), rows_of(0, 4)),
    "a mask": (lambda x: np.where(x > 0, x, 0.1 * x), rows_of(50)),
    "dtypes that meet": (lambda x, y, n: x * y + n, rows_of(5), rows_of(5, dtype=float), np.arange(5)),
    "narrow whole numbers": (lambda n: n * n + n, np.arange(100, dtype=np.int8)),
    "functions": (lambda x: (np.log1p(x * x), np.sin(x), np.tanh(x) ** 1.5, np.sinh(x)), np.abs(rows_of(50))),
    "waves": (lambda x: (np.sin(x) * np.cos(x), np.tan(x + 1)), np.geomspace(1e-9, 1e20, 50, dtype="f4")),
    "powers": (lambda x: (x**2, x**0.5, x**-1, x**3), np.abs(rows_of(50)) + 1),
    "a plain number": (lambda x, a: x * a, rows_of(50), 0.1),
    "adam": (adam, rows_of(6, 5), rows_of(6, 5), rows_of(6, 5), rows_of(6, 5) ** 2, 0.01),
    "softmax": (softmax, rows_of(7, 33)),
    "softmax of one row": (softmax, rows_of(1, 33)),
    "softmax of one column": (softmax, rows_of(7, 1)),
    "layer norm": (layer_norm, rows_of(7, 33), rows_of(33)),
    "batch norm": (batch_norm, rows_of(17, 33), rows_of(33), rows_of(33)),
    "cross-entropy": (cross_entropy, np.abs(rows_of(70, 33)), rows_of(70, 33)),
    "sum of everything": (lambda x: x.sum(), rows_of(70, 333)),
    "mean in float64": (lambda x, b: (x + b).mean(), rows_of(7, 3333, dtype=float), rows_of(3333)),
    "column sums": (lambda x: x.sum(axis=0), rows_of(17, 33)),
    "many columns": (batch_norm, rows_of(3, 2100), rows_of(2100), rows_of(2100)),
    "many rows": (lambda x: x - x.mean(axis=0), rows_of(600, 5)),
    "channel sums": (lambda x: x.sum(axis=(0, 2, 3)), rows_of(3, 4, 5, 6)),
    "sums in the middle": (lambda x: x - x.max(axis=1, keepdims=True), rows_of(3, 4, 5)),
    "around the middle": (lambda x: x.mean(axis=(0, 2)), rows_of(3, 4, 5)),
    "extremes": (lambda x: (x.max(axis=1), x.min(axis=1), (x > 1).any(axis=1), (x < 2).all(axis=1)), rows_of(7, 33)),
    "extremes of columns": (lambda x: (x.max(axis=0), (x > 1).any(axis=0)), rows_of(7, 33)),
    "a count": (lambda x: (x > 0).sum(), rows_of(7, 33)),
    "largest with NaN": (lambda x: x.max(), EDGES),
    "sum of nothing": (lambda x: x.sum(axis=1), rows_of(4, 0)),
    "nothing to sum": (lambda x: x.sum(axis=1), rows_of(0, 4)),
    "length one": (lambda x: x.sum(axis=0) * 2, rows_of(1, 4)),
}  # fmt: skip


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_a_kernel_run_by_python_gives_what_numpy_gives(case, parallel):
    agree(*CASES[case], parallel=parallel)


@pytest.mark.one_in(4)
@pytest.mark.parametrize("case", CASES)
def test_a_compiled_kernel_gives_what_numpy_gives(case, cache_folder):
    agree(*CASES[case], run=compiled)


PARALLEL = [
    "gates",
    "rows backwards",
    "sums of parts of rows",
    "sums of parts of columns",
    "bias and relu",
    "softmax",
    "many columns",
    "many rows",
    "cross-entropy",
    "mean in float64",
    "around the middle",
]


@pytest.mark.one_in(3)
@pytest.mark.parametrize("case", PARALLEL)
def test_a_parallel_kernel_gives_what_numpy_gives(case, cache_folder):
    agree(*CASES[case], run=compiled, parallel=True)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="reads x86-64 assembly")
@pytest.mark.parametrize("parallel", [False, True])
def test_parts_of_rows_are_read_as_vectors(parallel):
    text = text_of(gates, *np.hsplit(rows_of(9, 120), 4), parallel=parallel)
    assembly = compiler.assembly(text.name, text.text, text.types)
    assert len(re.findall(r"\tv?f?n?m(?:add|sub|ul)\d*ps\t.*%[xyz]mm", assembly)) > 5  # packed products
    assert "gather" not in assembly
