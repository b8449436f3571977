"""What a layer gives may be a buffer that it writes into again: metrics are of what it gave."""

import numpy as np

from dout.layers import SoftmaxWithLoss
from dout.train import SGD, accuracy, evaluate, fit


class IntoBuffer:
    def __init__(self):
        self.W = np.random.default_rng(0).normal(size=(4, 3))
        self.dW, self.scores = np.zeros_like(self.W), np.empty((100, 3))

    def forward(self, x):
        self.x = x
        return np.dot(x, self.W, out=self.scores[: len(x)])

    def backward(self, dout):
        self.dW[...] = self.x.T @ dout
        return dout @ self.W.T


def test_the_accuracy_of_a_validation_is_that_of_all_its_batches():
    x = np.random.default_rng(1).normal(size=(200, 4))
    t, layer = x[:, :3].argmax(axis=1), IntoBuffer()
    history = fit([layer], x, t, loss=SoftmaxWithLoss(), epochs=1, batch=20, optimizer=SGD(lr=1e-9),
                  validation=(x, t), metrics=[accuracy], progress=False, compiled=False)  # fmt: skip
    right = np.mean((x @ layer.W).argmax(axis=1) == t)
    assert history["validation accuracy"] == [right]
    assert [row["epoch"] for row in history] == [1.0]
    assert np.isclose(evaluate([layer], x, t, loss=SoftmaxWithLoss(), metrics=[accuracy], batch=50)["accuracy"], right)
