"""Layers as users write them, for modules of their own; it is compiled, and never imports dout."""

import numpy as np

EPSILON = 1e-7


def softmax(x):
    x = x - np.max(x, axis=-1, keepdims=True)
    return np.exp(x) / np.sum(np.exp(x), axis=-1, keepdims=True)


def cross_entropy_error(y, t):
    if y.ndim == 1:
        t = t.reshape(1, t.size)
        y = y.reshape(1, y.size)
    if t.size == y.size:
        t = t.argmax(axis=1)
    batch_size = y.shape[0]
    return -np.sum(np.log(y[np.arange(batch_size), t] + EPSILON)) / batch_size


class Affine:
    def __init__(self, W, b):
        self.W = W
        self.b = b
        self.x = None
        self.dW = None
        self.db = None

    def forward(self, x):
        self.x = x
        return np.dot(x, self.W) + self.b

    def backward(self, dout):
        dx = np.dot(dout, self.W.T)
        self.dW = np.dot(self.x.T, dout)
        self.db = np.sum(dout, axis=0)
        return dx


class Gelu:
    """The smooth gate of transformers."""

    scale = 0.7978845608028654

    def inner(self, x):
        return self.scale * (x + 0.044715 * x**3)

    def forward(self, x):
        self.x = x
        self.tanh = np.tanh(self.inner(x))
        return 0.5 * x * (1 + self.tanh)

    def backward(self, dout):
        x, tanh = self.x, self.tanh
        slope = self.scale * (1 + 3 * 0.044715 * x**2)
        return dout * (0.5 * (1 + tanh) + 0.5 * x * (1 - tanh**2) * slope)


class SoftmaxWithLoss:
    def __init__(self):
        self.loss = None
        self.y = None
        self.t = None

    def forward(self, x, t):
        self.t = t
        self.y = softmax(x)
        self.loss = cross_entropy_error(self.y, self.t)
        return self.loss

    def backward(self, dout=1):
        batch_size = self.t.shape[0]
        if self.t.size == self.y.size:
            dx = (self.y - self.t) / batch_size
        else:
            dx = self.y.copy()
            dx[np.arange(batch_size), self.t] -= 1
            dx = dx / batch_size
        return dx


class BatchNormalization:
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
            N, D = x.shape
            self.running_mean = np.zeros(D)
            self.running_var = np.zeros(D)
        if train_flg:
            mu = x.mean(axis=0)
            xc = x - mu
            var = np.mean(xc**2, axis=0)
            std = np.sqrt(var + 10e-7)
            xn = xc / std
            self.batch_size = x.shape[0]
            self.xc = xc
            self.xn = xn
            self.std = std
            self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mu
            self.running_var = self.momentum * self.running_var + (1 - self.momentum) * var
        else:
            xc = x - self.running_mean
            xn = xc / (np.sqrt(self.running_var + 10e-7))
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


class Dropout:
    def __init__(self, dropout_ratio=0.5):
        self.dropout_ratio = dropout_ratio
        self.mask = None

    def forward(self, x, train_flg=True):
        if train_flg:
            self.mask = np.random.rand(*x.shape) > self.dropout_ratio
            return x * self.mask
        else:
            return x * (1.0 - self.dropout_ratio)

    def backward(self, dout):
        return dout * self.mask


class NoisyGate:
    def __init__(self, seed=0):
        self.rng = np.random.default_rng(seed)

    def forward(self, x):
        self.noise = self.rng.normal(size=x.shape)
        return np.tanh(x) * self.noise

    def backward(self, dout):
        return dout * self.noise


class TwoLayerNet:
    def __init__(self, n_in, n_hidden, n_out):
        rng = np.random.RandomState(0)
        self.params = {
            "W1": 0.1 * rng.randn(n_in, n_hidden),
            "b1": np.zeros(n_hidden),
            "W2": 0.1 * rng.randn(n_hidden, n_out),
            "b2": np.zeros(n_out),
        }
        self.grads = {}

    def forward(self, x):
        self.x = x
        self.a = np.dot(x, self.params["W1"]) + self.params["b1"]
        self.z = 1 / (1 + np.exp(-self.a))
        return np.dot(self.z, self.params["W2"]) + self.params["b2"]

    def backward(self, dout):
        dz = np.dot(dout, self.params["W2"].T)
        da = dz * self.z * (1 - self.z)
        self.grads["W2"] = np.dot(self.z.T, dout)
        self.grads["b2"] = np.sum(dout, axis=0)
        self.grads["W1"] = np.dot(self.x.T, da)
        self.grads["b1"] = np.sum(da, axis=0)
        return np.dot(da, self.params["W1"].T)


class Sequence:
    """Layers in a row."""

    def __init__(self, W, b):
        self.layers = [Affine(W, b), Gelu()]

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dout):
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return dout


class Told:
    def forward(self, x):
        print("sum", x.sum())
        return 2 * x

    def backward(self, dout):
        return 2 * dout


class Thresholded:
    """Another layer for small arrays than for large ones."""

    def forward(self, x):
        self.few = x.shape[0] <= 50
        if self.few:
            return 3 * x
        return np.exp(-x) * x

    def backward(self, dout):
        if len(dout) > 50:
            return np.exp(-dout) * dout
        return 2 * dout


class Squeezed:
    """Of a batch of one another array comes back."""

    def forward(self, x):
        self.shape = x.shape
        return np.squeeze(np.exp(-x) * x)

    def backward(self, dout):
        return (np.exp(-dout) * dout).reshape(self.shape)


class FirstTwo:
    """Takes two rows, or all where there are fewer."""

    def forward(self, x):
        self.shape = x.shape
        first = x[:2]
        return np.exp(-first) * first

    def backward(self, dout):
        dx = np.zeros(self.shape)
        dx[:2] = np.exp(-dout) * dout
        return dx


class Counting:
    """Leaves numbers and a flag behind, which may have been there before."""

    def __init__(self):
        self.calls = 0
        self.batch_size = None
        self.ready = False

    def forward(self, x):
        self.calls += 1
        self.batch_size = len(x)
        self.ready = True
        self.out = np.exp(-x) * x / self.batch_size
        return self.out

    def backward(self, dout):
        self.ready = False
        return np.exp(-dout) * dout * self.calls


def choose(x):
    """A name that what kernels call has, too."""
    return 2.0 * x


class Decides:
    def __init__(self):
        self.limit = 1.0

    def forward(self, x):
        if np.max(x) > self.limit:
            self.out = choose(np.exp(-x) * x)
        else:
            self.out = np.exp(-x) * x
        return self.out

    def backward(self, dout):
        return np.exp(dout * self.out) * choose(dout)


class Accumulates:
    """Adds to an array that it has, and counts."""

    def __init__(self, total):
        self.total = total
        self.count = 0

    def forward(self, x):
        self.count += 1
        self.total += np.sum(np.exp(-x) * x, axis=0) / self.count
        return x * self.total

    def backward(self, dout):
        self.total *= 0.5
        return np.exp(-dout) * self.total / self.count
