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
