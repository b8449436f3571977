"""What a kernel can compute, and that it computes what NumPy computes."""

from __future__ import annotations

import numpy as np
import pytest
from engine_groups import agree, compiled

from dout.engine.emit import fusible
from dout.graph import INPUT, Node, topological
from dout.trace.record import record_function

F4, F8 = np.dtype("f4"), np.dtype("f8")
X = np.linspace(-2, 2, 12, dtype=np.float32).reshape(3, 4)


@pytest.fixture(scope="module")
def cache_folder(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOUT_CACHE_DIR", str(tmp_path_factory.mktemp("kernels")))
        yield


def nodes_of(function, *inputs):
    """The nodes that a plain function computes."""
    trace, _ = record_function(function, inputs, {})
    return [n for n in topological(trace.graph.outputs.values()) if n.inputs or n.static.get("shape")]


def last(function, *inputs):
    return nodes_of(function, *inputs)[-1]


# --- which rows can be part of a kernel -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * 2 + 1,
        lambda x: x**2,
        lambda x: np.abs(x) ** 1.5,
        lambda x: 1 / (1 + np.exp(-x)),
        lambda x: np.where(x > 0, x, 0),
        lambda x: np.maximum(x, 0),
        lambda x: np.clip(x, -1, 1),
        lambda x: x * (x > 0),
        lambda x: ((x > 0) & ~(x > 1)).astype(np.int64) * 3,
        lambda x: x.astype(np.float64),
        lambda x: x.reshape(3, 1, 4) * 1,
        lambda x: x[:, None] * 1,
        lambda x: np.sum(x, axis=1, keepdims=True),
        lambda x: (x > 0).sum(),
        lambda x: np.max(x, axis=-1),
        lambda x: np.mean(x),
        lambda x: np.sign(x) * np.abs(x),
        lambda x: np.isnan(x) | np.isfinite(x),
    ],
)
def test_rows_of_floats_and_conditions_fit(function):
    assert [n for n in nodes_of(function, X) if not fusible(n)] == []


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x // 2,
        lambda x: x % 2,
        lambda x: x.T,
        lambda x: x[0],
        lambda x: x.reshape(4, 3),
        lambda x: x.astype(int),  # of what no whole number holds, NumPy's is anyone's guess
        lambda x: x.astype(np.float16),
        lambda x: np.sum(x, axis=0, initial=1),
        lambda x: np.cumsum(x, axis=0),
        lambda x: np.argmax(x, axis=0),
        lambda x: x @ x.T,
    ],
)
def test_rows_that_are_not_the_same_in_a_kernel_do_not_fit(function):
    assert not fusible(last(function, X))


def test_whole_numbers_add_and_multiply_but_do_not_divide():
    whole = np.arange(5)
    assert fusible(last(lambda x: x * 2 - 1, whole))
    assert fusible(last(lambda x: x / 2, whole))  # that is a float
    assert not fusible(last(lambda x: x // 2, whole))
    assert not fusible(last(lambda x: x**3, whole))


def test_plain_numbers_are_left_to_python():
    number = Node(INPUT, (), {}, (), float)
    assert not fusible(last(lambda a: a * 2.0, 3.0))
    assert not fusible(number)


def test_a_plain_number_that_may_not_fit_a_narrow_dtype_is_left_to_numpy():
    narrow = np.arange(5, dtype=np.uint8)
    assert fusible(last(lambda x: x + 7, narrow))
    assert not fusible(last(lambda x, n: x + n, narrow, 7))


def test_int64_against_uint64_is_left_to_numpy():
    assert not fusible(last(lambda x, y: x < y, np.arange(3), np.arange(3, dtype=np.uint64)))


def test_the_largest_of_nothing_is_left_to_numpy_to_refuse():
    assert not fusible(last(lambda x: np.max(x, axis=1, initial=0), np.zeros((3, 0))))


def test_another_byte_order_does_not_fit():
    assert not fusible(last(lambda x: x + 1, X.astype(">f4")))


# --- kernels against NumPy --------------------------------------------------------------------------------------------

EDGES = np.array([0, -0.0, 1, -1, 0.5, -2.5, 3e38, 1e-40, np.inf, -np.inf, np.nan, 88, -90], np.float32)
RANDOM = np.random.default_rng(0)


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def batch_norm(x, gamma, beta):
    mean = x.mean(axis=0)
    centred = x - mean
    std = np.sqrt(np.mean(centred**2, axis=0) + 1e-7)
    return gamma * (centred / std) + beta, mean, std


def layer_norm(x, gamma):
    mean = x.mean(axis=-1, keepdims=True)
    var = ((x - mean) ** 2).mean(axis=-1, keepdims=True)
    return (x - mean) / np.sqrt(var + 1e-5) * gamma


def adam(w, g, m, v, rate):
    m = 0.9 * m + 0.1 * g
    v = 0.999 * v + 0.001 * g * g
    return w - rate * m / (np.sqrt(v) + 1e-7), m, v


def cross_entropy(y, t):
    return -np.sum(t * np.log(y + 1e-7)) / 100


def rows_of(*shape, dtype=np.float32):
    return RANDOM.normal(size=shape).astype(dtype)


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
    "empty": (lambda x: np.exp(x), rows_of(0, 4)),
    "a mask": (lambda x: np.where(x > 0, x, 0.1 * x), rows_of(50)),
    "dtypes that meet": (lambda x, y, n: x * y + n, rows_of(5), rows_of(5, dtype=float), np.arange(5)),
    "narrow whole numbers": (lambda n: n * n + n, np.arange(100, dtype=np.int8)),
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


@pytest.mark.parametrize("case", CASES)
def test_a_compiled_kernel_gives_what_numpy_gives(case, cache_folder):
    agree(*CASES[case], run=compiled)


PARALLEL = ["bias and relu", "softmax", "batch norm", "cross-entropy", "mean in float64", "around the middle"]


@pytest.mark.parametrize("case", PARALLEL)
def test_a_parallel_kernel_gives_what_numpy_gives(case, cache_folder):
    agree(*CASES[case], run=compiled, parallel=True)
