"""Where differences alone judge, a kink close by is no error of the layer, and an error is still one."""

import numpy as np
import pytest

from dout import check
from dout.judge.outcomes import Word


class Window:
    """A product and a maximum over bytes, which no trace follows."""

    def forward(self, x, w):
        self.x, self.w = x, w
        same = np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape)
        self.on = same @ w > 0
        return np.maximum(same @ w, 0.0)

    def backward(self, dout):
        dout = dout * self.on
        return dout @ self.w.T, self.x.T @ dout


class Halved(Window):
    def backward(self, dout):
        dx, dw = super().backward(dout)
        return dx, dw * 0.5 + 0.5


def words(layer, seed):
    """The words of the verdicts on x and w, with many sums close to 0."""
    rng = np.random.default_rng(seed)
    return [v.word for v in check(layer, rng.normal(size=(40, 3)), rng.normal(size=(3, 4))).verdicts]


@pytest.mark.one_in(2)
@pytest.mark.parametrize("seed", range(12))
def test_a_kink_nearby_refutes_nothing(seed):
    assert words(Window(), seed) == [Word.AGREES, Word.AGREES]


@pytest.mark.parametrize("seed", range(4))
def test_a_wrong_gradient_beside_kinks_is_refuted(seed):
    assert words(Halved(), seed) == [Word.AGREES, Word.REFUTED]
