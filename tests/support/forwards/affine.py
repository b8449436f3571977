"""Products with weights."""

import numpy as np

from forwards.corpus_row import normal, row


class Affine:
    def __init__(self, W, b):
        self.W = W
        self.b = b
        self.x = None

    def forward(self, x):
        self.x = x
        out = np.dot(self.x, self.W) + self.b

        return out


class AffineByMatmul:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        return x @ self.W + self.b


class AffineOfList:
    """As the second book has it."""

    def __init__(self, W, b):
        self.params = [W, b]

    def forward(self, x):
        W, b = self.params
        out = np.dot(x, W) + b
        return out


class AffineOfTensor:
    """As the first book has it, for images too."""

    def __init__(self, W, b):
        self.W = W
        self.b = b

    def forward(self, x):
        x = x.reshape(x.shape[0], -1)
        return np.dot(x, self.W) + self.b


class Linear:
    """With weights as PyTorch keeps them."""

    def __init__(self, weight, bias):
        self.weight = weight
        self.bias = bias

    def forward(self, x):
        return x @ self.weight.T + self.bias


class AffineByEinsum:
    def __init__(self, W, b):
        self.W = W
        self.b = b

    def forward(self, x):
        return np.einsum("nd,dm->nm", x, self.W) + self.b


class TimeAffine:
    def __init__(self, W, b):
        self.W = W
        self.b = b

    def forward(self, x):
        N, T, D = x.shape
        out = np.dot(x.reshape(N * T, -1), self.W) + self.b
        return out.reshape(N, T, -1)


class BroadcastAffine:
    def __init__(self, W, b):
        self.W = W
        self.b = b

    def forward(self, x):
        return np.matmul(x, self.W) + self.b


class MatMul:
    def __init__(self, W):
        self.params = [W]

    def forward(self, x):
        (W,) = self.params
        return np.dot(x, W)


class MatMulOfTwo:
    def forward(self, a, b):
        return a @ b


class Bilinear:
    def __init__(self, W, b):
        self.W = W
        self.b = b

    def forward(self, x, z):
        return np.einsum("nd,dhm,nm->nh", x, self.W, z) + self.b


class QuadraticForm:
    def __init__(self, A):
        self.A = A

    def forward(self, x):
        return np.sum(x @ self.A * x, axis=1)


class OuterProduct:
    def forward(self, a, b):
        return a[:, :, np.newaxis] * b[:, np.newaxis, :]


class WeightSum:
    """As the second book has it."""

    def forward(self, hs, a):
        N, T, H = hs.shape
        ar = a.reshape(N, T, 1)
        t = hs * ar
        return np.sum(t, axis=1)


class TwoLayers:
    def __init__(self, W1, b1, W2, b2):
        self.params = {"W1": W1, "b1": b1, "W2": W2, "b2": b2}

    def forward(self, x):
        p = self.params
        z = np.maximum(0, x @ p["W1"] + p["b1"])
        return z @ p["W2"] + p["b2"]


class Perceptron:
    """One number a row."""

    def __init__(self, w, b):
        self.w = w
        self.b = b

    def forward(self, x):
        return 1 / (1 + np.exp(-(x @ self.w + self.b)))


class LowRank:
    """An adaptation by two thin matrices."""

    def __init__(self, W, A, B, scale=0.5):
        self.W, self.A, self.B, self.scale = W, A, B, scale

    def forward(self, x):
        return x @ self.W + self.scale * (x @ self.A @ self.B)


X, W, B = normal("N D"), normal("D M"), normal("M")

ROWS = (
    row(Affine, X, init={"W": W, "b": B}, torch="x @ W + b", same="np.einsum('ij,jk', x, W) + b"),
    row(AffineByMatmul, X, init={"W": W, "b": B}, torch="torch.addmm(b, x, W)", same="np.dot(x, W) + b"),
    row(AffineOfList, X, init={"W": W, "b": B}, torch="x @ W + b", same="x @ W + b"),
    row(AffineOfTensor, normal("N 2 D 3"), init={"W": normal("6D M"), "b": B}, torch="x.flatten(1) @ W + b",
        same="np.tensordot(x, W.reshape(2, -1, 3, W.shape[1]), 3) + b"),
    row(Linear, X, init={"weight": normal("M D"), "bias": B}, torch="torch.nn.functional.linear(x, weight, bias)",
        same="np.inner(x, weight) + bias"),
    row(AffineByEinsum, X, init={"W": W, "b": B}, torch="x @ W + b", same="x @ W + b"),
    row(TimeAffine, normal("N T D"), init={"W": W, "b": B}, torch="x @ W + b", same="x @ W + b"),
    row(BroadcastAffine, normal("N T D"), init={"W": W, "b": B}, torch="x @ W + b", same="np.tensordot(x, W, 1) + b"),
    row(MatMul, X, init={"W": W}, torch="x @ W", same="x @ W"),
    row(MatMulOfTwo, normal("N T D"), normal("N D M"), torch="torch.bmm(a, b)",
        same="np.stack([p.dot(q) for p, q in zip(a, b)])"),
    row(Bilinear, X, normal("N M"), init={"W": normal("D H M"), "b": normal("H")},
        torch="torch.nn.functional.bilinear(x, z, W.transpose(0, 1), b)",
        same="np.stack([x[i] @ W.transpose(1, 0, 2) @ z[i] for i in range(len(x))]) + b"),
    row(QuadraticForm, X, init={"A": normal("D D")}, torch="torch.einsum('ni,ij,nj->n', x, A, x)",
        same="np.einsum('ni,ij,nj->n', x, A, x)"),
    row(OuterProduct, X, normal("N M"), torch="torch.einsum('ni,nj->nij', a, b)",
        same="np.stack([np.outer(p, q) for p, q in zip(a, b)])"),
    row(WeightSum, normal("N T H"), normal("N T"), torch="torch.einsum('nth,nt->nh', hs, a)",
        same="np.einsum('nth,nt->nh', hs, a)"),
    row(TwoLayers, X, init={"W1": W, "b1": B, "W2": normal("M H"), "b2": normal("H")},
        torch="torch.relu(x @ W1 + b1) @ W2 + b2"),
    row(Perceptron, X, init={"w": normal("D"), "b": normal("1")}, torch="torch.sigmoid(x @ w + b)",
        same="scipy.special.expit(x @ w + b)"),
    row(LowRank, X, init={"W": W, "A": normal("D H"), "B": normal("H M"), "scale": 0.5},
        torch="x @ (W + scale * A @ B)", same="x @ (W + scale * A @ B)"),
)  # fmt: skip
