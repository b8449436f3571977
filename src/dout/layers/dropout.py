"""Dropout: while a net trains, some of its units are silent by chance, others in every round.

`training = False` turns a layer off: it hands on what it is given. With a `seed` the same units are silent in each run.
"""

from typing import Any

import numpy as np

from dout.layers.form import Value, arriving, fresh, keep_form


class Dropout:
    """Set each number to 0 with a chance of `ratio`, and make the others larger. PyTorch: `torch.nn.Dropout`.

    `y = x · s` and `dx = dout · s`, where `s` is 0 with a chance of p, and `1 / (1 - p)` otherwise: the mean stays as
    it was, so nothing is to do when the net is used. `x` has any shape.
    Source: Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov (2014), "Dropout: a simple way to prevent neural
    networks from overfitting".

    >>> import numpy as np
    >>> layer = Dropout(0.5, seed=0)
    >>> layer.forward(np.ones(6))
    array([2., 0., 0., 0., 2., 2.])
    >>> layer.backward(np.ones(6))
    array([2., 0., 0., 0., 2., 2.])
    """

    def __init__(self, ratio: float = 0.5, seed: int | None = None) -> None:
        if not 0 <= ratio < 1:
            raise ValueError(f"{type(self).__name__}: ratio is {ratio}: it must be at least 0, and below 1")
        self.ratio = ratio
        self.generator = np.random.default_rng(seed)
        self.training = True

    def forward(self, x: Value) -> Value:
        """Return `x` with some of its numbers 0, and the others larger."""
        self.scale = self._drawn(x) if self.training else None
        out = fresh(x) if self.scale is None else x * self.scale
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dout` where `x` was handed on, larger by as much."""
        dout = arriving(self, dout)

        return fresh(dout) if self.scale is None else dout * self.scale

    def _drawn(self, x: Value) -> Value:
        """Return the scale of each number, float32 for float32."""
        return self._scales(np.shape(x), np.result_type(np.asarray(x), np.float16))

    def _scales(self, shape: tuple[int, ...], dtype: Any) -> Value:
        kept = self.generator.random(shape) >= self.ratio
        return kept * np.asarray(1 / (1 - self.ratio), dtype)


class Dropout2d(Dropout):
    """A Dropout of whole channels: neighbours in an image know each other's numbers. PyTorch: `torch.nn.Dropout2d`.

    `y = x · s` and `dx = dout · s`, where `s` has one number for each sample and channel. `x` has shape (N, C, …).
    Source: Tompson, Goroshin, Jain, LeCun and Bregler (2015), "Efficient object localization using convolutional
    networks".
    """

    def _drawn(self, x: Value) -> Value:
        """Return the scale of each channel of each sample."""
        if np.ndim(x) < 3:
            raise ValueError(f"Dropout2d.forward: x has shape {np.shape(x)}: give (N, C, …), or take Dropout")
        return self._scales((*x.shape[:2], *(1,) * (x.ndim - 2)), np.result_type(x, np.float16))
