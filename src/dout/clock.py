"""The clock of what may take only so long: what a layer is found to be must not hang on who else uses the machine."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_OF_WAITING = 0.2  # a second of sleep, or of waiting for a processor, counts as so much


def spent() -> float:
    """Seconds of work of this thread, from an arbitrary beginning; alone on a processor they are those of any clock."""
    return (1 - _OF_WAITING) * time.thread_time() + _OF_WAITING * time.perf_counter()


def spent_by(process: int) -> float:
    """The same of another process; where the system does not say how much it has worked, all counts as work."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        work = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # for itself, and in the system: proc(5)
    except (OSError, ValueError, IndexError, AttributeError):
        return time.perf_counter()
    return (1 - _OF_WAITING) * work + _OF_WAITING * time.perf_counter()


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
