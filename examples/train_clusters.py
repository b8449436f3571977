"""A training script as people write them: a net of two layers learns to which of three clusters a point belongs.

    dout show examples/train_clusters.py --round 3 -- --lr 0.1
"""

import argparse

import numpy as np


class Affine:
    def __init__(self, n_in, n_out, generator):
        self.W = generator.normal(scale=np.sqrt(2 / n_in), size=(n_in, n_out))
        self.b = np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


class Relu:
    def forward(self, x):
        self.mask = x > 0
        return np.where(self.mask, x, 0)

    def backward(self, dout):
        return np.where(self.mask, dout, 0)


class SoftmaxWithLoss:
    def forward(self, x, t):
        shifted = x - x.max(axis=1, keepdims=True)
        log_y = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        self.y, self.t = np.exp(log_y), t
        return -np.sum(t * log_y) / len(x)

    def backward(self, dout=1):
        return dout * (self.y - self.t) / len(self.t)


def clusters(generator, points=90):
    """Points about three centres, and the centre of each as a row with a single one."""
    kind = generator.integers(0, 3, points)
    return generator.normal(size=(points, 2)) + 2 * np.eye(3, 2)[kind], np.eye(3)[kind]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lr", type=float, default=0.5)
    parser.add_argument("--epochs", type=int, default=200)
    options = parser.parse_args()
    generator = np.random.default_rng(0)
    x, t = clusters(generator)
    first, relu, second = Affine(2, 16, generator), Relu(), Affine(16, 3, generator)
    loss = SoftmaxWithLoss()
    for epoch in range(options.epochs):
        scores = second.forward(relu.forward(first.forward(x)))
        error = loss.forward(scores, t)
        first.backward(relu.backward(second.backward(loss.backward())))
        for layer in (first, second):
            layer.W -= options.lr * layer.dW
            layer.b -= options.lr * layer.db
        if epoch % 50 == 0:
            print(f"epoch {epoch}, loss {error:.3f}")
    print(f"right: {np.mean(scores.argmax(axis=1) == t.argmax(axis=1)):.0%}")


if __name__ == "__main__":
    main()
