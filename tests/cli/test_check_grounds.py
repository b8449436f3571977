"""`dout check` says error for what rests on facts, and warning for what rests on a guess of its own."""

import pytest
from check_commands import document, layers

FILE = '''
import numpy as np


def wave_forward(x, omega):
    """One number, omega, for all of x."""
    return np.sin(omega * x), (x, omega)


def wave_backward(dout, cache):
    x, omega = cache
    return dout * omega * np.cos(omega * x), np.sum(dout * x * np.cos(omega * x))


def shifted_forward(x, b):
    return np.tanh(x + b), np.tanh(x + b)


def shifted_backward(dout, cache):
    d = dout * (1 - cache**2)
    return d, np.sum(d)  # wrong: a bias is one number for each column


class Penalties:
    """Both methods are given the same: what backward calls w is no upstream gradient."""

    @staticmethod
    def ridge_penalty(w, strength):
        return strength * np.linalg.norm(w) ** 2

    @staticmethod
    def ridge_penalty_der(w, strength):
        return 2 * strength * w


class Distance:
    """Its backward is told which pairs belong together, and gives the gradient of its weights alone."""

    def __init__(self, n, m):
        self.W = np.random.default_rng(0).normal(size=(n, m))

    def forward(self, a, b):
        self.a, self.b = a, b
        self.difference = a @ self.W - b @ self.W
        return (self.difference**2).sum(axis=1)

    def backward(self, together):
        d = together[:, None] * self.difference
        return self.a.T @ d - self.b.T @ d


class LastUnit:
    """A sigmoid with its loss, for one output: two sizes that are alike by chance let it run with several."""

    def __init__(self, hidden, outputs):
        self.W, self.b = np.random.default_rng(1).normal(size=(hidden, outputs)), np.zeros(outputs)

    def forward(self, x, y):
        self.x, self.y = x, y
        self.p = 1 / (1 + np.exp(-(x @ self.W + self.b)))
        return -np.sum(y * np.log(self.p) + (1 - y) * np.log(1 - self.p)) / len(x)

    def backward(self, dout=1):
        d = dout * (self.p - self.y) / len(self.x)
        self.dW, self.db = np.sum(self.x * d, axis=0, keepdims=True).T, d.sum(axis=0)
        return d @ self.W.T
'''


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grounds")
    (folder / "README.md").write_text("Layers.\n")
    (folder / "several.py").write_text(FILE)
    return layers(document("several.py", cwd=folder))


def messages(layer, severity):
    return [finding["message"] for finding in layer["findings"] if finding["severity"] == severity]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("wave_forward", "an array in place of a number for omega"),
        ("Penalties", "of backward may be what forward is given"),
        ("Distance", "together of backward may be no upstream gradient"),
        ("LastUnit", "with outputs = 1 it is right"),
    ],
)
def test_an_error_that_rests_on_a_guess_is_a_warning(found, name, why):
    assert found[name]["ok"]
    assert any(why in message for message in messages(found[name], "warning"))


def test_a_bias_with_one_number_for_its_gradient_is_an_error(found):
    assert any("gradient of b has shape ()" in message for message in messages(found["shifted_forward"], "error"))
