"""Memory that is used again: arrays for the outputs of compiled calls, and for the steps in between.

A fresh large array costs more than what is computed into it, for the system hands it out page by page as it is written.

>>> take = Pool().taker((512,), np.dtype("f4"))
>>> y = take()
>>> place, part = y.ctypes.data, y[1:]
>>> y = take()
>>> y.ctypes.data == place  # the first one still has a view
False
>>> del part
>>> y = take()
>>> y.ctypes.data == place
True
"""

from __future__ import annotations

import gc
import math
import sysconfig
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from sys import getrefcount
from typing import Any, Generic, TypeVar

import numpy as np

from dout.graph import Shape
from dout.run import OF_A_LOCAL

Array = np.ndarray[Any, Any]
T = TypeVar("T")

SMALL = 1024  # bytes; up to here NumPy keeps freed memory by itself, and as fast
RECENT = 8, 1 << 19  # arrays handed out last, and bytes: those of a turn are free two turns later, and in the cache
PROBES = 3  # arrays looked at before a new one is made: whoever keeps thousands does not pay for them all
FOLLOWED = 4096, 1 << 28  # arrays, as recurrent layers keep them, and bytes that a ring follows; at least four arrays
SETS = 8  # of temporaries that lie idle; as many threads as like may be in a program at once
LIMIT = 1 << 30  # bytes that lie idle in the whole process

# Without the GIL a count of references says nothing about this moment.
COUNTS = not sysconfig.get_config_var("Py_GIL_DISABLED")


# --- what lies idle ---------------------------------------------------------------------------------------------------


class _Store(Generic[T]):
    """Things made of `nbytes` of memory that are kept for the next time; what lies idle through two sweeps goes."""

    most = 0  # bytes that all stores follow, at the most: counted where they may be too many, and added to

    def __init__(self, make: Callable[[], T], nbytes: int) -> None:
        self._make, self.nbytes = make, nbytes
        self._old: list[T] = []  # idle since the last sweep
        _STORES.add(self)

    def more(self) -> T:
        """One that was swept aside, or else a new one."""
        try:
            return self._old.pop()
        except IndexError:
            _Store.most += self.nbytes
            if _Store.most > LIMIT:
                stores = list(_STORES)
                _Store.most = sum(store.known() for store in stores) + self.nbytes
                if _Store.most > LIMIT and sum(store.idle() for store in stores) + self.nbytes > LIMIT:
                    sweep()
                    sweep()
            return self._make()

    def known(self) -> int:
        """Bytes that are idle at the most, soon told."""
        return self.idle()

    def idle(self) -> int:
        """Bytes that nobody uses."""
        return len(self._old) * self.nbytes

    def sweep(self) -> None:
        """Let go of what was swept aside the last time, and sweep aside what is idle now."""
        self._old.clear()


_STORES: weakref.WeakSet[_Store[Any]] = weakref.WeakSet()


def sweep() -> None:
    """Let go of memory that nobody used since the last sweep."""
    for store in list(_STORES):
        store.sweep()


def _collected(phase: str, info: Mapping[str, int]) -> None:
    """After a full garbage collection Python empties its own stores of free memory, and so do we."""
    if phase == "stop" and info["generation"] == 2:
        sweep()


gc.callbacks.append(_collected)

# --- outputs ----------------------------------------------------------------------------------------------------------


class Pool:
    """Arrays for the outputs of one compiled object; they come back when nobody else refers to them any more.

    What is handed out is a view, and a ring keeps the array beneath it, which owns the memory. Views of the view,
    buffers and whatever else looks into the memory refer to the owner, so its reference count says whether it is free.
    Who changes shape or flags in place changes the view, and the view never comes back.
    """

    def __init__(self) -> None:
        self._takers: dict[tuple[Shape, np.dtype[Any]], Callable[[], Array]] = {}

    def taker(self, shape: Shape, dtype: np.dtype[Any]) -> Callable[[], Array]:
        """The function that returns a C-contiguous array that nobody else holds; its elements are garbage."""
        if (shape, dtype) not in self._takers:
            make, nbytes = partial(np.empty, shape, dtype), math.prod(shape) * dtype.itemsize
            self._takers[shape, dtype] = make if nbytes <= SMALL or not COUNTS else _Ring(make, nbytes).taker()
        return self._takers[shape, dtype]


class _Ring(_Store[Array]):
    """The owners of arrays of one layout: the few handed out last, and the others, both from the first handed out.

    Of the few the first is mostly free. If not, its user may keep it for long: one of the others is taken.

    No two threads get the same array under the GIL, for each takes an array out of the ring before it counts the
    references to it. To count those of an array still in the ring would not do: another thread may take it out, and the
    reference that the ring then lacks hides that of the array's user.
    """

    def __init__(self, make: Callable[[], Array], nbytes: int) -> None:
        super().__init__(make, nbytes)
        self._recent: deque[Array] = deque()
        self._owners: deque[Array] = deque()
        (few, of_few), (count, total) = RECENT, FOLLOWED
        self._few = max(2, min(few, of_few // max(1, nbytes)))
        self._most = max(4, min(count, total // max(1, nbytes)))

    def taker(self) -> Callable[[], Array]:
        """The function that takes an array."""
        recent, most, search, view = self._recent, self._few - 1, self._search, np.ndarray.view
        popleft, append, put_off = recent.popleft, recent.append, self._owners.append

        def take() -> Array:
            try:
                owner = popleft()
            except IndexError:
                owner = search()
            else:
                if getrefcount(owner) != OF_A_LOCAL:
                    (append if len(recent) < most else put_off)(owner)
                    owner = search()
            append(owner)
            return view(owner)

        return take

    def _search(self) -> Array:
        """A free one of the others, or one more."""
        owners = self._owners
        try:
            for _ in range(min(PROBES, len(owners))):
                owner = owners.popleft()
                if getrefcount(owner) == OF_A_LOCAL:
                    return owner
                owners.append(owner)
            if len(owners) + len(self._recent) < self._most:
                return self.more()
            owners.pop()  # one of those just seen: it belongs to its user alone from now on
        except IndexError:  # another thread was faster
            pass
        return self._make()

    def known(self) -> int:
        """Bytes of all arrays that it follows, whether somebody uses them or not."""
        return super().idle() + (len(self._owners) + len(self._recent)) * self.nbytes

    def idle(self) -> int:
        """Bytes of free arrays; the ring and the list hold each of them once more."""
        free = sum(getrefcount(owner) == OF_A_LOCAL + 2 for owner in [*self._owners, *self._recent])
        return super().idle() + free * self.nbytes

    def sweep(self) -> None:
        """As for any store; what is not free stays in the ring."""
        super().sweep()
        self._owners.extend(self._recent)
        self._recent.clear()
        for _ in range(len(self._owners)):
            try:
                owner = self._owners.popleft()
            except IndexError:
                break
            (self._old if getrefcount(owner) == OF_A_LOCAL else self._owners).append(owner)


# --- temporaries ------------------------------------------------------------------------------------------------------


def scratch(
    slots: Sequence[int], arrays: Sequence[tuple[int, Shape, np.dtype[Any]]]
) -> tuple[Callable[[], tuple[Array, ...]], Callable[[tuple[Array, ...]], None]]:
    """Two functions that take and give back the temporaries of one program: `arrays`, each in one of its `slots`.

    >>> take, give = scratch([32], [(0, (2, 2), np.dtype("f8")), (0, (3,), np.dtype("f4"))])
    >>> matrix, line = arrays = take()
    >>> np.shares_memory(matrix, line)
    True
    >>> give(arrays)
    >>> take() is arrays
    True

    Two threads in the same program take two sets. A set that is not given back, as after an error, is just gone.
    """

    def make() -> tuple[Array, ...]:
        memory = [np.empty(max(1, n), np.uint8) for n in slots]
        return tuple(np.ndarray(shape, dtype, memory[slot]) for slot, shape, dtype in arrays)

    store = _Sets(make, sum(slots))
    return store.taker(), store.sets.append


class _Sets(_Store[tuple[Array, ...]]):
    """Sets of temporaries that no call is using; the one used last, still in the processor's cache, is taken first."""

    def __init__(self, make: Callable[[], tuple[Array, ...]], nbytes: int) -> None:
        super().__init__(make, nbytes)
        self.sets: deque[tuple[Array, ...]] = deque(maxlen=SETS)

    def taker(self) -> Callable[[], tuple[Array, ...]]:
        """The function that takes a set."""
        pop, more = self.sets.pop, self.more

        def take() -> tuple[Array, ...]:
            try:
                return pop()
            except IndexError:
                return more()

        return take

    def idle(self) -> int:
        """Bytes of the sets that no call has taken."""
        return super().idle() + len(self.sets) * self.nbytes

    def sweep(self) -> None:
        """As for any store."""
        super().sweep()
        for _ in range(len(self.sets)):
            try:
                self._old.append(self.sets.pop())
            except IndexError:
                break
