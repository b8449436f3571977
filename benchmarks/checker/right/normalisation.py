"""Normalisation over the batch, over the features, over an image."""

# ruff: noqa: D102 - forward and backward are the book's, and need no sentence each

import numpy as np


class BatchNormalization:
    """Batch normalisation with running means, as in the first volume of the book."""

    def __init__(self, gamma, beta, momentum=0.9, running_mean=None, running_var=None):
        self.gamma = gamma
        self.beta = beta
        self.momentum = momentum
        self.running_mean = running_mean
        self.running_var = running_var
        self.batch_size = None
        self.xc = None
        self.std = None
        self.dgamma = None
        self.dbeta = None

    def forward(self, x, train_flg=True):
        if self.running_mean is None:
            self.running_mean = np.zeros_like(x[0])
            self.running_var = np.zeros_like(x[0])
        if train_flg:
            mu = x.mean(axis=0)
            xc = x - mu
            var = np.mean(xc**2, axis=0)
            std = np.sqrt(var + 1e-7)
            xn = xc / std
            self.batch_size = x.shape[0]
            self.xc = xc
            self.xn = xn
            self.std = std
            self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mu
            self.running_var = self.momentum * self.running_var + (1 - self.momentum) * var
        else:
            xc = x - self.running_mean
            xn = xc / np.sqrt(self.running_var + 1e-7)
        return self.gamma * xn + self.beta

    def backward(self, dout):
        dbeta = dout.sum(axis=0)
        dgamma = np.sum(self.xn * dout, axis=0)
        dxn = self.gamma * dout
        dxc = dxn / self.std
        dstd = -np.sum((dxn * self.xc) / (self.std * self.std), axis=0)
        dvar = 0.5 * dstd / self.std
        dxc += (2.0 / self.batch_size) * self.xc * dvar
        dmu = np.sum(dxc, axis=0)
        dx = dxc - dmu / self.batch_size
        self.dgamma = dgamma
        self.dbeta = dbeta
        return dx


class BatchNorm2d:
    """Batch normalisation of images: one mean for each channel."""

    def __init__(self, gamma, beta, eps=1e-5):
        self.params = {"gamma": gamma, "beta": beta}
        self.grads = {"gamma": None, "beta": None}
        self.eps = eps

    def forward(self, x):
        axes = (0, 2, 3)
        mean = x.mean(axis=axes, keepdims=True)
        var = ((x - mean) ** 2).mean(axis=axes, keepdims=True)
        self.inv = 1 / np.sqrt(var + self.eps)
        self.xhat = (x - mean) * self.inv
        gamma = self.params["gamma"].reshape(1, -1, 1, 1)
        beta = self.params["beta"].reshape(1, -1, 1, 1)
        return gamma * self.xhat + beta

    def backward(self, dout):
        axes = (0, 2, 3)
        self.grads["gamma"] = np.sum(dout * self.xhat, axis=axes)
        self.grads["beta"] = np.sum(dout, axis=axes)
        dxhat = dout * self.params["gamma"][None, :, None, None]
        mean_d = dxhat.mean(axis=axes, keepdims=True)
        mean_dx = (dxhat * self.xhat).mean(axis=axes, keepdims=True)
        return self.inv * (dxhat - mean_d - self.xhat * mean_dx)


class LayerNorm:
    """Each row to mean 0 and variance 1."""

    def __init__(self, gamma, beta, eps=1e-5):
        self.gamma, self.beta = gamma, beta
        self.eps = eps

    def forward(self, x):
        mu = x.mean(axis=-1, keepdims=True)
        var = x.var(axis=-1, keepdims=True)
        self.rstd = 1.0 / np.sqrt(var + self.eps)
        self.norm = (x - mu) * self.rstd
        return self.norm * self.gamma + self.beta

    def backward(self, dout):
        dnorm = dout * self.gamma
        dx = dnorm - dnorm.mean(axis=-1, keepdims=True)
        dx -= self.norm * (dnorm * self.norm).mean(axis=-1, keepdims=True)
        dx *= self.rstd
        self.dgamma = (dout * self.norm).reshape(-1, self.gamma.size).sum(axis=0)
        self.dbeta = dout.reshape(-1, self.beta.size).sum(axis=0)
        return dx


class RmsNorm:
    """Each row divided by the root of its mean square."""

    def __init__(self, gain, eps=1e-6):
        self.gain = gain
        self.eps = eps
        self.dgain = np.zeros_like(gain)

    def forward(self, x):
        self.x = x
        self.rms = np.sqrt((x * x).mean(axis=1, keepdims=True) + self.eps)
        return self.gain * x / self.rms

    def backward(self, dout):
        d = self.x.shape[1]
        y = self.x / self.rms
        self.dgain[...] = (dout * y).sum(axis=0)
        dy = dout * self.gain
        dx = (dy - y * np.sum(dy * y, axis=1, keepdims=True) / d) / self.rms
        return dx


class InstanceNorm:
    """Each channel of each image to mean 0 and variance 1, by loops."""

    def __init__(self, eps=1e-5):
        self.eps = eps

    def forward(self, x):
        out = np.zeros_like(x)
        self.std = np.zeros(x.shape[:2], dtype=x.dtype)
        for n in range(x.shape[0]):
            for c in range(x.shape[1]):
                centred = x[n, c] - np.mean(x[n, c])
                self.std[n, c] = np.sqrt(np.mean(centred**2) + self.eps)
                out[n, c] = centred / self.std[n, c]
        self.out = out
        return out.copy()

    def backward(self, dout):
        dx = np.zeros_like(dout)
        for n in range(dout.shape[0]):
            for c in range(dout.shape[1]):
                d, y = dout[n, c], self.out[n, c]
                dx[n, c] = (d - d.mean() - y * (d * y).mean()) / self.std[n, c]
        return dx


class GroupNorm:
    """Groups of channels to mean 0 and variance 1."""

    def __init__(self, groups=2, eps=1e-5):
        self.groups = groups
        self.eps = eps

    def forward(self, x):
        n = x.shape[0]
        grouped = x.reshape(n, self.groups, -1)
        centred = grouped - grouped.mean(axis=2, keepdims=True)
        self.std = np.sqrt((centred**2).mean(axis=2, keepdims=True) + self.eps)
        self.y = centred / self.std
        return self.y.reshape(x.shape).copy()

    def backward(self, dout):
        d = dout.reshape(self.y.shape)
        dx = d - d.mean(axis=2, keepdims=True) - self.y * (d * self.y).mean(axis=2, keepdims=True)
        return (dx / self.std).reshape(dout.shape)


class L2Normalize:
    """Each row to length 1, with a stabiliser."""

    def forward(self, x):
        self.length = np.sqrt(np.sum(x**2, axis=1, keepdims=True) + 1e-8)
        self.unit = x / self.length
        return self.unit.copy()

    def backward(self, dout):
        along = np.sum(dout * self.unit, axis=1, keepdims=True)
        return (dout - along * self.unit) / self.length


class WeightNorm:
    """An affine layer whose columns have learned directions and lengths."""

    def __init__(self, v, g):
        self.v = v
        self.g = g
        self.dv = self.dg = None

    def forward(self, x):
        self.x = x
        self.norm = np.sqrt((self.v**2).sum(axis=0) + 1e-12)
        self.unit = self.v / self.norm
        return x @ (self.g * self.unit)

    def backward(self, dout):
        dw = self.x.T @ dout
        self.dg = (dw * self.unit).sum(axis=0)
        self.dv = self.g / self.norm * (dw - self.unit * self.dg)
        return dout @ (self.g * self.unit).T


class Standardize:
    """The whole array to mean 0 and deviation 1."""

    def forward(self, x):
        self.std = np.sqrt(np.mean((x - np.mean(x)) ** 2) + 1e-7)
        self.z = (x - np.mean(x)) / self.std
        return self.z.copy()

    def backward(self, dout):
        dx = dout - dout.mean() - self.z * np.mean(dout * self.z)
        return dx / self.std
