"""First weights: as large as a layer needs so that what goes through it neither dies out nor blows up.

Each takes the shape of the weights: (D, M) of an Affine, or (filters, channels, …) of a convolution. Numbers are drawn
from `generator`, or from NumPy's global one, as the book draws them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def he(*shape: int, generator: Any = None, dtype: Any = float) -> Array:
    """Normal numbers of variance `2 / n_in`: for layers before a ReLU, which blocks half of what comes.

    Source: He, Zhang, Ren and Sun (2015), "Delving deep into rectifiers".

    >>> he(1000, 50, generator=np.random.default_rng(0)).std().round(3)
    np.float64(0.045)
    """
    n_in, _ = fans(shape)
    return _normal(shape, generator, dtype, np.sqrt(2 / n_in))


def xavier(*shape: int, generator: Any = None, dtype: Any = float) -> Array:
    """Normal numbers of variance `2 / (n_in + n_out)`: for layers before a tanh or a sigmoid.

    Source: Glorot and Bengio (2010), "Understanding the difficulty of training deep feedforward neural networks".
    """
    return _normal(shape, generator, dtype, np.sqrt(2 / sum(fans(shape))))


def orthogonal(*shape: int, gain: float = 1.0, generator: Any = None, dtype: Any = float) -> Array:
    """Rows, or columns where these are fewer, of length `gain` that are at right angles: for recurrent weights.

    Source: Saxe, McClelland and Ganguli (2013), "Exact solutions to the nonlinear dynamics of learning".

    >>> W = orthogonal(3, 3)
    >>> bool(np.allclose(W @ W.T, np.eye(3)))
    True
    """
    rows, columns = shape[0], int(np.prod(shape[1:]))
    q, r = np.linalg.qr(_normal((max(rows, columns), min(rows, columns)), generator, float, 1.0))
    q = q * np.where(np.diag(r) < 0, -1, 1)  # otherwise the signs are the algorithm's, and not by chance
    return (gain * (q if rows >= columns else q.T)).reshape(shape).astype(dtype)


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """How many numbers go into one output of weights of this shape, and how many outputs one input goes into.

    >>> fans((784, 50)), fans((16, 3, 5, 5))
    ((784, 50), (75, 400))
    """
    if len(shape) < 2:
        raise ValueError(f"weights of shape {shape}: give at least (inputs, outputs); a bias begins as np.zeros")
    if len(shape) == 2:
        return shape
    window = int(np.prod(shape[2:]))
    return shape[1] * window, shape[0] * window


def _normal(shape: tuple[int, ...], generator: Any, dtype: Any, scale: float) -> Array:
    drawn = np.random.standard_normal(shape) if generator is None else generator.standard_normal(shape)  # noqa: NPY002
    return (scale * drawn).astype(dtype)
