"""Making 10**5 objects at a stroke, none of them garbage: collections in between would take most of the time."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident

_paused: list[int] = []  # threads that have switched the collector off, and will switch it on


@contextmanager
def collection_paused() -> Iterator[None]:
    """Pause the garbage collector inside."""
    collecting, me = gc.isenabled(), get_ident()
    if collecting:
        _paused.append(me)
        gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
            _paused.remove(me)


def _after_fork() -> None:
    """A forked child has no other thread to switch it on."""
    others = [thread for thread in _paused if thread != get_ident()]
    for thread in others:
        _paused.remove(thread)
    if others:
        gc.enable()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
