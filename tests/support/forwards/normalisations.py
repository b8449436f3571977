"""Normalisations: over the batch, the features, groups of channels, or by length."""

import numpy as np

from forwards.corpus_row import normal, positive, row


class BatchNorm:
    def __init__(self, gamma, beta, eps=1e-5):
        self.gamma = gamma
        self.beta = beta
        self.eps = eps

    def forward(self, x):
        mu = x.mean(axis=0)
        var = x.var(axis=0)
        xn = (x - mu) / np.sqrt(var + self.eps)
        return self.gamma * xn + self.beta


class BatchNormByNodes:
    """As the first book has it: one operation a line."""

    def __init__(self, gamma, beta):
        self.gamma = gamma
        self.beta = beta

    def forward(self, x):
        mu = x.mean(axis=0)
        xc = x - mu
        var = np.mean(xc**2, axis=0)
        std = np.sqrt(var + 10e-7)
        xn = xc / std
        out = self.gamma * xn + self.beta
        return out


class BatchNormWithSum:
    def __init__(self, gamma, beta):
        self.gamma = gamma
        self.beta = beta

    def forward(self, x):
        N = x.shape[0]
        mean = 1.0 / N * np.sum(x, axis=0)
        centred = x - mean
        inverse = 1.0 / np.sqrt(1.0 / N * np.sum(centred**2, axis=0) + 1e-5)
        return centred * inverse * self.gamma + self.beta


class BatchNormOfImages:
    def __init__(self, gamma, beta):
        self.gamma = gamma.reshape(1, -1, 1, 1)
        self.beta = beta.reshape(1, -1, 1, 1)

    def forward(self, x):
        mean = np.mean(x, axis=(0, 2, 3), keepdims=True)
        var = np.var(x, axis=(0, 2, 3), keepdims=True)
        return self.gamma * (x - mean) / np.sqrt(var + 1e-5) + self.beta


class BatchNormInference:
    def __init__(self, gamma, beta, mean, var):
        self.gamma, self.beta = gamma, beta
        self.mean, self.var = mean, var

    def forward(self, x):
        return self.gamma * (x - self.mean) / np.sqrt(self.var + 1e-5) + self.beta


class LayerNorm:
    def __init__(self, gamma, beta):
        self.gamma = gamma
        self.beta = beta

    def forward(self, x):
        mean = np.mean(x, axis=-1, keepdims=True)
        var = np.var(x, axis=-1, keepdims=True)
        return (x - mean) / np.sqrt(var + 1e-5) * self.gamma + self.beta


class LayerNormByStd:
    def forward(self, x):
        return (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)


class GroupNorm:
    def __init__(self, gamma, beta, groups=2):
        self.gamma = gamma
        self.beta = beta
        self.groups = groups

    def forward(self, x):
        N, C, H, W = x.shape
        g = x.reshape(N, self.groups, -1)
        g = (g - g.mean(axis=2, keepdims=True)) / np.sqrt(g.var(axis=2, keepdims=True) + 1e-5)
        x = g.reshape(N, C, H, W)
        return x * self.gamma[:, None, None] + self.beta[:, None, None]


class InstanceNorm:
    def forward(self, x):
        mean = x.mean(axis=(2, 3), keepdims=True)
        centred = x - mean
        return centred / np.sqrt((centred**2).mean(axis=(2, 3), keepdims=True) + 1e-5)


class RmsNorm:
    def __init__(self, gain):
        self.gain = gain

    def forward(self, x):
        rms = np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + 1e-6)
        return x / rms * self.gain


class L2Normalise:
    def forward(self, x):
        return x / np.linalg.norm(x, axis=1, keepdims=True)


class L2NormaliseByRoot:
    def forward(self, x):
        norm = np.sqrt((x * x).sum(axis=1))
        return x / norm[:, None]


class ShareNormalise:
    def forward(self, x):
        return x / x.sum(axis=1, keepdims=True)


class Standardise:
    def forward(self, x):
        return (x - np.mean(x)) / np.std(x)


class Centre:
    def forward(self, x):
        return x - x.mean(axis=0)


class MinMaxScale:
    def forward(self, x):
        low, high = x.min(axis=0), x.max(axis=0)
        return (x - low) / (high - low)


class WeightNorm:
    def __init__(self, g, v):
        self.g = g
        self.v = v

    def forward(self, x):
        W = self.g * self.v / np.sqrt(np.sum(self.v**2, axis=0))
        return x @ W


class LocalResponseNorm:
    def __init__(self, size=3, alpha=0.5, beta=0.75, k=2.0):
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x):
        C = x.shape[1]
        square = x**2
        total = np.zeros_like(x)
        for c in range(C):
            low, high = max(0, c - self.size // 2), min(C, c + self.size // 2 + 1)
            total[:, c] = square[:, low:high].sum(axis=1)
        return x / (self.k + self.alpha / self.size * total) ** self.beta


X, IMAGE = normal("N D"), normal("N C P Q")
PAIR = {"gamma": normal("D"), "beta": normal("D")}
F = "torch.nn.functional."
BATCH = {"same": "scipy.stats.zscore(x) * (1 + 1e-5 / x.var(axis=0)) ** -0.5 * gamma + beta"}

ROWS = (
    row(BatchNorm, X, init={**PAIR, "eps": 1e-5}, torch=F + "batch_norm(x, None, None, gamma, beta, training=True)",
        **BATCH),
    row(BatchNormByNodes, X, init=PAIR, torch=F + "batch_norm(x, None, None, gamma, beta, training=True, eps=1e-6)",
        same="scipy.stats.zscore(x) * (1 + 1e-6 / x.var(axis=0)) ** -0.5 * gamma + beta"),
    row(BatchNormWithSum, X, init=PAIR, torch=F + "batch_norm(x, None, None, gamma, beta, training=True)", **BATCH),
    row(BatchNormOfImages, IMAGE, init={"gamma": normal("C"), "beta": normal("C")},
        torch=F + "batch_norm(x, None, None, gamma, beta, training=True)"),
    row(BatchNormInference, X, init={**PAIR, "mean": normal("D"), "var": positive("D")}, fixed="mean var",
        torch=F + "batch_norm(x, mean, var, gamma, beta)"),
    row(LayerNorm, normal("N T 2D"), init={"gamma": normal("2D"), "beta": normal("2D")},
        torch=F + "layer_norm(x, (x.shape[-1],), gamma, beta)",
        same="scipy.stats.zscore(x, axis=-1) * (1 + 1e-5 / x.var(axis=-1, keepdims=True)) ** -0.5 * gamma + beta"),
    row(LayerNormByStd, X, torch="(x - x.mean(1, True)) / x.std(1, correction=0, keepdim=True)",
        same="scipy.stats.zscore(x, axis=1)"),
    row(GroupNorm, normal("N 2C P Q"), init={"gamma": normal("2C"), "beta": normal("2C"), "groups": 2},
        torch=F + "group_norm(x, groups, gamma, beta)"),
    row(InstanceNorm, IMAGE, torch=F + "instance_norm(x)"),
    row(RmsNorm, normal("N T D"), init={"gain": normal("D")}, torch=F + "rms_norm(x, (x.shape[-1],), gain, eps=1e-6)",
        same="gain * x * np.sqrt(x.shape[2] / ((x * x).sum(axis=2, keepdims=True) + x.shape[2] * 1e-6))"),
    row(L2Normalise, X, torch=F + "normalize(x, dim=1)", same="x / np.sqrt(np.einsum('nd,nd->n', x, x))[:, None]"),
    row(L2NormaliseByRoot, X, torch=F + "normalize(x, dim=1)", same="x / np.linalg.norm(x, axis=1)[:, None]"),
    row(ShareNormalise, positive(), torch=F + "normalize(x, p=1.0, dim=1)",
        same="x / np.linalg.norm(x, 1, axis=1)[:, None]"),
    row(Standardise, X, torch="(x - x.mean()) / x.std(correction=0)", same="scipy.stats.zscore(x, axis=None)"),
    row(Centre, X, torch="x - x.mean(dim=0)", same="(np.eye(len(x)) - 1 / len(x)) @ x"),
    row(MinMaxScale, X, torch="(x - x.amin(0)) / (x.amax(0) - x.amin(0))", same="(x - x.min(0)) / np.ptp(x, axis=0)"),
    row(WeightNorm, X, init={"g": normal("M"), "v": normal("D M")}, torch="x @ torch._weight_norm(v, g[None], 1)",
        same="x @ (v / np.linalg.norm(v, axis=0)) * g"),
    row(LocalResponseNorm, normal("N 2C P Q"), init={"size": 3, "alpha": 0.5, "beta": 0.75, "k": 2.0},
        torch=F + "local_response_norm(x, size, alpha, beta, k)"),
)  # fmt: skip
