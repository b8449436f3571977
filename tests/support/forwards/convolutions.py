"""Convolutions, by loops over the filter, over positions, and by windows."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from forwards.corpus_row import normal, row


def im2col(x, fh, fw, stride=1, pad=0):
    N, C, H, W = x.shape
    out_h = (H + 2 * pad - fh) // stride + 1
    out_w = (W + 2 * pad - fw) // stride + 1
    img = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)], "constant")
    col = np.zeros((N, C, fh, fw, out_h, out_w), dtype=x.dtype)
    for y in range(fh):
        y_max = y + stride * out_h
        for i in range(fw):
            x_max = i + stride * out_w
            col[:, :, y, i, :, :] = img[:, :, y:y_max:stride, i:x_max:stride]
    return col.transpose(0, 4, 5, 1, 2, 3).reshape(N * out_h * out_w, -1)


class Convolution:
    """As the first book has it."""

    def __init__(self, W, b, stride=1, pad=0):
        self.W = W
        self.b = b
        self.stride = stride
        self.pad = pad

    def forward(self, x):
        FN, C, FH, FW = self.W.shape
        N, C, H, W = x.shape
        out_h = 1 + (H + 2 * self.pad - FH) // self.stride
        out_w = 1 + (W + 2 * self.pad - FW) // self.stride
        col = im2col(x, FH, FW, self.stride, self.pad)
        col_W = self.W.reshape(FN, -1).T
        out = np.dot(col, col_W) + self.b
        return out.reshape(N, out_h, out_w, -1).transpose(0, 3, 1, 2)


class ConvolutionByWindows:
    def __init__(self, W, b):
        self.W = W
        self.b = b

    def forward(self, x):
        windows = sliding_window_view(x, self.W.shape[2:], axis=(2, 3))
        return np.einsum("nchwij,ocij->nohw", windows, self.W) + self.b[:, None, None]


class ConvolutionByTensordot:
    def __init__(self, W):
        self.W = W

    def forward(self, x):
        windows = sliding_window_view(x, self.W.shape[2:], axis=(2, 3))
        return np.tensordot(windows, self.W, axes=([1, 4, 5], [1, 2, 3])).transpose(0, 3, 1, 2)


class ConvolutionByShifts:
    """A product with each place of the filter, added up."""

    def __init__(self, W):
        self.W = W

    def forward(self, x):
        O, C, fh, fw = self.W.shape
        N, _, H, W = x.shape
        h, w = H - fh + 1, W - fw + 1
        out = 0
        for i in range(fh):
            for j in range(fw):
                out = out + np.einsum("nchw,oc->nohw", x[:, :, i : i + h, j : j + w], self.W[:, :, i, j])
        return out


class ConvolutionByLoops:
    def __init__(self, W, b):
        self.W = W
        self.b = b

    def forward(self, x):
        O, C, fh, fw = self.W.shape
        N, _, H, W = x.shape
        out = np.zeros((N, O, H - fh + 1, W - fw + 1), dtype=x.dtype)
        for i in range(out.shape[2]):
            for j in range(out.shape[3]):
                patch = x[:, :, i : i + fh, j : j + fw].reshape(N, -1)
                out[:, :, i, j] = patch @ self.W.reshape(O, -1).T + self.b
        return out


class Convolution1d:
    def __init__(self, W, b):
        self.W = W
        self.b = b

    def forward(self, x):
        k = self.W.shape[0]
        return sum(x[:, i : x.shape[1] - k + 1 + i] @ self.W[i] for i in range(k)) + self.b


class DepthwiseConvolution:
    def __init__(self, W):
        self.W = W

    def forward(self, x):
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        windows = sliding_window_view(padded, (3, 3), axis=(2, 3))
        return (windows * self.W[:, None, None]).sum(axis=(4, 5))


class PointwiseConvolution:
    def __init__(self, W, b):
        self.W = W
        self.b = b

    def forward(self, x):
        return np.einsum("oc,nchw->nohw", self.W, x) + self.b.reshape(-1, 1, 1)


class ChannelsLastConvolution:
    def __init__(self, W):
        self.W = W

    def forward(self, x):
        w = sliding_window_view(x, (3, 3), axis=(1, 2))
        return np.tensordot(w, self.W, axes=((3, 4, 5), (2, 0, 1)))


X, W, B = normal("N C P Q"), normal("O C 3 3"), normal("O")
F = "torch.nn.functional."
SAME = (
    "np.stack([np.stack([sum(scipy.signal.correlate(image[c], w[c], 'valid') for c in range(len(w)))"
    " for w in W]) for image in {0}])"
)

ROWS = (
    row(Convolution, X, init={"W": W, "b": B, "stride": 1, "pad": 1}, torch=F + "conv2d(x, W, b, stride, pad)",
        same=SAME.format("np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))") + " + b[:, None, None]"),
    row(ConvolutionByWindows, X, init={"W": W, "b": B}, torch=F + "conv2d(x, W, b)",
        same=SAME.format("x") + " + b[:, None, None]"),
    row(ConvolutionByTensordot, X, init={"W": W}, torch=F + "conv2d(x, W)", same=SAME.format("x")),
    row(ConvolutionByShifts, X, init={"W": W}, torch=F + "conv2d(x, W)", same=SAME.format("x")),
    row(ConvolutionByLoops, X, init={"W": W, "b": B}, torch=F + "conv2d(x, W, b)",
        same=SAME.format("x") + " + b[:, None, None]"),
    row(Convolution1d, normal("N 4T D"), init={"W": normal("3 D M"), "b": normal("M")},
        torch=F + "conv1d(x.transpose(1, 2), W.permute(2, 1, 0), b).transpose(1, 2)"),
    row(DepthwiseConvolution, X, init={"W": normal("C 3 3")},
        torch=F + "conv2d(x, W[:, None], padding=1, groups=x.shape[1])",
        same="np.stack([[scipy.signal.correlate(p, w, 'same') for p, w in zip(image, W)] for image in x])"),
    row(PointwiseConvolution, X, init={"W": normal("O C"), "b": B}, torch=F + "conv2d(x, W[:, :, None, None], b)",
        same="np.moveaxis(np.tensordot(x, W, ((1,), (1,))) + b, 3, 1)"),
    row(ChannelsLastConvolution, normal("N P Q C"), init={"W": normal("3 3 C O")},
        torch=F + "conv2d(x.permute(0, 3, 1, 2), W.permute(3, 2, 0, 1)).permute(0, 2, 3, 1)"),
)  # fmt: skip
