"""Functions that become kernels, their inputs, and a folder for machine code."""

from __future__ import annotations

import numpy as np
import pytest

F4, F8 = np.dtype("f4"), np.dtype("f8")

X = np.linspace(-2, 2, 12, dtype=np.float32).reshape(3, 4)


@pytest.fixture(scope="module")
def cache_folder(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOUT_CACHE_DIR", str(tmp_path_factory.mktemp("kernels")))
        yield


EDGES = np.array([0, -0.0, 1, -1, 0.5, -2.5, 3e38, 1e-40, np.inf, -np.inf, np.nan, 88, -90], np.float32)
RANDOM = np.random.default_rng(0)


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def batch_norm(x, gamma, beta):
    mean = x.mean(axis=0)
    centred = x - mean
    std = np.sqrt(np.mean(centred**2, axis=0) + 1e-7)
    return gamma * (centred / std) + beta, mean, std


def layer_norm(x, gamma):
    mean = x.mean(axis=-1, keepdims=True)
    var = ((x - mean) ** 2).mean(axis=-1, keepdims=True)
    return (x - mean) / np.sqrt(var + 1e-5) * gamma


def adam(w, g, m, v, rate):
    m = 0.9 * m + 0.1 * g
    v = 0.999 * v + 0.001 * g * g
    return w - rate * m / (np.sqrt(v) + 1e-7), m, v


def cross_entropy(y, t):
    return -np.sum(t * np.log(y + 1e-7)) / 100


def gates(f, g, i, o):
    c = np.tanh(g) / (1 + np.exp(-i)) + 1 / (1 + np.exp(-f))
    return c, np.tanh(c) / (1 + np.exp(-o))


def rows_of(*shape, dtype=np.float32):
    return RANDOM.normal(size=shape).astype(dtype)
