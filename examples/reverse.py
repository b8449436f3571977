"""Attention learns to look at the right place: a small net reads eight digits and says them backwards.

    python examples/reverse.py
"""

import numpy as np

from dout.layers import (
    Affine, Embedding, LayerNorm, MultiHeadAttention, PositionalEncoding, Residual, SoftmaxWithLoss, TimeDistributed,
)
from dout.train import Adam, accuracy, cosine, fit, xavier

# Data: rows of eight digits, and the same rows backwards
generator = np.random.default_rng(0)
rows = generator.integers(0, 10, size=(2500, 8))
x_train, x_test = rows[:2000], rows[2000:]
t_train, t_test = x_train[:, ::-1], x_test[:, ::-1]

# Net: a vector for each digit, its place, a look around, and a score for each digit out
width = 32


def weights(n_in, n_out):
    return xavier(n_in, n_out, generator=generator)


net = [
    Embedding(weights(10, width)),
    PositionalEncoding(),
    Residual(MultiHeadAttention(*(weights(width, width) for _ in range(4)), heads=2)),
    LayerNorm(np.ones(width), np.zeros(width)),
    TimeDistributed(Affine(weights(width, 10), np.zeros(10))),
]
loss = SoftmaxWithLoss()
optimizer = Adam(lr=0.005)
metrics = [accuracy]
epochs, batch, seed = 12, 50, 0
schedule = cosine()

if __name__ == "__main__":
    history = fit(
        net, x_train, t_train, loss=loss, optimizer=optimizer, epochs=epochs, batch=batch, seed=seed,
        schedule=schedule, metrics=metrics, validation=(x_test, t_test),
    )
    print(history)
