"""Large layers that take a number for a length: they are judged at that number alone."""

import numpy as np
import pytest

import dout
from dout.judge.outcomes import Word


def average(x, window):
    N, C, H, W = x.shape
    high, wide = (H - window[0]) // 2 + 1, (W - window[1]) // 2 + 1
    out = np.zeros((N, C, high, wide))
    for n in range(N):
        for c in range(C):
            for i in range(high):
                for j in range(wide):
                    out[n, c, i, j] = np.mean(x[n, c, 2 * i : 2 * i + window[0], 2 * j : 2 * j + window[1]])
    return out


def backward(factor):
    def average_backward(dout, x, window):
        dx = np.zeros_like(x)
        for n, c, i, j in np.ndindex(*dout.shape):
            share = factor * dout[n, c, i, j] / (window[0] * window[1])
            dx[n, c, 2 * i : 2 * i + window[0], 2 * j : 2 * j + window[1]] += share
        return dx

    return average_backward


@pytest.mark.parametrize(("factor", "word"), [(1, Word.AGREES), (2, Word.REFUTED)])
def test_a_window_that_is_given_as_numbers_stays_what_it_is_in_a_large_layer(factor, word):
    x = np.random.default_rng(0).normal(size=(2, 3, 9, 13))
    report = dout.check((average, backward(factor)), x, (3, 3))
    assert [verdict.word for verdict in report.verdicts] == [word]


class RectifiedMean:
    """ReLU, and means over windows of (a, b), which are given; the slope at 0 is 1, and as good as 0."""

    factor = 1

    def forward(self, x, window):
        a, b = window
        self.x, self.window = x, window
        high, wide = x.shape[2] // a, x.shape[3] // b
        rectified = np.maximum(x, 0)
        out = np.zeros((*x.shape[:2], high, wide))
        for i in range(high):
            for j in range(wide):
                out[:, :, i, j] = rectified[:, :, i * a : i * a + a, j * b : j * b + b].mean(axis=(2, 3))
        return out

    def backward(self, dout):
        a, b = self.window
        spread = np.repeat(np.repeat(dout, a, axis=2), b, axis=3) / (a * b)
        return self.factor * spread * (self.x >= 0), None


class Twice(RectifiedMean):
    factor = 2


@pytest.mark.parametrize(("layer", "word"), [(RectifiedMean, Word.AGREES), (Twice, Word.REFUTED)])
def test_what_steers_nothing_moves_away_from_kinks(layer, word):
    x = np.random.default_rng(0).normal(size=(3, 3, 36, 40))
    report = dout.check(layer(), np.where(x > 0.7, x, 0.0), (2, 2))  # images have many zeros
    assert [verdict.word for verdict in report.verdicts] == [word]
