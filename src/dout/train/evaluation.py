"""A net and samples in; its scores, or its loss and metrics over all of them, out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from dout.errors import TrainingError
from dout.run import evaluating
from dout.train.batches import Batches, batches_of, opened, owned
from dout.train.fit_settings import metrics_of
from dout.train.history import Row
from dout.train.metrics import Metric, measures
from dout.train.nets.layer_graphs import Sequential
from dout.train.nets.train_step import TrainStep


def evaluate(
    net: Any, x: Any, t: Any = None, *, loss: Any = None, metrics: Iterable[Metric] = (), batch: int = 1000
) -> Row:
    """The loss of a net, and its metrics, over all samples; its layers do not behave as they do in training."""
    return measured(TrainStep(net, loss), batches_of(x, t, batch, shuffle=False), metrics_of(metrics))


def predict(net: Any, x: Any, *, batch: int = 1000) -> Any:
    """What a net says of samples, batch by batch; its layers do not behave as they do in training."""
    net = Sequential(*net) if isinstance(net, list | tuple) else net
    several = tuple(map(opened, x)) if isinstance(x, tuple) else (opened(x),)
    if not len(several[0]):
        raise TrainingError("there is no sample: x is empty")
    with evaluating(net):
        call = net.predict if callable(getattr(net, "predict", None)) else net.forward
        starts = range(0, len(several[0]), batch)
        return np.concatenate([call(*(owned(one[start : start + batch]) for one in several)) for start in starts])


def measured(step: TrainStep, batches: Batches, metrics: Sequence[Metric]) -> Row:
    """The means over all batches, each by its samples."""
    sums: dict[str, float] = {}
    samples = 0
    with evaluating(*step.roots.values()):
        for number, (x, t) in enumerate(batches.of(0), 1):
            step.remember(x, t)
            step.rows = batches.rows
            count = len(t) if np.ndim(t) else 1
            try:
                loss, scores = step.look(x, t)
            except Exception as error:
                raise step.explained(error, t, f"evaluation, batch {number}") from error
            if not np.all(np.isfinite(loss)) and (said := step.broken_data(x, t)):
                raise TrainingError(f"evaluation, batch {number}: {said}")
            found = {"loss": float(loss)}
            found |= measures(metrics, scores, t, f"evaluation, batch {number}")
            sums = {name: sums.get(name, 0.0) + value * count for name, value in found.items()}
            samples += count
    return {name: total / samples for name, total in sums.items()}
