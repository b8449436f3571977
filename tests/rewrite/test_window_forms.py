"""Loops that copy shifted parts, and every n-th window, are one step with the same bits; its gradient is one too."""

import numpy as np
import pytest
from differentiated import differentiate
from engine_graphs import graph_of
from numpy.lib.stride_tricks import sliding_window_view

from dout.graph import evaluate
from dout.ops import PRIMITIVES
from dout.rewrite.window_forms import window_forms

IMAGE = np.random.default_rng(0).normal(size=(2, 3, 7, 8))
WINDOWS, FOLD = PRIMITIVES["windows"], PRIMITIVES["fold"]


def im2col(fh, fw, stride, order=(0, 1, 2, 3, 4, 5)):
    def function(x):
        N, C, H, W = x.shape
        h, w = (H - fh) // stride + 1, (W - fw) // stride + 1
        col = np.zeros((N, C, fh, fw, h, w), dtype=x.dtype)
        for i in range(fh):
            for j in range(fw):
                col[:, :, i, j] = x[:, :, i : i + stride * h : stride, j : j + stride * w : stride]
        return col.transpose(order)

    return function


def channels_last(x):
    n = x.shape[1] - 2
    col = np.empty((*x.shape[:1], n, 3, *x.shape[2:]))
    for i in (2, 0, 1):
        col[:, :, i, ...] = x[:, i : i + n]
    return col


def into_float32(x):
    col = np.zeros((2, *x.shape[:3], x.shape[3] - 1), dtype=np.float32)
    for i in range(2):
        col[i] = x[..., i : i + col.shape[-1]]
    return col


def strided_view(x):
    return sliding_window_view(x, (2, 3), axis=(2, 3))[:, :, ::2, ::3]


ONE_STEP = {
    "im2col": im2col(3, 2, 1),
    "im2col with a stride": im2col(2, 3, 2),
    "im2col of blocks": im2col(2, 2, 2),
    "im2col of single elements": im2col(1, 1, 1),
    "places in any order": channels_last,
    "a cast on the way": into_float32,
    "every n-th window": strided_view,
    "windows": lambda x: sliding_window_view(x, 2, axis=-1),
    "two windows along one axis": lambda x: sliding_window_view(x, (2, 3), axis=(2, 2)),
}


@pytest.mark.parametrize("function", ONE_STEP.values(), ids=ONE_STEP)
def test_it_is_one_step_with_the_same_bits(function):
    graph = graph_of(function, IMAGE)
    after = window_forms(graph)
    assert [n.primitive for n in after.nodes].count(WINDOWS) == 1
    assert PRIMITIVES["setitem"] not in [n.primitive for n in after.nodes]
    (value,) = values(after, IMAGE)
    assert value.tobytes() == np.ascontiguousarray(function(IMAGE)).tobytes()


@pytest.mark.parametrize("function", ONE_STEP.values(), ids=ONE_STEP)
def test_its_gradient_is_one_fold_with_the_numbers_of_the_loop(function):
    graph = graph_of(function, IMAGE)
    plain, folded = differentiate(graph), differentiate(window_forms(graph))
    assert [n.primitive for n in folded.nodes].count(FOLD) == 1
    dout = np.random.default_rng(1).normal(size=function(IMAGE).shape)
    np.testing.assert_allclose(values(folded, IMAGE, dout)[-1], values(plain, IMAGE, dout)[-1], rtol=1e-12, atol=1e-14)


def place_left_out(x):
    col = np.zeros((3, x.shape[3] - 2))
    for i in range(2):
        col[i] = x[0, 0, 0, i : i + col.shape[1]]
    return col


def cut_short(x):
    col = np.zeros((2, *x.shape[:3], 4))
    for i in range(2):
        col[i] = x[..., i : i + 4]
    return col


def shifted_by_two(x):
    col = np.zeros((2, *x.shape[:3], x.shape[3] - 2))
    for i in range(2):
        col[i] = x[..., 2 * i : x.shape[3] - 2 + 2 * i]
    return col


def scaled(x):
    col = np.zeros((2, *x.shape[:3], x.shape[3] - 1))
    for i in range(2):
        col[i] = (i + 1) * x[..., i : i + col.shape[-1]]
    return col


@pytest.mark.parametrize("function", [place_left_out, cut_short, shifted_by_two, scaled])
def test_other_loops_stay(function):
    graph = graph_of(function, IMAGE)
    assert window_forms(graph) is graph


def values(graph, *inputs):
    found = evaluate(list(graph.outputs.values()), dict(zip(graph.inputs.values(), inputs, strict=True)))
    return [found[node] for node in graph.outputs.values()]
