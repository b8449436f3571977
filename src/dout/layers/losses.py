"""Losses between two arrays of numbers: how far is `x` from the target `t`?

`forward(x, t)` returns the loss, `backward(dout=1)` the gradient of `x`; the target is given, and has none. `reduction`
is "mean" over all elements, "sum", or "none" for an array with the loss of each element. Nothing that comes in is
written into, and float32 stays float32.
"""

from typing import Any

import numpy as np

from dout.layers.form import Value, arriving, keep_form


class MeanSquaredError:
    """The mean of the squared distances: far off counts most. PyTorch: `torch.nn.MSELoss`.

    `L = Σ (x - t)² / N`, and `dx = dout · 2·(x - t) / N`, with N elements. `x` and `t` have one shape, any.
    Source: Saito, "Deep Learning from Scratch" (O'Reilly Japan), chapter 4.

    >>> import numpy as np
    >>> layer = MeanSquaredError()
    >>> float(layer.forward(np.array([1.0, 5.0]), np.array([1.0, 2.0])))
    4.5
    >>> layer.backward()
    array([0., 3.])
    """

    def __init__(self, reduction: str = "mean") -> None:
        self.reduction = checked_reduction(self, reduction)

    def forward(self, x: Value, t: Value) -> Value:
        """Return the loss."""
        check_target(self, x, t)
        self.distance = x - t
        return reduced(self, self.distance * self.distance)

    def backward(self, dout: Value = 1) -> Value:
        """Return `dx`."""
        return share_of(self, dout) * (2 * self.distance)


class MeanAbsoluteError:
    """The mean of the distances: a far-off element counts no more than its distance. PyTorch: `torch.nn.L1Loss`.

    `L = Σ |x - t| / N`, and `dx = dout · sign(x - t) / N`, with N elements; 0 where the two are equal. `x` and `t` have
    one shape, any.
    Source: Willmott and Matsuura (2005), "Advantages of the mean absolute error".
    """

    def __init__(self, reduction: str = "mean") -> None:
        self.reduction = checked_reduction(self, reduction)

    def forward(self, x: Value, t: Value) -> Value:
        """Return the loss."""
        check_target(self, x, t)
        distance = x - t
        self.sign = np.sign(distance)
        return reduced(self, np.abs(distance))

    def backward(self, dout: Value = 1) -> Value:
        """Return `dx`."""
        return share_of(self, dout) * self.sign


class HuberLoss:
    """Squared near the target and straight further off: outliers pull no harder. PyTorch: `torch.nn.HuberLoss`.

    With `z = x - t`, an element's loss is `z² / 2 where |z| < δ, else δ·(|z| - δ/2)`, and `dx = dout · c / N` where
    `c = min(max(z, -δ), δ)` is `z`, cut off. `x` and `t` have one shape, any.
    Source: Huber (1964), "Robust estimation of a location parameter".
    """

    def __init__(self, delta: float = 1.0, reduction: str = "mean") -> None:
        if not delta > 0:
            raise ValueError(f"HuberLoss: delta is {delta}: it must be positive")
        self.delta, self.reduction = delta, checked_reduction(self, reduction)

    def forward(self, x: Value, t: Value) -> Value:
        """Return the loss."""
        check_target(self, x, t)
        distance = x - t
        self.cut = np.clip(distance, -self.delta, self.delta)
        return reduced(self, self.cut * (distance - self.cut / 2))  # the cut is z or ±δ: both formulas in one

    def backward(self, dout: Value = 1) -> Value:
        """Return `dx`."""
        return share_of(self, dout) * self.cut


class SmoothL1Loss:
    """A HuberLoss over its δ: straight parts of slope 1, and a bend of width β. PyTorch: `torch.nn.SmoothL1Loss`.

    With `z = x - t`, an element's loss is `z² / 2β where |z| < β, else |z| - β/2`, and `dx = dout · c / N` where
    `c = min(max(z/β, -1), 1)`. `x` and `t` have one shape, any.
    Source: Girshick (2015), "Fast R-CNN".
    """

    def __init__(self, beta: float = 1.0, reduction: str = "mean") -> None:
        if not beta > 0:
            raise ValueError(f"SmoothL1Loss: beta is {beta}: it must be positive; MeanAbsoluteError has no bend")
        self.beta, self.reduction = beta, checked_reduction(self, reduction)

    def forward(self, x: Value, t: Value) -> Value:
        """Return the loss."""
        check_target(self, x, t)
        distance = x - t
        self.cut = np.clip(distance / self.beta, -1, 1)
        return reduced(self, self.cut * (distance - self.beta * self.cut / 2))

    def backward(self, dout: Value = 1) -> Value:
        """Return `dx`."""
        return share_of(self, dout) * self.cut


class KLDivergence:
    """How much is lost if the shares `t` are taken for those whose logarithms are `x`? PyTorch: `torch.nn.KLDivLoss`.

    `L = Σ t·(log t - x) / N`, and `dx = -dout · t / N`. With `reduction="batchmean"`, as the formula is written in
    books, N is the number of rows; "mean" divides by the number of elements. `x` holds logarithms, as a LogSoftmax
    gives them, and `t` shares, or their logarithms if `log_target`. `x` and `t` have one shape, any.
    Source: Kullback and Leibler (1951), "On information and sufficiency".
    """

    def __init__(self, reduction: str = "batchmean", *, log_target: bool = False) -> None:
        self.reduction = checked_reduction(self, reduction, "batchmean")
        self.log_target = log_target

    def forward(self, x: Value, t: Value) -> Value:
        """Return the loss. A share of 0 costs nothing."""
        check_target(self, x, t)
        if self.log_target:
            self.t = np.exp(t)
            return reduced(self, self.t * (t - x))
        self.t = t
        log_t = np.log(np.where(t > 0, t, 1))
        return reduced(self, t * (log_t - x))

    def backward(self, dout: Value = 1) -> Value:
        """Return `dx`."""
        return -share_of(self, dout) * self.t


# What losses share: the check of their arguments, and the way from the loss of each element to one number and back.


def checked_reduction(loss: Any, reduction: str, *more: str) -> str:
    """Return the reduction. Raises ValueError for one that there is not."""
    known = ("mean", "sum", "none", *more)
    if reduction not in known:
        names = ", ".join(map(repr, known))
        raise ValueError(f"{type(loss).__name__}: reduction is {reduction!r}: write one of {names}")
    return reduction


def check_target(loss: Any, x: Value, t: Value) -> None:
    """Raise ValueError where scores and target have different shapes: broadcasting would make a table of them."""
    if np.shape(x) != np.shape(t):
        raise ValueError(
            f"{type(loss).__name__}.forward: x has shape {np.shape(x)}, t has shape {np.shape(t)}: "
            "give one target for each element of x"
        )


def reduced(loss: Any, losses: Value, parts: Value = None) -> Value:
    """Return the loss as its reduction says. The mean is the sum over the number of `parts`, or of all elements."""
    if loss.reduction == "none":
        loss.parts = 1
        out = losses
    else:
        number = np.shape(losses)[0] if loss.reduction == "batchmean" else np.size(losses)
        loss.parts = 1 if loss.reduction == "sum" else number if parts is None else parts
        out = np.sum(losses) / loss.parts
    keep_form(loss, out)
    return out


def share_of(loss: Any, dout: Value) -> Value:
    """Return what the loss of each element gets of `dout`."""
    return arriving(loss, dout) / loss.parts


def share_of_rows(loss: Any, dout: Value) -> Value:
    """Return the same of losses that are those of rows, to be multiplied by what each row has along its last axis."""
    share = share_of(loss, dout)
    return share[..., np.newaxis] if np.ndim(share) else share
