"""Backwards written by hand, of layers along axes: matrix products, normalisations, windows, recurrent cells."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


class Affine:
    def __init__(self, W, b):
        self.W = W
        self.b = b
        self.x = None

    def forward(self, x):
        self.x = x
        out = np.dot(self.x, self.W) + self.b

        return out

    def backward(self, dout):
        dx = np.dot(dout, self.W.T)
        self.dW = np.dot(self.x.T, dout)
        self.db = np.sum(dout, axis=0)

        return dx


class TimeAffine:
    def __init__(self, W, b):
        self.W = W
        self.b = b

    def forward(self, x):
        N, T, D = x.shape
        self.x = x
        out = np.dot(x.reshape(N * T, -1), self.W) + self.b
        return out.reshape(N, T, -1)

    def backward(self, dout):
        N, T, D = self.x.shape
        dout = dout.reshape(N * T, -1)
        self.db = np.sum(dout, axis=0)
        self.dW = np.dot(self.x.reshape(N * T, -1).T, dout)
        return np.dot(dout, self.W.T).reshape(N, T, D)


class MatMulOfTwo:
    def forward(self, a, b):
        self.a = a
        self.b = b
        return a @ b

    def backward(self, dout):
        da = dout @ self.b.transpose(0, 2, 1)
        db = self.a.transpose(0, 2, 1) @ dout
        return da, db


class BatchNorm:
    def __init__(self, gamma, beta, eps=1e-5):
        self.gamma = gamma
        self.beta = beta
        self.eps = eps

    def forward(self, x):
        self.std = np.sqrt(x.var(axis=0) + self.eps)
        self.xn = (x - x.mean(axis=0)) / self.std
        return self.gamma * self.xn + self.beta

    def backward(self, dout):
        N = len(dout)
        self.dbeta = dout.sum(axis=0)
        self.dgamma = (dout * self.xn).sum(axis=0)
        return self.gamma / self.std * (dout - self.dbeta / N - self.xn * (self.dgamma / N))


class LayerNorm:
    def __init__(self, gamma, beta):
        self.gamma = gamma
        self.beta = beta

    def forward(self, x):
        mean = np.mean(x, axis=-1, keepdims=True)
        self.std = np.sqrt(np.var(x, axis=-1, keepdims=True) + 1e-5)
        self.xn = (x - mean) / self.std
        return self.xn * self.gamma + self.beta

    def backward(self, dout):
        self.dbeta = dout.sum(axis=(0, 1))
        self.dgamma = (dout * self.xn).sum(axis=(0, 1))
        dxn = dout * self.gamma
        mean = dxn.mean(axis=-1, keepdims=True)
        along = (dxn * self.xn).mean(axis=-1, keepdims=True)
        return (dxn - mean - self.xn * along) / self.std


class RmsNorm:
    def __init__(self, gain):
        self.gain = gain

    def forward(self, x):
        self.rms = np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + 1e-6)
        self.xn = x / self.rms
        return self.xn * self.gain

    def backward(self, dout):
        self.dgain = (dout * self.xn).sum(axis=(0, 1))
        dxn = dout * self.gain
        return (dxn - self.xn * (dxn * self.xn).mean(axis=-1, keepdims=True)) / self.rms


class L2NormaliseByRoot:
    def forward(self, x):
        self.norm = np.sqrt((x * x).sum(axis=1))[:, None]
        self.out = x / self.norm
        return self.out

    def backward(self, dout):
        along = (dout * self.out).sum(axis=1, keepdims=True)
        return (dout - self.out * along) / self.norm


class DotProductAttention:
    def forward(self, q, k, v):
        self.q, self.k, self.v = q, k, v
        scores = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1])
        e = np.exp(scores - scores.max(axis=-1, keepdims=True))
        self.weights = e / e.sum(axis=-1, keepdims=True)
        return self.weights @ v

    def backward(self, dout):
        dv = self.weights.transpose(0, 2, 1) @ dout
        ds = self.weights * (dout @ self.v.transpose(0, 2, 1))
        ds -= self.weights * ds.sum(axis=-1, keepdims=True)
        ds /= np.sqrt(self.q.shape[-1])
        return ds @ self.k, ds.transpose(0, 2, 1) @ self.q, dv


class MaxPoolByReshape:
    def forward(self, x):
        N, C, H, W = x.shape
        self.blocks = x.reshape(N, C, H // 2, 2, W // 2, 2)
        self.out = self.blocks.max(axis=(3, 5))
        return self.out

    def backward(self, dout):
        N, C, h, _, w, _ = self.blocks.shape
        mask = self.blocks == self.out[:, :, :, None, :, None]
        share = dout / mask.sum(axis=(3, 5))
        return (mask * share[:, :, :, None, :, None]).reshape(N, C, 2 * h, 2 * w)


class GlobalAveragePool:
    def forward(self, x):
        self.shape = x.shape
        return x.mean(axis=(2, 3))

    def backward(self, dout):
        N, C, H, W = self.shape
        dx = np.empty(self.shape, dout.dtype)
        dx[...] = dout[:, :, None, None] / (H * W)
        return dx


class ConvolutionByWindows:
    def __init__(self, W, b):
        self.W = W
        self.b = b

    def forward(self, x):
        self.x = x
        windows = sliding_window_view(x, self.W.shape[2:], axis=(2, 3))
        return np.einsum("nchwij,ocij->nohw", windows, self.W) + self.b[:, None, None]

    def backward(self, dout):
        O, C, fh, fw = self.W.shape
        h, w = dout.shape[2:]
        dx = np.zeros_like(self.x)
        self.dW = np.empty_like(self.W)
        self.db = dout.sum(axis=(0, 2, 3))
        for i in range(fh):
            for j in range(fw):
                part = self.x[:, :, i : i + h, j : j + w]
                self.dW[:, :, i, j] = np.tensordot(dout, part, axes=([0, 2, 3], [0, 2, 3]))
                dx[:, :, i : i + h, j : j + w] += np.einsum("nohw,oc->nchw", dout, self.W[:, :, i, j], optimize=True)
        return dx


class Convolution:
    def __init__(self, W, b, stride=1, pad=0):
        self.W = W
        self.b = b
        self.stride = stride
        self.pad = pad

    def forward(self, x):
        FN, C, FH, FW = self.W.shape
        N, C, H, W = x.shape
        s, p = self.stride, self.pad
        out_h = 1 + (H + 2 * p - FH) // s
        out_w = 1 + (W + 2 * p - FW) // s
        img = np.pad(x, [(0, 0), (0, 0), (p, p), (p, p)])
        col = np.empty((N, C, FH, FW, out_h, out_w), dtype=x.dtype)
        for i in range(FH):
            for j in range(FW):
                col[:, :, i, j] = img[:, :, i : i + s * out_h : s, j : j + s * out_w : s]
        self.padded = img.shape
        self.col = col.transpose(0, 4, 5, 1, 2, 3).reshape(N * out_h * out_w, -1)
        out = np.dot(self.col, self.W.reshape(FN, -1).T) + self.b
        return out.reshape(N, out_h, out_w, -1).transpose(0, 3, 1, 2)

    def backward(self, dout):
        FN, C, FH, FW = self.W.shape
        N, _, h, w = dout.shape
        s, p = self.stride, self.pad
        dout = dout.transpose(0, 2, 3, 1).reshape(-1, FN)
        self.db = dout.sum(axis=0)
        self.dW = np.dot(dout.T, self.col).reshape(FN, C, FH, FW)
        dcol = np.dot(dout, self.W.reshape(FN, -1)).reshape(N, h, w, C, FH, FW).transpose(0, 3, 4, 5, 1, 2)
        img = np.zeros(self.padded, dtype=dout.dtype)
        for i in range(FH):
            for j in range(FW):
                img[:, :, i : i + s * h : s, j : j + s * w : s] += dcol[:, :, i, j]
        return img[:, :, p : img.shape[2] - p, p : img.shape[3] - p]


class RnnCellByConcat:
    def __init__(self, W, b):
        self.W = W
        self.b = b

    def forward(self, x, h):
        self.joined = np.hstack([x, h])
        self.d = x.shape[1]
        self.out = np.tanh(self.joined @ self.W + self.b)
        return self.out

    def backward(self, dout):
        dt = dout * (1 - self.out**2)
        self.db = dt.sum(axis=0)
        self.dW = self.joined.T @ dt
        both = dt @ self.W.T
        return both[:, : self.d], both[:, self.d :]


class LstmCellBySplit:
    def __init__(self, W, U, b):
        self.W, self.U, self.b = W, U, b

    def forward(self, x, h, c):
        A = x @ self.W + h @ self.U + self.b
        i, f, g, o = np.split(A, 4, axis=1)
        i, f, o = (1 / (1 + np.exp(-z)) for z in (i, f, o))
        g = np.tanh(g)
        t = np.tanh(f * c + i * g)
        self.kept = x, h, c, i, f, g, o, t
        return o * t

    def backward(self, dout):
        x, h, c, i, f, g, o, t = self.kept
        dc = dout * o * (1 - t**2)
        di, df, dg, do = dc * g, dc * c, dc * i, dout * t
        dA = np.hstack([di * i * (1 - i), df * f * (1 - f), dg * (1 - g**2), do * o * (1 - o)])
        self.dW = x.T @ dA
        self.dU = h.T @ dA
        self.db = dA.sum(axis=0)
        return dA @ self.W.T, dA @ self.U.T, dc * f


class EmbeddingDot:
    def __init__(self, W):
        self.W = W

    def forward(self, h, idx):
        self.h = h
        self.idx = idx
        self.target_W = self.W[idx]
        return np.sum(self.target_W * h, axis=1)

    def backward(self, dout):
        dout = dout[:, None]
        self.dW = np.zeros_like(self.W)
        np.add.at(self.dW, self.idx, dout * self.h)
        return dout * self.target_W


class Concat:
    def forward(self, a, b):
        self.d = a.shape[1]
        return np.concatenate([a, b], axis=1)

    def backward(self, dout):
        return dout[:, : self.d].copy(), dout[:, self.d :].copy()


class DropoutWithMask:
    def __init__(self, ratio=0.4):
        self.ratio = ratio

    def forward(self, x, mask):
        self.mask = mask
        return x * mask / (1 - self.ratio)

    def backward(self, dout):
        return dout * self.mask / (1 - self.ratio)


class CosineSimilarity:
    def forward(self, a, b):
        self.p = np.linalg.norm(a, axis=1, keepdims=True)
        self.q = np.linalg.norm(b, axis=1, keepdims=True)
        self.a, self.b = a / self.p, b / self.q
        self.out = np.sum(self.a * self.b, axis=1)
        return self.out

    def backward(self, dout):
        dout, cos = dout[:, None], self.out[:, None]
        da = dout * (self.b - cos * self.a) / self.p
        db = dout * (self.a - cos * self.b) / self.q
        return da, db


class Residual:
    def __init__(self, W):
        self.W = W

    def forward(self, x):
        self.x = x
        a = x @ self.W
        self.mask = a > 0
        return x + np.maximum(0, a)

    def backward(self, dout):
        da = dout * self.mask
        self.dW = self.x.T @ da
        return dout + da @ self.W.T
