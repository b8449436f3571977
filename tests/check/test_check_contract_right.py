"""Right layers in plain NumPy give no error, and no warning but those that are true of them."""

import numpy as np
import pytest
from contract_findings import alarming, found

rng = np.random.default_rng(42)
X = rng.normal(size=(3, 4))
IMAGE = rng.normal(size=(2, 3, 5, 4))
LABELS = np.array([1, 0, 2])


def sigmoid(x):
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)


class Affine:
    def __init__(self):
        generator = np.random.default_rng(0)
        self.W, self.b = generator.normal(size=(4, 5)), generator.normal(size=5)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T


class Relu:
    def forward(self, x):
        self.mask = x > 0
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


class Sigmoid:
    def forward(self, x):
        out = sigmoid(x)
        self.slope = out * (1 - out)
        return out

    def backward(self, dout):
        return dout * self.slope


class Tanh:
    def forward(self, x):
        out = np.tanh(x)
        self.slope = 1 - out**2
        return out

    def backward(self, dout):
        return dout * self.slope


class Elu:
    def forward(self, x):
        e = np.exp(np.minimum(x, 0))
        self.slope = np.where(x > 0, 1, e)
        return np.where(x > 0, x, e - 1)

    def backward(self, dout):
        return dout * self.slope


class Softplus:
    def forward(self, x):
        self.gate = sigmoid(x)
        return np.logaddexp(0, x)

    def backward(self, dout):
        return dout * self.gate


class Swish:
    def forward(self, x):
        self.x, self.y = x, sigmoid(x)
        return x * self.y

    def backward(self, dout):
        return dout * (self.y + self.x * self.y * (1 - self.y))


class Softmax:
    def forward(self, x):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        y = e / e.sum(axis=-1, keepdims=True)
        self.y = y.copy()
        return y

    def backward(self, dout):
        dx = self.y * dout
        return dx - self.y * dx.sum(axis=-1, keepdims=True)


class SoftmaxWithLoss:
    def forward(self, x, t):
        z = x - x.max(axis=1, keepdims=True)
        total = np.exp(z).sum(axis=1)
        self.y, self.t = np.exp(z) / total[:, None], t
        return np.mean(np.log(total) - z[np.arange(len(t)), t])

    def backward(self, dout=1):
        dx = self.y.copy()
        dx[np.arange(len(dx)), self.t] -= 1
        return dx * (dout / len(dx))


class OneHotLoss:
    def forward(self, x, t):
        z = x - x.max(axis=1, keepdims=True)
        log_y = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        self.d = (np.exp(log_y) - t) / len(x)
        return -np.sum(t * log_y) / len(x)

    def backward(self, dout=1):
        return self.d * dout


class MeanSquaredError:
    def forward(self, y, t):
        self.d = y - t
        return np.mean(self.d**2)

    def backward(self, dout=1):
        dy = self.d * (2 * dout / self.d.size)
        return dy, -dy


class BatchNorm:
    def __init__(self):
        self.gamma, self.beta = np.array([1.0, 2.0, 0.5, -1.0]), np.array([0.5, -0.5, 0.25, 1.0])
        self.running_mean, self.running_var = np.zeros(4), np.ones(4)

    def forward(self, x):
        mean = x.mean(axis=0)
        self.xc = x - mean
        var = (self.xc**2).mean(axis=0)
        self.std = np.sqrt(var + 1e-5)
        self.xn = self.xc / self.std
        self.running_mean += 0.1 * (mean - self.running_mean)
        self.running_var += 0.1 * (var - self.running_var)
        return self.gamma * self.xn + self.beta

    def backward(self, dout):
        self.dgamma, self.dbeta = (self.xn * dout).sum(axis=0), dout.sum(axis=0)
        d = dout * self.gamma
        return (d - d.mean(axis=0) - self.xn * (d * self.xn).mean(axis=0)) / self.std


class LayerNorm:
    def forward(self, x):
        xc = x - x.mean(axis=-1, keepdims=True)
        self.std = np.sqrt((xc**2).mean(axis=-1, keepdims=True) + 1e-5)
        self.xn = xc / self.std
        return self.xn.copy()

    def backward(self, dout):
        mean = dout.mean(axis=-1, keepdims=True)
        return (dout - mean - self.xn * (dout * self.xn).mean(axis=-1, keepdims=True)) / self.std


class Dropout:
    def forward(self, x, train_flg=True):
        self.mask = np.random.rand(*np.shape(x)) > 0.5 if train_flg else np.full(np.shape(x), 0.5, x.dtype)  # noqa: NPY002
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


class OwnDropout:
    def __init__(self):
        self.rng = np.random.default_rng()

    def forward(self, x):
        self.mask = self.rng.random(x.shape) > 0.3
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


class Embedding:
    def __init__(self):
        self.params = [np.arange(12.0).reshape(4, 3)]
        self.grads = [np.zeros((4, 3))]

    def forward(self, index):
        self.index = index
        return self.params[0][index]

    def backward(self, dout):
        dW = np.zeros_like(self.params[0])
        np.add.at(dW, self.index, dout)
        self.grads[0][...] = dW


class Convolution:
    """By im2col, with padding 1."""

    def __init__(self):
        self.W = np.random.default_rng(1).normal(size=(4, 3, 3, 3))

    def columns(self, x):
        n, c, h, w = x.shape
        self.padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        col = np.empty((n, c, 3, 3, h, w), dtype=x.dtype)
        for i in range(3):
            for j in range(3):
                col[:, :, i, j] = self.padded[:, :, i : i + h, j : j + w]
        return col.transpose(0, 4, 5, 1, 2, 3).reshape(n * h * w, -1)

    def forward(self, x):
        n, _, h, w = self.shape = x.shape
        self.col = self.columns(x)
        return (self.col @ self.W.reshape(4, -1).T).reshape(n, h, w, 4).transpose(0, 3, 1, 2)

    def backward(self, dout):
        n, c, h, w = self.shape
        d = dout.transpose(0, 2, 3, 1).reshape(-1, 4)
        self.dW = (d.T @ self.col).reshape(self.W.shape)
        dcol = (d @ self.W.reshape(4, -1)).reshape(n, h, w, c, 3, 3).transpose(0, 3, 4, 5, 1, 2)
        dx = np.zeros((n, c, h + 2, w + 2), dtype=dout.dtype)
        for i in range(3):
            for j in range(3):
                dx[:, :, i : i + h, j : j + w] += dcol[:, :, i, j]
        return dx[:, :, 1:-1, 1:-1]


class MaxPooling:
    def forward(self, x):
        n, c, h, w = self.shape = x.shape
        blocks = x[:, :, : h // 2 * 2].reshape(n, c, h // 2, 2, w // 2, 2).transpose(0, 1, 2, 4, 3, 5)
        blocks = blocks.reshape(n, c, h // 2, w // 2, 4)
        self.top = blocks.argmax(axis=-1)
        return blocks.max(axis=-1)

    def backward(self, dout):
        n, c, h, w = self.shape
        blocks = np.zeros((dout.size, 4), dtype=dout.dtype)
        blocks[np.arange(dout.size), self.top.ravel()] = dout.ravel()
        blocks = blocks.reshape(n, c, h // 2, w // 2, 2, 2).transpose(0, 1, 2, 4, 3, 5)
        dx = np.zeros(self.shape, dtype=dout.dtype)
        dx[:, :, : h // 2 * 2] = blocks.reshape(n, c, h // 2 * 2, w)
        return dx


class AveragePooling:
    def forward(self, x):
        self.shape = x.shape
        return x.mean(axis=(2, 3))

    def backward(self, dout):
        _, _, h, w = self.shape
        return np.tile((dout / (h * w))[:, :, None, None], (1, 1, h, w))


class Flatten:
    def forward(self, x):
        self.shape = x.shape
        return x.reshape(x.shape[0], -1)

    def backward(self, dout):
        return dout.reshape(self.shape)


class Concat:
    def forward(self, x, y):
        self.n = x.shape[1]
        return np.concatenate([x, y], axis=1)

    def backward(self, dout):
        return dout[:, : self.n].copy(), dout[:, self.n :].copy()


class Attention:
    def forward(self, q, k, v):
        self.q, self.k, self.v, self.scale = q, k, v, q.shape[-1] ** -0.5
        s = q @ k.swapaxes(-1, -2) * self.scale
        e = np.exp(s - s.max(axis=-1, keepdims=True))
        self.a = e / e.sum(axis=-1, keepdims=True)
        return self.a @ v

    def backward(self, dout):
        da = dout @ self.v.swapaxes(-1, -2)
        ds = self.a * (da - (da * self.a).sum(axis=-1, keepdims=True)) * self.scale
        return ds @ self.k, ds.swapaxes(-1, -2) @ self.q, self.a.swapaxes(-1, -2) @ dout


class LstmStep:
    def __init__(self):
        generator = np.random.default_rng(2)
        self.Wx, self.Wh = generator.normal(size=(4, 20)), generator.normal(size=(5, 20))

    def forward(self, x, h, c):
        a = x @ self.Wx + h @ self.Wh
        f, i, o = (sigmoid(a[:, k * 5 : k * 5 + 5]) for k in range(3))
        g = np.tanh(a[:, 15:])
        c_next = f * c + i * g
        t = np.tanh(c_next)
        self.kept = x, h, c, f, i, o, g, t
        return o * t, c_next

    def backward(self, dh, dc):
        x, h, c, f, i, o, g, t = self.kept
        ds = dc + dh * o * (1 - t**2)
        gates = ds * c * f * (1 - f), ds * g * i * (1 - i), dh * t * o * (1 - o), ds * i * (1 - g**2)
        da = np.hstack(gates)
        self.dWx, self.dWh = x.T @ da, h.T @ da
        return da @ self.Wx.T, da @ self.Wh.T, ds * f


class TwoLayers:
    """Layers in a layer, whose gradients it collects."""

    def __init__(self):
        self.layers = [Affine(), Relu(), Softmax()]

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dout):
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        self.grads = {"W": self.layers[0].dW, "b": self.layers[0].db}
        return dout


class SumAll:
    def forward(self, x):
        self.x = x
        return np.sum(x)

    def backward(self, dout):
        return np.full_like(self.x, dout, dtype=np.result_type(self.x, np.float32))


class Norm:
    def forward(self, x):
        self.x, self.norm = x, np.sqrt(np.sum(x**2, axis=1))
        return self.norm.copy()

    def backward(self, dout):
        return self.x * (dout / np.where(self.norm > 0, self.norm, 1))[:, None]


class Slots:
    __slots__ = ("x",)

    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, dout):
        return 2 * dout * self.x


CASES = [
    (Affine, X), (Relu, X), (Sigmoid, X), (Tanh, X), (Elu, X), (Softplus, X), (Swish, X), (Softmax, X),
    (SoftmaxWithLoss, X, LABELS), (OneHotLoss, X, np.eye(4)[LABELS]), (MeanSquaredError, X, X[::-1]),
    (BatchNorm, X), (LayerNorm, X), (Dropout, X), (OwnDropout, X), (Embedding, LABELS), (Convolution, IMAGE),
    (MaxPooling, IMAGE), (AveragePooling, IMAGE), (Flatten, IMAGE), (Concat, X, X[:, :2].copy()),
    (Attention, rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 5, 4)), rng.normal(size=(2, 5, 6))),
    (LstmStep, X, rng.normal(size=(3, 5)), rng.normal(size=(3, 5))), (TwoLayers, X), (SumAll, X), (Norm, X), (Slots, X),
]  # fmt: skip


@pytest.mark.one_in(3)
@pytest.mark.parametrize(("cls", "inputs"), [(cls, inputs) for cls, *inputs in CASES])
@pytest.mark.parametrize("built", [True, False])
def test_a_right_layer_raises_no_alarm(cls, inputs, built):
    assert not alarming(found(cls if built else cls(), *inputs))


@pytest.mark.one_in(3)
@pytest.mark.parametrize(("cls", "inputs"), [(cls, inputs) for cls, *inputs in CASES])
def test_a_right_layer_raises_no_alarm_in_float32_and_fortran_order(cls, inputs):
    narrow = [np.asfortranarray(x.astype(np.float32)) if x.dtype.kind == "f" else x for x in inputs]
    assert not alarming(found(cls, *narrow))


@pytest.mark.one_in(4)
@pytest.mark.parametrize("scale", [0.01, 30.0])
@pytest.mark.parametrize(("cls", "inputs"), [(cls, inputs) for cls, *inputs in CASES])
def test_a_right_layer_raises_no_alarm_at_another_scale(cls, inputs, scale):
    other = [x * scale if x.dtype.kind == "f" and cls is not OneHotLoss else x for x in inputs]
    assert not alarming(found(cls, *other))
