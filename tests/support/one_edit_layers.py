"""Right layers as source, inputs for them, and single edits that break one, each with the words that explain it."""

import numpy as np

LAYERS = {
    "Sigmoid": """
class Sigmoid:
    def forward(self, x):
        self.out = 1 / (1 + np.exp(-x))
        return self.out

    def backward(self, dout):
        return dout * self.out * (1 - self.out)
""",
    "Tanh": """
class Tanh:
    def forward(self, x):
        self.out = np.tanh(x)
        return self.out

    def backward(self, dout):
        dx = dout * (1 - self.out**2)
        return dx
""",
    "Relu": """
class Relu:
    def forward(self, x):
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout):
        dx = dout.copy()
        dx[self.mask] = 0
        return dx
""",
    "LeakyRelu": """
class LeakyRelu:
    def forward(self, x):
        self.positive = x > 0
        return np.where(self.positive, x, 0.1 * x)

    def backward(self, dout):
        return np.where(self.positive, dout, 0.1 * dout)
""",
    "Mul": """
class Mul:
    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y

    def backward(self, dout):
        dx = dout * self.y
        dy = dout * self.x
        return dx, dy
""",
    "MatMul": """
class MatMul:
    def forward(self, x, y):
        self.x, self.y = x, y
        return x @ y

    def backward(self, dout):
        dx = dout @ self.y.T
        dy = self.x.T @ dout
        return dx, dy
""",
    "Shift": """
class Shift:
    def forward(self, x, b):
        return x + b

    def backward(self, dout):
        return dout, dout.sum(axis=0)
""",
    "Div": """
class Div:
    def forward(self, x, y):
        self.x, self.y = x, y
        return x / y

    def backward(self, dout):
        dx = dout / self.y
        dy = -dout * self.x / self.y**2
        return dx, dy
""",
    "Affine": """
class Affine:
    def __init__(self):
        self.W = np.random.default_rng(1).normal(size=(4, 3))
        self.b = np.array([0.3, -0.2, 0.1])

    def forward(self, x):
        self.x = x
        return np.dot(x, self.W) + self.b

    def backward(self, dout):
        dx = np.dot(dout, self.W.T)
        self.dW = np.dot(self.x.T, dout)
        self.db = np.sum(dout, axis=0)
        return dx
""",
    "Softmax": """
class Softmax:
    def forward(self, x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.out = e / e.sum(axis=1, keepdims=True)
        return self.out

    def backward(self, dout):
        s = np.sum(dout * self.out, axis=1, keepdims=True)
        dx = self.out * (dout - s)
        return dx
""",
    "SoftmaxWithLoss": """
class SoftmaxWithLoss:
    def forward(self, x, t):
        self.t = t
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y = e / e.sum(axis=1, keepdims=True)
        return -np.sum(t * np.log(self.y)) / len(t)

    def backward(self, dout):
        n = self.t.shape[0]
        dx = (self.y - self.t) / n
        return dout * dx
""",
    "MeanSquare": """
class MeanSquare:
    def forward(self, x, y):
        self.diff = x - y
        return np.mean(self.diff**2)

    def backward(self, dout):
        dx = dout * 2 * self.diff / self.diff.size
        return dx, -dx
""",
    "BatchNorm": """
class BatchNorm:
    def __init__(self):
        self.gamma = np.array([1.2, 0.7, -0.6])
        self.beta = np.array([0.1, 0.2, 0.3])

    def forward(self, x):
        mu = x.mean(axis=0)
        self.xc = x - mu
        var = np.mean(self.xc**2, axis=0)
        self.std = np.sqrt(var + 1e-7)
        self.xn = self.xc / self.std
        return self.gamma * self.xn + self.beta

    def backward(self, dout):
        n = dout.shape[0]
        self.dbeta = dout.sum(axis=0)
        self.dgamma = np.sum(self.xn * dout, axis=0)
        dxn = self.gamma * dout
        dxc = dxn / self.std
        dstd = -np.sum((dxn * self.xc) / (self.std * self.std), axis=0)
        dvar = 0.5 * dstd / self.std
        dxc += (2.0 / n) * self.xc * dvar
        dmu = np.sum(dxc, axis=0)
        dx = dxc - dmu / n
        return dx
""",
    "LayerNorm": """
class LayerNorm:
    def forward(self, x):
        mu = x.mean(axis=1, keepdims=True)
        self.std = np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
        self.out = (x - mu) / self.std
        return self.out

    def backward(self, dout):
        m = dout.mean(axis=1, keepdims=True)
        c = (dout * self.out).mean(axis=1, keepdims=True)
        return (dout - m - self.out * c) / self.std
""",
    "Conv1d": """
class Conv1d:
    def __init__(self):
        self.W = np.random.default_rng(2).normal(size=3)

    def forward(self, x):
        self.x = x
        n = x.shape[1] - 2
        return sum(self.W[k] * x[:, k : k + n] for k in range(3))

    def backward(self, dout):
        n = dout.shape[1]
        dx = np.zeros_like(self.x)
        self.dW = np.zeros_like(self.W)
        for k in range(3):
            dx[:, k : k + n] += self.W[k] * dout
            self.dW[k] = np.sum(self.x[:, k : k + n] * dout)
        return dx
""",
    "Cell": """
class Cell:
    def forward(self, a, g, c_prev):
        self.f = 1 / (1 + np.exp(-a))
        self.g = np.tanh(g)
        self.c_prev = c_prev
        return self.f * c_prev + (1 - self.f) * self.g

    def backward(self, dc):
        df = dc * self.c_prev - dc * self.g
        dg = dc * (1 - self.f)
        dc_prev = dc * self.f
        return df * self.f * (1 - self.f), dg * (1 - self.g**2), dc_prev
""",
    "Attention": """
class Attention:
    def forward(self, q, k):
        self.q, self.k = q, k
        s = q @ k.T / 2.0
        e = np.exp(s - s.max(axis=1, keepdims=True))
        self.a = e / e.sum(axis=1, keepdims=True)
        return self.a @ k

    def backward(self, dout):
        da = dout @ self.k.T
        ds = self.a * (da - np.sum(da * self.a, axis=1, keepdims=True))
        ds = ds / 2.0
        dq = ds @ self.k
        dk = self.a.T @ dout + ds.T @ self.q
        return dq, dk
""",
    "AveragePool": """
class AveragePool:
    def forward(self, x):
        self.shape = x.shape
        return x.reshape(x.shape[0], -1, 2).mean(axis=2)

    def backward(self, dout):
        dx = np.repeat(dout, 2, axis=1) / 2
        return dx
""",
    "MaxPool": """
class MaxPool:
    def forward(self, x):
        pairs = x.reshape(x.shape[0], -1, 2)
        out = pairs.max(axis=2)
        self.mask = pairs == out[:, :, None]
        return out

    def backward(self, dout):
        dx = self.mask * dout[:, :, None]
        return dx.reshape(dout.shape[0], -1)
""",
}


def rows(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape)


INPUTS = {
    "Mul": (rows(3, 4), rows(3, 4, seed=1)),
    "MatMul": (rows(3, 3), rows(3, 3, seed=1)),
    "Shift": (rows(3, 4), rows(4, seed=1)),
    "Div": (rows(3, 4), 1.5 + rows(3, 4, seed=1) ** 2),
    "SoftmaxWithLoss": (rows(3, 4), np.eye(4)[[0, 2, 3]]),
    "MeanSquare": (rows(3, 4), rows(3, 4, seed=1)),
    "BatchNorm": (rows(4, 3),),
    "Conv1d": (rows(2, 6),),
    "Cell": (rows(3, 2), rows(3, 2, seed=1), rows(3, 2, seed=2)),
    "Attention": (rows(3, 4), rows(5, 4, seed=1)),
}

# The layer, what is right, what stands there instead, and the words that say so.
WRONG = [
    ("Sigmoid", "dout * self.out * (1 - self.out)", "dout * self.out", "factor"),
    ("Sigmoid", "dout * self.out * (1 - self.out)", "dout * (1 - self.out)", "factor"),
    ("Sigmoid", "dout * self.out * (1 - self.out)", "-dout * self.out * (1 - self.out)", "sign"),
    ("Sigmoid", "(1 - self.out)", "(1 + self.out)", "sign"),
    ("Sigmoid", "(1 - self.out)", "(2 - self.out)", "factor formula"),
    ("Tanh", "1 - self.out**2", "1 - self.out", "formula"),
    ("Tanh", "1 - self.out**2", "1 + self.out**2", "sign"),
    ("Tanh", "1 - self.out**2", "1 - self.out**3", "formula"),
    ("Tanh", "dout * (1 - self.out**2)", "dout", "factor"),
    ("Tanh", "dout * (1 - self.out**2)", "dout / (1 - self.out**2)", "factor"),
    ("Tanh", "1 - self.out**2", "self.out**2 - 1", "sign"),
    ("Relu", "dx[self.mask] = 0", "dx[~self.mask] = 0", "mask"),
    ("Relu", "dx[self.mask] = 0", "dx[self.mask] = 1", "factor formula"),
    ("LeakyRelu", "np.where(self.positive, dout, 0.1 * dout)", "np.where(self.positive, 0.1 * dout, dout)", "mask"),
    ("LeakyRelu", "dout, 0.1 * dout)", "dout, 0.2 * dout)", "factor"),
    ("LeakyRelu", "dout, 0.1 * dout)", "dout, -0.1 * dout)", "sign"),
    ("Mul", "dx = dout * self.y", "dx = dout * self.x", "swapped"),
    ("Mul", "dy = dout * self.x", "dy = -dout * self.x", "sign"),
    ("Mul", "dx = dout * self.y", "dx = self.y", "ignores dout"),
    ("MatMul", "dout @ self.y.T", "dout @ self.y", "transpose"),
    ("MatMul", "self.x.T @ dout", "dout @ self.x.T", "transpose"),
    ("MatMul", "self.x.T @ dout", "(self.x.T @ dout).T", "transpose"),
    ("Shift", "dout.sum(axis=0)", "dout", "broadcast"),
    ("Shift", "dout.sum(axis=0)", "dout.sum(axis=0)[:, None]", "broadcast"),
    ("Shift", "dout.sum(axis=0)", "-dout.sum(axis=0)", "sign"),
    ("Mul", "return dx, dy", "return dy, dx", "swapped"),
    ("Mul", "dx = dout * self.y", "dx = dout / self.y", "factor"),
    ("Mul", "dx = dout * self.y", "dx = 2 * dout * self.y", "factor"),
    ("Div", "-dout * self.x / self.y**2", "dout * self.x / self.y**2", "sign"),
    ("Div", "-dout * self.x / self.y**2", "-dout * self.x / self.y", "formula factor"),
    ("Div", "dx = dout / self.y", "dx = dout * self.y", "factor"),
    ("Div", "-dout * self.x / self.y**2", "-dout / self.y**2", "factor"),
    ("Affine", "self.W.T", "self.W.T * 2", "factor"),
    ("Affine", "np.sum(dout, axis=0)", "np.sum(dout, axis=1)", "axis"),
    ("Affine", "np.sum(dout, axis=0)", "np.mean(dout, axis=0)", "factor"),
    ("Affine", "np.sum(dout, axis=0)", "np.sum(dout, axis=0) / len(dout)", "factor"),
    ("Softmax", "self.out * (dout - s)", "self.out * (dout + s)", "sign"),
    ("Softmax", "self.out * (dout - s)", "self.out * dout", "missing term"),
    ("Softmax", "axis=1, keepdims=True)\n        dx", "axis=0, keepdims=True)\n        dx", "axis"),
    ("Softmax", "np.sum(dout * self.out,", "np.sum(dout,", "factor"),
    ("Softmax", "np.sum(dout * self.out,", "np.mean(dout * self.out,", "factor"),
    ("SoftmaxWithLoss", "(self.y - self.t) / n", "(self.y - self.t)", "factor"),
    ("SoftmaxWithLoss", "(self.y - self.t) / n", "(self.t - self.y) / n", "sign"),
    ("SoftmaxWithLoss", "(self.y - self.t) / n", "(self.y + self.t) / n", "sign"),
    ("SoftmaxWithLoss", "(self.y - self.t) / n", "self.y / n", "missing term"),
    ("MeanSquare", "dout * 2 * self.diff", "dout * self.diff", "factor"),
    ("MeanSquare", "self.diff / self.diff.size", "self.diff", "factor"),
    ("MeanSquare", "return dx, -dx", "return dx, dx", "sign"),
    ("MeanSquare", "/ self.diff.size", "/ len(self.diff)", "factor"),
    ("BatchNorm", "dstd = -np.sum", "dstd = np.sum", "sign"),
    ("BatchNorm", "0.5 * dstd", "dstd", "factor"),
    ("BatchNorm", "dxc += (2.0 / n)", "dxc += (1.0 / n)", "factor"),
    ("BatchNorm", "dxc += (2.0 / n)", "dxc -= (2.0 / n)", "sign"),
    ("BatchNorm", "dx = dxc - dmu / n", "dx = dxc - dmu", "factor"),
    ("BatchNorm", "np.sum(self.xn * dout, axis=0)", "np.sum(self.xc * dout, axis=0)", "swapped"),
    ("BatchNorm", "dxn = self.gamma * dout", "dxn = dout", "factor"),
    ("LayerNorm", "dout - m - self.out * c", "dout - m", "missing term"),
    ("LayerNorm", "dout - m - self.out * c", "dout - m + self.out * c", "sign"),
    ("LayerNorm", "self.out * c) / self.std", "self.out * c) * self.std", "factor"),
    ("LayerNorm", "m = dout.mean(axis=1, keepdims=True)", "m = dout.mean(axis=0, keepdims=True)", "axis"),
    ("LayerNorm", "m = dout.mean(axis=1, keepdims=True)", "m = dout.sum(axis=1, keepdims=True)", "factor"),
    ("Conv1d", "dx[:, k : k + n] += self.W[k] * dout", "dx[:, k : k + n] = self.W[k] * dout", "missing term"),
    ("Conv1d", "+= self.W[k] * dout", "-= self.W[k] * dout", "sign"),
    ("Cell", "dc * self.c_prev - dc * self.g", "dc * self.c_prev + dc * self.g", "sign"),
    ("Cell", "dc * self.c_prev - dc * self.g", "dc * self.c_prev", "missing term"),
    ("Cell", "dg = dc * (1 - self.f)", "dg = dc * self.f", "formula"),
    ("Cell", "dg * (1 - self.g**2)", "dg", "factor"),
    ("Cell", "dc_prev = dc * self.f", "dc_prev = dc", "factor"),
    ("Attention", "ds = ds / 2.0", "ds = ds * 2.0", "factor"),
    ("Attention", "np.sum(da * self.a, axis=1", "np.sum(da * self.a, axis=0", "axis"),
    ("Attention", "(da - np.sum", "(da + np.sum", "sign"),
    ("Attention", "self.a.T @ dout + ds.T @ self.q", "self.a.T @ dout - ds.T @ self.q", "sign"),
    ("AveragePool", "axis=1) / 2", "axis=1)", "factor"),
    ("MaxPool", "self.mask * dout[:, :, None]", "~self.mask * dout[:, :, None]", "mask"),
    ("MaxPool", "dx = self.mask * dout[:, :, None]", "dx = -1.0 * self.mask * dout[:, :, None]", "sign"),
]  # fmt: skip
ALSO = {  # lines where the other half of the same product may be mended as well
    "dx = dxc - dmu": "dmu = np.sum",
    "dg": "dg = dc",
}
