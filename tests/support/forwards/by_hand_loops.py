"""Backwards written by hand, of layers whose forward has a loop: the same loop, in reverse where order counts."""

import numpy as np


class RnnSequence:
    def __init__(self, Wx, Wh, b):
        self.Wx, self.Wh, self.b = Wx, Wh, b

    def forward(self, xs):
        N, T, D = xs.shape
        h = np.zeros((N, self.Wh.shape[0]), dtype=xs.dtype)
        self.xs = xs
        self.hs = np.empty((N, T + 1, h.shape[1]), dtype=xs.dtype)
        self.hs[:, 0] = h
        for t in range(T):
            h = np.tanh(xs[:, t] @ self.Wx + h @ self.Wh + self.b)
            self.hs[:, t + 1] = h
        return self.hs[:, 1:]

    def backward(self, dout):
        dxs = np.empty_like(self.xs)
        self.dWx = np.zeros_like(self.Wx)
        self.dWh = np.zeros_like(self.Wh)
        self.db = np.zeros_like(self.b)
        dh = 0
        for t in reversed(range(dout.shape[1])):
            da = (dout[:, t] + dh) * (1 - self.hs[:, t + 1] ** 2)
            self.dWx += self.xs[:, t].T @ da
            self.dWh += self.hs[:, t].T @ da
            self.db += da.sum(axis=0)
            dxs[:, t] = da @ self.Wx.T
            dh = da @ self.Wh.T
        return dxs


class ExponentialAverage:
    def __init__(self, alpha=0.3):
        self.alpha = alpha

    def forward(self, xs):
        s = xs[0]
        out = [s]
        for x in xs[1:]:
            s = self.alpha * x + (1 - self.alpha) * s
            out.append(s)
        return np.stack(out)

    def backward(self, dout):
        dxs = np.empty_like(dout)
        ds = np.zeros_like(dout[0])
        for t in reversed(range(1, len(dout))):
            ds = ds + dout[t]
            dxs[t] = self.alpha * ds
            ds = (1 - self.alpha) * ds
        dxs[0] = dout[0] + ds
        return dxs


class ConvolutionByLoops:
    def __init__(self, W, b):
        self.W = W
        self.b = b

    def forward(self, x):
        O, C, fh, fw = self.W.shape
        N, _, H, W = x.shape
        self.x = x
        out = np.zeros((N, O, H - fh + 1, W - fw + 1), dtype=x.dtype)
        for i in range(out.shape[2]):
            for j in range(out.shape[3]):
                patch = x[:, :, i : i + fh, j : j + fw].reshape(N, -1)
                out[:, :, i, j] = patch @ self.W.reshape(O, -1).T + self.b
        return out

    def backward(self, dout):
        O, C, fh, fw = self.W.shape
        N, _, rows, columns = dout.shape
        dx = np.zeros_like(self.x)
        self.dW = np.zeros_like(self.W)
        self.db = dout.sum(axis=(0, 2, 3))
        for i in range(rows):
            for j in range(columns):
                d = dout[:, :, i, j]
                patch = self.x[:, :, i : i + fh, j : j + fw].reshape(N, -1)
                self.dW += (d.T @ patch).reshape(self.W.shape)
                dx[:, :, i : i + fh, j : j + fw] += (d @ self.W.reshape(O, -1)).reshape(N, C, fh, fw)
        return dx


class ConvolutionByShifts:
    def __init__(self, W):
        self.W = W

    def forward(self, x):
        O, C, fh, fw = self.W.shape
        N, _, H, W = x.shape
        self.x = x
        h, w = H - fh + 1, W - fw + 1
        out = 0
        for i in range(fh):
            for j in range(fw):
                out = out + np.einsum("nchw,oc->nohw", x[:, :, i : i + h, j : j + w], self.W[:, :, i, j])
        return out

    def backward(self, dout):
        O, C, fh, fw = self.W.shape
        h, w = dout.shape[2:]
        dx = np.zeros_like(self.x)
        self.dW = np.empty_like(self.W)
        for i in range(fh):
            for j in range(fw):
                part = self.x[:, :, i : i + h, j : j + w]
                self.dW[:, :, i, j] = np.einsum("nohw,nchw->oc", dout, part, optimize=True)
                dx[:, :, i : i + h, j : j + w] += np.einsum("nohw,oc->nchw", dout, self.W[:, :, i, j], optimize=True)
        return dx


class Convolution1d:
    def __init__(self, W, b):
        self.W = W
        self.b = b

    def forward(self, x):
        self.x = x
        k = self.W.shape[0]
        return sum(x[:, i : x.shape[1] - k + 1 + i] @ self.W[i] for i in range(k)) + self.b

    def backward(self, dout):
        n = dout.shape[1]
        dx = np.zeros_like(self.x)
        self.dW = np.empty_like(self.W)
        self.db = dout.sum(axis=(0, 1))
        for i in range(len(self.W)):
            self.dW[i] = np.einsum("ntd,ntm->dm", self.x[:, i : i + n], dout, optimize=True)
            dx[:, i : i + n] += dout @ self.W[i].T
        return dx


class MaxPoolByLoops:
    def __init__(self, size=2, stride=2):
        self.size = size
        self.stride = stride

    def forward(self, x):
        N, C, H, W = x.shape
        rows, columns = (H - self.size) // self.stride + 1, (W - self.size) // self.stride + 1
        self.x = x
        self.out = np.zeros((N, C, rows, columns), dtype=x.dtype)
        for i in range(rows):
            for j in range(columns):
                top, left = i * self.stride, j * self.stride
                self.out[:, :, i, j] = x[:, :, top : top + self.size, left : left + self.size].max(axis=(2, 3))
        return self.out

    def backward(self, dout):
        dx = np.zeros_like(self.x)
        for i in range(dout.shape[2]):
            for j in range(dout.shape[3]):
                top, left = i * self.stride, j * self.stride
                patch = self.x[:, :, top : top + self.size, left : left + self.size]
                mask = patch == self.out[:, :, i, j][:, :, None, None]
                share = dout[:, :, i, j][:, :, None, None] / mask.sum(axis=(2, 3), keepdims=True)
                dx[:, :, top : top + self.size, left : left + self.size] += mask * share
        return dx


class LocalResponseNorm:
    def __init__(self, size=3, alpha=0.5, beta=0.75, k=2.0):
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x):
        C = x.shape[1]
        square = x**2
        total = np.zeros_like(x)
        for c in range(C):
            low, high = max(0, c - self.size // 2), min(C, c + self.size // 2 + 1)
            total[:, c] = square[:, low:high].sum(axis=1)
        self.x = x
        self.base = self.k + self.alpha / self.size * total
        self.power = self.base**self.beta
        return x / self.power

    def backward(self, dout):
        C = dout.shape[1]
        dx = dout / self.power
        dtotal = -self.beta * self.alpha / self.size * dx * self.x / self.base
        dsquare = np.zeros_like(self.x)
        for c in range(C):
            low, high = max(0, c - self.size // 2), min(C, c + self.size // 2 + 1)
            dsquare[:, low:high] += dtotal[:, c, None]
        dx += 2 * self.x * dsquare
        return dx
