"""Convolutions by im2col, by windows and by loops."""

# ruff: noqa: D102 - forward and backward are the book's, and need no sentence each

import numpy as np


def im2col(images, height, width, stride=1, pad=0):
    """A row for each place of the filter."""
    N, C, H, W = images.shape
    out_h = (H + 2 * pad - height) // stride + 1
    out_w = (W + 2 * pad - width) // stride + 1
    img = np.pad(images, [(0, 0), (0, 0), (pad, pad), (pad, pad)], "constant")
    col = np.zeros((N, C, height, width, out_h, out_w), dtype=images.dtype)
    for y in range(height):
        for x in range(width):
            col[:, :, y, x, :, :] = img[:, :, y : y + stride * out_h : stride, x : x + stride * out_w : stride]
    return col.transpose(0, 4, 5, 1, 2, 3).reshape(N * out_h * out_w, -1)


def col2im(col, shape, height, width, stride=1, pad=0):
    """The images again; what overlaps is added."""
    N, C, H, W = shape
    out_h = (H + 2 * pad - height) // stride + 1
    out_w = (W + 2 * pad - width) // stride + 1
    col = col.reshape(N, out_h, out_w, C, height, width).transpose(0, 3, 4, 5, 1, 2)
    img = np.zeros((N, C, H + 2 * pad + stride - 1, W + 2 * pad + stride - 1), dtype=col.dtype)
    for y in range(height):
        for x in range(width):
            img[:, :, y : y + stride * out_h : stride, x : x + stride * out_w : stride] += col[:, :, y, x, :, :]
    return img[:, :, pad : H + pad, pad : W + pad].copy()


class Convolution:
    """The book's convolution: one matrix product."""

    def __init__(self, W, b, stride=1, pad=0):
        self.W = W
        self.b = b
        self.stride = stride
        self.pad = pad
        self.x = None
        self.col = None
        self.col_W = None
        self.dW = None
        self.db = None

    def forward(self, x):
        FN, _, FH, FW = self.W.shape
        N, _, H, W = x.shape
        out_h = 1 + (H + 2 * self.pad - FH) // self.stride
        out_w = 1 + (W + 2 * self.pad - FW) // self.stride
        col = im2col(x, FH, FW, self.stride, self.pad)
        col_W = self.W.reshape(FN, -1).T
        out = np.dot(col, col_W) + self.b
        out = out.reshape(N, out_h, out_w, -1).transpose(0, 3, 1, 2)
        self.x = x
        self.col = col
        self.col_W = col_W
        return out

    def backward(self, dout):
        FN, C, FH, FW = self.W.shape
        dout = dout.transpose(0, 2, 3, 1).reshape(-1, FN)
        self.db = np.sum(dout, axis=0)
        self.dW = np.dot(self.col.T, dout)
        self.dW = self.dW.transpose(1, 0).reshape(FN, C, FH, FW)
        dcol = np.dot(dout, self.col_W.T)
        dx = col2im(dcol, self.x.shape, FH, FW, self.stride, self.pad)
        return dx


class Depthwise:
    """One filter for each channel, by loops over the filter."""

    def __init__(self, W):
        self.W = W
        self.dW = None

    def forward(self, x):
        _, FH, FW = self.W.shape
        N, C, H, W = x.shape
        self.x = x
        self.size = (H - FH + 1, W - FW + 1)
        oh, ow = self.size
        out = np.zeros((N, C, oh, ow), dtype=x.dtype)
        for i in range(FH):
            for j in range(FW):
                out += self.W[:, i, j][:, None, None] * x[:, :, i : i + oh, j : j + ow]
        return out

    def backward(self, dout):
        oh, ow = self.size
        dx = np.zeros(self.x.shape, dtype=dout.dtype)
        self.dW = np.zeros_like(self.W)
        for i in range(self.W.shape[1]):
            for j in range(self.W.shape[2]):
                self.dW[:, i, j] = np.sum(dout * self.x[:, :, i : i + oh, j : j + ow], axis=(0, 2, 3))
                dx[:, :, i : i + oh, j : j + ow] += self.W[:, i, j][:, None, None] * dout
        return dx


class Conv1d:
    """A convolution over time, by windows and einsum."""

    def __init__(self, W, b):
        self.W = W
        self.b = b

    def forward(self, x):
        size = self.W.shape[2]
        self.windows = np.lib.stride_tricks.sliding_window_view(x, size, axis=2)
        self.length = x.shape[2]
        return np.einsum("nctk,fck->nft", self.windows, self.W) + self.b[:, None]

    def backward(self, dout):
        self.dW = np.einsum("nctk,nft->fck", self.windows, dout)
        self.db = dout.sum(axis=(0, 2))
        n, _, steps = dout.shape
        dx = np.zeros((n, self.W.shape[1], self.length), dtype=dout.dtype)
        for k in range(self.W.shape[2]):
            dx[:, :, k : k + steps] += np.einsum("nft,fc->nct", dout, self.W[:, :, k])
        return dx


class TransposedConv1d:
    """A convolution run backwards: every input paints a filter."""

    def __init__(self, W, stride=2):
        self.W = W
        self.stride = stride

    def forward(self, x):
        self.x = x
        n, _, steps = x.shape
        size = self.W.shape[2]
        out = np.zeros((n, self.W.shape[1], (steps - 1) * self.stride + size), dtype=x.dtype)
        for t in range(steps):
            start = t * self.stride
            out[:, :, start : start + size] += np.einsum("nc,cfk->nfk", x[:, :, t], self.W)
        return out

    def backward(self, dout):
        dx = np.zeros_like(self.x)
        self.dW = np.zeros_like(self.W)
        size = self.W.shape[2]
        for t in range(self.x.shape[2]):
            start = t * self.stride
            part = dout[:, :, start : start + size]
            dx[:, :, t] = np.einsum("nfk,cfk->nc", part, self.W)
            self.dW += np.einsum("nc,nfk->cfk", self.x[:, :, t], part)
        return dx


class Pointwise:
    """A 1 × 1 convolution: a matrix product at every pixel."""

    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return np.tensordot(x, self.W, axes=([1], [1])).transpose(0, 3, 1, 2) + self.b[:, None, None]

    def backward(self, dout):
        self.dW = np.tensordot(dout, self.x, axes=([0, 2, 3], [0, 2, 3]))
        self.db = dout.sum(axis=(0, 2, 3))
        return np.einsum("nfhw,fc->nchw", dout, self.W)


class CausalFilter:
    """A filter that looks back only: y[t] = w[0] x[t] + w[1] x[t-1] + …"""

    def __init__(self, w):
        self.w = w
        self.dw = np.zeros_like(w)

    def forward(self, x):
        self.x = x
        out = self.w[0] * x
        for lag in range(1, len(self.w)):
            out[:, lag:] += self.w[lag] * x[:, :-lag]
        return out

    def backward(self, dout):
        x = self.x
        dx = self.w[0] * dout
        self.dw[0] = np.sum(dout * x)
        for lag in range(1, len(self.w)):
            dx[:, :-lag] += self.w[lag] * dout[:, lag:]
            self.dw[lag] = np.sum(dout[:, lag:] * x[:, :-lag])
        return dx
