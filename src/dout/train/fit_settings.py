"""How to train, in one place: each setting is looked at where it enters, before anything runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np

from dout.errors import TrainingError
from dout.train.layer_log import Log
from dout.train.metrics import Metric
from dout.train.schedules import Schedule

_COMPILED = (None, True, False, "fast", "")


@dataclass
class FitSettings:
    """How to train: arguments of `fit`, which has their defaults. Raises TrainingError where one does not fit."""

    epochs: int
    batch: int
    metrics: Sequence[Metric]
    schedule: Schedule | None
    clip: float | None
    patience: int | None
    keep: str
    folder: Path | None
    save_every: int | None
    resume: bool
    progress: bool | None
    log: Log | None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "patience", "save_every"):
            value = getattr(self, name)
            if value is not None or name in ("epochs", "batch"):
                setattr(self, name, whole_number(name, value, 1))
        if self.clip is not None and not (_is_number(self.clip) and self.clip > 0):
            raise TrainingError(f"clip is {self.clip!r}: the gradients' greatest length is a number larger than 0")
        if self.keep not in ("last", "best"):
            raise TrainingError(f'keep is {self.keep!r}: write keep="last" or keep="best"')
        if self.folder is None and (self.resume or self.save_every):
            raise TrainingError("there is no folder to go on from, or to save in: give checkpoint=FOLDER")
        if self.schedule is not None and not callable(self.schedule):
            raise TrainingError(f"schedule is {self.schedule!r}: it is a function of the share that is done: cosine()")

    def factor(self, done: float) -> float:
        """What the schedule makes of the learning rate when this share of the training is done."""
        if self.schedule is None:
            return 1.0
        try:
            found = self.schedule(done)
        except Exception as error:
            raise TrainingError(f"the schedule raises {type(error).__name__}: {error}") from error
        if not (_is_number(found) and found >= 0):
            said = f"{found:.6g}" if _is_number(found) else f"a {type(found).__name__}"
            hint = ": write schedule=cosine(), with brackets" if callable(found) else ", and not a number from 0 on"
            raise TrainingError(f"the schedule returns {said} when {done:.0%} are done{hint}")
        return float(found)


def metrics_of(metrics: Any) -> tuple[Metric, ...]:
    """The functions that a user gives. Raises TrainingError where they are none."""
    if callable(metrics) or isinstance(metrics, str):
        name = getattr(metrics, "__name__", metrics)
        raise TrainingError(f"metrics is {name}: give a list of functions of scores and target: metrics=[accuracy]")
    try:
        found = tuple(metrics)
    except TypeError:
        raise TrainingError(f"metrics is {metrics!r}: give a list of functions: metrics=[accuracy]") from None
    for one in found:
        if not callable(one):
            raise TrainingError(f"the metric {one!r} is no function of scores and target")
    return found


def check_compiled(compiled: Any) -> None:
    """Raise TrainingError where `compiled` is another word."""
    if compiled not in _COMPILED:
        raise TrainingError(f'compiled is {compiled!r}: write compiled=True, compiled=False or compiled="fast"')


def whole_number(name: str, value: Any, least: int, most: int | None = None) -> int:
    """A whole number. Raises TrainingError."""
    is_whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not is_whole or int(value) < least or (most is not None and int(value) > most):
        until = f" and at most {most}" if most is not None else ""
        raise TrainingError(f"{name} is {value!r}: it is a whole number, at least {least}{until}")
    return int(value)


def numbers_of(optimizer: Any, attributes: dict[str, Any]) -> dict[str, int | float]:
    """The numbers that an optimizer was given. Raises TrainingError where it is none, or would climb."""
    name = type(optimizer).__name__
    if isinstance(optimizer, type):
        raise TrainingError(f"the optimizer is the class {optimizer.__name__}: write optimizer={optimizer.__name__}()")
    if not callable(getattr(optimizer, "update", None)):
        raise TrainingError(f"{name} is no optimizer: it has no update(params, grads)")
    found = {
        key: value.item() if isinstance(value, np.generic) else value
        for key, value in attributes.items()
        if isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    }
    if "lr" in found and not (math.isfinite(found["lr"]) and found["lr"] > 0):
        raise TrainingError(f"{name}: lr is {found['lr']}: a learning rate is larger than 0")
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
