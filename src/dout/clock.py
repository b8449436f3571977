"""The clock of what may take only so long: what a layer is found to be must not hang on who else uses the machine."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_OF_WAITING = 0.2  # a second of sleep, or of waiting for a processor, counts as so much


def spent() -> float:
    """Seconds of work of this thread, from an arbitrary beginning; alone on a processor they are those of any clock."""
    return (1 - _OF_WAITING) * time.thread_time() + _OF_WAITING * time.perf_counter()


class TimeIsOver(BaseException):
    """The time of `within` is over."""


_LATEST: ContextVar[float] = ContextVar("latest", default=math.inf)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """End what runs inside after so many seconds of work, at its next `check_time`. Raises TimeIsOver."""
    token = _LATEST.set(min(_LATEST.get(), spent() + seconds))
    try:
        yield
    finally:
        _LATEST.reset(token)


def check_time() -> None:
    """Raise TimeIsOver if the time of `within` is over; where there is none this costs next to nothing."""
    latest = _LATEST.get()
    if latest != math.inf and spent() > latest:
        raise TimeIsOver
