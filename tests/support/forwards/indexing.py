"""Layers that move, choose, join and drop elements."""

import numpy as np

from forwards.corpus_row import Draw, labels, normal, row


class Embedding:
    """As the second book has it."""

    def __init__(self, W):
        self.params = [W]

    def forward(self, idx):
        (W,) = self.params
        return W[idx]


class EmbeddingBag:
    def __init__(self, W):
        self.W = W

    def forward(self, idx):
        return self.W[idx].sum(axis=1)


class EmbeddingDot:
    """As the second book has it."""

    def __init__(self, W):
        self.W = W

    def forward(self, h, idx):
        target_W = self.W[idx]
        return np.sum(target_W * h, axis=1)


class PickOne:
    def forward(self, x, t):
        return x[np.arange(x.shape[0]), t]


class TakeAlong:
    def forward(self, x, t):
        return np.take_along_axis(x, t[:, None], axis=1)


class Concat:
    def forward(self, a, b):
        return np.concatenate([a, b], axis=1)


class ConcatOfStack:
    def forward(self, a, b):
        return np.stack((a, b), axis=1)


class SplitInTwo:
    def forward(self, x):
        a, b = np.split(x, 2, axis=1)
        return a, b


class Flatten:
    def forward(self, x):
        return x.reshape(x.shape[0], -1)


class TransposeLayer:
    def forward(self, x):
        return x.transpose(0, 2, 1)


class Residual:
    def __init__(self, W):
        self.W = W

    def forward(self, x):
        return x + np.maximum(0, x @ self.W)


class DropoutWithMask:
    def __init__(self, ratio=0.4):
        self.ratio = ratio

    def forward(self, x, mask):
        return x * mask / (1 - self.ratio)


class Dropout:
    """As the first book has it."""

    def __init__(self, dropout_ratio=0.5):
        self.dropout_ratio = dropout_ratio
        self.mask = None

    def forward(self, x, train_flg=True):
        if train_flg:
            self.mask = np.random.rand(*x.shape) > self.dropout_ratio
            return x * self.mask
        return x * (1.0 - self.dropout_ratio)


class InvertedDropout:
    def __init__(self, p=0.3):
        self.p = p

    def forward(self, x):
        keep = 1 - self.p
        mask = (np.random.random(x.shape) < keep).astype(x.dtype) / keep
        return x * mask


class ZeroPad:
    def forward(self, x):
        return np.pad(x, ((0, 0), (0, 0), (1, 2), (1, 2)))


class Crop:
    def forward(self, x):
        return x[:, :, 1:-1, 2:]


class EverySecond:
    def forward(self, x):
        return x[:, ::2]


class Reverse:
    def forward(self, x):
        return x[:, ::-1]


class UpsampleByRepeat:
    def forward(self, x):
        return x.repeat(2, axis=2).repeat(2, axis=3)


class UpsampleByKron:
    def forward(self, x):
        n, c, h, w = x.shape
        return np.broadcast_to(x[:, :, :, None, :, None], (n, c, h, 2, w, 2)).reshape(n, c, 2 * h, 2 * w)


class PixelShuffle:
    def forward(self, x):
        n, c, h, w = x.shape
        x = x.reshape(n, c // 4, 2, 2, h, w)
        return x.transpose(0, 1, 4, 2, 5, 3).reshape(n, c // 4, 2 * h, 2 * w)


class Roll:
    def forward(self, x):
        return np.roll(x, 1, axis=1)


class Tile:
    def forward(self, x):
        return np.tile(x, (1, 3))


class LowerTriangle:
    def forward(self, x):
        return np.tril(x)


class CosineSimilarity:
    def forward(self, a, b):
        dot = np.sum(a * b, axis=1)
        return dot / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))


class PairDistances:
    def forward(self, a, b):
        return ((a[:, None, :] - b[None, :, :]) ** 2).sum(axis=2)


class ClipByNorm:
    def forward(self, x):
        norm = np.sqrt(np.sum(x**2))
        return x * np.minimum(1, 1.5 / norm)


class FirstDifferences:
    def forward(self, x):
        return x[1:] - x[:-1]


class ScatterSum:
    def forward(self, x, group):
        sums = np.zeros((7, x.shape[1]), dtype=x.dtype)
        np.add.at(sums, group, x)
        return sums


X, T, IMAGE, F = normal("N D"), labels("N"), normal("N C P Q"), "torch.nn.functional."
TABLE, LOOK = normal("V D"), "torch.nn.functional.embedding(idx, W)"

ROWS = (
    row(Embedding, labels("N"), init={"W": TABLE}, torch=LOOK, same="np.eye(len(W))[idx] @ W"),
    row(EmbeddingBag, labels("N T"), init={"W": TABLE}, torch=LOOK + ".sum(dim=1)",
        same="np.eye(len(W))[idx].sum(axis=1) @ W"),
    row(EmbeddingDot, X, labels("N"), init={"W": TABLE}, torch=f"(h * {LOOK}).sum(dim=1)",
        same="np.take_along_axis(h @ W.T, idx[:, None], 1)[:, 0]"),
    row(PickOne, normal("N V"), T, torch="x.gather(1, t[:, None])[:, 0]", same="(x * np.eye(x.shape[1])[t]).sum(1)"),
    row(TakeAlong, normal("N V"), T, torch="x.gather(1, t[:, None])",
        same="(x * np.eye(x.shape[1])[t]).sum(1)[:, None]"),
    row(Concat, X, normal("N M"), torch="torch.cat([a, b], dim=1)", same="np.hstack([a, b])"),
    row(ConcatOfStack, X, X, torch="torch.stack([a, b], dim=1)", same="np.array([a, b]).swapaxes(0, 1)"),
    row(SplitInTwo, normal("N 2D"), torch="x.chunk(2, dim=1)"),
    row(Flatten, IMAGE, torch="x.flatten(1)", same="np.array([image.ravel() for image in x])"),
    row(TransposeLayer, normal("N T D"), torch="x.mT", same="np.einsum('abc->acb', x)"),
    row(Residual, X, init={"W": normal("D D")}, torch="x + torch.relu(x @ W)", same="x + (x @ W + np.abs(x @ W)) / 2"),
    row(DropoutWithMask, X, Draw("mask", "N D"), init={"ratio": 0.4}, torch="x * mask / (1 - ratio)",
        same="np.where(mask, x / (1 - ratio), 0)"),
    row(Dropout, X, init={"dropout_ratio": 0.5}, random=True),
    row(InvertedDropout, X, init={"p": 0.3}, random=True),
    row(ZeroPad, IMAGE, torch=F + "pad(x, (1, 2, 1, 2))"),
    row(Crop, IMAGE, torch="x[:, :, 1:-1, 2:]"),
    row(EverySecond, normal("N 2D"), torch="x[:, ::2]", same="x.reshape(len(x), -1, 2)[..., 0]"),
    row(Reverse, X, torch="x.flip(1)", same="np.fliplr(x)"),
    row(UpsampleByRepeat, IMAGE, torch=F + "interpolate(x, scale_factor=2)", same="np.kron(x, np.ones((1, 1, 2, 2)))"),
    row(UpsampleByKron, IMAGE, torch=F + "interpolate(x, scale_factor=2)", same="np.kron(x, np.ones((1, 1, 2, 2)))"),
    row(PixelShuffle, normal("N 4C P Q"), torch=F + "pixel_shuffle(x, 2)"),
    row(Roll, X, torch="x.roll(1, dims=1)", same="np.hstack([x[:, -1:], x[:, :-1]])"),
    row(Tile, X, torch="x.tile((1, 3))", same="np.hstack([x, x, x])"),
    row(LowerTriangle, normal("D D"), torch="x.tril()", same="x - np.triu(x, 1)"),
    row(CosineSimilarity, X, X, torch=F + "cosine_similarity(a, b)",
        same="[1 - scipy.spatial.distance.cosine(p, q) for p, q in zip(a, b)]"),
    row(PairDistances, X, normal("M D"), torch="torch.cdist(a, b) ** 2",
        same="scipy.spatial.distance.cdist(a, b, 'sqeuclidean')"),
    row(ClipByNorm, X, torch="x * (1.5 / x.norm()).clamp(max=1)", same="x / max(1, np.linalg.norm(x) / 1.5)"),
    row(FirstDifferences, X, torch="x.diff(dim=0)", same="np.diff(x, axis=0)"),
    row(ScatterSum, X, labels("N", "7"), torch="torch.zeros(7, x.shape[1], dtype=x.dtype).index_add(0, group, x)",
        same="np.eye(7)[group].T @ x"),
)  # fmt: skip
