"""A repair far down the list is found by what its line does to the gradients, without a run of backward for each."""

import numpy as np
import pytest

pytest.importorskip("flint")

from mended_layers import added, error_of, layer

from dout.check import check

RANDOM = np.random.default_rng(7)

NORM = """
import numpy as np

class Norm:
    def __init__(self):
        self.gamma = np.linspace(0.5, 1.5, 6)
        self.input_shape = self.output_shape = (3, 4, 5, 6)

    def forward(self, x):
        self.x = x
        self.mean = np.mean(x, axis=(1, 2), keepdims=True)
        self.variance = np.var(x, axis=(1, 2), keepdims=True)
        self.inverse = 1.0 / np.sqrt(self.variance + 1e-5)
        self.centered = x - self.mean
        self.normal = self.centered * self.inverse
        return self.gamma * self.normal

    def backward(self, dout):
        axes, n = (1, 2), self.x.shape[1] * self.x.shape[2]
        dn = dout * self.gamma
        dv = np.sum(dn * self.centered * -0.5 * self.inverse ** 3, axis=axes, keepdims=True)
        dm = np.sum(dn * -self.inverse, axis=axes, keepdims=True) + dv * np.sum(
            -2 * self.centered, axis=axes, keepdims=True) / n
        dx = dn * self.inverse + dv * 2 * self.centered / n + dm / n
        return dx
"""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("np.sum(dn * self.centered * -0.5", "np.sum(dn * self.inverse * -0.5"),
        ("self.inverse ** 3", "self.inverse"),
        (
            "dv = np.sum(dn * self.centered * -0.5 * self.inverse ** 3, axis=axes, keepdims=True)",
            "dv = dn * self.centered * -0.5 * self.inverse ** 3",
        ),
    ],
)
def test_a_mistake_in_the_middle_of_a_long_backward_is_repaired(right, wrong):
    x = RANDOM.normal(size=(3, 2, 4, 6))
    assert not [found for found in check(layer(NORM), x).findings if found.severity == "error"]
    found = error_of(NORM.replace(right, wrong), x)
    assert found.fix is not None
    assert "dv = " in "".join(added(found))
    assert check(layer(found.fix.after), x).ok


RECURRENT = """
import numpy as np

class Recurrent:
    def __init__(self):
        self.W = np.linspace(-1.0, 1.0, 28).reshape(7, 4)

    def forward(self, x):
        n, turns, d = x.shape
        self.x, self.h = x, np.zeros((n, turns + 1, 4))
        for t in range(turns):
            self.h[:, t + 1] = np.tanh(np.concatenate([x[:, t], self.h[:, t]], axis=1) @ self.W)
        return self.h[:, 1:]

    def backward(self, dout):
        n, turns, d = self.x.shape
        dx, self.dW, after = np.zeros_like(self.x), np.zeros_like(self.W), np.zeros((n, 4))
        for t in reversed(range(turns)):
            dh = dout[:, t] + after
            da = dh * (1 - self.h[:, t + 1] ** 2)
            self.dW += np.concatenate([self.x[:, t], self.h[:, t]], axis=1).T @ da / n
            both = da @ self.W.T
            dx[:, t], after = both[:, :d], both[:, d:]
        return dx
"""


def test_parameters_are_right_up_to_a_constant_beside_an_input_that_is_right():
    x = RANDOM.normal(size=(5, 2, 3))
    assert not [found for found in check(layer(RECURRENT), x).findings if found.severity == "error"]
    wrong = layer(RECURRENT.replace("self.h[:, t + 1] ** 2)", "self.h[:, t + 1])"))
    found = [one for one in check(wrong, x).findings if one.severity == "error"]
    assert [added(one) for one in found] == [["da = dh * (1 - self.h[:, t + 1]**2)"]] * 2


def test_one_number_is_no_mask():
    found = error_of(NORM.replace("return dx", "return dx + 0.1 * n"), RANDOM.normal(size=(3, 2, 4, 6)))
    assert found.cause != "mask"
