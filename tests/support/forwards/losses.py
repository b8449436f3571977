"""Losses: how far an output is from what was wanted."""

import numpy as np
from scipy.special import xlogy

from forwards.corpus_row import Draw, between, labels, normal, positive, row, spread


class MeanSquaredError:
    def forward(self, y, t):
        return np.mean((y - t) ** 2)


class HalfSquaredError:
    """As the first book has it."""

    def forward(self, y, t):
        return 0.5 * np.sum((y - t) ** 2)


class SquaredError:
    def forward(self, y, t):
        return (y - t) ** 2


class MeanAbsoluteError:
    def forward(self, y, t):
        return np.abs(y - t).mean()


class RootMeanSquaredError:
    def forward(self, y, t):
        return np.sqrt(np.mean(np.square(y - t)))


class HuberLoss:
    def __init__(self, delta=1.5):
        self.delta = delta

    def forward(self, y, t):
        r = np.abs(y - t)
        d = self.delta
        return np.where(r <= d, 0.5 * r**2, d * (r - 0.5 * d)).sum()


class SmoothL1Loss:
    def __init__(self, beta=0.5):
        self.beta = beta

    def forward(self, y, t):
        diff = np.abs(y - t)
        loss = np.where(diff < self.beta, 0.5 * diff**2 / self.beta, diff - 0.5 * self.beta)
        return np.mean(loss)


class LogCoshLoss:
    def forward(self, y, t):
        return np.mean(np.log(np.cosh(y - t)))


class BinaryCrossEntropy:
    def forward(self, p, t):
        return -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p))


class BinaryCrossEntropyWithEps:
    def forward(self, p, t):
        eps = 1e-7
        return -np.sum(t * np.log(p + eps) + (1 - t) * np.log(1 - p + eps)) / p.shape[0]


class BceWithLogits:
    def forward(self, x, t):
        return np.mean(np.maximum(x, 0) - x * t + np.log(1 + np.exp(-np.abs(x))))


class SigmoidThenBce:
    def forward(self, x, t):
        p = 1 / (1 + np.exp(-x))
        return -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean()


class CrossEntropyOfLabels:
    def forward(self, x, t):
        z = x - x.max(axis=1, keepdims=True)
        log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        return -log_p[np.arange(len(t)), t].mean()


class CrossEntropyOfOneHot:
    def forward(self, x, t):
        e = np.exp(x - np.max(x, axis=1, keepdims=True))
        y = e / np.sum(e, axis=1, keepdims=True)
        return -np.sum(t * np.log(y)) / len(x)


class SoftmaxWithLoss:
    """As the first book has it, for labels of either kind."""

    def forward(self, x, t):
        e = np.exp(x - np.max(x, axis=1, keepdims=True))
        self.y = e / np.sum(e, axis=1, keepdims=True)
        if self.y.size == t.size:
            t = t.argmax(axis=1)
        batch_size = self.y.shape[0]
        return -np.sum(np.log(self.y[np.arange(batch_size), t] + 1e-7)) / batch_size


class CrossEntropyEach:
    def forward(self, x, t):
        m = x.max(axis=1)
        return m + np.log(np.exp(x - m[:, None]).sum(axis=1)) - x[np.arange(x.shape[0]), t]


class NegativeLogLikelihood:
    def forward(self, log_p, t):
        return -np.mean(log_p[np.arange(log_p.shape[0]), t])


class KlDivergence:
    def forward(self, log_q, p):
        return np.sum(p * (np.log(p) - log_q)) / len(p)


class KlOfGaussian:
    """Of a variational autoencoder."""

    def forward(self, mu, log_var):
        return -0.5 * np.sum(1 + log_var - mu**2 - np.exp(log_var))


class HingeLoss:
    def forward(self, y, t):
        return np.mean(np.maximum(0, 1 - t * y))


class SquaredHingeLoss:
    def forward(self, y, t):
        margin = np.maximum(0, 1 - t * y)
        return np.sum(margin**2) / y.shape[0]


class MulticlassHinge:
    """As the course on convolutional networks has it."""

    def forward(self, x, y):
        n = x.shape[0]
        correct = x[np.arange(n), y]
        margins = np.maximum(0, x - correct[:, np.newaxis] + 1.0)
        margins[np.arange(n), y] = 0
        return np.sum(margins) / n


class FocalLoss:
    def __init__(self, gamma=2.0):
        self.gamma = gamma

    def forward(self, p, t):
        q = np.where(t == 1, p, 1 - p)
        return np.mean(-((1 - q) ** self.gamma) * np.log(q))


class FocalLossOfScores:
    def __init__(self, gamma=2.0):
        self.gamma = gamma

    def forward(self, x, t):
        p = 1 / (1 + np.exp(-x))
        q = np.where(t == 1, p, 1 - p)
        return np.mean(-((1 - q) ** self.gamma) * np.log(q))


class LabelSmoothing:
    def __init__(self, eps=0.1):
        self.eps = eps

    def forward(self, x, t):
        n, k = x.shape
        z = x - x.max(axis=1, keepdims=True)
        log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        target = np.full_like(x, self.eps / k)
        target[np.arange(n), t] += 1 - self.eps
        return -(target * log_p).sum() / n


class CosineEmbeddingLoss:
    def __init__(self, margin=0.2):
        self.margin = margin

    def forward(self, a, b, t):
        cos = (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
        return np.where(t == 1, 1 - cos, np.maximum(0, cos - self.margin)).mean()


class TripletLoss:
    def __init__(self, margin=1.0):
        self.margin = margin

    def forward(self, anchor, positive, negative):
        near = np.sqrt(np.sum((anchor - positive) ** 2, axis=1))
        far = np.sqrt(np.sum((anchor - negative) ** 2, axis=1))
        return np.mean(np.maximum(near - far + self.margin, 0))


class ContrastiveLoss:
    def forward(self, a, b, same):
        d = np.sqrt(((a - b) ** 2).sum(axis=1))
        return np.mean(same * d**2 + (1 - same) * np.maximum(0, 3 - d) ** 2)


class MarginRanking:
    def forward(self, a, b, t):
        return np.maximum(0, -t * (a - b) + 0.1).mean()


class SoftMargin:
    def forward(self, x, t):
        return np.log1p(np.exp(-t * x)).mean()


class PoissonNll:
    def forward(self, log_rate, k):
        return np.mean(np.exp(log_rate) - k * log_rate)


class GaussianNll:
    def forward(self, mean, t, var):
        return 0.5 * np.mean(np.log(var) + (t - mean) ** 2 / var)


class DiceLoss:
    def forward(self, p, t):
        return 1 - (2 * np.sum(p * t) + 1) / (np.sum(p) + np.sum(t) + 1)


class EntropyOfShares:
    def forward(self, p):
        return -np.sum(xlogy(p, p), axis=1).mean()


X, V, T = normal("N D"), spread("N V"), labels("N")
ONE_HOT, SIGNS, ZERO_ONE = Draw("one_hot", "N V"), Draw("signs", "N D"), Draw("zero_one", "N D")
SHARE, LOG_SHARE = Draw("share", "N V"), Draw("log_share", "N V")
F = "torch.nn.functional."

ROWS = (
    row(MeanSquaredError, X, X, torch=F + "mse_loss(y, t)", same="np.var(y - t) + np.mean(y - t) ** 2"),
    row(HalfSquaredError, X, X, torch=F + "mse_loss(y, t, reduction='sum') / 2", same="np.linalg.norm(y - t) ** 2 / 2"),
    row(SquaredError, X, X, torch=F + "mse_loss(y, t, reduction='none')", same="y * y - 2 * y * t + t * t"),
    row(MeanAbsoluteError, X, X, torch=F + "l1_loss(y, t)", same="np.linalg.norm((y - t).ravel(), 1) / y.size"),
    row(RootMeanSquaredError, X, X, torch="torch.sqrt(" + F + "mse_loss(y, t))",
        same="np.linalg.norm(y - t) / y.size ** 0.5"),
    row(HuberLoss, spread(), X, init={"delta": 1.5}, torch=F + "huber_loss(y, t, delta=delta, reduction='sum')",
        same="scipy.special.huber(delta, y - t).sum()"),
    row(SmoothL1Loss, spread(), X, init={"beta": 0.5}, torch=F + "smooth_l1_loss(y, t, beta=beta)",
        same="scipy.special.huber(beta, y - t).mean() / beta"),
    row(LogCoshLoss, X, X, torch="torch.log(torch.cosh(y - t)).mean()",
        same="np.mean(np.logaddexp(y - t, t - y)) - np.log(2)"),
    row(BinaryCrossEntropy, between(), ZERO_ONE, torch=F + "binary_cross_entropy(p, t)",
        same="-np.mean(np.log(np.where(t == 1, p, 1 - p)))"),
    row(BinaryCrossEntropyWithEps, between(), ZERO_ONE,
        torch="-(t * torch.log(p + 1e-7) + (1 - t) * torch.log(1 - p + 1e-7)).sum() / p.shape[0]",
        same="-np.log(np.where(t == 1, p, 1 - p) + 1e-7).sum() / len(p)"),
    row(BceWithLogits, spread(), ZERO_ONE, torch=F + "binary_cross_entropy_with_logits(x, t)",
        same="-scipy.special.log_expit(np.where(t == 1, x, -x)).mean()"),
    row(SigmoidThenBce, spread(), ZERO_ONE, torch=F + "binary_cross_entropy_with_logits(x, t)",
        same="-scipy.special.log_expit(np.where(t == 1, x, -x)).mean()"),
    row(CrossEntropyOfLabels, V, T, torch=F + "cross_entropy(x, t)",
        same="-scipy.special.log_softmax(x, axis=1)[np.arange(len(t)), t].mean()"),
    row(CrossEntropyOfOneHot, V, ONE_HOT, torch=F + "cross_entropy(x, t)",
        same="-(t * scipy.special.log_softmax(x, axis=1)).sum() / len(x)"),
    row(SoftmaxWithLoss, V, T, torch="-torch.log(torch.softmax(x, 1)[torch.arange(len(t)), t] + 1e-7).mean()",
        same="-np.log(scipy.special.softmax(x, axis=1)[np.arange(len(t)), t] + 1e-7).mean()"),
    row(CrossEntropyEach, V, T, torch=F + "cross_entropy(x, t, reduction='none')",
        same="-scipy.special.log_softmax(x, axis=1)[np.arange(len(t)), t]"),
    row(NegativeLogLikelihood, LOG_SHARE, T, torch=F + "nll_loss(log_p, t)",
        same="-(np.eye(log_p.shape[1])[t] * log_p).sum() / len(t)"),
    row(KlDivergence, LOG_SHARE, SHARE, torch=F + "kl_div(log_q, p, reduction='batchmean')",
        same="scipy.special.rel_entr(p, np.exp(log_q)).sum() / len(p)"),
    row(KlOfGaussian, X, X, torch="-0.5 * (1 + log_var - mu ** 2 - log_var.exp()).sum()"),
    row(HingeLoss, X, SIGNS, torch="torch.relu(1 - t * y).mean()", same="np.mean((t * y < 1) * (1 - t * y))"),
    row(SquaredHingeLoss, X, SIGNS, torch="(torch.relu(1 - t * y) ** 2).sum() / y.shape[0]",
        same="((t * y < 1) * (1 - t * y) ** 2).sum() / len(y)"),
    row(MulticlassHinge, V, T, torch=F + "multi_margin_loss(x, y) * x.shape[1]",
        same="sum(max(0, a - r[k] + 1) for r, k in zip(x, y) for a in r) / len(x) - 1"),
    row(FocalLoss, between(), ZERO_ONE, init={"gamma": 2.0},
        torch="(lambda q: -((1 - q) ** gamma) * torch.log(q))(torch.where(t == 1, p, 1 - p)).mean()"),
    row(FocalLossOfScores, X, ZERO_ONE, init={"gamma": 2.0},
        torch="(lambda q: -((1 - q.exp()) ** gamma) * q)(" + F + "logsigmoid(torch.where(t == 1, x, -x))).mean()"),
    row(LabelSmoothing, V, T, init={"eps": 0.1}, torch=F + "cross_entropy(x, t, label_smoothing=eps)"),
    row(CosineEmbeddingLoss, X, X, Draw("signs", "N"), init={"margin": 0.2},
        torch=F + "cosine_embedding_loss(a, b, t, margin)"),
    row(TripletLoss, X, X, X, init={"margin": 1.0},
        torch="torch.relu((anchor - positive).norm(dim=1) - (anchor - negative).norm(dim=1) + margin).mean()"),
    row(ContrastiveLoss, X, X, Draw("zero_one", "N"),
        torch="(lambda d: same * d**2 + (1 - same) * torch.relu(3 - d) ** 2)((a - b).norm(dim=1)).mean()"),
    row(MarginRanking, X, X, SIGNS, torch=F + "margin_ranking_loss(a, b, t, margin=0.1)"),
    row(SoftMargin, X, SIGNS, torch=F + "soft_margin_loss(x, t)", same="-scipy.special.log_expit(t * x).mean()"),
    row(PoissonNll, X, positive(), torch=F + "poisson_nll_loss(log_rate, k)"),
    row(GaussianNll, X, X, positive(), torch=F + "gaussian_nll_loss(mean, t, var)",
        same="-np.mean(scipy.stats.norm.logpdf(t, mean, np.sqrt(var))) - np.log(2 * np.pi) / 2"),
    row(DiceLoss, between(), ZERO_ONE, torch="1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)"),
    row(EntropyOfShares, SHARE, torch="torch.special.entr(p).sum(dim=1).mean()",
        same="scipy.stats.entropy(p, axis=1).mean()"),
)  # fmt: skip
