"""Softmax and its kin."""

# ruff: noqa: D102 - forward and backward are the book's, and need no sentence each

import numpy as np


class Softmax:
    """Softmax of each row."""

    def __init__(self):
        self.out = None

    def forward(self, x):
        x = x - np.max(x, axis=-1, keepdims=True)
        e = np.exp(x)
        self.out = e / np.sum(e, axis=-1, keepdims=True)
        return self.out.copy()

    def backward(self, dout):
        dx = self.out * dout
        sumdx = np.sum(dx, axis=1, keepdims=True)
        dx -= self.out * sumdx
        return dx


class SoftmaxByJacobian:
    """Softmax of each row, its backward by the full matrix."""

    def forward(self, x):
        e = np.exp(x - x.max(axis=1)[:, None])
        y = e / e.sum(axis=1)[:, None]
        self.y = y.copy()
        return y

    def backward(self, dout):
        dx = np.empty_like(dout)
        for i, (y, d) in enumerate(zip(self.y, dout, strict=True)):
            jacobian = np.diag(y) - np.outer(y, y)
            dx[i] = np.dot(jacobian, d)
        return dx


class SoftmaxTemperature:
    """Softmax of x / temperature."""

    def __init__(self, temperature=0.7):
        self.temperature = temperature

    def forward(self, x):
        z = x / self.temperature
        z = z - z.max(axis=1, keepdims=True)
        y = np.exp(z)
        y /= y.sum(axis=1, keepdims=True)
        self.y = y
        return y.copy()

    def backward(self, dout):
        inner = np.einsum("nk,nk->n", dout, self.y)
        return self.y * (dout - inner[:, None]) / self.temperature


class LogSoftmax:
    """log softmax of each row."""

    def forward(self, x):
        shifted = x - x.max(axis=1, keepdims=True)
        out = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        self.y = np.exp(out)
        return out

    def backward(self, dout):
        return dout - self.y * dout.sum(axis=1, keepdims=True)


class SoftmaxSpatial:
    """Softmax over the channels of an image, axis 1 of four."""

    def forward(self, x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.p = e / e.sum(axis=1, keepdims=True)
        return self.p.copy()

    def backward(self, dout):
        p = self.p
        return p * dout - p * (p * dout).sum(axis=1, keepdims=True)


class SoftmaxWithLoss:
    """Softmax and cross entropy with class labels; backward is y - t."""

    def __init__(self):
        self.loss = None
        self.y = None
        self.t = None

    def forward(self, x, t):
        self.t = t
        z = x - x.max(axis=1, keepdims=True)
        total = np.sum(np.exp(z), axis=1)
        self.y = np.exp(z) / total[:, None]
        self.loss = np.mean(np.log(total) - z[np.arange(x.shape[0]), t])
        return self.loss

    def backward(self, dout=1):
        batch_size = self.t.shape[0]
        dx = self.y.copy()
        dx[np.arange(batch_size), self.t] -= 1
        dx *= dout
        dx = dx / batch_size
        return dx


class SoftmaxWithLossOneHot:
    """Softmax and cross entropy with one-hot labels."""

    def forward(self, x, t):
        shifted = x - np.max(x, axis=1, keepdims=True)
        self.log_y = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
        self.t = t
        return -np.sum(t * self.log_y) / x.shape[0]

    def backward(self, dout=1):
        n = self.t.shape[0]
        return dout * (np.exp(self.log_y) - self.t) / n


class SmoothedCrossEntropy:
    """Cross entropy with smoothed labels."""

    def __init__(self, smoothing=0.1):
        self.smoothing = smoothing

    def forward(self, x, t):
        n, k = x.shape
        target = np.full_like(x, self.smoothing / k)
        target[np.arange(n), t] += 1 - self.smoothing
        z = x - x.max(axis=1, keepdims=True)
        log_y = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        self.delta = np.exp(log_y) - target
        return -(target * log_y).sum() / n

    def backward(self, dout=1):
        return self.delta * (dout / self.delta.shape[0])


class TimeSoftmaxWithLoss:
    """Cross entropy over a sequence; the label -1 is left out."""

    def __init__(self):
        self.ignore = -1

    def forward(self, x, t):
        n, steps, v = x.shape
        mask = t.reshape(n * steps) != self.ignore
        labels = np.where(mask, t.reshape(n * steps), 0)
        z = x.reshape(n * steps, v)
        z = z - z.max(axis=1, keepdims=True)
        log_y = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        loss = -np.sum(log_y[np.arange(n * steps), labels] * mask) / int(mask.sum())
        self.cache = (labels, mask, np.exp(log_y), (n, steps, v))
        return loss

    def backward(self, dout=1):
        labels, mask, y, shape = self.cache
        dx = y.copy()
        dx[np.arange(len(labels)), labels] -= 1
        dx *= dout / int(mask.sum())
        dx *= mask[:, np.newaxis]
        return dx.reshape(shape)
