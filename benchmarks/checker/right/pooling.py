"""Pooling, padding and other ways to resize an image."""

# ruff: noqa: D102 - forward and backward are the book's, and need no sentence each

import numpy as np


class MaxPooling:
    """The greatest of each window, found by argmax; windows do not overlap."""

    def __init__(self, pool_h=2, pool_w=3):
        self.pool_h = pool_h
        self.pool_w = pool_w
        self.x_shape = None
        self.arg_max = None

    def forward(self, x):
        N, C, H, W = x.shape
        oh, ow = H // self.pool_h, W // self.pool_w
        col = x.reshape(N, C, oh, self.pool_h, ow, self.pool_w)
        col = col.transpose(0, 1, 2, 4, 3, 5).reshape(-1, self.pool_h * self.pool_w)
        self.arg_max = np.argmax(col, axis=1)
        self.x_shape = x.shape
        out = np.max(col, axis=1)
        return out.reshape(N, C, oh, ow)

    def backward(self, dout):
        N, C, H, W = self.x_shape
        oh, ow = H // self.pool_h, W // self.pool_w
        dmax = np.zeros((dout.size, self.pool_h * self.pool_w), dtype=dout.dtype)
        dmax[np.arange(self.arg_max.size), self.arg_max] = dout.reshape(-1)
        dx = dmax.reshape(N, C, oh, ow, self.pool_h, self.pool_w).transpose(0, 1, 2, 4, 3, 5)
        return dx.reshape(N, C, H, W)


class MaxPoolOverlap:
    """The greatest of overlapping windows, by loops."""

    def __init__(self, size=3, stride=2):
        self.size = size
        self.stride = stride

    def forward(self, x):
        N, C, H, W = x.shape
        oh = (H - self.size) // self.stride + 1
        ow = (W - self.size) // self.stride + 1
        out = np.empty((N, C, oh, ow), dtype=x.dtype)
        for i in range(oh):
            for j in range(ow):
                out[:, :, i, j] = self.window(x, i, j).max(axis=(2, 3))
        self.x = x
        self.out = out
        return out.copy()

    def window(self, image, i, j):
        top, left = i * self.stride, j * self.stride
        return image[:, :, top : top + self.size, left : left + self.size]

    def backward(self, dout):
        dx = np.zeros_like(self.x)
        for i in range(dout.shape[2]):
            for j in range(dout.shape[3]):
                mask = self.window(self.x, i, j) == self.out[:, :, i, j, None, None]
                share = dout[:, :, i, j] / mask.sum(axis=(2, 3)).astype(dout.dtype)
                self.window(dx, i, j)[...] += mask * share[:, :, None, None]
        return dx


class MaxPool1d:
    """The greatest of pairs along time."""

    def forward(self, x):
        first, second = x[:, :, ::2], x[:, :, 1::2]
        self.left = first >= second
        return np.where(self.left, first, second)

    def backward(self, dout):
        n, c, steps = dout.shape
        dx = np.zeros((n, c, 2 * steps), dtype=dout.dtype)
        dx[:, :, ::2] = dout * self.left
        dx[:, :, 1::2] = dout * ~self.left
        return dx


class AveragePooling:
    """The mean of each window."""

    def __init__(self, ph=2, pw=3):
        self.ph = ph
        self.pw = pw

    def forward(self, x):
        n, c, h, w = x.shape
        windows = x.reshape(n, c, h // self.ph, self.ph, w // self.pw, self.pw)
        return windows.mean(axis=(3, 5))

    def backward(self, dout):
        dx = dout / (self.ph * self.pw)
        return dx.repeat(self.ph, axis=2).repeat(self.pw, axis=3)


class GlobalAveragePooling:
    """One mean for each channel."""

    def forward(self, x):
        self.shape = x.shape
        return x.mean(axis=(2, 3))

    def backward(self, dout):
        _, _, h, w = self.shape
        return np.ones(self.shape, dtype=dout.dtype) * dout[:, :, None, None] / (h * w)


class Upsample:
    """Every pixel twice in both directions."""

    def __init__(self, scale=2):
        self.scale = scale

    def forward(self, x):
        return x.repeat(self.scale, axis=2).repeat(self.scale, axis=3)

    def backward(self, dout):
        n, c, h, w = dout.shape
        s = self.scale
        return dout.reshape(n, c, h // s, s, w // s, s).sum(axis=(3, 5))


class ZeroPad:
    """A frame of zeros."""

    def __init__(self, pad=1):
        self.pad = pad

    def forward(self, x):
        p = self.pad
        return np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))

    def backward(self, dout):
        p, (height, width) = self.pad, dout.shape[2:]
        return dout[:, :, p : height - p, p : width - p].copy()


class SubPixel:
    """Channels to pixels: the layer that enlarges images."""

    def __init__(self, r=2):
        self.r = r

    def forward(self, x):
        n, c, h, w = x.shape
        r = self.r
        blocks = x.reshape(n, c // r**2, r, r, h, w).transpose(0, 1, 4, 2, 5, 3)
        return blocks.reshape(n, c // r**2, h * r, w * r)

    def backward(self, dout):
        n, c, h, w = dout.shape
        r = self.r
        blocks = dout.reshape(n, c, h // r, r, w // r, r).transpose(0, 1, 3, 5, 2, 4)
        return blocks.reshape(n, c * r**2, h // r, w // r)
