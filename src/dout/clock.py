"""The clocks of what may take only so long: what a layer is found to be must not hang on who else uses the machine.

A search has a budget of counted work. What is counted hangs on the code and its sizes alone, so that two runs stop at
the same place. The clock is the last bound, where the work takes far longer than was counted.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_SLOWER = 4  # times as long as was counted may work take before the clock ends it
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


_LATEST: ContextVar[tuple[float, float]] = ContextVar("latest", default=(math.inf, math.inf))


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """End what runs inside after so many seconds of work, at its next `check_time`. Raises TimeIsOver."""
    now = spent()
    latest = min(_LATEST.get()[0], now + seconds)
    token = _LATEST.set((latest, time.perf_counter() + latest - now))
    try:
        yield
    finally:
        _LATEST.reset(token)


def check_time() -> None:
    """Raise TimeIsOver if the time of `within` is over; where there is none this costs next to nothing."""
    latest, looked_at = _LATEST.get()
    if time.perf_counter() > looked_at and spent() > latest:  # no clock runs faster, and this one is read at once
        _counted.by_the_clock = True
        raise TimeIsOver


# --- counted work -----------------------------------------------------------------------------------------------------


class _Counted(threading.local):
    """The work of this thread that was counted, and whether the clock ended something."""

    work = 0.0
    by_the_clock = False


_counted = _Counted()


def count(seconds: float) -> None:
    """Count work that takes about so long. The number must hang on nothing but the code that runs, and its sizes."""
    _counted.work += seconds


class WorkBudget:
    """What a search may take: seconds of counted work, and on the clock at most four times as many."""

    def __init__(self, seconds: float) -> None:
        self._work = self._clock = -math.inf
        self.leave(seconds)

    def leave(self, seconds: float) -> None:
        """See to it that there is so much left."""
        self._work = max(self._work, _counted.work + seconds)
        self._clock = max(self._clock, spent() + _SLOWER * seconds)

    @property
    def left(self) -> float:
        """Seconds of counted work."""
        return self._work - _counted.work

    def is_over(self) -> bool:
        """Whether it is used up."""
        if self.left < 0:
            return True
        late = spent() > self._clock
        _counted.by_the_clock |= late
        return late


def was_ended_by_the_clock() -> bool:
    """Whether the clock ended what this thread did since this was last asked."""
    found, _counted.by_the_clock = _counted.by_the_clock, False
    return found
