"""A recurrent layer: one cell at each of 100 steps in time, forward and backward."""

import numpy as np


class RNN:
    """h = tanh(h_prev · Wh + x · Wx + b)."""

    def __init__(self, Wx, Wh, b):
        self.Wx, self.Wh, self.b = Wx, Wh, b

    def forward(self, x, h_prev):
        h = np.tanh(np.dot(h_prev, self.Wh) + np.dot(x, self.Wx) + self.b)
        self.cache = x, h_prev, h
        return h

    def backward(self, dh):
        x, h_prev, h = self.cache
        dt = dh * (1 - h**2)
        self.db = np.sum(dt, axis=0)
        self.dWh, self.dWx = np.dot(h_prev.T, dt), np.dot(x.T, dt)
        return np.dot(dt, self.Wx.T), np.dot(dt, self.Wh.T)


class TimeRNN:
    """All steps in time: xs of shape (N, T, D) in, hs of shape (N, T, H) out."""

    def __init__(self, Wx, Wh, b):
        self.Wx, self.Wh, self.b = Wx, Wh, b

    def forward(self, xs):
        N, T, _ = xs.shape
        h, hs, self.cells = np.zeros((N, len(self.b))), np.zeros((N, T, len(self.b))), []
        for t in range(T):
            cell = RNN(self.Wx, self.Wh, self.b)
            h = cell.forward(xs[:, t, :], h)
            hs[:, t, :] = h
            self.cells.append(cell)
        return hs

    def backward(self, dhs):
        N, T, H = dhs.shape
        dxs, dh = np.zeros((N, T, len(self.Wx))), np.zeros((N, H))
        self.dWx, self.dWh, self.db = np.zeros_like(self.Wx), np.zeros_like(self.Wh), np.zeros_like(self.b)
        for t in reversed(range(T)):
            cell = self.cells[t]
            dx, dh = cell.backward(dhs[:, t, :] + dh)
            dxs[:, t, :] = dx
            self.dWx, self.dWh, self.db = self.dWx + cell.dWx, self.dWh + cell.dWh, self.db + cell.db
        return dxs


rng = np.random.default_rng(0)
layer = TimeRNN(rng.normal(size=(3, 4)) * 0.3, rng.normal(size=(4, 4)) * 0.3, np.zeros(4))
hs = layer.forward(rng.normal(size=(2, 100, 3)))
dxs = layer.backward(np.ones_like(hs))
