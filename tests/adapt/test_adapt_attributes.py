"""Layers whose forward takes no arguments are driven by the attributes that they read, and judged like others."""

import numpy as np
import pytest

from dout.adapt import example
from dout.check.verb.check_layer import check
from dout.errors import TargetError
from dout.judge.outcomes import RIGHT, Word


class Blob:
    def __init__(self, array):
        self.array = array
        self.slope = np.zeros_like(array)


class Source:
    def __init__(self, rows, columns):
        self.out = Blob(np.zeros((rows, columns)))


class Double:
    """Reads a blob of the layer before, and adds to the slope that stands there."""

    factor = 2

    def __init__(self, before):
        self.given = before.out
        self.out = Blob(np.zeros_like(self.given.array))

    def forward(self):
        self.out.array = self.factor * np.tanh(self.given.array)

    def backward(self):
        self.given.slope += self.factor * (1 - np.tanh(self.given.array) ** 2) * self.out.slope


class DoubleOnce(Double):
    def backward(self):
        self.given.slope += (1 - np.tanh(self.given.array) ** 2) * self.out.slope


class Node:
    """A node of a graph that knows what it comes from and where it goes."""

    def __init__(self, *sources):
        self.sources, self.users = list(sources), []
        self.result, self.slopes = None, {}
        for source in sources:
            source.users.append(self)


class Leaf(Node):
    def __init__(self):
        super().__init__()


class Times(Node):
    def __init__(self, one, two):
        super().__init__(one, two)

    def forward(self):
        self.result = self.sources[0].result * self.sources[1].result

    def backward(self):
        one, two = self.sources
        self.slopes = {source: np.zeros_like(source.result) for source in self.sources}
        for user in self.users:
            dout = user.slopes[self]
            self.slopes[one] += dout * two.result
            self.slopes[two] += dout * one.result


class TimesNotSwapped(Times):
    def backward(self):
        one, two = self.sources
        self.slopes = {source: np.zeros_like(source.result) for source in self.sources}
        for user in self.users:
            self.slopes[one] += user.slopes[self] * one.result
            self.slopes[two] += user.slopes[self] * two.result


class Cube:
    """A network writes its input and its upstream gradient into it, and backward returns the gradient."""

    def __init__(self):
        self.input = None
        self.output = None
        self.delta = None

    def forward_pass(self):
        self.output = self.input**3
        return self.output

    def backward_pass(self, learning_rate):
        self.input_delta = 3 * self.input**2 * self.delta
        return self.input_delta


class Distance:
    """A loss at the end: nothing stands above it."""

    def __init__(self, predicted, labels):
        self.predicted, self.labels = predicted.out, labels.out
        self.loss = Blob(np.zeros(1))

    def forward(self):
        self.loss.array = np.mean((self.predicted.array - self.labels.array) ** 2)

    def backward(self):
        difference = self.predicted.array - self.labels.array
        self.predicted.slope += 2 * difference / difference.size


class Number:
    """What an operation of a graph takes: an array, or a number."""

    def __init__(self, data):
        self.data = np.array(data, dtype=float)
        self.grad = np.zeros_like(self.data)


class Product:
    """An operation of a graph: its operands are kept as they are given, whatever they are."""

    def __init__(self, one, other):
        self.one, self.other = one, other
        self.grad = 0

    def forward(self):
        self.data = self.one.data @ self.other.data
        return self.data

    def backward(self):
        self.one.grad += self.grad @ self.other.data.T
        self.other.grad += self.one.data.T @ self.grad


@pytest.mark.parametrize(
    ("cls", "number"),
    [(Double, 1), (Times, 2), (Cube, 1), (Distance, 1), (Product, 2)],
    ids=lambda item: getattr(item, "__name__", ""),
)
def test_what_reads_attributes_is_exact_if_it_is_right(cls, number):
    report = check(cls)
    judged = [v.word for v in report.verdicts]
    assert judged.count(Word.EXACT) == number
    assert Word.REFUTED not in judged
    assert all(finding.severity != "error" for finding in report.findings)


@pytest.mark.one_in(2)
@pytest.mark.parametrize("cls", [DoubleOnce, TimesNotSwapped])
def test_what_reads_attributes_is_refuted_if_it_is_wrong(cls):
    assert Word.REFUTED in {v.word for v in check(cls).verdicts}


def test_the_interface_says_where_everything_stands():
    assert str(example(Double, {}, {}).interface) == (
        "forward(), backward(), input in self.given.array, dout in self.out.slope, output in self.out.array, gradients "
        "in self.given.slope"
    )
    assert str(example(Times, {}, {}).interface) == (
        "forward(), backward(), input in self.sources[0].result, self.sources[1].result, dout in self.users, output in "
        "self.result, gradients in self.slopes[sources[0]], self.slopes[sources[1]]"
    )


def test_its_inputs_are_given_by_the_names_of_their_places():
    given = np.array([[0.5, -1.0]])
    assert np.array_equal(example(Cube, {}, {"input": given}).inputs["input"], given)
    assert np.array_equal(example(Cube, {}, {"0": given}).inputs["input"], given)
    with pytest.raises(TargetError, match="takes input, not x"):
        example(Cube, {}, {"x": given})


class Wide:
    """Built when it is connected, with the shape of all samples."""

    def __init__(self, units):
        self.units = units

    def init_params(self, input_size):
        self.W = np.random.default_rng(0).normal(size=(int(np.prod(input_size[1:])), self.units))

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


class Connected:
    """Reads its shape from the layer before, and its learning rate from the network, both through itself."""

    def __init__(self):
        self.network = self.before = None

    @property
    def width(self):
        return self.before.output_shape[-1]

    def connect(self, network, before):
        self.network, self.before = network, before
        self.b = np.zeros(self.width)

    def forward(self, x):
        return x + self.b

    def backward(self, dout):
        self.b -= self.network.learning_rate * dout.sum(axis=0)
        return dout


class Multiply:
    """A function of a graph, whose context is called in its own way."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.keep(a, b)
        return a * b

    @staticmethod
    def backward(ctx, dout):
        a, b = ctx.get_kept()
        return dout * b, dout * a


@pytest.mark.parametrize(("cls", "names"), [(Wide, ["x", "W"]), (Connected, ["x", "b"]), (Multiply, ["a", "b"])])
def test_what_a_layer_is_connected_to_is_there(cls, names):
    report = check(cls)
    assert sorted(v.argument for v in report.verdicts) == sorted(names)
    assert Word.REFUTED not in {v.word for v in report.verdicts}


class Recurrent:
    """Returns the gradients of its parameters alone, one of which has the shape of an input."""

    def __init__(self, n_in, n_hidden):
        generator = np.random.default_rng(0)
        self.Wx = generator.normal(size=(n_in, n_hidden))
        self.Wh = generator.normal(size=(n_hidden, n_hidden))

    def forward(self, x, h):
        self.x, self.h = x, h
        return x @ self.Wx + h @ self.Wh

    def backward(self, dout):
        dWx = self.x.T @ dout
        dWh = self.h.T @ dout
        return dWx, dWh


def test_a_returned_gradient_is_of_the_parameter_after_which_it_is_called():
    report = check(Recurrent, np.eye(3) + 1, np.ones((3, 4)), init={"n_in": 3, "n_hidden": 4})
    judged = {v.argument: v.word for v in report.verdicts}
    assert judged["Wx"] == judged["Wh"] == Word.EXACT
    assert "h" not in judged


class ProductOfNodes:
    """Its arguments are objects with `data`, whose class it does not know; the upstream gradient has a default."""

    @staticmethod
    def forward(ctx, one, other):
        ctx.saved_for_backward(one, other)
        return one.data * other.data

    @staticmethod
    def backward(ctx, grad=1):
        one, other = ctx.saved_tensors
        return grad * other.data, grad * one.data * np.ones(one.shape)


class OptionalUpstream:
    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, dout=None):
        return 2 * self.x * (np.ones_like(self.x) if dout is None else dout)


def test_an_upstream_gradient_may_have_a_default():
    assert {v.argument: str(v.word) for v in check(OptionalUpstream).verdicts} == {"x": "exact"}


def test_arrays_stand_in_objects_that_nobody_names():
    words = {verdict.argument: verdict.word for verdict in check(ProductOfNodes).verdicts}
    assert set(words) == {"one", "other"}
    assert set(words.values()) <= RIGHT
