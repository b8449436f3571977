"""Layers as kernels, once what they are made of is laid open."""

import numpy as np
import pytest
from differentiated import differentiate
from engine_steps import F4, check_group, kernels, names, one_kernel, others, recorded, run, sigmoid, softmax

import dout
from dout.engine.passes.decompose import decompose
from dout.engine.passes.fuse import fuse
from dout.graph import evaluate
from dout.ops import PRIMITIVES
from dout.rewrite.simplify import simplify
from dout.trace.model.replay import same_bits

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


def test_repeats_along_two_axes_are_one_kernel_with_what_is_done_to_them():
    def spread(x, y):
        return np.repeat(np.repeat(x / 4, 2, axis=2), 2, axis=3) * y

    x, y = np.random.default_rng(0).normal(size=(4, 3, 16, 16)), np.random.default_rng(1).normal(size=(4, 3, 32, 32))
    fast = dout.compile(spread)
    for _ in range(3):
        assert np.array_equal(fast(x, y), spread(x, y))
    assert "repeat(" not in str(fast.plan())


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
