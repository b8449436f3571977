"""Softmax and what goes with it, along an axis."""

import numpy as np

from forwards.corpus_row import normal, row, spread


class Softmax:
    def forward(self, x):
        e = np.exp(x - np.max(x, axis=1, keepdims=True))
        return e / np.sum(e, axis=1, keepdims=True)


class SoftmaxPlain:
    def forward(self, x):
        exp_x = np.exp(x)
        return exp_x / exp_x.sum(axis=-1, keepdims=True)


class SoftmaxTransposed:
    """As the first book has it."""

    def forward(self, x):
        x = x.T
        x = x - np.max(x, axis=0)
        y = np.exp(x) / np.sum(np.exp(x), axis=0)
        return y.T


class SoftmaxOfVector:
    def forward(self, a):
        c = np.max(a)
        exp_a = np.exp(a - c)
        sum_exp_a = np.sum(exp_a)
        y = exp_a / sum_exp_a

        return y


class SoftmaxOverChannels:
    def forward(self, x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)


class SoftmaxWithTemperature:
    def __init__(self, temperature=2.0):
        self.temperature = temperature

    def forward(self, x):
        z = x / self.temperature
        z = z - z.max(axis=-1, keepdims=True)
        e = np.exp(z)
        return e / e.sum(axis=-1, keepdims=True)


class Softmin:
    def forward(self, x):
        e = np.exp(-(x - np.min(x, axis=1, keepdims=True)))
        return e / np.sum(e, axis=1, keepdims=True)


class LogSoftmax:
    def forward(self, x):
        z = x - np.max(x, axis=1, keepdims=True)
        return z - np.log(np.sum(np.exp(z), axis=1, keepdims=True))


class LogSoftmaxOfSoftmax:
    def forward(self, x):
        e = np.exp(x)
        return np.log(e / e.sum(axis=1)[:, None])


class LogSumExp:
    def forward(self, x):
        m = x.max(axis=1)
        return m + np.log(np.exp(x - m[:, np.newaxis]).sum(axis=1))


class Glu:
    def forward(self, x):
        a, b = np.split(x, 2, axis=1)
        return a * (1 / (1 + np.exp(-b)))


class GluBySlices:
    def forward(self, x):
        half = x.shape[-1] // 2
        return x[..., :half] / (1 + np.exp(-x[..., half:]))


class SwiGlu:
    def __init__(self, W, V):
        self.W = W
        self.V = V

    def forward(self, x):
        a = x @ self.W
        return a / (1 + np.exp(-a)) * (x @ self.V)


class Maxout:
    def __init__(self, pieces=2):
        self.pieces = pieces

    def forward(self, x):
        n, d = x.shape
        return x.reshape(n, d // self.pieces, self.pieces).max(axis=2)


X = spread("N V")
F = "torch.nn.functional."

ROWS = (
    row(Softmax, X, torch=F + "softmax(x, dim=1)", same="scipy.special.softmax(x, axis=1)"),
    row(SoftmaxPlain, X, torch=F + "softmax(x, dim=-1)", same="scipy.special.softmax(x, axis=1)"),
    row(SoftmaxTransposed, X, torch=F + "softmax(x, dim=1)", same="scipy.special.softmax(x, axis=1)"),
    row(SoftmaxOfVector, spread("V"), torch=F + "softmax(a, dim=0)", same="scipy.special.softmax(a)"),
    row(SoftmaxOverChannels, spread("N C P Q"), torch=F + "softmax(x, dim=1)", same="scipy.special.softmax(x, axis=1)"),
    row(
        SoftmaxWithTemperature, X, init={"temperature": 2.0}, torch=F + "softmax(x / temperature, dim=-1)",
        same="scipy.special.softmax(x / temperature, axis=1)",
    ),
    row(Softmin, X, torch=F + "softmin(x, dim=1)", same="scipy.special.softmax(-x, axis=1)"),
    row(LogSoftmax, X, torch=F + "log_softmax(x, dim=1)", same="scipy.special.log_softmax(x, axis=1)"),
    row(LogSoftmaxOfSoftmax, X, torch=F + "log_softmax(x, dim=1)", same="scipy.special.log_softmax(x, axis=1)"),
    row(LogSumExp, X, torch="torch.logsumexp(x, dim=1)", same="scipy.special.logsumexp(x, axis=1)"),
    row(Glu, spread("N 2D"), torch=F + "glu(x, dim=1)",
        same="x[:, : x.shape[1] // 2] * scipy.special.expit(x[:, x.shape[1] // 2 :])"),
    row(GluBySlices, spread("N T 2D"), torch=F + "glu(x, dim=-1)",
        same="x[..., : x.shape[2] // 2] * scipy.special.expit(x[..., x.shape[2] // 2 :])"),
    row(SwiGlu, normal("N D"), init={"W": normal("D M"), "V": normal("D M")}, torch=F + "silu(x @ W) * (x @ V)"),
    row(Maxout, spread("N 2D"), init={"pieces": 2}, torch="x.unflatten(1, (-1, pieces)).amax(dim=2)",
        same="np.maximum(x[:, ::2], x[:, 1::2])"),
)  # fmt: skip
