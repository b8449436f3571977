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
