"""A recurrent net learns the Zen of Python, which comes with Python, letter by letter, and goes on with a beginning.

    python examples/zen.py
"""

import codecs
import contextlib
import io

import numpy as np

from dout.layers import Affine, Embedding, Lstm, SoftmaxWithLoss, TimeDistributed
from dout.train import Adam, accuracy, fit, orthogonal, predict, xavier

# Data: every 25 letters of the text, and the letter that follows each of them
with contextlib.redirect_stdout(io.StringIO()):  # it prints itself
    import this
text = codecs.decode(this.s, "rot13")
letters = sorted(set(text))
numbers = np.array([letters.index(letter) for letter in text])
starts = np.arange(0, len(text) - 25, 3)
x_train = np.stack([numbers[start : start + 24] for start in starts])
t_train = np.stack([numbers[start + 1 : start + 25] for start in starts])

# Net: a vector for each letter, a state that remembers, and a score for each letter that may follow
generator = np.random.default_rng(0)
H = 64
net = [
    Embedding(xavier(len(letters), 32, generator=generator)),
    Lstm(
        xavier(32, 4 * H, generator=generator),
        np.concatenate([orthogonal(H, H, generator=generator) for _ in range(4)], axis=1),
        np.zeros(4 * H),
    ),
    TimeDistributed(Affine(xavier(H, len(letters), generator=generator), np.zeros(len(letters)))),
]
loss = SoftmaxWithLoss()
optimizer = Adam(lr=0.02)
metrics = [accuracy]
epochs, batch, seed, clip = 15, 20, 0, 5.0


def go_on(beginning, length=60):
    """Return a text that begins so, each letter the one with the largest score."""
    written = beginning
    for _ in range(length):
        places = np.array([[letters.index(letter) for letter in written[-24:]]])
        written += letters[predict(net, places)[0, -1].argmax()]
    return written


if __name__ == "__main__":
    history = fit(
        net, x_train, t_train, loss=loss, optimizer=optimizer, epochs=epochs, batch=batch, seed=seed, metrics=metrics,
        clip=clip,
    )
    print(history)
    print(go_on("Beautiful is"))
