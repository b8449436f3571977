"""What a derived backward leaves out: copies, passes over arrays, sums and products that are taken already."""

import ast

import numpy as np
import pytest

from dout.explain.loops.looped_class import derived

RNG = np.random.default_rng(3)


class Split:
    def __init__(self, W):
        self.W = W

    def forward(self, x, h):
        return np.concatenate([x, h], axis=1) @ self.W


class Joined:
    def forward(self, x, h):
        return np.concatenate([x, h], axis=1)


class Averaged:
    def forward(self, x):
        return x.mean(axis=1)


class Pooled:
    def forward(self, x):
        return x.mean(axis=(2, 3))


class Standardised:
    def __init__(self, gamma, beta):
        self.gamma, self.beta = gamma, beta

    def forward(self, x):
        z = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5)
        return self.gamma * z + self.beta


class Gated:
    def forward(self, a, b):
        gate = np.exp(-b * b)
        return a * gate


class Mixed:
    def __init__(self, W):
        self.W = W

    def forward(self, x):
        return np.einsum("ntd,de->nte", x, self.W)


class CrossEntropy:
    def forward(self, x, t):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        y = e / e.sum(axis=1, keepdims=True)
        return -np.sum(t * np.log(y))


class Silu:
    def forward(self, x):
        return x / (1 + np.exp(-x))


class Clip:
    def forward(self, x):
        return np.clip(x, -1, 2)


class Blocks:
    def forward(self, x):
        N, D = x.shape
        return x.reshape(N, D // 2, 2).max(axis=2)


class Sigmoid:
    def forward(self, x):
        return 1 / (1 + np.exp(-x))


def lines_of(layer, *inputs, **init):
    """The lines of backward, without comments."""
    source = derived(layer, init, inputs).source
    (cls,) = ast.parse(source).body
    backward = next(item for item in cls.body if isinstance(item, ast.FunctionDef) and item.name == "backward")
    return [ast.unparse(line) for line in backward.body]


@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    ("layer", "inputs", "init", "lines"),
    [
        (Split, [(3, 2), (3, 4)], {"W": (6, 5)},
         ["dx = product[:, :self.x_shape[1]]", "dh = product[:, self.x_shape[1]:]"]),
        (Joined, [(3, 2), (3, 4)], {},
         ["dx = dout[:, :self.x_shape[1]].copy()", "dh = dout[:, self.x_shape[1]:].copy()"]),
        (Averaged, [(3, 4, 5)], {},
         ["dx = np.repeat(dout[:, np.newaxis] / self.x_shape[1], self.x_shape[1], axis=1)"]),
        (Pooled, [(3, 4, 5, 6)], {},
         ["dx = np.full(self.x_shape, dout[:, :, np.newaxis, np.newaxis] / (self.x_shape[2] * self.x_shape[3]))"]),
        (Standardised, [(6, 4)], {"gamma": (4,), "beta": (4,)},
         ["dbeta = dout.sum(axis=0)", "dgamma = (dout * self.z).sum(axis=0)",
          "diff = dout - dbeta / dout.shape[0] - dgamma / dout.shape[0] * self.z",
          "dx = diff * (self.gamma / self.sqrt)"]),
        (Gated, [(3, 4), (3, 4)], {}, ["da = dout * self.gate", "db = -2 * da * self.a * self.b"]),
        (Mixed, [(3, 4, 5)], {"W": (5, 6)}, ["self.dW = np.einsum('nte,ntd->de', dout, self.x, optimize=True)"]),
        (CrossEntropy, [(3, 4), (3, 4)], {},
         ["dx = minus - minus.sum(axis=1, keepdims=True) * self.y",
          "dt = -dout * self.log"]),
        (Silu, [(3, 4)], {}, ["dx = dout * ((1 - self.sigma) * self.out + self.sigma)"]),
        (Clip, [(3, 4)], {}, ["dx = dout * self.mask"]),
        (Sigmoid, [(3, 4)], {}, ["dx = dout * (1 - self.out) * self.out"]),
    ],
)  # fmt: skip
def test_backward_has_these_lines(layer, inputs, init, lines):
    given = [RNG.normal(size=shape) for shape in inputs]
    found = lines_of(layer, *given, **{name: RNG.normal(size=shape) for name, shape in init.items()})
    assert [line for line in found if line in lines] == lines, found


@pytest.mark.parametrize(
    ("layer", "kept"),
    [
        (Clip, ["self.mask = (x >= -1) & (x <= 2)"]),
        (Blocks, ["self.mask = shaped == out[..., np.newaxis]"]),
        (Silu, ["self.out = out", "self.sigma = 1 / sum_"]),
    ],
)
def test_forward_makes_a_mask_or_a_quotient_in_place_of_what_backward_would_read(layer, kept):
    source = derived(layer, {}, [RNG.normal(size=(3, 4))]).source
    forward = source.partition("def backward")[0]
    assert [line.strip() for line in forward.splitlines() if "self." in line and "shape = " not in line] == kept


class TwoGates:
    def forward(self, a, b):
        return np.tanh(a) * np.tanh(b)


def test_names_are_numbered_in_the_order_of_forward():
    source = derived(TwoGates, {}, list(RNG.normal(size=(2, 3, 4)))).source
    assert source.index("tanh = np.tanh(a)") < source.index("tanh_2 = np.tanh(b)")
