"""Any net trains, unmodified: layers in whatever manner; each parameter is found with its gradient, once."""

import copy

import numpy as np
import pytest

from dout.errors import TrainingError
from dout.layers import (
    AddLayer,
    Affine,
    Embedding,
    MatMul,
    MeanSquaredError,
    MulLayer,
    Relu,
    Sigmoid,
    SoftmaxWithLoss,
    Split,
)
from dout.train import SGD, LayerGraph, Sequential, fit, predict
from dout.train.nets.parameters import Registry, before_a_step

generator = np.random.default_rng(0)
x = generator.standard_normal((40, 4))
t = (x @ generator.standard_normal((4, 3))).argmax(axis=1)
W1, W2 = generator.standard_normal((4, 5)), generator.standard_normal((5, 3))


class Loss:
    """The book's, with a target as a class, and a backward that takes dout by default."""

    def forward(self, x, t):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y, self.t = e / e.sum(axis=1, keepdims=True), t
        return -np.mean(np.log(self.y[np.arange(len(t)), t] + 1e-7))

    def backward(self, dout=1):
        dx = self.y.copy()
        dx[np.arange(len(self.t)), self.t] -= 1
        return dout * dx / len(self.t)


class Attributes:
    """W and dW."""

    def __init__(self, W):
        self.W, self.dW = W, None

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


class Lists:
    """params and grads, written into, as in the book's second volume."""

    def __init__(self, W):
        self.params, self.grads, self.x = [W], [np.zeros_like(W)], None

    def forward(self, x):
        (W,) = self.params
        self.x = x
        return np.dot(x, W)

    def backward(self, dout):
        (W,) = self.params
        self.grads[0][...] = np.dot(self.x.T, dout)
        return np.dot(dout, W.T)


class Dicts:
    """params and grads by name, the second made anew each time."""

    def __init__(self, W):
        self.params = {"weight": W}

    def forward(self, x):
        self.x = x
        return x @ self.params["weight"]

    def backward(self, dout):
        self.grads = {"weight": self.x.T @ dout}
        return dout @ self.params["weight"].T


class Value:
    def __init__(self, data):
        self.data, self.grad = data, np.zeros_like(data)


class Objects:
    """W.data and W.grad."""

    def __init__(self, W):
        self.W = Value(W)

    def forward(self, x):
        self.x = x
        return x @ self.W.data

    def backward(self, dout):
        self.W.grad = self.x.T @ dout
        return dout @ self.W.data.T


class Lazy:
    """Makes its parameter in the first forward."""

    def __init__(self, W):
        self.first, self.W = W, None

    def forward(self, x):
        if self.W is None:
            self.W = self.first.copy()
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


class OwnNet:
    """A network of the book's second volume: its loss is inside, and its lists hold those of its layers."""

    def __init__(self, W1, W2):
        self.layers, self.loss_layer = [Lists(W1), Relu(), Lists(W2)], Loss()
        self.params, self.grads = [], []
        for layer in self.layers:
            self.params += getattr(layer, "params", [])
            self.grads += getattr(layer, "grads", [])

    def predict(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def forward(self, x, t):
        return self.loss_layer.forward(self.predict(x), t)

    def backward(self, dout=1):
        dout = self.loss_layer.backward(dout)
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return dout


class GradientNet:
    """A network of the book's first volume: gradient(x, t) returns a dict."""

    def __init__(self, W1, W2):
        self.params = {"W1": W1, "W2": W2}
        self.layers, self.last = [Attributes(W1), Relu(), Attributes(W2)], Loss()

    def predict(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def loss(self, x, t):
        return self.last.forward(self.predict(x), t)

    def gradient(self, x, t):
        self.loss(x, t)
        dout = self.last.backward(1)
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return {"W1": self.layers[0].dW, "W2": self.layers[2].dW}


def by_hand(W1, W2, epochs=3, lr=0.5):
    """The same training, written out."""
    for _ in range(epochs):
        h = x @ W1
        a = np.maximum(h, 0)
        loss = Loss()
        loss.forward(a @ W2, t)
        dout = loss.backward()
        dW2, da = a.T @ dout, dout @ W2.T
        dW1 = x.T @ (da * (h > 0))
        W1, W2 = W1 - lr * dW1, W2 - lr * dW2
    return W1, W2


def trained(net, loss=None, epochs=3, **more):
    return fit(net, x, t, loss=loss, optimizer=SGD(0.5), epochs=epochs, batch=40, shuffle=False, **more)


@pytest.mark.one_in(4)
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("layer", [Attributes, Lists, Dicts, Objects])
def test_a_layer_in_any_manner_learns_what_the_loop_by_hand_learns(layer, compiled):
    A, B = W1.copy(), W2.copy()
    history = trained([layer(A), Relu(), layer(B)], Loss(), compiled=compiled)
    for got, right in zip((A, B), by_hand(W1, W2), strict=True):  # the user's own arrays, changed in place
        np.testing.assert_allclose(got, right, rtol=1e-11)
    assert history["loss"][0] > history["loss"][-1]


@pytest.mark.parametrize("net", [OwnNet, GradientNet])
def test_a_network_with_its_own_loss_learns_the_same(net):
    A, B = W1.copy(), W2.copy()
    trained(net(A, B), compiled=False)
    for got, right in zip((A, B), by_hand(W1, W2), strict=True):
        np.testing.assert_allclose(got, right, rtol=1e-12)


def test_a_parameter_that_is_made_in_the_first_forward_learns_from_the_second_step_on():
    net = [Lazy(W1), Relu(), Attributes(W2.copy())]
    trained(net, Loss(), compiled=False)
    assert not np.allclose(net[0].W, W1)


def test_a_number_that_is_a_parameter_learns():
    class Scale:
        def __init__(self):
            self.a = 1.0

        def forward(self, x):
            self.x = x
            return x * self.a

        def backward(self, dout):
            self.da = np.sum(dout * self.x)
            return dout * self.a

    net = [Scale(), Attributes(W1[:, :3].copy())]
    trained(net, Loss(), compiled=False)
    assert type(net[0].a) is not np.ndarray
    assert net[0].a != 1.0


def gradients_of(net, *inputs):
    before = before_a_step(net=net)
    out = net.forward(*inputs)
    net.backward(np.ones_like(out))
    return {name: g.copy() for name, g in Registry.after_a_step(before).gradients().items()}


def slope(loss, array):
    """The central difference of a function of an array, element by element."""
    found = np.zeros_like(array)
    for place in np.ndindex(array.shape):
        kept = array[place]
        array[place] = kept + 1e-6
        more = loss()
        array[place] = kept - 1e-6
        found[place] = (more - loss()) / 2e-6
        array[place] = kept
    return found


def test_a_branch_adds_its_gradients_up():
    W = W1[:4, :4].copy()
    net = LayerGraph({"h": (MatMul(W), "x"), "s": (Sigmoid(), "h"), "out": (MulLayer(), "h", "s")})
    (gradient,) = gradients_of(net, x).values()
    np.testing.assert_allclose(gradient, slope(lambda: net.forward(x).sum(), W), rtol=1e-6, atol=1e-6)
    dx = net.backward(np.ones((40, 4)))
    small = x.copy()
    np.testing.assert_allclose(dx, slope(lambda: net.forward(small).sum(), small), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("layer", [Attributes, Lists, Dicts, Objects])
def test_a_layer_in_two_places_has_the_sum_of_both_gradients(layer):
    W = W1[:4, :4].copy() * 0.3
    net = Sequential(shared := layer(W), Sigmoid(), shared)
    (gradient,) = gradients_of(net, x).values()
    np.testing.assert_allclose(gradient, slope(lambda: net.forward(x).sum(), W), rtol=1e-6, atol=1e-6)
    (again,) = gradients_of(net, x).values()
    np.testing.assert_array_equal(again, gradient)  # nothing is left over from the step before


def test_one_array_in_two_layers_has_the_sum_of_both_gradients():
    W = W1[:4, :4].copy() * 0.3
    net = Sequential(MatMul(W), Sigmoid(), MatMul(W))
    (gradient,) = gradients_of(net, x).values()
    np.testing.assert_allclose(gradient, slope(lambda: net.forward(x).sum(), W), rtol=1e-6, atol=1e-6)


def test_an_object_that_lists_the_gradients_of_its_parts_does_not_count_them_twice():
    net = OwnNet(W1.copy(), W2.copy())
    before = before_a_step(net=net)
    net.forward(x, t)
    net.backward()
    registry = Registry.after_a_step(before)
    assert len(registry) == 2
    assert all(np.array_equal(a, b) for a, b in zip(registry.gradients().values(), net.grads, strict=True))


def test_a_layer_of_several_outputs_gets_a_gradient_of_each():
    net = LayerGraph({("a", "b"): (Split(2, axis=1), "x"), "out": (MulLayer(), "a", "b")})
    out = net.forward(x)
    dx = net.backward(np.ones_like(out))
    np.testing.assert_allclose(dx, np.concatenate([x[:, 2:], x[:, :2]], axis=1))


def test_inputs_are_named_in_the_order_of_their_use_and_may_be_whole_numbers():
    words = np.array([[0, 1], [2, 2]])
    table = generator.standard_normal((3, 4))
    net = LayerGraph({"e": (Embedding(table), "words"), "out": (AddLayer(), "e", "shift")})
    assert net.inputs == ("words", "shift")
    out = net.forward(words, np.zeros((2, 2, 4)))
    net.backward(np.ones_like(out))
    assert net.layers[0].dW[:, 0].tolist() == [1, 1, 2]


def test_a_graph_that_ends_in_its_loss_takes_the_target():
    A, B = W1.copy(), W2.copy()
    net = LayerGraph({
        "h": (MatMul(A), "x"), "a": (Relu(), "h"), "y": (MatMul(B), "a"), "loss": (SoftmaxWithLoss(), "y", "t"),
    })  # fmt: skip
    trained(net)
    for got, right in zip((A, B), by_hand(W1, W2), strict=True):
        np.testing.assert_allclose(got, right, rtol=1e-5)  # Loss adds a small number


def test_a_net_may_stand_in_a_net_and_be_copied():
    inner = Sequential(MatMul(W1.copy()), Relu())
    net = copy.deepcopy(Sequential(inner, MatMul(W2.copy())))
    assert np.array_equal(predict(net, x), np.maximum(x @ W1, 0) @ W2)
    assert len(gradients_of(net, x)) == 2


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "a net without layers"),
        ({"out": (np.exp, "x")}, "'out': ufunc is no layer"),
        ({"a": (Relu(), "b"), "b": (Relu(), "x")}, "'a' uses 'b' before it is made"),
    ],
)
def test_a_graph_that_is_none_is_refused(values, said):
    with pytest.raises(TrainingError, match=said):
        LayerGraph(values)


def test_layers_that_behave_otherwise_in_training_do_not_in_prediction():
    class BookDropout:
        def forward(self, x, train_flg=True):
            self.mask = np.ones_like(x) * (0.0 if train_flg else 1.0)
            return x * self.mask

        def backward(self, dout):
            return dout * self.mask

    from dout.layers import Dropout

    net = [Dropout(0.9), BookDropout()]
    assert np.array_equal(predict(net, x), x)
    assert net[0].training
    assert not net[1].forward(x).any()


def test_a_net_learns_with_affine_layers_of_dout():
    net = [Affine(W1.copy(), np.zeros(5)), Relu(), Affine(W2.copy(), np.zeros(3))]
    history = trained(net, SoftmaxWithLoss(), epochs=30)
    assert history["loss"][-1] < 0.3 * history["loss"][0]


class Leaky:
    """A parameter that is a plain number, and so is its gradient."""

    def __init__(self):
        self.alpha = 0.1

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.alpha * x)

    def backward(self, dout):
        self.dalpha = float((dout * np.where(self.x > 0, 0, self.x)).sum())
        return dout * np.where(self.x > 0, 1, self.alpha)


def test_a_gradient_that_is_a_plain_number_is_seen():
    layer, rng = Leaky(), np.random.default_rng(0)
    x = rng.standard_normal((50, 1))
    t = np.where(x > 0, x, 0.5 * x)
    fit([layer], x, t, loss=MeanSquaredError(), optimizer=SGD(0.5), epochs=50, batch=50, compiled=False)
    assert abs(layer.alpha - 0.5) < 0.05
