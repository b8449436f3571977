"""A net and data in; the loss at growing learning rates, and the rate at which it falls fastest, out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

from dout.draw.terminal.training_table import curve
from dout.errors import TrainingError
from dout.number_text import format_number
from dout.run import HeldMemory, attributes_of, keeping_random_states
from dout.train.batches import batches_of
from dout.train.fit_settings import numbers_of
from dout.train.nets.train_step import TrainStep
from dout.train.optimizers import Adam, forget_other_nets, takes_dicts, update

_SMOOTH = 0.9  # of the mean of the losses, what stays
_LOST = 4.0  # times the smallest loss: it has begun to grow, and goes on


@dataclass(frozen=True)
class RateSearch:
    """Learning rates, the smoothed loss at each, and the `rate` at which it fell fastest."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]

    @property
    def rate(self) -> float:
        """The rate at which the loss falls fastest for each factor of the rate.

        Over an eighth of the rates: between one batch and the next it falls by chance.
        """
        losses = self.losses[: int(np.argmin(self.losses)) + 1]
        wide = min(max(1, len(self.losses) // 8), max(1, len(losses) - 1))
        falls = [after - before for before, after in zip(losses, losses[wide:], strict=False)] or [0.0]
        return self.rates[int(np.argmin(falls)) + wide // 2]

    def __str__(self) -> str:
        ends = f"{format_number(self.rates[0], 2)} … {format_number(self.rates[-1], 2)}"
        return f"loss at rates {ends}: {curve(self.losses)}\nit falls fastest at lr = {format_number(self.rate, 2)}"


@keeping_random_states()
def find_rate(
    net: Any, x: Any, t: Any = None, *, loss: Any = None, optimizer: Any = None, batch: int = 100, low: float = 1e-6,
    high: float = 10.0, steps: int = 100, seed: int = 0,
) -> RateSearch:  # fmt: skip
    """Train for a while at rates from `low` to `high`, see where the loss falls fastest, and put everything back.

    Source: Smith (2017), "Cyclical learning rates for training neural networks".
    """
    if not (0 < low < high and steps > 1):
        raise TrainingError(f"rates from {low} to {high} in {steps} steps: write low < high and at least two steps")
    optimizer = Adam() if optimizer is None else optimizer
    if "lr" not in numbers_of(optimizer, attributes_of(optimizer)):
        raise TrainingError(f"{type(optimizer).__name__} has no lr: that is the rate which find_rate changes")
    step = TrainStep(net, loss)
    memory = HeldMemory(step, optimizer)
    forget_other_nets(optimizer, step.net, for_good=False)
    rates, losses, mean = np.geomspace(low, high, steps), [], 0.0
    try:
        batches = _endless(batches_of(x, t, batch, seed=seed))
        for number, (rate, (x_, t_)) in enumerate(zip(rates, batches, strict=False), 1):
            optimizer.lr = float(rate)
            try:
                with np.errstate(all="ignore"):
                    value, _, gradients, _ = step(x_, t_, f"step {number} at lr = {rate:.2g}")
            except TrainingError:
                if number == 1:
                    raise
                break  # so high that nothing is finite any more
            mean = _SMOOTH * mean + (1 - _SMOOTH) * value
            losses.append(mean / (1 - _SMOOTH**number))
            if losses[-1] > _LOST * min(losses):
                break
            update(optimizer, step.registry.arrays(), gradients, takes_dicts(optimizer))
            step.registry.put_numbers()
    finally:
        memory.put_back()
    if len(losses) < 2:
        raise TrainingError(f"the loss is not finite from lr = {rates[0]:.2g} on: give a smaller low")
    return RateSearch(tuple(map(float, rates[: len(losses)])), tuple(losses))


def _endless(batches: Any) -> Iterator[Any]:
    for epoch in count():
        yield from batches.of(epoch)
