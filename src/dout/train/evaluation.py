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
from dout.train.nets.net_round import is_in_other_manner, settled_net
from dout.train.nets.train_step import TrainStep


def evaluate(
    net: Any, x: Any, t: Any = None, *, loss: Any = None, metrics: Iterable[Metric] = (), batch: int = 1000
) -> Row:
    """The loss of a net, and its metrics, over all samples; its layers do not behave as they do in training."""
    return measured(TrainStep(net, loss), batches_of(x, t, batch, shuffle=False), metrics_of(metrics))


def predict(net: Any, x: Any, *, batch: int = 1000) -> Any:
    """What a net says of samples, batch by batch; its layers do not behave as they do in training."""
    net = Sequential(*net) if isinstance(net, list | tuple) else Sequential(net) if is_in_other_manner(net) else net
    several = tuple(map(opened, x)) if isinstance(x, tuple) else (opened(x),)
    if not len(several[0]):
        raise TrainingError("there is no sample: x is empty")
    net = settled_net(net, several)
    with evaluating(net):
        call = net.predict if callable(getattr(net, "predict", None)) else net.forward
        starts = range(0, len(several[0]), batch)
        return np.concatenate([call(*(owned(one[start : start + batch]) for one in several)) for start in starts])


def measured(step: TrainStep, batches: Batches, metrics: Sequence[Metric], together: int = 1) -> Row:
    """The means over all batches, each by its samples; metrics are given at least so many samples `together`."""
    if step.round.is_open():
        step.settle(*batches.first())
    sums: dict[str, float] = {}
    samples, waiting = 0, _Waiting(metrics, together)
    with evaluating(*step.roots.values()):
        for number, (x, t) in enumerate(batches.of(0), 1):
            step.remember(x, t)
            step.rows = batches.rows
            count, where = len(t) if np.ndim(t) else 1, f"evaluation, batch {number}"
            try:
                loss, scores = step.look(x, t)
            except Exception as error:
                raise step.explained(error, t, where) from error
            if not np.all(np.isfinite(loss)) and (said := step.broken_data(x, t)):
                raise TrainingError(f"{where}: {said}")
            sums["loss"] = sums.get("loss", 0.0) + float(loss) * count
            samples += count
            waiting.add(scores, t, count, where)
    return {name: total / samples for name, total in {**sums, **waiting.sums()}.items()}


class _Waiting:
    """Scores and targets of batches, until they are enough for metrics: a mean of many small batches says less."""

    def __init__(self, metrics: Sequence[Metric], together: int) -> None:
        self.metrics, self.together = metrics, together
        self.found: dict[str, float] = {}
        self.parts: list[tuple[Any, Any]] = []
        self.count, self.where = 0, ""

    def add(self, scores: Any, t: Any, count: int, where: str) -> None:
        """Keep those of a batch of `count` samples; scores without a row for each are measured alone."""
        has_rows = isinstance(scores, np.ndarray) and scores.shape[:1] == np.shape(t)[:1] == (count,)
        if self.parts and not (has_rows and self._goes_on(scores, t)):
            self.measure()
        waits = has_rows and count < self.together
        self.parts.append((scores.copy(), np.copy(t)) if waits else (scores, t))  # a net may write into them again
        self.count, self.where = self.count + count, where
        if self.count >= self.together or not has_rows:
            self.measure()

    def _goes_on(self, scores: Any, t: Any) -> bool:
        """Whether these have rows as long as those that wait."""
        before = self.parts[-1]
        return [np.shape(x)[1:] for x in before] == [np.shape(x)[1:] for x in (scores, t)]

    def measure(self) -> None:
        """Ask the metrics about all that waits."""
        if self.parts:
            scores, t = self.parts[0] if len(self.parts) == 1 else map(np.concatenate, zip(*self.parts, strict=True))
            for name, value in measures(self.metrics, scores, t, self.where).items():
                self.found[name] = self.found.get(name, 0.0) + value * self.count
        self.parts, self.count = [], 0

    def sums(self) -> dict[str, float]:
        """What each metric has found, times the samples."""
        self.measure()
        return self.found
