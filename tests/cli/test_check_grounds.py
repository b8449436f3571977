"""`dout check` says error for what rests on facts, and warning for what rests on a guess of its own."""

import shlex

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
        self.dW, self.db = np.sum(self.x * d, axis=0, keepdims=True).T, np.array([d.sum()])
        return d * self.W[:, 0]


class WidestUnits:
    """One gradient is right only for one output, and that of W is right for several."""

    def __init__(self, inputs, outputs):
        self.W = np.random.default_rng(2).normal(size=(inputs, outputs))

    def forward(self, x):
        self.x = x
        return np.tanh(x @ self.W)

    def backward(self, dout):
        d = dout * (1 - np.tanh(self.x @ self.W) ** 2)
        self.dW = self.x.T @ d
        return d * self.W.sum(axis=1)  # wrong


class Bent:
    """Backward reads the x that forward keeps: its own x is the upstream gradient."""

    def forward(self, x):
        self.x = x
        return np.sin(x)

    def backward(self, x):
        return -x * np.cos(self.x)  # wrong


class Moved:
    """The gradient of x is right: top is the upstream gradient."""

    def forward(self, x, b):
        return x + b

    def backward(self, top):
        return top, top.sum(axis=0)[None, :, None]  # wrong


class Total:
    """One number for the gradient of its only array."""

    def forward(self, x):
        self.x = x
        return x**3

    def backward(self, dout):
        return np.sum(dout * 3 * self.x**2)  # wrong


def scaled_forward(x, rates: np.ndarray):
    return x * rates, (x, rates)


def scaled_backward(dout, cache):
    x, rates = cache
    return dout * rates, np.sum(dout * x)  # wrong: rates is an array
'''

TWICE = """
import numpy as np

class Twice:
    def forward(self, x):
        return 2 * x

    def backward(self, x):
        return 3 * x  # wrong
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grounds")
    (folder / "README.md").write_text("Layers.\n")
    (folder / "several.py").write_text(FILE)
    return layers(document("several.py", cwd=folder)) | {"": folder}


def messages(layer, severity):
    return [finding["message"] for finding in layer["findings"] if finding["severity"] == severity]


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("wave_forward", "if omega is a number, it is right"),
        ("Penalties", "backward's argument w may be forward's input, not the upstream gradient"),
        ("Distance", "together of backward may be no upstream gradient"),
        ("LastUnit", "with outputs = 1 it is right"),
    ],
)
def test_an_error_that_rests_on_a_guess_is_a_warning(found, name, why):
    assert found[name]["ok"]
    assert any(why in message for message in messages(found[name], "warning"))


@pytest.mark.parametrize("name", ["WidestUnits", "Bent", "Moved", "Total", "scaled_forward"])
def test_what_a_fact_confirms_is_an_error(found, name):
    assert messages(found[name], "error")


@pytest.mark.long
def test_the_command_that_repeats_a_warning_gives_it_again(found):
    for name in ("wave_forward", "Penalties", "LastUnit"):
        again = shlex.split(found[name]["again"])
        assert layers(document(*again[2:], cwd=found[""]))[name]["ok"]


@pytest.mark.long
def test_a_program_that_uses_the_layer_says_what_backward_is_given(tmp_path):
    program = """
if __name__ == "__main__":
    x, layer = np.random.default_rng(0).normal(size=(6, 4)), Twice()
    for _ in range(3):
        out = layer.forward(x)
        x -= 0.1 * layer.backward(out - 1)
"""
    for file, text, severity in (("alone.py", TWICE, "warning"), ("used.py", TWICE + program, "error")):
        (tmp_path / file).write_text(text)
        assert messages(layers(document(file, cwd=tmp_path))["Twice"], severity)


@pytest.mark.long
def test_an_interface_that_is_given_is_a_fact(found):
    said = "ridge_penalty, ridge_penalty_der(dout, strength)"
    told = layers(document("several.py:Penalties", "--interface", said, cwd=found[""]))["Penalties"]
    assert messages(told, "error")


def test_a_bias_with_one_number_for_its_gradient_is_an_error(found):
    assert any("gradient of b has shape ()" in message for message in messages(found["shifted_forward"], "error"))
