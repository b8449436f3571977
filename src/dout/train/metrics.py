"""What people read beside the loss: scores and targets in, a number out. A metric is any such function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dout.errors import TrainingError

Metric = Callable[[Any, Any], float]


def accuracy(scores: Any, t: Any) -> float:
    """The share of rows in which the largest score is that of the right class: a number, or a row with a single 1.

    One score a row says yes above 0.

    >>> accuracy(np.array([[1.0, 3.0], [2.0, 0.0]]), np.array([1, 1]))
    0.5
    """
    scores, t = np.asarray(scores), np.asarray(t)
    if t.shape == scores.shape and scores.shape[-1:] not in ((), (1,)) and scores.ndim > 1:
        t = t.argmax(axis=-1)
    if scores.size == t.size:
        return float(np.mean((scores.ravel() > 0) == (t.ravel() > 0.5)))
    return float(np.mean(scores.argmax(axis=-1).ravel() == t.ravel()))


def r_squared(y: Any, t: Any) -> float:
    """The share of the variance of `t` that is explained: 1 is perfect, 0 as good as the mean.

    >>> r_squared(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]))
    1.0
    """
    t = np.asarray(t).reshape(np.shape(y))
    return float(1 - np.sum((t - y) ** 2) / np.sum((t - np.mean(t)) ** 2))


def measures(metrics: Sequence[Metric], scores: Any, t: Any, where: str) -> dict[str, float]:
    """What each metric says, by its name; nothing where only the loss of a net is known. Raises TrainingError."""
    found = {}
    for metric in metrics if scores is not None else ():
        name = getattr(metric, "__name__", type(metric).__name__)
        try:
            found[name] = float(metric(scores, t))
        except Exception as error:
            said = f"{where}: the metric {name} was given scores {np.shape(scores)} and a target {np.shape(t)}"
            raise TrainingError(f"{said}: {type(error).__name__}: {error}") from error
    return found
