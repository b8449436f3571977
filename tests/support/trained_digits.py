"""A training that draws everywhere, for tests that stop it and go on; run as a program it trains in a folder.

python trained_digits.py FOLDER KIND SAVE_EVERY OUTPUT
"""

import sys
from pathlib import Path

import numpy as np

from dout.layers import Affine, BatchNorm, Dropout, Relu, SoftmaxWithLoss
from dout.train import Adam, Momentum, accuracy, cosine, fit, he

generator = np.random.default_rng(7)
x = generator.standard_normal((230, 6)).astype(np.float32)
t = (x @ generator.standard_normal((6, 3))).argmax(axis=1)


class Noise:
    """Adds numbers from NumPy's global generator, and counts what it has seen, as people write it."""

    def __init__(self):
        self.turn, self.mean, self.cache = 0, None, {}

    def forward(self, x):
        self.turn += 1
        self.mean = x.mean(axis=0) if self.mean is None else 0.9 * self.mean + 0.1 * x.mean(axis=0)
        self.cache["noise"] = np.random.standard_normal(x.shape).astype(x.dtype) / self.turn
        return x + self.cache["noise"] - self.mean

    def backward(self, dout):
        return dout


class BookAdam:
    """The book's: what it remembers is made at the first update."""

    def __init__(self, lr=0.01):
        self.lr, self.iter, self.m, self.v = lr, 0, None, None

    def update(self, params, grads):
        if self.m is None:
            self.m, self.v = {}, {}
            for key, val in params.items():
                self.m[key] = np.zeros_like(val)
                self.v[key] = np.zeros_like(val)
        self.iter += 1
        lr_t = self.lr * np.sqrt(1.0 - 0.999**self.iter) / (1.0 - 0.9**self.iter)
        for key in params:
            self.m[key] += 0.1 * (grads[key] - self.m[key])
            self.v[key] += 0.001 * (grads[key] ** 2 - self.v[key])
            params[key] -= lr_t * self.m[key] / (np.sqrt(self.v[key]) + 1e-7)


def net():
    rng = np.random.default_rng(3)
    ones, zeros = np.ones(8, np.float32), np.zeros(8, np.float32)
    return [
        Affine(he(6, 8, generator=rng, dtype=np.float32), zeros.copy()), BatchNorm(ones, zeros.copy()), Noise(), Relu(),
        Dropout(0.2), Affine(he(8, 3, generator=rng, dtype=np.float32), np.zeros(3, np.float32)),
    ]  # fmt: skip


def drawn_batches():
    """An epoch of batches that draw from NumPy's global generator."""
    for place in np.array_split(np.random.permutation(len(x)), 7):
        yield x[place] + np.float32(0.01) * np.random.standard_normal(x[place].shape).astype(np.float32), t[place]


KINDS = {
    "plain": {"data": (x, t), "optimizer": lambda: Adam(0.01), "compiled": False},
    "compiled": {"data": (x, t), "optimizer": lambda: Adam(0.01), "compiled": True},
    "book": {"data": (x, t), "optimizer": BookAdam, "compiled": False},
    "iterator": {"data": (drawn_batches,), "optimizer": lambda: Momentum(0.05), "compiled": False},
}


def trained(folder, kind="plain", save_every=None, epochs=4, **more):
    """The layers, the history and the optimizer of one training."""
    layers, how = net(), dict(KINDS[kind])
    data, optimizer = how.pop("data"), how.pop("optimizer")()
    how |= {"seed": 5, "schedule": cosine(), "metrics": [accuracy], "validation": (x[:50], t[:50])} | more
    history = fit(
        layers, *data, loss=SoftmaxWithLoss(), optimizer=optimizer, epochs=epochs, batch=40, checkpoint=folder,
        save_every=save_every, **how,
    )  # fmt: skip
    return layers, history, optimizer


def bits(layers, history, optimizer):
    """Everything that has to be the same to the last bit."""
    arrays = [layers[0].W, layers[0].b, layers[1].gamma, layers[1].running_mean, layers[1].running_var, layers[2].mean]
    arrays += [layers[5].W, layers[5].b]
    rows = [{key: value for key, value in row.items() if key != "seconds"} for row in history.rows]
    return [a.tobytes() for a in arrays], layers[2].turn, repr(rows), np.random.get_state()[1].tobytes(), optimizer.lr


if __name__ == "__main__":
    folder, kind, save_every, output = sys.argv[1:]
    made = trained(folder, kind, int(save_every) or None, epochs=12, resume=True)
    Path(output).write_text(repr(bits(*made)))
