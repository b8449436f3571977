"""Bends in a terminal: which upright track each edge takes in the gap between two columns, so that none overlap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heappush

from dout.draw.layout.layout import Bend

STEP = 2  # columns a track
NO_WAY = 1e9  # the width of a gap through which there is no way


def tracks(bends: Sequence[Bend]) -> Mapping[float, int] | None:
    """Return the track of each edge that bends, by the height at which it enters the gap; None if there is no way.

    Edges that leave together share a track. Where one edge enters at the height at which another leaves, it must turn
    off first: its track is further left. Two edges that swap their heights would each have to be first.
    """
    nets: dict[float, list[float]] = {}
    for start, end in bends:
        nets.setdefault(start, []).append(end)
    nets = {start: ends for start, ends in nets.items() if ends != [start]}
    leaver = {end: start for start, ends in nets.items() for end in ends}
    after = {start: leaver[start] for start in nets if leaver.get(start, start) != start}
    waiting = dict.fromkeys(nets, 0)
    for later in after.values():
        waiting[later] += 1
    ready = [(_turn(start, nets[start]), start) for start, n in waiting.items() if n == 0]
    heapify(ready)
    placed: dict[float, int] = {}
    earliest = dict.fromkeys(nets, 0)
    taken: list[list[tuple[float, float]]] = []
    while ready:
        _, start = heappop(ready)
        low, high = min(start, *nets[start]), max(start, *nets[start])
        track = earliest[start]
        while track < len(taken) and any(low <= other[1] and other[0] <= high for other in taken[track]):
            track += 1
        while track >= len(taken):
            taken.append([])
        taken[track].append((low, high))
        placed[start] = track
        if start in after:
            later = after[start]
            earliest[later] = max(earliest[later], track + 1)
            waiting[later] -= 1
            if waiting[later] == 0:
                heappush(ready, (_turn(later, nets[later]), later))
    return placed if len(placed) == len(nets) else None


def _turn(start: float, ends: Sequence[float]) -> float:
    """Edges that go down turn off the earlier the lower they start, those that go up the higher: fewer crossings."""
    return -start if sum(ends) / len(ends) > start else start


def passable(bends: Sequence[Bend]) -> bool:
    """True if there is a way for all of these bends."""
    return tracks(bends) is not None


def gap(bends: Sequence[Bend]) -> float:
    """The width of a gap with these bends."""
    found = tracks(bends)
    if found is None:
        return NO_WAY
    return STEP * (max(found.values()) + 1) + 1 if found else 1
