"""The clock of what may take only so long: what a layer is found to be must not hang on who else uses the machine."""

from __future__ import annotations

import time

_OF_WAITING = 0.2  # a second of sleep, or of waiting for a processor, counts as so much


def spent() -> float:
    """Seconds of work of this thread, from an arbitrary beginning; alone on a processor they are those of any clock."""
    return (1 - _OF_WAITING) * time.thread_time() + _OF_WAITING * time.perf_counter()
