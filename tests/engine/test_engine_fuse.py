"""Fusion: which nodes become one kernel, and that the steps compute what the graph says."""

import random

import numpy as np
import pytest
from differentiated import differentiate
from engine_graphs import graph_of
from engine_steps import (
    check_steps,
    kernels,
    names,
    one_kernel,
    others,
    random_graph,
    recorded,
    sigmoid,
    softmax,
)
from hypothesis import given
from hypothesis import strategies as st
from random_programs import FEWER, ORDINARY, programs

import dout
from dout.engine.ir.cost_model import bytes_moved, flops
from dout.engine.passes.cluster import MOST_ARGUMENTS
from dout.engine.passes.decompose import decompose
from dout.engine.passes.fuse import fuse
from dout.graph import Graph

# --- what becomes one kernel ------------------------------------------------------------------------------------------


def test_a_sigmoid_is_one_kernel():
    group = one_kernel(recorded(sigmoid, (64, 32)))
    assert names([group]) == [["negative", "exp", "add", "divide"]]
    assert group.space == (64, 32)
    assert group.axes == ()


def test_forward_and_backward_of_a_chain_are_one_kernel():
    graph = differentiate(recorded(lambda x, a, b: sigmoid(x * a + b) * np.maximum(x, 0), (99,), (99,), (99,)))
    assert len(one_kernel(graph).outputs) == 4


def test_numbers_and_rows_enter_a_kernel_as_they_are():
    group = one_kernel(recorded(lambda x, row, number: x * row + number, (64, 32), (32,), ()))
    assert {i.shape for i in group.inputs} == {(64, 32), (32,), ()}


def test_ones_that_a_reshape_puts_in_are_an_index_of_the_kernel():
    group = one_kernel(recorded(lambda x, b: x + np.reshape(b, (1, 3, 1)), (8, 3, 20), (3,)))
    assert names([group]) == [["reshape", "add"]]
    group = one_kernel(recorded(lambda x, b: x * b[:, None] + b[None, :], (32, 32), (32,)))
    assert names([group]) == [["getitem", "multiply", "getitem", "add"]]


def test_softmax_is_one_kernel():
    for axis in (0, 1):
        assert one_kernel(recorded(lambda x, axis=axis: softmax(x, axis), (64, 32))).axes == (axis,)


def test_sums_over_the_same_axes_are_one_kernel():
    group = one_kernel(recorded(lambda dout, x: (np.sum(dout, axis=0), np.sum(dout * x, axis=0)), (64, 32), (64, 32)))
    assert group.axes == (0,)
    assert [output.shape for output in group.outputs] == [(32,), (32,)]


def test_the_mean_of_everything_ends_its_kernel():
    group = one_kernel(recorded(lambda y, t: np.sum((y - t) ** 2) / 2, (64, 32), (64, 32)))
    assert group.axes == (0, 1)
    assert group.outputs[0].shape == ()


def test_sums_over_different_axes_are_different_kernels():
    assert len(fuse(recorded(lambda x: (np.sum(x * x, axis=0), np.sum(x * x, axis=1)), (64, 32)))) == 2


def test_a_reduced_value_meets_the_whole_only_where_their_indices_agree():
    steps = fuse(recorded(lambda x: x - np.sum(x, axis=1), (32, 32)))  # a row from the sums of rows: transposed
    assert names(steps) == [["sum"], "subtract"]
    assert names(fuse(recorded(lambda x: x - np.sum(x, axis=0), (32, 32)))) == [["sum", "subtract"]]


def test_a_bias_and_a_relu_are_one_kernel_after_their_product():
    steps = fuse(recorded(lambda x, W, b: np.maximum(np.matmul(x, W) + b, 0), (100, 784), (784, 50), (50,)))
    assert names(steps) == ["matmul", ["add", "maximum"]]


def test_the_mask_of_a_relu_and_the_gradient_of_the_bias_are_one_kernel():
    def backward(dout, z, x, W):
        da = np.where(z > 0, np.matmul(dout, np.transpose(W)), 0)
        return np.sum(da, axis=0), np.matmul(np.transpose(x), da)

    steps = fuse(recorded(backward, (100, 10), (100, 50), (100, 784), (50, 10)))
    (group,) = kernels(steps)
    assert names([group]) == [["greater", "where", "sum"]]
    assert [output.shape for output in group.outputs] == [(100, 50), (50,)]
    assert others(steps).count("matmul") == 2


def test_factors_that_forward_kept_are_one_kernel_with_the_gradient_that_a_product_made():
    def swish_gated(dout, w, u, v, s):
        dh = dout @ w
        return dh * u * s, dh * v * (s + u * s * (1 - s))

    (group,) = kernels(fuse(recorded(swish_gated, (64, 32), (32, 50), (64, 50), (64, 50), (64, 50))))
    assert len(group.outputs) == 2


def test_what_runs_between_does_not_keep_two_kernels_apart():
    def function(x, A, B):
        y = x * 2
        product = np.matmul(A, B)
        return y + product

    steps = fuse(recorded(function, (64, 64), (64, 64), (64, 64)))
    assert names(steps) == ["matmul", ["multiply", "add"]]


def test_numbers_stay_outside_unless_a_kernel_makes_them():
    steps = fuse(recorded(lambda x, a, b: x * (a * b), (64, 80), (), ()))
    assert names(steps)[0] == "multiply"
    assert names(fuse(recorded(lambda x: x * (np.sum(x) * 2), (64, 80)))) == [["sum", "multiply", "multiply"]]


# --- keep, or compute again -------------------------------------------------------------------------------------------


def test_a_cheap_value_is_computed_again_from_what_is_in_memory():
    def function(x, W):
        z = np.exp(x)
        rest = 1 - z
        return np.matmul(z, W) * z * rest

    steps = fuse(recorded(function, (512, 512), (512, 512)))
    assert names(steps) == [["exp"], "matmul", ["subtract", "multiply", "multiply"]]


def test_a_mask_is_kept_for_it_is_smaller_than_what_it_was_made_of():
    def function(x, W):
        mask = x > 0
        return np.where(mask, np.matmul(np.where(mask, x, 0), W), 0)

    steps = fuse(recorded(function, (512, 512), (512, 512)))
    assert names(steps) == [["greater", "where"], "matmul", ["where"]]


def test_a_slow_value_is_kept():
    def function(x, W):
        e = np.exp(x)
        return e + np.matmul(e * x, W)

    first, product, last = fuse(recorded(function, (512, 512), (512, 512)))
    assert names([first, product, last]) == [["exp", "multiply"], "matmul", ["add"]]
    assert len(first.outputs) == 2


def test_a_value_moves_to_where_it_is_used():
    def function(x, y, t):
        p = softmax(x)
        return p, np.sum(t * np.log(p), axis=0)

    first, second = fuse(recorded(function, (512, 512), (512, 512), (512, 512)))
    assert len(first.outputs) == 1
    assert names([second]) == [["log", "multiply", "sum"]]


def test_products_that_add_up_are_not_kept_to_be_added_at_once():
    def function(x, *weights):
        total = np.matmul(x, weights[0])
        for W in weights[1:]:
            total = total + np.matmul(x, W)
        return total

    steps = fuse(recorded(function, (256, 256), *[(256, 256)] * 9))
    assert names(steps) == ["matmul", *["matmul", ["add"]] * 8]


def test_sums_side_by_side_share_what_they_are_made_of():
    def backward(dout, x):
        normal = (x - np.mean(x, axis=1, keepdims=True)) / np.std(x, axis=1, keepdims=True)
        inner = np.sum(dout * normal, axis=1, keepdims=True)
        return dout - normal * inner, np.sum(dout, axis=0), np.sum(dout * normal, axis=0)

    first, second = fuse(decompose(recorded(backward, (512, 512), (512, 512))))
    assert first.axes == (1,)
    assert second.axes == (0,)
    assert names([second]) == [["subtract", "divide", "sum", "multiply", "sum"]]  # no product is written and read


# --- bounds -----------------------------------------------------------------------------------------------------------


def test_a_kernel_is_neither_endless_nor_of_countless_arguments():
    def chain(x):
        for _ in range(500):
            x = np.tanh(x) + 1
        return x

    steps = fuse(recorded(chain, (64, 64)))
    assert 6 < len(steps) < 12
    steps = fuse(recorded(lambda *xs: tuple(x * xs[0] for x in xs), *[(64, 64)] * 50))
    assert all(len(s.inputs) + len(s.outputs) <= MOST_ARGUMENTS for s in kernels(steps))
    assert len(steps) < 9


def test_small_single_nodes_are_left_to_numpy():
    assert names(fuse(recorded(lambda x: x * 2, (10,)))) == ["multiply"]
    assert names(fuse(recorded(lambda x: x * 2, (100_000,)))) == [["multiply"]]


def test_small_arrays_that_share_nothing_are_one_call_and_large_ones_are_not():
    def two(a, b, c, d):
        return a * b + 1, c * d + 1

    assert len(fuse(recorded(two, *[(50,)] * 4))) == 1
    assert len(fuse(recorded(two, *[(100_000,)] * 4))) == 2


def test_what_no_output_needs_is_no_step():
    graph = recorded(lambda x: (x * 2, np.exp(x)), (8, 8))
    assert names(fuse(Graph(graph.nodes, graph.inputs, {"out0": graph.outputs["out0"]}))) == ["multiply"]


def test_arrays_without_elements_and_half_precision_are_left_to_numpy():
    assert kernels(fuse(recorded(lambda x: np.exp(x * 2), (0, 3)))) == []
    assert kernels(fuse(recorded(lambda x: np.exp(x * 2), (64, 64), dtype=np.dtype("f2")))) == []


# --- the count --------------------------------------------------------------------------------------------------------


def test_each_array_of_a_kernel_counts_once():
    group = one_kernel(recorded(lambda x, b: x * x + b, (64, 32), (32,)))
    assert bytes_moved(group) == 4 * (2 * 64 * 32 + 32)
    assert flops(group) == 2 * 64 * 32


def test_of_an_array_from_which_some_elements_are_taken_these_move_alone():
    graph = graph_of(lambda x, t: x[t], np.zeros(1000, np.float32), np.arange(10))
    (taken,) = fuse(graph)
    assert bytes_moved(taken) == 10 * (4 + 4 + 8)


def test_of_an_array_into_which_some_are_written_these_move_alone_if_it_is_no_copy():
    def function(x, few):
        y = x.copy()
        y[:10] = few
        return y

    graph = graph_of(function, np.zeros(1000, np.float32), np.zeros(10, np.float32))
    (written,) = (n for n in graph.nodes if n.primitive.name == "setitem")
    assert bytes_moved(written, in_place=True) == 10 * (4 + 4)
    assert bytes_moved(written) == 10 * (4 + 4) + 2 * 1000 * 4


def test_a_view_moves_nothing_and_a_product_is_counted_by_its_sums():
    transposed, product = fuse(recorded(lambda x, W: np.matmul(x, np.transpose(W)), (100, 784), (50, 784)))
    assert (bytes_moved(transposed), flops(transposed)) == (0, 0)
    assert bytes_moved(product) == 4 * (100 * 784 + 784 * 50 + 100 * 50)
    assert flops(product) == 2 * 100 * 784 * 50


# --- any program, any graph -------------------------------------------------------------------------------------------


@pytest.mark.long
@FEWER
@given(programs())
def test_the_steps_of_any_program_compute_its_bits(program):
    trace = dout.trace(program.function(), *program.arguments())
    graph = differentiate(trace.graph)
    inputs = {node: trace.data[node] for node in trace.graph.inputs.values()}
    rng = np.random.default_rng(len(program.source))
    for node in graph.inputs.values():
        if node not in inputs:
            inputs[node] = rng.normal(size=node.shape).astype(node.dtype)[()]
    check_steps(graph, inputs)


@ORDINARY
@given(st.integers(0, 2**32))
def test_the_steps_of_any_graph_compute_its_bits(seed):
    rng = random.Random(seed)
    graph = random_graph(rng, rng.choice([5, 20, 60]))
    numbers = np.random.default_rng(seed)
    check_steps(graph, {node: numbers.integers(-4, 5, node.shape) / 8 for node in graph.inputs.values()})
