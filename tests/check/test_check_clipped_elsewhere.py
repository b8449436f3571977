"""Gradients that backward clips, where the limit is met at another point, setting or number of rows than as given."""

import numpy as np
import pytest

from dout.check.verb.check_layer import check

SCORES = np.array([[1.0, 0.5, -0.5], [0.25, -1.0, 0.75]])


class Linear:
    def __init__(self, n_in=3, n_out=4, limit=3.0, wrong=1.0):
        self.W, self.b = np.linspace(-2.0, 1.75, n_in * n_out).reshape(n_in, n_out), np.zeros(n_out)
        self.limit, self.wrong = limit, wrong

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = np.clip(self.x.T @ dout * self.wrong, -self.limit, self.limit)
        self.db = np.clip(dout.sum(axis=0), -self.limit, self.limit)
        return dout @ self.W.T


class Recurrent:
    def __init__(self, D=3, H=4):
        self.Wx, self.Wh = (np.random.default_rng(0).normal(size=(n, H)) for n in (D, H))
        self.b = np.zeros(H)

    def forward(self, xs):
        self.xs, self.hs = xs, [np.zeros((len(xs), len(self.b)))]
        for t in range(xs.shape[1]):
            self.hs.append(np.tanh(xs[:, t] @ self.Wx + self.hs[-1] @ self.Wh + self.b))
        return np.stack(self.hs[1:], axis=1)

    def backward(self, dhs):
        self.dWx, self.dWh, self.db = np.zeros_like(self.Wx), np.zeros_like(self.Wh), np.zeros_like(self.b)
        dxs, dh = np.zeros_like(self.xs), 0
        for t in reversed(range(dhs.shape[1])):
            d = (dhs[:, t] + dh) * (1 - self.hs[t + 1] ** 2)
            self.dWx += self.xs[:, t].T @ d
            self.dWh += self.hs[t].T @ d
            self.db += d.sum(axis=0)
            dxs[:, t], dh = d @ self.Wx.T, d @ self.Wh.T
        for gradient in (self.dWx, self.dWh, self.db):
            np.clip(gradient, -5, 5, out=gradient)
        return dxs


class RecurrentWrong(Recurrent):
    def backward(self, dhs):
        dxs = super().backward(dhs)
        self.db *= 0.5
        return dxs


def errors(report):
    return {finding.code for finding in report.findings if finding.severity == "error"}


@pytest.mark.parametrize("limit", [1.0, 3.0, 6.0])
def test_more_rows_that_meet_a_limit_are_no_error(limit):
    assert not errors(check(Linear(limit=limit), SCORES))


@pytest.mark.parametrize("limit", [1.0, 3.0, 6.0])
def test_a_factor_below_a_limit_is_wrong(limit):
    assert errors(check(Linear(limit=limit, wrong=0.75), SCORES)) == {"D101"}


def test_a_limit_that_is_met_at_other_sizes_alone_is_no_error():
    assert not errors(check(Recurrent))
    assert errors(check(RecurrentWrong)) == {"D101"}
