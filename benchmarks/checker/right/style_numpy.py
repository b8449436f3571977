"""Right layers in unusual style, by the NumPy function that does the work."""

# ruff: noqa: D102 - forward and backward are the book's, and need no sentence each

import numpy as np


class EinsumAffine:
    """x W + b by einsum, both ways."""

    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return np.einsum("nd,dh->nh", x, self.W) + self.b

    def backward(self, dout):
        self.dW = np.einsum("nd,nh->dh", self.x, dout)
        self.db = np.einsum("nh->h", dout).copy()
        return np.einsum("nh,dh->nd", dout, self.W)


class EinsumBilinear:
    """x W y for each sample, by one einsum of three."""

    def __init__(self, W):
        self.W = W

    def forward(self, x, y):
        self.x, self.y = x, y
        return np.einsum("ni,ij,nj->n", x, self.W, y)

    def backward(self, dout):
        self.dW = np.einsum("n,ni,nj->ij", dout, self.x, self.y)
        dx = np.einsum("n,ij,nj->ni", dout, self.W, self.y)
        return dx, np.einsum("n,ni,ij->nj", dout, self.x, self.W)


class TensorDot:
    """A matrix product by tensordot, over the last axis of three."""

    def __init__(self, W):
        self.W = W

    def forward(self, x):
        self.x = x
        return np.tensordot(x, self.W, axes=1)

    def backward(self, dout):
        self.dW = np.tensordot(self.x, dout, axes=([0, 1], [0, 1]))
        return np.tensordot(dout, self.W, axes=([-1], [1]))


class DotAndTranspose:
    """A product by the method dot, with swapaxes for the transpose."""

    def __init__(self, W):
        self.W = W

    def forward(self, x):
        self.x = x
        return x.dot(self.W)

    def backward(self, dout):
        self.dW = self.x.swapaxes(0, 1).dot(dout)
        return dout.dot(np.transpose(self.W))


class ManyMatrices:
    """A batch of products by matmul."""

    def forward(self, x, y):
        self.x, self.y = x, y
        return np.matmul(x, y)

    def backward(self, dout):
        return np.matmul(dout, np.swapaxes(self.y, -1, -2)), np.matmul(self.x.transpose(0, 2, 1), dout)


class OuterProduct:
    """All products of two lines, by multiply.outer."""

    def forward(self, x, y):
        self.x, self.y = x, y
        return np.multiply.outer(x, y)

    def backward(self, dout):
        return dout @ self.y, dout.T @ self.x


class OuterDifferences:
    """All squared differences of two lines, by subtract.outer."""

    def forward(self, x, y):
        self.gap = np.subtract.outer(x, y)
        return self.gap**2

    def backward(self, dout):
        pulled = 2 * dout * self.gap
        return np.add.reduce(pulled, axis=1), -np.add.reduce(pulled, axis=0)


class ReduceMethods:
    """A row's product by multiply.reduce; the gradient by the product of the others."""

    def forward(self, x):
        self.x = x
        return np.multiply.reduce(x, axis=1)

    def backward(self, dout):
        d = self.x.shape[1]
        others = [np.multiply.reduce(np.delete(self.x, j, axis=1), axis=1) for j in range(d)]
        return dout[:, None] * np.column_stack(others)


class Accumulate:
    """A running sum by add.accumulate, from both ends."""

    def forward(self, x):
        return np.add.accumulate(x, axis=1)

    def backward(self, dout):
        return np.add.accumulate(dout[:, ::-1], axis=1)[:, ::-1]


class Selected:
    """Three pieces by np.select."""

    def forward(self, x):
        self.x = x
        return np.select([x < -1, x < 1], [-2 * x - 1, x * x], 2 * x - 1)

    def backward(self, dout):
        x = self.x
        return dout * np.select([x < -1, x < 1], [np.full_like(x, -2), 2 * x], np.full_like(x, 2))


class Piecewise:
    """Two pieces by np.piecewise in backward."""

    def forward(self, x):
        self.x = x
        return np.where(x < 0, x * x, 3 * x)

    def backward(self, dout):
        slope = np.piecewise(self.x, [self.x < 0, self.x >= 0], [lambda v: 2 * v, 3])
        return dout * slope


class Chosen:
    """One of two slopes by np.choose."""

    def forward(self, x):
        self.which = (x > 0).astype(int)
        return x * np.where(self.which, 1.0, 0.25).astype(x.dtype)

    def backward(self, dout):
        return np.choose(self.which, [dout / 4, dout])


class WhereChain:
    """Four pieces by np.where inside np.where."""

    def forward(self, x):
        self.x = x
        return np.where(x < -2, -x - 2, np.where(x < 0, 0 * x, np.where(x < 2, x * x / 2, 2 * x - 2)))

    def backward(self, dout):
        x = self.x
        return dout * np.where(x < -2, -1, np.where(x < 0, 0, np.where(x < 2, x, 2)))


class MaskProducts:
    """A hard sigmoid by masks that are multiplied."""

    def forward(self, x):
        self.mid = (x > -2) * (x < 2)
        return self.mid * (0.25 * x + 0.5) + (x >= 2) * np.ones_like(x)

    def backward(self, dout):
        return dout * self.mid * 0.25


class MaskAlgebra:
    """The sign of x by its masks, times a square."""

    def forward(self, x):
        self.sign = (x > 0).astype(x.dtype) - (x < 0).astype(x.dtype)
        self.size = np.abs(x)
        return self.sign * self.size**2

    def backward(self, dout):
        return 2 * dout * self.size


class Heaviside:
    """ReLU whose slope is a step function."""

    def forward(self, x):
        self.x = x
        return x.clip(0)

    def backward(self, dout):
        return dout * np.heaviside(self.x, 0)


class SignedRoot:
    """sign(x)·sqrt(|x| + 1), by copysign."""

    def forward(self, x):
        self.x = x
        return np.sign(x) * np.sqrt(np.abs(x) + 1)

    def backward(self, dout):
        return np.abs(np.copysign(dout / 2, dout)) * np.sign(dout) / np.sqrt(np.abs(self.x) + 1)


class IndexByMask:
    """Positive numbers squared, the others halved, through boolean indices both ways."""

    def forward(self, x):
        self.x, self.on = x, x > 0
        y = np.empty_like(x)
        y[self.on] = x[self.on] ** 2
        y[~self.on] = x[~self.on] / 2
        return y

    def backward(self, dout):
        dx = np.empty_like(dout)
        dx[self.on] = 2 * self.x[self.on] * dout[self.on]
        dx[~self.on] = dout[~self.on] / 2
        return dx


class NonZero:
    """Positive numbers cubed, found by nonzero."""

    def forward(self, x):
        self.places = np.nonzero(x > 0)
        self.kept = x[self.places]
        y = np.zeros_like(x)
        y[self.places] = self.kept**3
        return y

    def backward(self, dout):
        dx = np.zeros_like(dout)
        dx[self.places] = 3 * self.kept**2 * dout[self.places]
        return dx


class ReduceAt:
    """Sums of groups of columns by add.reduceat; the gradient by repeat."""

    starts = (0, 1, 3)

    def forward(self, x):
        self.lengths = np.diff([*self.starts, x.shape[1]])
        return np.add.reduceat(x, list(self.starts), axis=1) * 2

    def backward(self, dout):
        return np.repeat(2 * dout, self.lengths, axis=1)


class Kronecker:
    """Each number spread over two columns; the gradient by a fold."""

    def forward(self, x):
        return np.kron(x, np.ones((1, 2), x.dtype))

    def backward(self, dout):
        return dout.reshape(len(dout), -1, 2).sum(axis=2)


class Tiled:
    """A row tiled three times, weighted; the gradient by a fold."""

    weights = (1.0, -2.0, 0.5)

    def forward(self, x):
        self.d = x.shape[1]
        return np.tile(x, (1, 3)) * np.repeat(np.array(self.weights, x.dtype), self.d)

    def backward(self, dout):
        weighted = dout * np.repeat(np.array(self.weights, dout.dtype), self.d)
        return weighted.reshape(len(dout), 3, self.d).sum(1)


class RolledCopies:
    """A circular convolution of three taps, by np.roll."""

    taps = ((-1, 0.25), (0, 0.5), (1, -0.75))

    def forward(self, x):
        return sum(w * np.roll(x, k, axis=1) for k, w in self.taps)

    def backward(self, dout):
        return sum(w * np.roll(dout, -k, axis=1) for k, w in self.taps)


class Flipped:
    """Each row backwards, squared, flipped again."""

    def forward(self, x):
        self.x = x
        return np.flip(np.flip(x, 1) ** 2, 1) * np.arange(1, x.shape[1] + 1, dtype=x.dtype)

    def backward(self, dout):
        return np.flip(2 * np.fliplr(self.x) * np.fliplr(dout * np.arange(1, dout.shape[1] + 1, dtype=dout.dtype)), 1)


class Triangle:
    """Sums from the left by a triangular matrix."""

    def forward(self, x):
        self.lower = np.tril(np.ones((x.shape[1],) * 2, x.dtype))
        return x @ self.lower.T

    def backward(self, dout):
        return dout @ self.lower


class DiagonalMatrices:
    """The Jacobian of softmax as a matrix for each row, by diagflat."""

    def forward(self, x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.p = e / e.sum(axis=1, keepdims=True)
        return self.p.copy()

    def backward(self, dout):
        rows = []
        for p, g in zip(self.p, dout, strict=True):
            s = p.reshape(-1, 1)
            rows.append(np.dot(np.diagflat(s) - np.dot(s, s.T), g))
        return np.array(rows)


class ErrorState:
    """The logarithm of |x|, with NumPy's warnings off."""

    def forward(self, x):
        self.x = x
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(np.abs(x) + 1)

    def backward(self, dout):
        with np.errstate(all="ignore"):
            return dout * np.sign(self.x) / (np.abs(self.x) + 1)


class Casts:
    """Computes in float64 and gives back the dtype that came in."""

    def forward(self, x):
        self.x = x.astype(np.float64, copy=False)
        return np.sinh(self.x / 2).astype(x.dtype)

    def backward(self, dout):
        return (dout.astype(np.float64) * np.cosh(self.x / 2) / 2).astype(dout.dtype)


class ZeroDim:
    """A mean of squares as an array without axes."""

    def forward(self, x):
        self.x = x
        return np.mean(np.square(x))

    def backward(self, dout):
        dout = np.asarray(dout).reshape(())
        return (2 / self.x.size * dout * self.x).astype(self.x.dtype)


class BroadcastTo:
    """A row's mean taken away; the gradient through broadcast_to."""

    def forward(self, x):
        return x - np.broadcast_to(x.mean(axis=1)[:, None], x.shape)

    def backward(self, dout):
        mean = np.broadcast_to(np.mean(dout, axis=-1, keepdims=True), dout.shape)
        return np.subtract(dout, mean)


class Ellipses:
    """The last axis scaled, with ellipses and newaxis."""

    def __init__(self, g):
        self.g = g

    def forward(self, x):
        self.x = x
        return x[..., np.newaxis, :][..., 0, :] * self.g[np.newaxis, ...]

    def backward(self, dout):
        self.dg = (dout * self.x)[...].reshape(-1, dout.shape[-1]).sum(axis=0)
        return dout[...] * self.g[None]
