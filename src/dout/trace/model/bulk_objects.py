"""Making 10**5 objects at a stroke, none of them garbage: collections in between would take most of the time."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_NEVER = 2**31 - 1  # objects before a collection; a 0 would look like the user's own


@contextmanager
def collection_paused() -> Iterator[None]:
    """Pause the garbage collector inside. Whether it is enabled stays the user's: their code may ask, or disable it."""
    thresholds = gc.get_threshold()
    gc.set_threshold(_NEVER)
    try:
        yield
    finally:
        if gc.get_threshold()[0] == _NEVER:
            gc.set_threshold(*thresholds)
