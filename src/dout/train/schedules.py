"""How the learning rate changes: the share of the training that is done in, a factor of `lr` out.

A schedule is any function of a number in 0 … 1: `schedule=lambda done: 1 - done`. Steps count, not epochs, where their
number is known.
"""

from __future__ import annotations

import math
from collections.abc import Callable

Schedule = Callable[[float], float]


def cosine(warmup: float = 0.0, end: float = 0.0) -> Schedule:
    """Up along a line while `warmup` of the training lasts, then down along half a cosine to `end`.

    Source: Loshchilov and Hutter (2016), "SGDR: stochastic gradient descent with warm restarts".

    >>> rate = cosine(warmup=0.5)
    >>> [round(rate(done), 3) for done in (0.1, 0.5, 0.75, 1.0)]
    [0.2, 1.0, 0.5, 0.0]
    """
    return _warmed(lambda done: end + (1 - end) * (1 + math.cos(math.pi * done)) / 2, warmup)


def linear(warmup: float = 0.0, end: float = 0.0) -> Schedule:
    """Up along a line while `warmup` of the training lasts, then down along a line to `end`."""
    return _warmed(lambda done: 1 - (1 - end) * done, warmup)


def steps(*at: float, by: float = 0.1) -> Schedule:
    """Times `by` at each of these shares.

    >>> rate = steps(0.5, 0.75)
    >>> [round(rate(done), 3) for done in (0.4, 0.5, 0.8)]
    [1.0, 0.1, 0.01]
    """
    return lambda done: by ** sum(done >= share for share in at)


def exponential(end: float = 0.01) -> Schedule:
    """Down by the same factor in each step, to `end`."""
    return lambda done: end**done


def _warmed(after: Schedule, warmup: float) -> Schedule:
    if not 0 <= warmup < 1:
        raise ValueError(f"warmup is {warmup}: it is a share of the training, at least 0 and below 1")

    def schedule(done: float) -> float:
        return done / warmup if done < warmup else after((done - warmup) / (1 - warmup))

    return schedule
