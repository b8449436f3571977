"""Whose turn it is: one thread records at a time, and none while another runs plainly what could meet stand-ins."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dout.trace.functions import under_way
from dout.trace.session import recordings  # one lock for all: two, taken in two orders, would be a deadlock

_plain: Counter[int] = Counter()  # plain runs under way, by thread
_counting = threading.Lock()


def inside_a_trace() -> bool:
    """Whether what runs here is being traced; only for the thread whose turn it is."""
    return bool(under_way)


@contextmanager
def turn() -> Iterator[bool]:
    """Wait until no other thread records, and let none; the value says whether this one may.

    It may not while another runs plainly; to wait for that could be forever, for plain code may wait for this thread.
    """
    with recordings:
        with _counting:
            others = _plain.keys() - {threading.get_ident()}
        yield not others


def plainly(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Call a function of the user's, while no other thread puts stand-ins where it looks."""
    me = threading.get_ident()
    with recordings, _counting:
        _plain[me] += 1
    try:
        return function(*args, **kwargs)
    finally:
        with _counting:
            _plain[me] -= 1
            if not _plain[me]:
                del _plain[me]
