"""A backward that counts on one number in `dout` that is not 0."""

import numpy as np
import pytest

from dout.check.verb.check_layer import check

X = np.array([0.5, -1.0, 2.0, 0.25])


class Softmax:
    def forward(self, x):
        e = np.exp(x - np.max(x))
        self.y = e / np.sum(e)
        return self.y.copy()

    def backward(self, dout):
        for i, given in enumerate(dout):
            if given != 0:
                return given * self.y[i] * ((np.arange(dout.size) == i) - self.y)
        return np.zeros_like(dout)


class Halved(Softmax):
    def backward(self, dout):
        return super().backward(dout) / 2


class Linear(Softmax):
    def backward(self, dout):
        return dout * self.y


def wrong(layer):
    (finding,) = (f for f in check(layer(), X).findings if f.code == "D101")
    return finding


@pytest.mark.long
def test_what_is_right_for_each_number_alone_is_a_warning_that_says_so():
    assert wrong(Softmax).severity == "warning"  # the loss of one label gives no other
    assert wrong(Softmax).message.endswith("only where more than one number in dout is not 0")


def test_what_is_wrong_for_one_number_as_well_is_an_error():
    assert wrong(Halved).severity == "error"
    assert wrong(Linear).severity == "error"


class Network:
    """Gives back one number too many, as it may where it stands at the beginning of everything."""

    part = Softmax

    def __init__(self):
        self.W, self.last = np.array([[0.5, -0.2, 0.1], [0.3, 0.4, -0.6]]), self.part()

    def forward(self, x):
        self.x = x
        return self.last.forward(x @ self.W)

    def backward(self, dout):
        dy = self.last.backward(dout)
        self.dW = np.outer(self.x, dy)
        return np.append(self.W @ dy, 0.0)


class HalvedNetwork(Network):
    part = Halved


@pytest.mark.parametrize(("network", "severity"), [(Network, "warning"), (HalvedNetwork, "error")])
def test_a_gradient_that_is_returned_in_another_shape_is_a_matter_of_its_own(network, severity):
    found = {f.code: f.severity for f in check(network(), np.array([1.0, -2.0])).findings}
    assert found["D101"] == severity
    assert found["D501"] == "error"
