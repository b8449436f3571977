"""One thread records at a time, and none while another runs code plainly that could meet stand-ins."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dout.trace.session.session import (
    gave_way,
    give_way,
    place_of_recording,
    reaches,
    recordings,  # one lock for all: two, taken in two orders, would be a deadlock
)
from dout.trace.tracer.traced import plain_deep
from dout.trace.tracer.user_functions import under_way

_plain: dict[int, int] = {}  # plain runs under way, by thread, which alone counts its own
_LOOK, _PATIENCE = 0.05, 10  # seconds between two looks at what is recorded, and how many see it at the same place


def _after_fork() -> None:
    """A forked child has no other thread."""
    for thread in _plain.keys() - {threading.get_ident()}:
        del _plain[thread]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def inside_a_trace() -> bool:
    """Whether what runs here is being traced; only for the thread whose turn it is."""
    return bool(under_way)


@contextmanager
def turn() -> Iterator[bool]:
    """Wait until no other thread records, and let none; the value says whether this one may.

    It may not while another runs plainly; to wait for that could be forever, for plain code may wait for this thread.
    Nor may it if the recording thread waits for something that never comes, such as this thread's own result: then that
    thread gives way.
    """
    taken = _take()
    try:
        others = {*list(_plain)} - {threading.get_ident()}
        yield taken and not others
    finally:
        if taken:
            recordings.release()


def _take() -> bool:
    """Take the lock of recordings; False if the recording stood still for long, and gave way instead."""
    still, seen = 0, None
    while not recordings.acquire(timeout=_LOOK):
        if gave_way():
            return False
        place = place_of_recording()
        still = still + 1 if place is not None and place == seen else 0
        seen = place
        if still >= _PATIENCE:
            return not give_way() and _take()
    return True


def plainly(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Call a function of the user's, while no other thread puts stand-ins where it looks."""
    me = threading.get_ident()
    taken = recordings.acquire(blocking=False) or _take()
    if taken and under_way:
        reaches(function)
    if not taken:  # the thread that records may have handed them on
        args, kwargs = plain_deep(args), plain_deep(dict(kwargs))
    _plain[me] = _plain.get(me, 0) + 1
    if taken:
        recordings.release()
    try:
        return function(*args, **kwargs)
    finally:
        _plain[me] -= 1
        if not _plain[me]:
            del _plain[me]
