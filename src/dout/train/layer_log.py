"""Steps in; histograms of what goes through each layer out: as lines of JSON, or for TensorBoard."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from dout.errors import TargetError, TrainingError, needs
from dout.run import flat
from dout.train.nets.layer_watch import LayerPass, layers_of, watched_layers
from dout.train.nets.train_step import TrainStep

_BINS = 30


class JsonLines:
    """A line for each layer and what went through it: mean, deviation, ends, and the counts of a histogram.

    `edges` of the histogram are `bins + 1` numbers from `low` to `high`, evenly spread.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if self.path.suffix != ".jsonl":
            raise TrainingError(f"{path}: a log of lines of JSON ends in .jsonl")

    def write(self, step: int, name: str, what: str, values: Any) -> None:
        """Add a line at the end of the file."""
        finite = values[np.isfinite(values)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
        counts = np.histogram(finite, bins=_BINS, range=(low, high if high > low else low + 1))[0]
        row = {
            "step": step, "layer": name, "what": what, "size": values.size, "finite": finite.size, "low": low,
            "high": high, "mean": float(finite.mean()) if finite.size else 0.0,
            "deviation": float(finite.std()) if finite.size else 0.0, "counts": counts.tolist(),
        }  # fmt: skip
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        except OSError as error:
            raise TargetError(f"{self.path} cannot be written: {error.strerror}") from None


class TensorBoard:
    """The same for TensorBoard, by tensorboardX: `tensorboard --logdir FOLDER` shows it."""

    def __init__(self, folder: str | Path) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ModuleNotFoundError:
            raise TargetError(needs("a log for TensorBoard", "tensorboardX")) from None
        self.writer = SummaryWriter(str(folder))

    def write(self, step: int, name: str, what: str, values: Any) -> None:
        """Add a histogram."""
        self.writer.add_histogram(f"{name}/{what}", values, step)
        self.writer.flush()


class Log:
    """Looks at every step whose number `every` divides, and hands what it sees to JsonLines or TensorBoard."""

    def __init__(self, sink: JsonLines | TensorBoard, every: int = 100) -> None:
        if every < 1:
            raise TrainingError(f"every is {every}: it is a number of steps, at least 1")
        self.sink, self.every = sink, every

    def wants(self, number: int) -> bool:
        """Whether it looks at the step with this number."""
        return not number % self.every

    def watch(self, step: TrainStep, x: Any, t: Any, where: str, number: int) -> Any:
        """Make a step, plainly, and log the outputs of each layer, the gradients that arrive, and the parameters."""
        passes: list[LayerPass] = []
        kept, step.call = step.call, step.run
        try:
            with watched_layers(layers_of(net=step.net), passes.append):
                found = step(x, t, where)
        finally:
            step.call = kept
        for one in passes:
            what, item = ("outputs", one.returned) if one.way == "forward" else ("dout", one.given)
            self._write(number, one.path, what, flat(list(item) if isinstance(item, tuple) else item))
        for name, gradient in found[2].items():
            self._write(number, name, "gradient", [gradient])
            self._write(number, name, "parameter", [step.registry.parameters[name].array])
        return found

    def _write(self, number: int, name: str, what: str, items: Iterable[Any]) -> None:
        floats = [np.ravel(item) for item in items if np.asarray(item).dtype.kind == "f"]
        if floats and (values := np.concatenate(floats)).size:
            self.sink.write(number, name, what, values)


def log_to(log: Any) -> Log | None:
    """The log that a user names: a Log, a file `.jsonl`, or a folder for TensorBoard."""
    if log is None or isinstance(log, Log):
        return log
    return Log(JsonLines(log) if Path(log).suffix == ".jsonl" else TensorBoard(log))
