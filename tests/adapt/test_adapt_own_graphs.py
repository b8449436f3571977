"""Operations of an own graph: a context made with the inputs, arrays in slots, and arguments that are no arrays."""

import numpy as np
import pytest

from dout import check
from dout.judge.outcomes import RIGHT


class Tensor:
    """Holds an array in a slot, as `data`, which an array itself has too: its bytes."""

    __slots__ = ("data", "grad")

    def __init__(self, data):
        self.data = data.data if isinstance(data, Tensor) else np.asarray(data, dtype=float)
        self.grad = None


class Function:
    """A context is made with the operation and its inputs; forward does not take it."""

    def __init__(self, op, *args):
        self.op = op
        self.args = args

    @classmethod
    def apply(cls, *args):
        out = cls.forward(*args)
        out.grad = Function(cls, *args)
        return out


class Product(Function):
    @staticmethod
    def forward(x, y):
        return Tensor(x.data * y.data)

    @staticmethod
    def backward(ctx, grad):
        x, y = ctx.args
        return Tensor(y.data * grad.data), Tensor(x.data * grad.data)


class WrongProduct(Product):
    @staticmethod
    def backward(ctx, grad):
        x, y = ctx.args
        return Tensor(x.data * grad.data), Tensor(y.data * grad.data)


class Exponential(Function):
    @staticmethod
    def forward(x):
        return Tensor(np.exp(x.data))

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.args
        return Tensor(np.exp(x.data) * grad.data)


class Turned(Function):
    @staticmethod
    def forward(x, places):
        return Tensor(x.data.transpose(places) * 2)

    @staticmethod
    def backward(ctx, grad):
        _, places = ctx.args
        return Tensor(grad.data.transpose(tuple(np.argsort(places))) * 2), None


class Formed(Function):
    @staticmethod
    def forward(x, sides):
        return Tensor(x.data.reshape(tuple(sides)) * 2)

    @staticmethod
    def backward(ctx, grad):
        x, _ = ctx.args
        return Tensor(grad.data.reshape(x.data.shape) * 2), None


class Total(Function):
    @staticmethod
    def forward(x, along):
        return Tensor(x.data.sum(along, keepdims=True))

    @staticmethod
    def backward(ctx, grad):
        x, _ = ctx.args
        return Tensor(np.ones(x.data.shape) * grad.data), None


class Windows(Function):
    """Slices of `data` of an array are no error of attributes, and filters are shorter than what they go over."""

    @staticmethod
    def forward(x, weight):
        """Slide along the last axis.

        Args:
            x (Tensor): (batch_size, in_channel, input_size)
            weight (Tensor): (out_channel, in_channel, kernel_size)
        """
        k = weight.data.shape[2]
        ends = range(x.data.shape[2] - k + 1)
        return Tensor(np.stack([np.einsum("nck,ock->no", x.data[:, :, i : i + k], weight.data) for i in ends], axis=2))

    @staticmethod
    def backward(ctx, grad):
        x, weight = ctx.args
        k, dx, dw = weight.data.shape[2], np.zeros(x.data.shape), np.zeros(weight.data.shape)
        for i in range(grad.data.shape[2]):
            dx[:, :, i : i + k] += np.einsum("no,ock->nck", grad.data[:, :, i], weight.data)
            dw += np.einsum("no,nck->ock", grad.data[:, :, i], x.data[:, :, i : i + k])
        return Tensor(dx), Tensor(dw)


@pytest.mark.parametrize("operation", [Product, Exponential, Turned, Formed, Total, Windows])
def test_an_operation_finds_its_inputs_in_its_context(operation):
    report = check(operation)
    assert report.verdicts
    assert {v.word for v in report.verdicts} <= RIGHT


def test_what_such_an_operation_does_wrong_is_wrong():
    assert [f.code for f in check(WrongProduct).findings if f.severity == "error"] == ["D101", "D101"]


class SizesOfNothing:
    """Takes no size for granted: built with nothing it holds nothing."""

    def __init__(self, rows=0, columns=0):
        self.W = np.ones((rows, columns))

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


class OfOneType:
    """Its type of numbers is set by a method that a network calls."""

    def __init__(self, size):
        self.w = np.arange(1.0, size + 1)

    def use(self, kind):
        self.kind = kind

    def forward(self, x):
        self.x = x
        return (x * self.w).astype(self.kind)

    def backward(self, dout):
        self.dw = np.sum(self.x * dout, axis=0)
        return dout * self.w


class OwnNames:
    """Its parameters are called after it, `_OwnNames__weights`, and it steps in backward."""

    def __init__(self, rows, columns):
        self.__weights = np.ones((rows, columns))

    @property
    def weights(self):
        return self.__weights

    def forward(self, x):
        self.x = x
        return x @ self.weights

    def backward(self, output_gradient, learning_rate):
        dx = output_gradient @ self.weights.T
        self.__weights -= learning_rate * self.x.T @ output_gradient
        return dx


class DenseOwn(OwnNames):
    """A name that begins as that of a gradient does."""

    def __init__(self, rows, columns):
        self.__bias = np.zeros((1, columns))
        super().__init__(rows, columns)

    def forward(self, x):
        return super().forward(x) + self.__bias

    def backward(self, output_gradient, learning_rate):
        dx = super().backward(output_gradient, learning_rate)
        self.__bias -= learning_rate * np.sum(output_gradient, axis=0, keepdims=True)
        return dx


def test_what_a_class_calls_its_own_is_no_gradient():
    report = check(DenseOwn)
    assert {v.argument for v in report.verdicts} == {"x", "_OwnNames__weights", "_DenseOwn__bias"}
    assert {v.word for v in report.verdicts} <= RIGHT
    assert not [f for f in report.findings if f.severity == "error"]


class Bag:
    """Takes no instance in what it is asked for, and cannot be built."""

    def __init__(self, kind):
        self.kind = {}[kind]

    @classmethod
    def steep(cls, x):
        return np.tanh(2 * x)

    @classmethod
    def steep_derivative(cls, x):
        return 2 - 2 * cls.steep(x) ** 2


class StepAhead:
    """Its upstream gradient is called as nothing else, beside a rate with a default."""

    def feed_forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def back_propagate(self, nabla_y, lr=0.01):
        return nabla_y * (1 - self.y**2)


class InARow:
    """Gives each part what the one before has left."""

    def __init__(self, *layers):
        self.layers = layers

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, x, grad_output):
        for i in range(len(self.layers) - 1, 0, -1):
            grad_output = self.layers[i].backward(self.layers[i - 1].output, grad_output)
        return self.layers[0].backward(x, grad_output)


class Told:
    """Returns what each of its layers gives; it is the last that backward takes a gradient of."""

    def __init__(self, size):
        self.W = np.eye(size) * 2

    def forward(self, x):
        self.x, self.y = x, np.tanh(x)
        return [self.y, self.y @ self.W[:, :-1]]

    def backward(self, dout):
        self.dW = np.zeros_like(self.W)
        self.dW[:, :-1] = self.y.T @ dout
        return (dout @ self.W[:, :-1].T) * (1 - self.y**2)


class Gathered:
    """Gathers the parameters of its parts, which it takes for dicts."""

    def __init__(self, layers):
        self.layers = layers
        self.params = {name: value for layer in layers for name, value in layer.params.items()}

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dout):
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return dout


@pytest.mark.parametrize("layer", [Bag, StepAhead, InARow, Told, Gathered])
def test_nothing_else_is_needed(layer):
    assert {v.word for v in check(layer).verdicts} == {"exact"}


@pytest.mark.parametrize("layer", [SizesOfNothing, OfOneType])
def test_what_a_layer_needs_is_told_by_what_it_does_with_it(layer):
    report = check(layer)
    assert len(report.verdicts) == 2
    assert {v.word for v in report.verdicts} <= RIGHT
