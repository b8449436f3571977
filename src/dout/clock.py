"""The clock of what may take only so long: what a layer is found to be must not hang on who else uses the machine."""

from __future__ import annotations

import os
import time
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
