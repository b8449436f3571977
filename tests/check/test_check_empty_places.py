"""A place that a layer makes for a gradient, and that nothing writes, is a mistake; not if other code fills it."""

import numpy as np
import pytest
from report_findings import named_errors

from dout.check.verb.check_layer import check

X = np.random.default_rng(0).normal(size=(3, 5))


class Affine:
    """Right; the others lose a gradient."""

    def __init__(self, W=None, b=None):
        self.W, self.b = np.linspace(-1, 1, 20).reshape(5, 4), np.linspace(0, 1, 4)
        self.dW = None
        self.db = None

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


class ForgetsBias(Affine):
    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


class KeepsLocally(Affine):
    def backward(self, dout):
        dW = self.x.T @ dout  # noqa: F841 - the mistake
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


class StepsByAProperty:
    """Its optimizer reads a gradient that nothing keeps."""

    def __init__(self):
        self.weights, self.optimizer = np.linspace(-1, 1, 20).reshape(5, 4), None
        self._gradient_weights = None

    @property
    def gradient_weights(self):
        return self._gradient_weights

    @gradient_weights.setter
    def gradient_weights(self, value):
        self._gradient_weights = value

    def forward(self, x):
        self.x = x
        return x @ self.weights

    def backward(self, dout):
        if self.optimizer:
            self.weights = self.optimizer(self.weights, self._gradient_weights)
        return dout @ self.weights.T


class InLists:
    def __init__(self):
        self.params = [np.linspace(-1, 1, 20).reshape(5, 4)]
        self.grads = [np.zeros((5, 4))]

    def forward(self, x):
        self.x = x
        return x @ self.params[0]

    def backward(self, dout):
        return dout @ self.params[0].T


class IndexedInLists(InLists):
    """Its backward gives nothing else, as its input is whole numbers."""

    def forward(self, x):
        self.x = x
        return self.params[0][x]

    def backward(self, dout):
        grad = np.zeros((5, 4))
        np.add.at(grad, self.x, dout)
        return None  # noqa: RET501 - as layers of indices do


class ComputesLater(InLists):
    def backward(self, dout):
        self.dout = dout
        return dout @ self.params[0].T

    def step(self):
        self.grads[0][...] = self.x.T @ self.dout


class StacksThem(Affine):
    """The gradient of each is a part of one array."""

    def __init__(self):
        self.W, self.b = np.linspace(-1, 1, 20).reshape(5, 4), np.linspace(0, 1, 4)
        self.all = None

    def backward(self, dout):
        dW, db = self.x.T @ dout, dout.sum(axis=0)
        self.all = np.vstack([dW, db])
        return dout @ self.W.T


class ReturnsAnEmptyPlace:
    def __init__(self):
        self.dx = None

    def forward(self, x):
        self.x = x
        return x**2

    def backward(self, dout):
        dout = 2 * self.x * dout
        return self.dx


def test_an_attribute_that_is_none_is_no_gradient_to_return():
    assert named_errors(check(ReturnsAnEmptyPlace(), X)) == [("D105", "x")]


class ReturnsThoseOfItsWeights:
    """A network of two layers: of its data it computes the gradient, as its second layer does, and drops it."""

    def __init__(self):
        self.params = {"W1": np.linspace(-1, 1, 20).reshape(5, 4), "W2": np.linspace(-1, 2, 8).reshape(4, 2)}

    def forward(self, x):
        hidden, first = multiplied(x, self.params["W1"])
        out, second = multiplied(hidden, self.params["W2"])
        return out, (first, second)

    def backward(self, dout, cache):
        dhidden, dW2 = went_back(dout, cache[1])
        _, dW1 = went_back(dhidden, cache[0])
        grads = {"W1": dW1, "W2": dW2}
        return grads


def multiplied(x, W):
    return x @ W, (x, W)


def went_back(dout, cache):
    x, W = cache
    return dout @ W.T, x.T @ dout


def test_a_dict_of_gradients_of_weights_stands_in_no_empty_place():
    report = check(ReturnsThoseOfItsWeights(), X)
    assert not named_errors(report)
    assert {v.argument for v in report.verdicts} == {"W1", "W2"}


class Base:
    def __init__(self):
        self.W = None
        self.dW = None


class IsATable(Base):
    """What its base has a place for it does not learn."""

    def __init__(self):
        super().__init__()
        self.W = np.sin(np.arange(5.0))

    def forward(self, x):
        return x + self.W

    def backward(self, dout):
        return dout


class IsFrozen(Affine):
    def __init__(self, learns_bias=False):
        super().__init__()
        self.learns_bias = learns_bias

    def backward(self, dout):
        self.dW = self.x.T @ dout
        if self.learns_bias:
            self.db = dout.sum(axis=0)
        return dout @ self.W.T


class WritesThroughAFunction:
    """Another method than backward reads the array, and a function of NumPy writes into it."""

    def __init__(self):
        self.Q, self.dQ = np.linspace(-1, 1, 20).reshape(5, 4), np.zeros((5, 4))

    def forward(self, x):
        self.x = x
        return x @ self.Q

    def backward(self, dout):
        self.dout = dout
        return dout @ self.Q.T

    def collect(self):
        np.dot(self.x.T, self.dout, out=self.dQ)


class AddsLater(Affine):
    """The gradient of the bias is there at once, that of the weights when somebody asks for it."""

    def __init__(self):
        super().__init__()
        self.dW, self.db = np.zeros_like(self.W), np.zeros_like(self.b)

    def backward(self, dout):
        self.db += dout.sum(axis=0)
        self.dout = dout
        return dout @ self.W.T

    def collect(self):
        self.dW += self.x.T @ self.dout


class ForgetsWeights:
    """Its methods read the zeros and set them to 0 again: none of them writes the gradient."""

    def __init__(self):
        self.K, self.c = np.linspace(-1, 1, 20).reshape(5, 4), np.linspace(0, 1, 4)
        self.dK, self.dc = np.zeros_like(self.K), np.zeros_like(self.c)

    def forward(self, x):
        self.x = x
        return x @ self.K + self.c

    def backward(self, dout):
        self.dc += dout.sum(axis=0)
        return dout @ self.K.T

    def step(self, rate=0.1):
        self.K -= rate * self.dK
        self.c -= rate * self.dc

    def clear(self):
        self.dK = np.zeros_like(self.K)
        self.dc.fill(0)


class WritesByName(Affine):
    def backward(self, dout):
        self.dout = dout
        return dout @ self.W.T

    def collect(self):
        for key, gradient in {"W": self.x.T @ self.dout, "b": self.dout.sum(axis=0)}.items():
            setattr(self, "d" + key, gradient)


class WritesIntoItsDict(WritesByName):
    def collect(self):
        self.__dict__.update(dW=self.x.T @ self.dout, db=self.dout.sum(axis=0))


class IsNeverTrained:
    """What steps it asks for the gradient first."""

    def __init__(self):
        self.R, self.dR = np.linspace(-1, 1, 20).reshape(5, 4), None

    def forward(self, x):
        return x @ self.R

    def backward(self, dout):
        return dout @ self.R.T


def step(layer):
    if layer.dR is not None:
        layer.R -= layer.dR


dU = None


class IsReadFromAGlobal:
    def __init__(self):
        self.U = np.linspace(-1, 1, 20).reshape(5, 4)

    def forward(self, x):
        self.x = x
        return x @ self.U

    def backward(self, dout):
        global dU
        dU = self.x.T @ dout
        return dout @ self.U.T


class NamesItLocally(IsReadFromAGlobal):
    def backward(self, dout):
        dU = self.x.T @ dout  # noqa: F841 - the mistake
        return dout @ self.U.T


def test_a_gradient_in_a_global_is_kept_and_one_in_a_local_name_is_not():
    assert [f.code for f in check(IsReadFromAGlobal(), X).findings if f.severity != "note"] == []
    assert named_errors(check(NamesItLocally(), X)) == [("D108", "U")]


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    ("layer", "found"),
    [
        (ForgetsBias, ("D105", "b")),
        (ForgetsWeights, ("D101", "K")),
        (KeepsLocally, ("D108", "W")),
        (StepsByAProperty, ("D105", "weights")),
        (InLists, ("D105", "params[0]")),
    ],
)
def test_a_gradient_whose_place_stays_empty_is_an_error(layer, found):
    assert named_errors(check(layer(), X)) == [found]


def test_so_it_is_where_backward_gives_nothing_else():
    assert named_errors(check(IndexedInLists(), np.array([0, 2, 2]))) == [("D105", "params[0]")]


OTHERS = [Affine, AddsLater, ComputesLater, StacksThem, IsATable, IsFrozen]
OTHERS += [WritesThroughAFunction, WritesByName, WritesIntoItsDict, IsNeverTrained]


@pytest.mark.parametrize("layer", OTHERS)
def test_a_place_that_other_code_or_another_setting_fills_is_none(layer):
    assert named_errors(check(layer(), X)) == []


def test_the_method_that_fills_it_is_named():
    (finding,) = [f for f in check(AddsLater(), X).findings if f.argument == "W"]
    assert finding.severity == "warning"
    assert finding.message.endswith("collect fills it")


class IsZero(Affine):
    """The mean over the samples is taken away: the bias has no effect, and its gradient is 0, which backward writes."""

    def __init__(self):
        super().__init__()
        self.dW, self.db = np.zeros_like(self.W), np.zeros_like(self.b)

    def forward(self, x):
        out = super().forward(x)
        return out - out.mean(axis=0)

    def backward(self, dout):
        dz = dout - dout.mean(axis=0)
        self.dW = self.x.T @ dz
        self.db[...] = 0.0
        return dz @ self.W.T


class HandsOn(ForgetsWeights):
    """A method that returns the zeros does not fill them."""

    def gradients(self):
        return [(self.K, self.dK), (self.c, self.dc)]

    def step(self, optimizer):
        optimizer.update(self.K, self.dK)


def test_zeros_are_right_where_nothing_depends_on_a_parameter():
    assert named_errors(check(IsZero(), X)) == []


def test_who_hands_zeros_on_does_not_fill_them():
    assert named_errors(check(HandsOn(), X)) == [("D101", "K")]
