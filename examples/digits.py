"""A net of two layers learns to read digits; the images that it is tested on it has never seen.

    python examples/digits.py
    dout train examples/digits.py --epochs 30 --set lr=0.005
"""

import numpy as np
from sklearn.datasets import load_digits

from dout.layers import Affine, Relu, SoftmaxWithLoss
from dout.train import Adam, accuracy, cosine, fit, he

# Data: 1,797 images of 8 by 8, of which 360 are kept for the test
images, digits = load_digits(return_X_y=True)
images = (images / 16).astype(np.float32)
order = np.random.default_rng(0).permutation(len(images))
test, training = order[:360], order[360:]
x_train, t_train = images[training], digits[training]
x_test, t_test = images[test], digits[test]

# Net: 64 numbers in, a score for each digit out
generator = np.random.default_rng(1)
net = [
    Affine(he(64, 100, generator=generator, dtype=np.float32), np.zeros(100, np.float32)),
    Relu(),
    Affine(he(100, 10, generator=generator, dtype=np.float32), np.zeros(10, np.float32)),
]
loss = SoftmaxWithLoss()
optimizer = Adam(lr=0.01)
metrics = [accuracy]
epochs, batch, seed = 20, 50, 0
schedule = cosine()

if __name__ == "__main__":
    history = fit(
        net, x_train, t_train, loss=loss, optimizer=optimizer, epochs=epochs, batch=batch, seed=seed,
        schedule=schedule, metrics=metrics, validation=(x_test, t_test),
    )
    print(history)
