"""Layers that a network prepares, hands what they never read, or leaves with what they never compute."""

import numpy as np
import pytest
from fair_examples import severities

import dout
from dout.errors import NotTakenError


class Compiled:
    """What steps it stands in a dict that its network fills."""

    def __init__(self, n_in=3, n_out=4):
        self.W, self.config = np.random.default_rng(0).normal(size=(n_in, n_out)), {}

    def compile(self, lr, reg):
        self.config = {"lr": lr, "reg": reg, "m": np.zeros_like(self.W)}

    def forward(self, x):
        self.x = x
        return x @ self.W

    def back(self, dout):
        return dout @ self.W.T

    def backward(self, dout):
        dx, dW = self.back(dout), self.x.T @ dout
        self.config["m"] = 0.9 * self.config["m"] + 0.1 * dW
        self.W = self.W - self.config["lr"] * (self.config["m"] + self.config["reg"] * self.W)
        return dx


class CompiledWrongly(Compiled):
    def back(self, dout):
        return 2 * dout @ self.W.T + 1


def words(report):
    return {str(verdict.argument): str(verdict.word) for verdict in report.verdicts}


def test_a_layer_is_compiled_with_a_rate_and_no_penalty():
    assert words(dout.check(Compiled))["x"] == "exact"
    assert severities(dout.check(CompiledWrongly)) == ["error"]


class Flat:
    """Each layer of its network is handed the target."""

    def forward(self, x):
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dz_flat, y):
        return dz_flat.reshape(self.shape)


class FlatWrongly(Flat):
    def backward(self, dz_flat, y):
        return -dz_flat.reshape(self.shape)


class Last(Flat):
    """It reads its target: the gradient of a loss that it does not give."""

    def backward(self, dz_flat, y):
        return (dz_flat - y).reshape(self.shape)


def test_a_target_that_is_never_read_is_none():
    assert words(dout.check(Flat)) == {"x": "exact"}
    assert severities(dout.check(FlatWrongly)) == ["error"]


class Named:
    """Another method says which it is."""

    def set_kind(self, name):
        self.kind = name

    def forward(self, x):
        self.x = x
        if self.kind == "square":
            return x * x
        return 2 * x

    def backward(self, dout):
        return dout * (2 * self.x if self.kind == "square" else 2)


class NamedWrongly(Named):
    def backward(self, dout):
        return dout * self.x + 1


class NeverNamed:
    def forward(self, x):
        self.x = x
        return x * x if self.kind == "square" else 2 * x

    def backward(self, dout):
        return dout * 2 * self.x


def test_a_word_is_set_where_a_method_sets_it():
    assert words(dout.check(Named)) == {"x": "exact"}
    assert severities(dout.check(NamedWrongly)) == ["error"]
    with pytest.raises(NotTakenError, match="no attribute 'kind'"):
        dout.check(NeverNamed)


class Packed:
    """Its vectors of all parameters are filled by other methods, and made of nothing."""

    def __init__(self):
        self.W = np.random.default_rng(0).normal(size=(3, 4))
        self.param_vector, self.grad_vector = np.full(12, 2.0), np.full(12, 1e-3)

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


class PackedWrongly(Packed):
    def backward(self, dout):
        self.grad_vector = (self.x.T @ dout).ravel()
        return super().backward(dout)


def test_what_a_run_never_computes_is_no_gradient():
    assert words(dout.check(Packed)) == {"x": "exact", "W": "exact"}
    assert "param_vector" in words(dout.check(PackedWrongly))


class Net:
    """It keeps the gradient of its output, which has the shape of its input."""

    def __init__(self):
        self.W = np.random.default_rng(0).normal(size=(4, 4))

    def forward(self, x):
        self.x, self.y = x, x @ self.W
        return self.y

    def loss(self, y, target):
        return 0.5 * np.sum((y - target) ** 2)

    def backward(self, target):
        self.residue = self.y - target
        self.dW = self.x.T @ self.residue


class NetWrongly(Net):
    def backward(self, target):
        super().backward(target)
        self.dW = self.x.T @ (self.residue + self.y)


def test_the_gradient_of_an_output_is_not_that_of_its_input():
    assert words(dout.check(Net)) == {"W": "exact"}
    assert words(dout.check(NetWrongly)) == {"W": "refuted"}


class Reader:
    """A place for each word of its vocabulary, and no loss at the empty one."""

    def __init__(self, word_to_idx, dim=4):
        self.null = word_to_idx["<NULL>"]
        self.params = {"W": np.random.default_rng(0).normal(size=(dim, len(word_to_idx)))}

    def loss(self, x, y):
        W, grads = self.params["W"], {}
        e = np.exp(x @ W)
        p = e / e.sum(axis=1, keepdims=True)
        seen = y != self.null
        loss = -np.sum(seen * np.log(p[np.arange(len(y)), y]))
        p[np.arange(len(y)), y] -= 1
        grads["W"] = x.T @ (p * seen[:, None])
        return loss, grads


class ReaderWrongly(Reader):
    def loss(self, x, y):
        loss, grads = super().loss(x, y)
        grads["W"] = grads["W"] * grads["W"]
        return loss, grads


def test_a_vocabulary_has_several_words():
    assert words(dout.check(Reader)) == {"W": "exact"}
    assert words(dout.check(ReaderWrongly)) == {"W": "refuted"}
