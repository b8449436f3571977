"""Transposes move below what is computed."""

import math

import numpy as np
import pytest
from engine_steps import check_group, kernels, names, one_kernel, others, recorded, run, softmax
from hypothesis import given
from random_programs import FEWER, programs

import dout
from dout.engine.passes.decompose import decompose
from dout.engine.passes.fuse import fuse
from dout.engine.passes.untranspose import untranspose
from dout.graph import evaluate
from dout.ops import PRIMITIVES
from dout.rewrite.simplify import simplify


def rows(graph):
    return [node.primitive.name for node in untranspose(graph).nodes if node.inputs]


def test_what_is_computed_of_transposed_arrays_is_transposed_itself():
    assert rows(recorded(lambda x, y: np.exp(x.T * y.T), (3, 4), (3, 4))) == ["multiply", "exp", "transpose"]


def test_two_transposes_that_meet_cancel():
    assert rows(recorded(lambda x: np.exp(x.T).T, (3, 4))) == ["exp"]


def test_a_row_of_the_transposed_is_a_column_of_the_array():
    graph = untranspose(recorded(lambda x, row: (x.T + row).T, (3, 4), (3,)))
    assert [(n.primitive.name, n.shape) for n in graph.nodes if n.inputs] == [("reshape", (3, 1)), ("add", (3, 4))]


def test_an_array_as_large_that_is_not_transposed_leaves_all_as_it_is():
    graph = recorded(lambda x, y: x.T + y, (3, 4), (4, 3))
    assert untranspose(graph).outputs == graph.outputs


def test_a_sum_of_what_a_mask_leaves_stays_as_it_is():
    graph = recorded(lambda x, y: np.sum(x.T, axis=0, where=y.T > 0), (3, 4), (3, 4))
    assert [len(n.inputs) for n in untranspose(graph).nodes if n.primitive.name == "sum"] == [2]


def test_sums_of_a_transposed_array_are_sums_of_the_array():
    x = np.arange(24.0).reshape(2, 3, 4)
    for options in ({"axis": 0}, {"axis": (0, 2)}, {"axis": 1, "keepdims": True}, {}):
        graph = recorded(lambda x, o=options: np.sum(np.transpose(x, (2, 0, 1)), **o), x.shape, dtype=x.dtype)
        after = untranspose(graph)
        assert "transpose" not in [n.primitive.name for n in after.nodes if n.shape == (4, 2, 3)]
        (value,) = (evaluate([node], {after.inputs["in0"]: x})[node] for node in after.outputs.values())
        assert np.array_equal(value, np.sum(x.transpose(2, 0, 1), **options))


def test_slices_of_a_transposed_array_are_slices_of_the_array():
    x = np.arange(60.0).reshape(3, 4, 5)
    graph = recorded(lambda x: np.transpose(x, (2, 0, 1))[1:, ..., ::2], x.shape, dtype=x.dtype)
    after = untranspose(graph)
    assert [node.primitive.name for node in after.nodes if node.inputs] == ["getitem", "transpose"]
    (value,) = (evaluate([node], {after.inputs["in0"]: x})[node] for node in after.outputs.values())
    assert np.array_equal(value, x.transpose(2, 0, 1)[1:, ..., ::2])


@pytest.mark.parametrize("axes", [(0, 3, 1, 2, 4, 5), (3, 2, 1, 0, 5, 4), (1, 5, 2, 0, 3, 4)])
def test_windows_are_added_up_in_the_order_in_which_they_lie(axes):
    def image(x):
        parts = np.transpose(x, axes)
        count, channels, down, across, high, wide = parts.shape
        out = np.zeros((count, channels, 2 * down + high - 2, across + wide - 1))
        for i in range(high):
            for j in range(wide):
                out[:, :, i : i + 2 * down - 1 : 2, j : j + across] += parts[..., i, j]
        return out

    def folded(x):
        parts = np.transpose(x, axes)
        shape = image(np.zeros(x.shape)).shape
        return PRIMITIVES["fold"](parts, window=parts.shape[4:], axes=(2, 3), steps=(2, 1), shape=shape)

    x = np.random.default_rng(2).normal(size=(2, 5, 4, 3, 2, 3))
    after = untranspose(recorded(folded, x.shape, dtype=x.dtype))
    (fold,) = (node for node in after.nodes if node.primitive.name == "fold")
    lies = fold.inputs[0].static.get("axes", range(6))[:4]
    assert list(lies) == sorted(lies)
    (value,) = (evaluate([node], {after.inputs["in0"]: x})[node] for node in after.outputs.values())
    assert np.array_equal(value, image(x))


def test_a_softmax_written_over_columns_joins_the_kernel_of_the_rows():
    def loss_and_gradient(x, b, t):
        y = softmax((x + b).T, axis=0).T
        return -np.sum(t * np.log(y)) / 64, (y - t) / 64

    steps = fuse(decompose(simplify(recorded(loss_and_gradient, (64, 10), (10,), (64, 10)))))
    assert others(steps) == []
    assert [group.axes for group in kernels(steps)] == [(1,), (0, 1)]


def test_channels_in_front_are_normalised_where_they_lie():
    def normalise(x):
        moved = np.transpose(x, (0, 3, 1, 2))
        return np.transpose(moved - np.mean(moved, axis=(0, 2, 3), keepdims=True), (0, 2, 3, 1))

    group = one_kernel(decompose(recorded(normalise, (8, 5, 5, 3))))
    assert group.axes == (0, 1, 2)
    assert names([group]) == [["sum", "divide", "subtract"]]


@pytest.mark.long
@FEWER
@given(programs())
def test_any_program_taken_apart_computes_its_values(program):
    trace = dout.trace(program.function(), *program.arguments())
    graph = decompose(simplify(trace.graph))
    steps = fuse(graph)
    for group in kernels(steps):
        check_group(group)
    with np.errstate(all="ignore"):
        made = run(steps, graph, {node: trace.data[node] for node in graph.inputs.values()})
    for name, node in trace.graph.outputs.items():
        plain = trace.data[node]
        assert made[name].dtype == plain.dtype
        assert made[name].shape == plain.shape
        eps = np.finfo(plain.dtype).eps if plain.dtype.kind == "f" else 0
        close = 1e3 * eps * (1 + np.max(np.abs(plain), initial=0))
        assert np.allclose(made[name], plain, rtol=1e-4, atol=close, equal_nan=True)


@pytest.mark.one_in(2)
@pytest.mark.parametrize("seed", range(20))
def test_random_splits_of_transposed_axes_keep_every_number(seed):
    rng = np.random.default_rng(seed)
    rank = int(rng.integers(2, 5))
    axes = tuple(int(a) for a in rng.permutation(rank))
    split = [tuple(int(n) for n in rng.integers(1, 5, rng.integers(1, 4))) for _ in range(rank)]
    shape = tuple(n for part in split for n in part)
    along = tuple(int(a) for a in rng.permutation(len(shape))[: rng.integers(1, len(shape) + 1)])

    def split_and_summed(x):
        apart = np.transpose(x * 2, axes).reshape(shape)
        return apart, apart.max(axis=along), (apart + 1).reshape(-1)

    x = rng.normal(size=tuple(math.prod(split[axes.index(a)]) for a in range(rank)))
    fast = dout.compile(split_and_summed)
    for _ in range(3):
        for found, right in zip(fast(x), split_and_summed(x), strict=True):
            np.testing.assert_array_equal(found, right, strict=True)


def test_means_of_windows_as_axes_run_along_memory():
    def pooled(x):
        return np.tanh(x).transpose(0, 3, 1, 2).reshape(20, 6, 14, 2, 14, 2).mean(axis=(3, 5))

    x = np.random.default_rng(1).normal(size=(20, 28, 28, 6))
    fast = dout.compile(pooled)
    for _ in range(2):
        np.testing.assert_allclose(fast(x), pooled(x), rtol=1e-12, atol=1e-15)
    assert any("axis=(2, 4)" in step.text for step in fast.plan().programs[0].steps)
