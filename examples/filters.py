"""A convolutional net learns to read digits of 8 by 8: eight filters, then sixteen, and one score for each digit.

    python examples/filters.py
    dout train examples/filters.py --epochs 20
"""

import numpy as np
from sklearn.datasets import load_digits

from dout.layers import Affine, Convolution, Flatten, MaxPool, Relu, SoftmaxWithLoss
from dout.train import Adam, accuracy, cosine, fit, he

# Data: images in one channel, of which 360 are kept for the test
images, digits = load_digits(return_X_y=True)
images = (images / 16).astype(np.float32).reshape(-1, 1, 8, 8)
order = np.random.default_rng(0).permutation(len(images))
test, training = order[:360], order[360:]
x_train, t_train = images[training], digits[training]
x_test, t_test = images[test], digits[test]

# Net: each pooling halves the image, 8 by 8 to 4 by 4 to 2 by 2
generator = np.random.default_rng(1)


def weights(*shape):
    return he(*shape, generator=generator, dtype=np.float32)


net = [
    Convolution(weights(8, 1, 3, 3), np.zeros(8, np.float32), pad=1), Relu(), MaxPool(2),
    Convolution(weights(16, 8, 3, 3), np.zeros(16, np.float32), pad=1), Relu(), MaxPool(2),
    Flatten(), Affine(weights(64, 10), np.zeros(10, np.float32)),
]
loss = SoftmaxWithLoss()
optimizer = Adam(lr=0.01)
metrics = [accuracy]
epochs, batch, seed = 10, 50, 0
schedule = cosine()

if __name__ == "__main__":
    history = fit(
        net, x_train, t_train, loss=loss, optimizer=optimizer, epochs=epochs, batch=batch, seed=seed,
        schedule=schedule, metrics=metrics, validation=(x_test, t_test),
    )
    print(history)
