"""Fusion: which nodes become one kernel, and that the steps compute what the graph says."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_programs import ORDINARY, programs

import dout
from dout.engine.cluster import MOST_ARGUMENTS, MOST_NODES
from dout.engine.cost import bytes_moved, flops
from dout.engine.decompose import decompose
from dout.engine.frame import Frame
from dout.engine.fuse import fuse
from dout.engine.group import Group
from dout.engine.scalar import REDUCTIONS
from dout.engine.simplify import simplify
from dout.grad import differentiate
from dout.graph import CONSTANT, INPUT, Graph, Node, evaluate
from dout.ops import PRIMITIVES
from dout.ops.abstract import AbstractRecorder
from dout.trace.replay import same_bits

F4 = np.dtype("f4")


def recorded(function, *shapes, dtype=F4):
    """The graph of a function of arrays, whose values do not count here."""
    recorder = AbstractRecorder()
    inputs = [Node(INPUT, (), {}, shape, dtype) for shape in shapes]
    results = function(*map(recorder.wrap, inputs))
    results = results if isinstance(results, tuple) else (results,)
    outputs = {f"out{i}": result.node for i, result in enumerate(results)}
    return Graph((*inputs, *recorder.made), {f"in{i}": node for i, node in enumerate(inputs)}, outputs)


def names(steps):
    """Groups as the names of what they compute; single nodes by their own name."""
    return [[n.primitive.name for n in s.nodes] if isinstance(s, Group) else s.primitive.name for s in steps]


def kernels(steps):
    return [step for step in steps if isinstance(step, Group)]


def others(steps):
    return [step.primitive.name for step in steps if not isinstance(step, Group)]


def one_kernel(graph):
    (step,) = fuse(graph)
    assert isinstance(step, Group)
    check_group(step)
    return step


def check_group(group):
    """What the docstring of `Group` promises."""
    frame = Frame(group.space, group.axes)
    inside = set(group.nodes)
    assert len(inside) == len(group.nodes) <= MOST_NODES
    assert inside.issuperset(group.outputs)
    assert inside.isdisjoint(group.inputs)
    assert group.outputs
    assert all(node.primitive not in (INPUT, CONSTANT) for node in group.nodes)
    assert all(value.primitive is not CONSTANT for value in group.inputs)
    assert {i for n in group.nodes for i in n.inputs if i.primitive is not CONSTANT} - inside == set(group.inputs)
    seen = set()
    for node in group.nodes:
        assert frame.holds(node) or (frame.reads(node) and inside.isdisjoint(node.inputs))
        assert all(i in seen for i in node.inputs if i in inside)
        assert all(frame.connects(node, i) for i in node.inputs if i in inside)
        seen.add(node)
    assert bool(group.axes) == any(node.primitive.name in REDUCTIONS for node in group.nodes)


def run(steps, graph, given):
    """The outputs of a graph, from its steps alone: a group sees its inputs and hands on its outputs."""
    values = dict(given)
    for step in steps:
        nodes = step.nodes if isinstance(step, Group) else (step,)
        literals = {i: i.static["value"] for n in nodes for i in n.inputs if i.primitive is CONSTANT}
        inner = evaluate(nodes, {i: values[i] for i in step.inputs if i.primitive is not CONSTANT} | literals)
        made = step.outputs if isinstance(step, Group) else (step,)
        assert not any(node in values for node in made)
        values.update({node: inner[node] for node in made})
    return {name: values[node] for name, node in graph.outputs.items()}


def check_steps(graph, given):
    """The steps obey their rules and make the very bits that the graph makes; returns the steps."""
    steps = fuse(graph)
    for group in kernels(steps):
        check_group(group)
    with np.errstate(all="ignore"):
        plain = evaluate(graph.outputs.values(), given)
        fused = run(steps, graph, given)
    for name, node in graph.outputs.items():
        assert same_bits(fused[name], plain[node])
    return steps


# --- what becomes one kernel ------------------------------------------------------------------------------------------


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x, axis=-1):
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


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


def test_sums_side_by_side_share_what_they_are_made_of():
    def backward(dout, x):
        normal = (x - np.mean(x, axis=1, keepdims=True)) / np.std(x, axis=1, keepdims=True)
        inner = np.sum(dout * normal, axis=1, keepdims=True)
        return dout - normal * inner, np.sum(dout, axis=0), np.sum(dout * normal, axis=0)

    first, second = fuse(decompose(recorded(backward, (512, 512), (512, 512))))
    assert first.axes == (1,)
    assert second.axes == (0,)
    assert names([second]) == [["subtract", "divide", "sum", "multiply", "sum"]]  # no product is written and read


# --- layers -----------------------------------------------------------------------------------------------------------


def layer_norm(x, gamma, beta):
    return (x - np.mean(x, axis=-1, keepdims=True)) / np.sqrt(np.var(x, axis=-1, keepdims=True) + 1e-5) * gamma + beta


def batch_norm(x, gamma, beta):
    centred = x - np.mean(x, axis=0)
    return centred / np.sqrt(np.mean(centred**2, axis=0) + 1e-7) * gamma + beta


def cross_entropy(x, t):
    return -np.sum(t * np.log(softmax(x) + 1e-7)) / x.shape[0]


def test_a_layer_norm_is_one_kernel():
    for rows in ((64, 32), (8, 16, 32)):
        assert one_kernel(decompose(recorded(layer_norm, rows, (32,), (32,)))).axes == (len(rows) - 1,)


def test_a_batch_norm_is_one_kernel_and_so_is_it_with_its_backward():
    graph = recorded(batch_norm, (64, 32), (32,), (32,))
    assert one_kernel(decompose(graph)).axes == (0,)
    assert len(one_kernel(decompose(simplify(differentiate(graph)))).outputs) == 4


def test_a_loss_after_a_softmax_is_added_up_by_the_rows_of_its_kernel():
    first, second = fuse(decompose(recorded(cross_entropy, (64, 32), (64, 32))))
    assert first.axes == (1,)
    assert [output.shape for output in first.outputs] == [(64, 1)]
    assert names([second]) == [["sum", "negative", "divide"]]


class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return np.dot(x, self.W) + self.b

    def backward(self, dout):
        self.dW, self.db = np.dot(self.x.T, dout), np.sum(dout, axis=0)
        return np.dot(dout, self.W.T)


class Sigmoid:
    def forward(self, x):
        self.out = sigmoid(x)
        return self.out

    def backward(self, dout):
        return dout * (1.0 - self.out) * self.out


class SoftmaxWithLoss:
    def forward(self, x, t):
        self.y, self.t = softmax(x), t
        return -np.sum(t * np.log(self.y + 1e-7)) / len(x)

    def backward(self, dout):
        return dout * (self.y - self.t) / len(self.t)


def gradient(x, t, W1, b1, W2, b2):
    layers, last = [Affine(W1, b1), Sigmoid(), Affine(W2, b2)], SoftmaxWithLoss()
    for layer in layers:
        x = layer.forward(x)
    loss, dout = last.forward(x, t), last.backward(1)
    for layer in reversed(layers):
        dout = layer.backward(dout)
    first, _, second = layers
    return loss, first.dW, first.db, second.dW, second.db


def test_the_gradient_of_a_two_layer_net_is_its_products_and_five_kernels():
    rng = np.random.default_rng(0)
    shapes = [(100, 784), (100, 10), (784, 50), (50,), (50, 10), (10,)]
    arrays = [rng.normal(size=shape).astype(F4) * F4.type(0.1) for shape in shapes]
    trace = dout.trace(gradient, *arrays)
    graph = decompose(simplify(trace.graph))
    steps = fuse(graph)
    for group in kernels(steps):
        check_group(group)
    assert others(steps).count("dot") == 5
    assert set(others(steps)) == {"dot", "transpose"}
    assert [(group.space, group.axes) for group in kernels(steps)] == [
        ((100, 50), ()),  # bias and sigmoid
        ((100, 10), (1,)),  # bias, softmax, losses, and the gradient that starts from there
        ((100, 1), (0, 1)),  # the loss
        ((100, 10), (0,)),  # the gradient of the second bias
        ((100, 50), (0,)),  # back through the sigmoid, and the gradient of the first bias
    ]
    given = {node: trace.data[node] for node in graph.inputs.values()}
    made = run(steps, graph, given)
    for (name, node), plain in zip(graph.outputs.items(), trace.outputs, strict=True):
        assert np.allclose(made[name], plain, rtol=1e-5, atol=1e-7), node


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


def test_a_view_moves_nothing_and_a_product_is_counted_by_its_sums():
    transposed, product = fuse(recorded(lambda x, W: np.matmul(x, np.transpose(W)), (100, 784), (50, 784)))
    assert (bytes_moved(transposed), flops(transposed)) == (0, 0)
    assert bytes_moved(product) == 4 * (100 * 784 + 784 * 50 + 100 * 50)
    assert flops(product) == 2 * 100 * 784 * 50


# --- what rows are made of --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"axis": 1}, {"axis": (0, 2), "keepdims": True}, {"axis": -1, "ddof": 1}])
@pytest.mark.parametrize("name", ["mean", "var", "std"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_means_and_variances_are_made_of_sums_to_the_bit(name, options, dtype):
    options = {key: item for key, item in options.items() if (name, key) != ("mean", "ddof")}
    graph = recorded(lambda x: getattr(np, name)(x, **options), (5, 7, 3), dtype=np.dtype(dtype))
    made = decompose(graph)
    assert not {node.primitive.name for node in made.nodes} & {"mean", "var", "std"}
    x = np.random.default_rng(0).normal(size=(5, 7, 3)).astype(dtype)
    value = evaluate(made.outputs.values(), {made.inputs["in0"]: x})[made.outputs["out0"]]
    assert same_bits(value, getattr(np, name)(x, **options))


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_the_softmax_of_scipy_is_made_of_its_parts_to_the_bit(name):
    special = pytest.importorskip("scipy.special")
    x = np.random.default_rng(0).normal(size=(5, 7)) * 100
    x[0, 0] = np.inf
    x[1] = -np.inf
    graph = decompose(recorded(lambda x: PRIMITIVES[f"special_{name}"](x, axis=1), (5, 7), dtype=x.dtype))
    assert len(one_kernel(graph).outputs) == 1
    with np.errstate(all="ignore"):
        value = evaluate(graph.outputs.values(), {graph.inputs["in0"]: x})[graph.outputs["out0"]]
        assert same_bits(value, getattr(special, name)(x, axis=1))


def test_what_half_precision_and_masks_need_is_not_taken_apart():
    for graph in (
        recorded(lambda x: np.var(x), (5, 7), dtype=np.dtype("f2")),
        recorded(lambda x: np.mean(x, where=x > 0), (5, 7)),
        recorded(lambda x: np.mean(x), (0, 7)),
    ):
        assert decompose(graph) is graph


# --- any program, any graph -------------------------------------------------------------------------------------------


@ORDINARY
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


ELEMENTWISE = ("add", "multiply", "maximum", "subtract")
SMALL = ((3, 3), (3,), (3, 1), (1, 3), (), (2, 3, 3), (1,), (2, 1, 3))


def random_graph(rng, size):
    """Nodes on whatever fits: elementwise, reductions, ones put in, running sums."""
    recorder = AbstractRecorder()
    inputs = [Node(INPUT, (), {}, rng.choice(SMALL), np.dtype("f8")) for _ in range(4)]
    values = [recorder.wrap(node) for node in inputs]
    for _ in range(size):
        kind = rng.random()
        x, y = rng.choice(values[-12:]), rng.choice(values)
        try:
            if kind < 0.5:
                made = PRIMITIVES[rng.choice(ELEMENTWISE)](x, y)
            elif kind < 0.7:
                axes = rng.sample(range(len(x.shape)), rng.randint(0, len(x.shape)))
                made = getattr(np, rng.choice(["sum", "max"]))(x, axis=tuple(axes), keepdims=rng.random() < 0.5)
            elif kind < 0.8:
                made = np.reshape(x, tuple(n for n in x.shape if n > 1) + (1,) * rng.randint(0, 1))
            elif kind < 0.9:
                made = np.broadcast_to(x, np.broadcast_shapes(x.shape, rng.choice(SMALL)))
            else:
                made = np.cumsum(x, axis=0 if x.shape else None)
        except ValueError:
            continue
        values.append(made)
    ends = rng.sample(values, 3) + values[-2:]
    outputs = {f"out{i}": end.node for i, end in enumerate(ends)}
    return Graph((*inputs, *recorder.made), {f"in{i}": node for i, node in enumerate(inputs)}, outputs)


@ORDINARY
@given(st.integers(0, 2**32))
def test_the_steps_of_any_graph_compute_its_bits(seed):
    rng = random.Random(seed)
    graph = random_graph(rng, rng.choice([5, 20, 60]))
    numbers = np.random.default_rng(seed)
    check_steps(graph, {node: numbers.integers(-4, 5, node.shape) / 8 for node in graph.inputs.values()})
