"""One of each of several choices, in every way, the likeliest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush


def combined(choices: Sequence[Sequence[str]]) -> Iterator[tuple[str, ...]]:
    """Yield them by how far down their choices are, one by one: for a dozen arguments there are millions of ways.

    >>> list(combined(["ab", "xy"]))
    [('a', 'x'), ('a', 'y'), ('b', 'x'), ('b', 'y')]
    """
    waiting = [(0, (0,) * len(choices))]
    while waiting and all(choices):
        rank, places = heappop(waiting)
        yield tuple(choice[place] for choice, place in zip(choices, places, strict=True))
        last = max((i for i, place in enumerate(places) if place), default=0)
        for i in range(last, len(places)):  # each from one alone: from that with one less in its last place
            if places[i] + 1 < len(choices[i]):
                heappush(waiting, (rank + 1, (*places[:i], places[i] + 1, *places[i + 1 :])))
