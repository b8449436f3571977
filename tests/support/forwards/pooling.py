"""Pooling: fewer numbers, by their mean or the greatest of them."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from forwards.corpus_row import normal, row


class MaxPoolByReshape:
    def forward(self, x):
        N, C, H, W = x.shape
        return x.reshape(N, C, H // 2, 2, W // 2, 2).max(axis=(3, 5))


class AveragePoolByReshape:
    def __init__(self, size=2):
        self.size = size

    def forward(self, x):
        N, C, H, W = x.shape
        s = self.size
        return x.reshape(N, C, H // s, s, W // s, s).mean(axis=5).mean(axis=3)


class MaxPoolByWindows:
    def __init__(self, size=3):
        self.size = size

    def forward(self, x):
        windows = sliding_window_view(x, (self.size, self.size), axis=(2, 3))
        return windows.max(axis=(4, 5))


class MaxPoolByLoops:
    def __init__(self, size=2, stride=2):
        self.size = size
        self.stride = stride

    def forward(self, x):
        N, C, H, W = x.shape
        rows, columns = (H - self.size) // self.stride + 1, (W - self.size) // self.stride + 1
        out = np.zeros((N, C, rows, columns), dtype=x.dtype)
        for i in range(rows):
            for j in range(columns):
                top, left = i * self.stride, j * self.stride
                out[:, :, i, j] = x[:, :, top : top + self.size, left : left + self.size].max(axis=(2, 3))
        return out


class MaxPoolOfColumns:
    """As the first book has it: im2col, then the greatest of each row."""

    def forward(self, x):
        N, C, H, W = x.shape
        h, w = H // 2, W // 2
        col = np.zeros((N, C, 2, 2, h, w), dtype=x.dtype)
        for i in range(2):
            for j in range(2):
                col[:, :, i, j] = x[:, :, i : i + 2 * h : 2, j : j + 2 * w : 2]
        col = col.transpose(0, 4, 5, 1, 2, 3).reshape(-1, 4)
        return np.max(col, axis=1).reshape(N, h, w, C).transpose(0, 3, 1, 2)


class AveragePoolBySlices:
    def forward(self, x):
        return (x[:, :, ::2, ::2] + x[:, :, 1::2, ::2] + x[:, :, ::2, 1::2] + x[:, :, 1::2, 1::2]) / 4


class GlobalAveragePool:
    def forward(self, x):
        return x.mean(axis=(2, 3))


class GlobalAveragePoolBySum:
    def forward(self, x):
        n, c, h, w = x.shape
        return np.sum(x.reshape(n, c, -1), axis=2) / (h * w)


class GlobalMaxPool:
    def forward(self, x):
        return np.max(x, axis=(2, 3))


class MaxOverTime:
    def forward(self, x):
        return x.max(axis=1)


IMAGE, EVEN = normal("N C P Q"), normal("N C 2P 2Q")
F = "torch.nn.functional."
BLOCKS = "x.reshape(*x.shape[:2], x.shape[2] // 2, 2, x.shape[3] // 2, 2)"
MEAN = {"torch": F + "avg_pool2d(x, 2)", "same": f"np.einsum('ncpiqj->ncpq', {BLOCKS}) / 4"}
MAX = {
    "torch": F + "max_pool2d(x, 2)",
    "same": "np.maximum(np.maximum(x[:, :, ::2, ::2], x[:, :, 1::2, ::2]), np.maximum(x[:, :, ::2, 1::2],"
    " x[:, :, 1::2, 1::2]))",
}

ROWS = (
    row(MaxPoolByReshape, EVEN, **MAX),
    row(AveragePoolByReshape, EVEN, init={"size": 2}, **MEAN),
    row(MaxPoolByWindows, IMAGE, init={"size": 3}, torch=F + "max_pool2d(x, size, stride=1)",
        same="scipy.ndimage.maximum_filter(x, (1, 1, 3, 3))[:, :, 1:-1, 1:-1]"),
    row(MaxPoolByLoops, EVEN, init={"size": 2, "stride": 2}, **MAX),
    row(MaxPoolOfColumns, EVEN, **MAX),
    row(AveragePoolBySlices, EVEN, **MEAN),
    row(GlobalAveragePool, IMAGE, torch=F + "adaptive_avg_pool2d(x, 1)[:, :, 0, 0]", same="x.mean(3).mean(2)"),
    row(GlobalAveragePoolBySum, IMAGE, torch=F + "adaptive_avg_pool2d(x, 1)[:, :, 0, 0]", same="x.mean(3).mean(2)"),
    row(GlobalMaxPool, IMAGE, torch="x.amax(dim=(2, 3))", same="x.max(3).max(2)"),
    row(MaxOverTime, normal("N T D"), torch="x.amax(dim=1)", same="np.sort(x, axis=1)[:, -1]"),
)  # fmt: skip
