"""Reductions: many numbers become few."""

import numpy as np

from forwards.corpus_row import normal, positive, row


class SumAll:
    def forward(self, x):
        return np.sum(x)


class SumOverAxis:
    def forward(self, x):
        return x.sum(axis=1)


class SumKeepingAxis:
    def forward(self, x):
        return np.sum(x, axis=0, keepdims=True)


class MeanOverTime:
    def forward(self, x):
        return x.mean(axis=1)


class MaxOverFeatures:
    def forward(self, x):
        return np.max(x, axis=1)


class MinAll:
    def forward(self, x):
        return x.min()


class Variance:
    def forward(self, x):
        return np.var(x, axis=0)


class VarianceBySquares:
    def forward(self, x):
        return np.mean(x**2, axis=0) - np.mean(x, axis=0) ** 2


class SampleDeviation:
    def forward(self, x):
        return np.std(x, axis=1, ddof=1)


class EuclideanNorm:
    def forward(self, x):
        return np.sqrt(np.sum(x**2, axis=-1))


class FrobeniusNorm:
    def forward(self, x):
        return np.linalg.norm(x)


class L1Norm:
    def forward(self, x):
        return np.abs(x).sum(axis=1)


class PNorm:
    def __init__(self, p=3):
        self.p = p

    def forward(self, x):
        return np.sum(np.abs(x) ** self.p, axis=1) ** (1 / self.p)


class ProductOverAxis:
    def forward(self, x):
        return np.prod(x, axis=1)


class GeometricMean:
    def forward(self, x):
        return np.exp(np.log(x).mean(axis=1))


class RootMeanSquare:
    def forward(self, x):
        return np.sqrt((x * x).mean())


class CumulativeSum:
    def forward(self, x):
        return np.cumsum(x, axis=1)


class WeightedMean:
    def forward(self, x, w):
        return (x * w).sum(axis=0) / w.sum(axis=0)


class TraceOfMatrix:
    def forward(self, x):
        return np.trace(x)


class DotOfRows:
    def forward(self, a, b):
        return np.einsum("nd,nd->n", a, b)


class Covariance:
    def forward(self, x):
        c = x - x.mean(axis=0)
        return c.T @ c / (len(x) - 1)


class GramMatrix:
    def forward(self, x):
        return x @ x.T


X, P = normal("N D"), positive("N D")

ROWS = (
    row(SumAll, X, torch="x.sum()", same="float(np.ones(len(x)) @ x @ np.ones(x.shape[1]))"),
    row(SumOverAxis, X, torch="x.sum(dim=1)", same="x @ np.ones(x.shape[1])"),
    row(SumKeepingAxis, X, torch="x.sum(dim=0, keepdim=True)", same="np.ones((1, len(x))) @ x"),
    row(MeanOverTime, normal("N T D"), torch="x.mean(dim=1)", same="np.einsum('ntd->nd', x) / x.shape[1]"),
    row(MaxOverFeatures, X, torch="x.amax(dim=1)", same="np.sort(x, axis=1)[:, -1]"),
    row(MinAll, X, torch="x.min()", same="np.sort(x, axis=None)[0]"),
    row(Variance, X, torch="x.var(dim=0, correction=0)", same="np.mean(x**2, axis=0) - np.mean(x, axis=0) ** 2"),
    row(VarianceBySquares, X, torch="x.var(dim=0, correction=0)", same="np.var(x, axis=0)"),
    row(SampleDeviation, X, torch="x.std(dim=1)", same="scipy.stats.tstd(x, axis=1)"),
    row(EuclideanNorm, normal("N T D"), torch="x.norm(dim=-1)", same="np.linalg.norm(x, axis=-1)"),
    row(FrobeniusNorm, X, torch="x.norm()", same="np.sqrt(np.sum(x * x))"),
    row(L1Norm, X, torch="x.abs().sum(dim=1)", same="np.linalg.norm(x, 1, axis=1)"),
    row(PNorm, X, init={"p": 3}, torch="x.norm(p, dim=1)", same="np.linalg.norm(x, p, axis=1)"),
    row(ProductOverAxis, X, torch="x.prod(dim=1)", same="np.multiply.reduce(x, axis=1)"),
    row(GeometricMean, P, torch="x.prod(dim=1) ** (1 / x.shape[1])", same="scipy.stats.gmean(x, axis=1)"),
    row(RootMeanSquare, X, torch="torch.sqrt((x * x).mean())", same="np.linalg.norm(x) / x.size**0.5"),
    row(CumulativeSum, X, torch="x.cumsum(dim=1)", same="x @ np.triu(np.ones((x.shape[1],) * 2))"),
    row(WeightedMean, X, P, torch="(x * w).sum(0) / w.sum(0)", same="np.average(x, axis=0, weights=w)"),
    row(TraceOfMatrix, normal("D D"), torch="x.trace()", same="np.diag(x).sum()"),
    row(DotOfRows, X, X, torch="(a * b).sum(dim=1)", same="np.diag(a @ b.T)"),
    row(Covariance, X, torch="x.T.cov()", same="np.cov(x.T)"),
    row(GramMatrix, X, torch="x @ x.T", same="np.inner(x, x)"),
)  # fmt: skip
