"""Losses between scores and classes: how little did the right class get?

`forward(x, t)` takes scores as they leave the last Affine, with no Softmax or Sigmoid before it, and returns the loss;
`backward(dout=1)` returns the gradient of the scores. Taken together, the activation and its logarithm need no small
number beside a zero, and the gradient is the difference between what the net said and what is right.
"""

from typing import Any

import numpy as np

from dout.layers.form import Value
from dout.layers.losses import check_target, checked_reduction, reduced, share_of, share_of_rows


class SoftmaxWithLoss:
    """The cross entropy of a Softmax: `-log` of the share of the right class. PyTorch: `torch.nn.CrossEntropyLoss`.

    `L = -Σ q·log y / N` with `y = exp(x) / Σ exp(x)`, and `dx = dout · (y - q) / N` where the shares `q` of the classes
    add up to 1. `x` has shape (…, C). `t` has shape (…) and the number of a class, or (…, C) and shares.

    `weight`, of shape (C,), is what a class counts; "mean" then divides by the weights of the right classes. With
    `label_smoothing` the right class gets that much less, shared among all. Where `t` is `ignore_index`, there is no
    loss and no gradient. `reduction` is "mean", "sum" or "none".
    Source: Saito, "Deep Learning from Scratch" (O'Reilly Japan), chapter 5 and appendix A.

    >>> import numpy as np
    >>> layer = SoftmaxWithLoss()
    >>> round(float(layer.forward(np.log(np.array([[1.0, 3.0]])), np.array([1]))), 6)  # 25 % and 75 %: -log(0.75)
    0.287682
    >>> layer.backward().round(6)  # right is the second
    array([[ 0.25, -0.25]])
    """

    def __init__(
        self, weight: Value = None, label_smoothing: float = 0.0, ignore_index: int | None = None,
        reduction: str = "mean",
    ) -> None:  # fmt: skip
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"SoftmaxWithLoss: label_smoothing is {label_smoothing}: it must be between 0 and 1")
        self.weight, self.label_smoothing, self.ignore_index = weight, label_smoothing, ignore_index
        self.reduction = checked_reduction(self, reduction)

    def forward(self, x: Value, t: Value) -> Value:
        """Return the loss."""
        below = x - np.max(x, axis=-1, keepdims=True)
        self.log_y = below - np.log(np.sum(np.exp(below), axis=-1, keepdims=True))
        self.q, parts = self._shares(x, np.asarray(t))
        return reduced(self, -np.sum(self.q * self.log_y, axis=-1), parts)

    def backward(self, dout: Value = 1) -> Value:
        """Return `dx`. Weights make the shares add up to something else than 1, and `y` is multiplied by that."""
        return share_of_rows(self, dout) * (np.exp(self.log_y) * np.sum(self.q, axis=-1, keepdims=True) - self.q)

    def _shares(self, x: Value, t: Value) -> tuple[Value, Value]:
        """Return the share that each class should get, times its weight, and the number of parts of a mean."""
        classes = x.shape[-1]
        weight = np.asarray(np.ones(classes) if self.weight is None else self.weight, self.log_y.dtype)
        if t.shape == x.shape:
            smooth = (1 - self.label_smoothing) * t + self.label_smoothing / classes
            return smooth * weight, max(np.size(t) // classes, 1)
        if t.shape != x.shape[:-1]:
            raise ValueError(
                f"SoftmaxWithLoss.forward: x has shape {x.shape}, t has shape {t.shape}: give one class for each row, "
                f"shape {x.shape[:-1]}, or one share for each class, shape {x.shape}"
            )
        counts = None if self.ignore_index is None else t != self.ignore_index
        t = t if counts is None else np.where(counts, t, 0)
        if np.any((t < 0) | (t >= classes)):
            raise IndexError(f"SoftmaxWithLoss.forward: t has a class that is not among 0 … {classes - 1}")
        q = (np.arange(classes) == t[..., np.newaxis]).astype(weight.dtype)
        q = (1 - self.label_smoothing) * q + self.label_smoothing / classes if self.label_smoothing else q
        q, parts = q if self.weight is None else q * weight, weight[t]
        if counts is not None:
            q, parts = np.where(counts[..., np.newaxis], q, 0), np.where(counts, parts, 0)
        return q, np.sum(parts)


class SigmoidWithLoss:
    """The cross entropy of a Sigmoid: yes or no, for each element. PyTorch: `torch.nn.BCEWithLogitsLoss`.

    With `y = 1 / (1 + exp(-x))`, an element's loss is `-(p·t·log y + (1 - t)·log(1 - y))`, and
    `dx = dout · ((1 - t)·y - p·t·(1 - y)) / N`, which is `y - t` for `p = 1`. `x` and `t` have one shape; `t` is 1 for
    yes and 0 for no, or a share. `positive_weight` is `p`: what a yes counts, in a shape that broadcasts to `x`'s.
    Source: Saito, "Deep Learning from Scratch 2" (O'Reilly Japan), chapter 4.
    """

    def __init__(self, positive_weight: Value = 1.0, reduction: str = "mean") -> None:
        self.positive_weight, self.reduction = positive_weight, checked_reduction(self, reduction)

    def forward(self, x: Value, t: Value) -> Value:
        """Return the loss."""
        check_target(self, x, t)
        self.yes, self.no, log_yes, log_no = _chances(x)
        self.right, self.wrong = self.positive_weight * t, 1 - t
        return reduced(self, -(self.right * log_yes + self.wrong * log_no))

    def backward(self, dout: Value = 1) -> Value:
        """Return `dx`."""
        return share_of(self, dout) * (self.wrong * self.yes - self.right * self.no)


class FocalLoss:
    """A SigmoidWithLoss in which what is right already counts little. torchvision: `sigmoid_focal_loss`.

    With `y = 1 / (1 + exp(-x))`, a yes costs `-a·(1 - y)^γ·log y`, and a no the same of `1 - y` with `1 - a`. The slope
    of the first is `a·(1 - y)^γ·(γ·y·log y - (1 - y))`. `x` and `t` have one shape, `t` is 1 for yes and 0 for no.
    Source: Lin, Goyal, Girshick, He and Dollár (2017), "Focal loss for dense object detection".
    """

    def __init__(self, balance: float = 0.25, focus: float = 2.0, reduction: str = "mean") -> None:
        if focus < 0:
            raise ValueError(f"FocalLoss: focus is {focus}: it must not be negative")
        self.balance, self.focus, self.reduction = balance, focus, checked_reduction(self, reduction)

    def forward(self, x: Value, t: Value) -> Value:
        """Return the loss."""
        check_target(self, x, t)
        yes, no, log_yes, log_no = _chances(x)
        right, wrong = self.balance * t * no**self.focus, (1 - self.balance) * (1 - t) * yes**self.focus
        self.slope = right * (self.focus * yes * log_yes - no) - wrong * (self.focus * no * log_no - yes)
        return reduced(self, -(right * log_yes + wrong * log_no))

    def backward(self, dout: Value = 1) -> Value:
        """Return `dx`."""
        return share_of(self, dout) * self.slope


class HingeLoss:
    """Every wrong class should stay below the right one by a margin. PyTorch: `torch.nn.MultiMarginLoss`.

    A row's loss is `Σ max(0, margin - x_right + x_other) / C` over the other classes; `dx` is `dout / (N·C)` for each
    class that is too near, and for the right one minus as many. `x` has shape (N, C), `t` (N,) and a class for a row.
    Source: Weston and Watkins (1999), "Support vector machines for multi-class pattern recognition".
    """

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        self.margin, self.reduction = margin, checked_reduction(self, reduction)

    def forward(self, x: Value, t: Value) -> Value:
        """Return the loss."""
        if np.shape(t) != np.shape(x)[:-1]:
            raise ValueError(
                f"HingeLoss.forward: x has shape {np.shape(x)}, t has shape {np.shape(t)}: give one class for each row"
            )
        rows, classes = np.arange(len(x)), x.shape[-1]
        if np.any((np.asarray(t) < 0) | (np.asarray(t) >= classes)):
            raise IndexError(f"HingeLoss.forward: t has a class that is not among 0 … {classes - 1}")
        excess = self.margin + x - x[rows, t][:, np.newaxis]
        right = np.arange(classes) == np.asarray(t)[:, np.newaxis]
        near = (excess > 0) & ~right
        self.steps = np.where(right, -np.sum(near, axis=-1, keepdims=True), near).astype(excess.dtype)
        return reduced(self, np.sum(np.where(near, excess, 0), axis=-1) / x.shape[-1])

    def backward(self, dout: Value = 1) -> Value:
        """Return `dx`."""
        return share_of_rows(self, dout) * self.steps / self.steps.shape[-1]


def _chances(x: Value) -> tuple[Any, Any, Any, Any]:
    """Return the chances of yes and of no, `y` and `1 - y`, and their logarithms, all with their digits far out."""
    positive = x >= 0
    small = np.exp(np.where(positive, -1.0 * x, x))
    large, little = 1 / (1 + small), small / (1 + small)
    log_large = -np.log1p(small)
    log_little = log_large - np.where(positive, x, -1.0 * x)
    yes, no = np.where(positive, large, little), np.where(positive, little, large)
    return yes, no, np.where(positive, log_large, log_little), np.where(positive, log_little, log_large)
