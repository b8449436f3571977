"""Recurrent layers: one step, and a whole sequence."""

# ruff: noqa: D102 - forward and backward are the book's, and need no sentence each

import numpy as np


def sigmoid(x):
    """1 / (1 + exp(-x)), with exp of negative numbers alone."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)


class Rnn:
    """h = tanh(x Wx + h Wh + b)."""

    def __init__(self, Wx, Wh, b):
        self.params = [Wx, Wh, b]
        self.grads = [np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)]
        self.cache = None

    def forward(self, x, h_prev):
        Wx, Wh, b = self.params
        t = np.dot(h_prev, Wh) + np.dot(x, Wx) + b
        h_next = np.tanh(t)
        self.cache = (x, h_prev, h_next.copy())
        return h_next

    def backward(self, dh_next):
        Wx, Wh, _ = self.params
        x, h_prev, h_next = self.cache
        dt = dh_next * (1 - h_next**2)
        db = np.sum(dt, axis=0)
        dWh = np.dot(h_prev.T, dt)
        dh_prev = np.dot(dt, Wh.T)
        dWx = np.dot(x.T, dt)
        dx = np.dot(dt, Wx.T)
        self.grads[0][...] = dWx
        self.grads[1][...] = dWh
        self.grads[2][...] = db
        return dx, dh_prev


class LstmStep:
    """One step of an LSTM whose output is the hidden state."""

    def __init__(self, Wx, Wh, b):
        self.Wx, self.Wh, self.b = Wx, Wh, b
        self.cache = None

    def forward(self, x, h_prev, c_prev):
        H = h_prev.shape[1]
        A = x @ self.Wx + h_prev @ self.Wh + self.b
        f = sigmoid(A[:, :H])
        g = np.tanh(A[:, H : 2 * H])
        i = sigmoid(A[:, 2 * H : 3 * H])
        o = sigmoid(A[:, 3 * H :])
        c_next = f * c_prev + g * i
        tanh_c = np.tanh(c_next)
        self.cache = (x, h_prev, c_prev, i, f, g, o, tanh_c)
        return o * tanh_c

    def backward(self, dout):
        x, h_prev, c_prev, i, f, g, o, tanh_c = self.cache
        ds = dout * o * (1 - tanh_c**2)
        do = dout * tanh_c * o * (1 - o)
        di = ds * g * i * (1 - i)
        dg = ds * i * (1 - g**2)
        df = ds * c_prev * f * (1 - f)
        dA = np.hstack((df, dg, di, do))
        self.dWx = x.T @ dA
        self.dWh = h_prev.T @ dA
        self.db = dA.sum(axis=0)
        dx = dA @ self.Wx.T
        dh_prev = dA @ self.Wh.T
        dc_prev = ds * f
        return dx, dh_prev, dc_prev


class GruStep:
    """One step of a gated recurrent unit."""

    def __init__(self, Wx, Wh):
        self.Wx = Wx
        self.Wh = Wh
        self.dWx = None
        self.dWh = None

    def forward(self, x, h_prev):
        H = h_prev.shape[1]
        Wx, Wh = self.Wx, self.Wh
        z = sigmoid(x @ Wx[:, :H] + h_prev @ Wh[:, :H])
        r = sigmoid(x @ Wx[:, H : 2 * H] + h_prev @ Wh[:, H : 2 * H])
        h_hat = np.tanh(x @ Wx[:, 2 * H :] + (r * h_prev) @ Wh[:, 2 * H :])
        self.cache = x, h_prev, z, r, h_hat
        return (1 - z) * h_prev + z * h_hat

    def backward(self, dh_next):
        x, h_prev, z, r, h_hat = self.cache
        H = h_prev.shape[1]
        Wx, Wh = self.Wx, self.Wh
        dh_prev = dh_next * (1 - z)
        dt = dh_next * z * (1 - h_hat**2)
        dhr = dt @ Wh[:, 2 * H :].T
        dh_prev += r * dhr
        dr = dhr * h_prev * r * (1 - r)
        dz = dh_next * (h_hat - h_prev) * z * (1 - z)
        dh_prev += dr @ Wh[:, H : 2 * H].T
        dh_prev += dz @ Wh[:, :H].T
        self.dWh = np.hstack([h_prev.T @ dz, h_prev.T @ dr, (r * h_prev).T @ dt])
        gates = np.hstack([dz, dr, dt])
        self.dWx = x.T @ gates
        dx = gates @ Wx.T
        return dx, dh_prev


class TimeRnn:
    """A simple recurrent network over a whole sequence, from a state of zeros."""

    def __init__(self, Wx, Wh, b):
        self.Wx, self.Wh, self.b = Wx, Wh, b
        self.dWx = self.dWh = self.db = None

    def forward(self, xs):
        N, T, _ = xs.shape
        H = self.Wh.shape[0]
        h = np.zeros((N, H), dtype=xs.dtype)
        hs = np.empty((N, T, H), dtype=xs.dtype)
        for t in range(T):
            h = np.tanh(xs[:, t] @ self.Wx + h @ self.Wh + self.b)
            hs[:, t] = h
        self.xs = xs
        self.hs = hs.copy()
        return hs

    def backward(self, dhs):
        xs, hs = self.xs, self.hs
        dxs = np.zeros_like(xs)
        self.dWx = np.zeros_like(self.Wx)
        self.dWh = np.zeros_like(self.Wh)
        self.db = np.zeros_like(self.b)
        dh = np.zeros_like(hs[:, 0])
        for t in reversed(range(xs.shape[1])):
            da = (dhs[:, t] + dh) * (1 - hs[:, t] ** 2)
            self.dWx += xs[:, t].T @ da
            self.db += da.sum(axis=0)
            if t > 0:
                self.dWh += hs[:, t - 1].T @ da
            dxs[:, t] = da @ self.Wx.T
            dh = da @ self.Wh.T
        return dxs


class ExponentialAverage:
    """A running average along time, by a fixed share."""

    def __init__(self, share=0.3):
        self.share = share

    def forward(self, x):
        out = np.zeros_like(x)
        out[:, 0] = x[:, 0]
        for t in range(1, x.shape[1]):
            out[:, t] = self.share * x[:, t] + (1 - self.share) * out[:, t - 1]
        return out

    def backward(self, dout):
        dx = np.zeros_like(dout)
        carried = np.zeros_like(dout[:, 0])
        for t in range(dout.shape[1] - 1, 0, -1):
            total = dout[:, t] + carried
            dx[:, t] = self.share * total
            carried = (1 - self.share) * total
        dx[:, 0] = dout[:, 0] + carried
        return dx


class Highway:
    """A gate between x and a transformed x."""

    def __init__(self, W, b):
        self.W = W
        self.b = b

    def forward(self, x, h):
        gate = sigmoid(x @ self.W + self.b)
        self.cache = (x, h, gate)
        return gate * h + (1 - gate) * x

    def backward(self, dout):
        x, h, gate = self.cache
        dgate = dout * (h - x) * gate * (1 - gate)
        self.dW = x.T @ dgate
        self.db = dgate.sum(axis=0)
        dx = dgate @ self.W.T + dout * (1 - gate)
        dh = dout * gate
        return dx, dh
