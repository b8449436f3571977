"""The engine's passes that keep every bit: the same values from fewer and cheaper nodes."""

import numpy as np
import pytest
from differentiated import differentiate
from engine_graphs import X, constants, exact_passes, graph_of, left, recorded, rows, traced, values_of
from hypothesis import given, settings
from random_programs import ORDINARY, programs

import dout
import dout.rewrite.simplify as simplify_module
from dout.engine.passes.sink_writes import sink_writes
from dout.graph import CONSTANT, INPUT, Graph, Node, Primitive, rebuild
from dout.ops import PRIMITIVES
from dout.rewrite.masked_writes import masked_write_to_select
from dout.rewrite.simplify import merge_equal_nodes, simplify
from dout.trace.model.replay import same_bits

FEWER = settings(ORDINARY, max_examples=150)


# --- dead code --------------------------------------------------------------------------------------------------------


def test_what_no_output_needs_is_left_out_and_inputs_stay():
    x, unused = (Node(INPUT, (), {}, (2,), np.dtype(float)) for _ in range(2))
    square = Primitive("square", forward=np.square)
    kept, dropped = Node(square, (x,), {}, (2,), x.dtype), Node(square, (unused,), {}, (2,), x.dtype)
    graph = merge_equal_nodes(Graph((x, unused, kept, dropped), {"x": x, "unused": unused}, {"y": kept}))
    assert graph.nodes == (x, unused, kept)
    assert graph.inputs == {"x": x, "unused": unused}


def test_a_graph_that_a_pass_does_not_change_is_the_same_object():
    graph = graph_of(lambda x: np.exp(x) / 3, X)
    assert all(one_pass(graph) is graph for one_pass in (merge_equal_nodes, simplify))


def test_an_input_may_be_an_output():
    graph = graph_of(lambda x: x * 1, X)
    assert simplify(graph).outputs == {"y0": graph.inputs["x0"]}


def test_where_it_came_from_stays_known():
    def function(x):
        return np.exp(x * 1) + (1 + 2)

    graph = dout.trace(function, X).graph
    (before,), (after,) = graph.outputs.values(), simplify(graph).outputs.values()
    assert after is not before
    assert after.where == before.where is not None


def test_a_pass_that_changes_shape_or_dtype_is_a_mistake():
    graph = graph_of(np.exp, X)
    with pytest.raises(AssertionError):
        rebuild(
            graph,
            lambda node, new: graph.inputs["x0"] if node.shape == () else Node(CONSTANT, (), {"value": 1}, (), int),
        )


# --- constants --------------------------------------------------------------------------------------------------------


def test_arithmetic_of_constants_is_done_once():
    def function(x):
        return x + np.exp(x._recorder.emit(PRIMITIVES["multiply"], (np.float32(3), 0.1), {}))

    graph = simplify(recorded(function, X))
    assert rows(graph) == ["add"]
    assert constants(graph) == [np.exp(np.float32(3) * 0.1)]
    assert constants(graph)[0].dtype == np.float32


def test_ones_and_zeros_are_numbers_where_they_meet_an_array():
    assert left(simplify, lambda x: np.ones_like(x) / (np.ones(3) + np.exp(x)), X) == ["exp", "add", "divide"]
    assert left(simplify, lambda x: x * np.ones((2, 3), np.float32) * 2 + np.zeros((2, 1)), X) == ["multiply", "add"]


def test_an_array_of_one_number_that_gives_the_shape_becomes_repetition():
    assert left(simplify, lambda x: np.zeros((4, 3)) + x, np.ones(3)) == ["add", "broadcast_to"]
    assert left(simplify, lambda x: x.reshape(2, 1, 3) * np.ones((4, 1)), X) == ["reshape", "broadcast_to"]
    assert left(simplify, lambda x: np.logaddexp(np.zeros((4, 3)), x), np.ones(3)) == ["zeros", "logaddexp"]


def test_an_array_of_one_number_keeps_its_dtype():
    graph = simplify(graph_of(lambda x: x + np.ones((2, 3)), X.astype(np.float32)))
    assert graph.outputs["y0"].dtype == np.float64
    assert type(constants(graph)[0]) is np.float64


def test_arithmetic_between_arrays_of_one_number_is_done_once():
    graph = simplify(graph_of(lambda x: np.exp(np.ones((2, 3)) * 2).T @ x, X))
    assert rows(graph) == ["full", "matmul"]
    assert constants(graph) == [np.exp(2.0)]


def test_repetition_is_left_to_broadcasting():
    assert left(simplify, lambda x: np.broadcast_to(np.sum(x, 1, keepdims=True), (2, 3)) * x, X) == ["sum", "multiply"]


def test_what_is_repeated_is_computed_once():
    def mean_gradient(x):
        return x * (np.broadcast_to(np.reshape(np.sum(x), (1,)), (3,)) / 6)

    assert left(simplify, mean_gradient, X) == ["sum", "divide", "multiply"]


def test_a_reduction_keeps_its_axes_where_they_are_put_back():
    assert left(simplify, lambda x: x - x.mean(1).reshape(2, 1), X) == ["mean", "subtract"]
    assert left(simplify, lambda x: x.max(-1)[:, None] + np.max(x, axis=(1,), keepdims=True), X) == ["max", "add"]
    assert left(simplify, lambda x: x - x.mean(1).reshape(1, 2).T, X) == ["mean", "reshape", "transpose", "subtract"]


def test_a_choice_between_numbers_is_made_in_the_dtype_that_is_wanted():
    graph = simplify(graph_of(lambda x: x * np.where(x > 0, 0.5, 1.0).astype(x.dtype), X.astype(np.float32)))
    assert rows(graph) == ["greater", "where", "multiply"]
    assert {node.dtype for node in graph.nodes if node.shape} == {np.dtype(np.float32), np.dtype(bool)}


def test_what_raises_is_left_to_the_run():
    def function(x):
        return x * x._recorder.emit(PRIMITIVES["divide"], (1, 0), {})

    graph = recorded(function, X)
    assert rows(simplify(graph)) == ["divide", "multiply"]


# --- what does nothing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * 1,
        lambda x: 1.0 * x,
        lambda x: x / 1,
        lambda x: x - 0,
        lambda x: x + -0.0,
        lambda x: np.negative(-x),
        lambda x: +x,
        lambda x: x * np.ones_like(x),
        lambda x: x.copy(),
        lambda x: np.copy(x.copy()),
        lambda x: x.astype(np.float64),
        lambda x: x.reshape(3, 2).reshape(2, 3),
        lambda x: x.reshape(3, 2).ravel().reshape(2, 3),
        lambda x: x.T.T,
        lambda x: np.broadcast_to(x, (2, 3)),
        lambda x: x[:],
        lambda x: x[...],
        lambda x: x[:, 0:3],
        lambda x: np.where(x > 0, x, x),
        lambda x: x * -1 * -1,
    ],
)
def test_what_gives_its_input_back_goes(function):
    assert left(simplify, function, X) == []


@pytest.mark.parametrize(
    ("function", "rows_left"),
    [
        (lambda x: x + 0, ["add"]),  # −0 + 0 is 0
        (lambda x: x - -0.0, ["subtract"]),
        (lambda x: x * 0, ["multiply"]),  # NaN, inf
        (lambda x: 1 / x, ["divide"]),
        (lambda x: 0 - x, ["subtract"]),
        (lambda x: x[::-1], ["getitem"]),
        (lambda x: x[1:], ["getitem"]),
        (lambda x: x[None], ["reshape"]),
        (lambda x: x[:, :2], ["getitem"]),
        (lambda x: np.reshape(x, (3, 2), order="F").reshape(2, 3), ["reshape", "reshape"]),
        (lambda x: x * np.float64(-1), ["negative"]),
        (lambda x: x / -1.0, ["negative"]),
        (lambda x: -(x * 3), ["multiply"]),
        (lambda x: -(2 / x), ["divide"]),
        (lambda x: -(x * 0), ["multiply", "negative"]),
        (lambda x: -(x * -0.0), ["multiply", "negative"]),
        (lambda x: x.reshape(3, 2).ravel(), ["reshape"]),
        (lambda x: np.transpose(x[None], (1, 2, 0)).transpose(1, 2, 0), ["reshape", "transpose"]),
    ],
)
def test_what_changes_a_bit_of_some_value_stays(function, rows_left):
    assert left(simplify, function, X) == rows_left


def test_what_changes_the_dtype_stays():
    assert left(simplify, lambda x: x * np.float64(1), X.astype(np.float32)) == ["multiply"]
    assert left(simplify, lambda x: x / 1, np.arange(3)) == ["divide"]
    assert left(simplify, lambda x: x * 1, np.array([True, False])) == ["multiply"]
    assert rows(simplify(recorded(lambda x: x.astype(np.float64), 2.5))) == ["astype"]
    assert left(simplify, lambda x: +x, 2.5) == []


def test_what_changes_the_shape_stays():
    assert left(simplify, lambda x: x * np.ones((2, 3)), np.arange(3.0)) == ["broadcast_to"]


def test_complex_numbers_keep_their_signed_zeros():
    assert left(simplify, lambda x: x * 1, np.array([complex(-0.0, -1.0)])) == ["multiply"]


# --- the same thing twice ---------------------------------------------------------------------------------------------


def test_the_same_primitive_of_the_same_inputs_is_computed_once():
    assert left(merge_equal_nodes, lambda x: np.exp(x) * 2 + np.exp(x) * 2, X) == ["exp", "multiply", "add"]
    assert left(merge_equal_nodes, lambda x, y: (x + y) * (y + x), X, X + 1) == ["add", "multiply"]
    assert left(merge_equal_nodes, lambda x, y: (x - y) * (y - x), X, X + 1) == ["subtract", "subtract", "multiply"]


def test_static_parameters_tell_nodes_apart():
    assert left(merge_equal_nodes, lambda x: np.sum(x, 0)[0] + np.sum(x, 1)[0], X).count("sum") == 2
    assert left(merge_equal_nodes, lambda x: np.sum(x, 0) + np.sum(x, 0), X).count("sum") == 1
    assert left(merge_equal_nodes, lambda x: x[0, 1:] + x[1, 1:] + x[0, 1:], X).count("getitem") == 2
    assert left(merge_equal_nodes, lambda x: x.astype(np.float32) + x.astype(np.float64), X).count("astype") == 2


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        (1, 1, True),
        (1, 1.0, False),
        (1, True, False),
        (1.0, np.float64(1), False),
        (np.float32(1), np.float64(1), False),
        (0.0, -0.0, False),
        (np.float32(0.0), np.float32(-0.0), False),
        (float("nan"), float("nan"), True),
        (np.float32("nan"), -np.float32("nan"), True),
        (1j, 1j, True),
        (complex(0.0, 0.0), complex(0.0, -0.0), False),
        (10**30, 10**30, True),
    ],
)
def test_constants_are_the_same_by_type_and_bits(one, other, together):
    graph = graph_of(lambda x: (x + one, x - other), X)
    assert len(constants(merge_equal_nodes(graph))) == 2 - together


# --- all together -----------------------------------------------------------------------------------------------------


def test_simplify_finds_what_one_pass_opens_for_another():
    def function(x):
        return np.exp(x * (np.ones_like(x) * 1)) + np.exp(x.copy())

    assert left(simplify, function, X) == ["exp", "add"]


def test_a_large_graph_takes_steps_in_proportion(monkeypatch):
    looked_at = []
    cancelled = simplify_module.cancelled
    monkeypatch.setattr(simplify_module, "cancelled", lambda node: looked_at.append(node) or cancelled(node))

    def chain(x):
        y = x
        for _ in range(3_000):
            y = (y * 1 + np.exp(x)) * 0.5
        return y

    graph = graph_of(chain, X)
    after = simplify(graph)
    assert len(looked_at) < 8 * len(graph.nodes)
    assert len(rows(after)) == 6_001


@given(program=programs())
@FEWER
def test_random_programs_keep_every_bit(program):
    graph, given = traced(program.function(), *program.arguments())
    for one_pass in (merge_equal_nodes, simplify, masked_write_to_select, sink_writes, exact_passes):
        after = one_pass(graph)
        assert all(map(same_bits, values_of(after, given), values_of(graph, given))), one_pass.__name__


@pytest.mark.long
@given(program=programs())
@FEWER
def test_gradients_of_random_programs_keep_every_bit(program):
    graph, given = traced(program.function(), *program.arguments())
    graph = differentiate(graph)
    seeds = {node: np.full(node.shape, 0.75, node.dtype) for node in graph.inputs.values() if node not in given}
    after = sink_writes(exact_passes(graph))
    assert all(map(same_bits, values_of(after, given | seeds), values_of(graph, given | seeds)))
