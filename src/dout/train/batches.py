"""Arrays, files or iterators in; batches out, in an order that a seed and the number of the epoch decide.

The order has no state: epoch `e` of seed `s` is a permutation drawn from both. To go on in the middle of an epoch is to
begin at a number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from itertools import chain, islice
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from dout.errors import DoutError, TrainingError
from dout.run import drawn_from, flat, global_states

Batch = tuple[Any, Any]


class ArrayBatches:
    """Samples along the first axis of `x`, or of each of several inputs, and of `t`: in memory or in a mapped file."""

    draws = False

    def __init__(self, x: Any, t: Any, batch: int, *, seed: int = 0, shuffle: bool = True) -> None:
        if batch < 1:
            raise TrainingError(f"batch is {batch}: it has at least one sample")
        self.inputs = tuple(map(opened, x)) if isinstance(x, tuple) else (opened(x),)
        self.several, self.t = isinstance(x, tuple), opened(t)
        self.batch, self.seed, self.shuffle, self.samples = batch, seed, shuffle, len(self.t)
        lengths = [len(one) for one in self.inputs]
        if any(length != self.samples for length in lengths):
            raise TrainingError(f"x has {lengths[0] if len(lengths) == 1 else lengths} samples, t has {self.samples}")
        if not self.samples:
            raise TrainingError("there is no sample: x and t are empty")
        self.per_epoch: int | None = -(-self.samples // batch)
        self.rows: Sequence[int] | None = None  # of the latest batch

    def generators(self) -> list[Any]:
        """None: the order follows from numbers."""
        return []

    def first(self) -> Batch:
        """The first batch of a training, which is still to come."""
        return next(self.of(0))

    def of(self, epoch: int, begin: int = 0, passed: Callable[..., object] = lambda *latest: None) -> Iterator[Batch]:
        """The batches of an epoch from a number on; `passed` is called when those before it are gone."""
        passed()
        order = np.random.default_rng([self.seed, epoch]).permutation(self.samples) if self.shuffle else None
        for start in range(begin * self.batch, self.samples, self.batch):
            chosen: Any = slice(start, start + self.batch) if order is None else order[start : start + self.batch]
            self.rows = range(self.samples)[chosen] if order is None else chosen
            x = tuple(np.array(one[chosen]) for one in self.inputs)  # a copy: layers may write into what they are given
            yield (x if self.several else x[0]), np.array(self.t[chosen])


class IteratedBatches:
    """Batches that somebody else makes: an iterable of pairs `(x, t)`, or a function that returns one an epoch."""

    draws = True

    def __init__(self, source: Iterable[Batch] | Callable[[], Iterable[Batch]]) -> None:
        self.source, self.rows = source, None
        self.per_epoch: int | None = len(source) if isinstance(source, Sized) else None

    def generators(self) -> list[Any]:
        """Those that the source draws from."""
        return drawn_from(self.source)

    def first(self) -> Batch:
        """The first batch of a training, which is still to come: nothing is drawn, and an iterator begins with it."""
        put_back = global_states(self.generators())
        try:
            pair = next(self.of(0))
        finally:
            put_back()
        if isinstance(self.source, Iterator):
            self.source = chain([pair], self.source)
        return owned(pair[0]), owned(pair[1])

    def of(self, epoch: int, begin: int = 0, passed: Callable[..., object] = lambda *latest: None) -> Iterator[Batch]:
        """The batches of an epoch; those before `begin` are made, and `passed` is told the latest."""
        made = self._made(epoch)
        gone = [*islice(made, begin)][-1:]
        passed(*gone)
        count = begin if gone else 0
        for pair in made:
            count += 1
            if not (isinstance(pair, tuple | list) and len(pair) == 2):
                raise TrainingError(f"batch {count} is {type(pair).__name__}: each has to be a pair (x, t)")
            yield owned(pair[0]), owned(pair[1])
        if not count:
            hint = "; it is used up after one epoch: give a function that makes it anew" if epoch else ""
            raise TrainingError(f"epoch {epoch + 1} has no batch{hint}")

    def _made(self, epoch: int) -> Iterator[Any]:
        try:
            for pair in self.source() if callable(self.source) else self.source:  # noqa: UP028 - that would close it
                yield pair
        except DoutError:
            raise
        except Exception as error:
            raise TrainingError(f"epoch {epoch + 1}: the data raises {type(error).__name__}: {error}") from error


Batches = ArrayBatches | IteratedBatches


def batches_of(x: Any, t: Any, batch: int, *, seed: int = 0, shuffle: bool = True) -> Batches:
    """The batches of what a user gives: `x` and `t`, or, without `t`, what makes pairs of both."""
    if t is not None:
        return ArrayBatches(x, t, batch, seed=seed, shuffle=shuffle)
    if isinstance(x, np.ndarray | str | Path) or not (callable(x) or hasattr(x, "__iter__")):
        raise TrainingError("there are no targets: give x and t, or something that makes pairs (x, t)")
    if isinstance(x, tuple) and len(x) == 2 and not are_batches(x) and np.ndim(x[0]) and len(x[0]) == len(x[1]):
        return ArrayBatches(x[0], x[1], batch, seed=seed, shuffle=shuffle)
    return IteratedBatches(x)


def are_batches(data: Any) -> bool:
    """Whether two things are two batches, each a pair `(x, t)` of arrays, and not `x` and `t`."""
    return isinstance(data, tuple | list) and all(
        isinstance(one, tuple | list)
        and len(one) == 2
        and isinstance(one[0], np.ndarray | tuple)
        and isinstance(one[1], np.ndarray)
        for one in data
    )


def owned(data: Any) -> Any:
    """A copy of an array, or of each in a tuple: layers may write into what they are given, and it is the user's."""
    if isinstance(data, tuple):
        return tuple(map(owned, data))
    return np.array(data) if isinstance(data, np.ndarray) else data


def opened(data: Any) -> Any:
    """Data as an array; a file `.npy` is mapped, and only the samples of a batch are read."""
    if isinstance(data, str | Path):
        try:
            data = np.load(data, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise TrainingError(f"{data} cannot be read as an array of numbers: {error}") from None
    array = data if isinstance(data, np.ndarray) else np.asarray(data)
    if array.dtype == object or array.dtype.kind in "USVcmM":
        raise TrainingError(f"data of dtype {array.dtype}: give real numbers, one row of equal shape for each sample")
    if not array.ndim:
        raise TrainingError("data has no axes: the first axis counts the samples")
    return array


def fingerprint(batch: Any) -> int:
    """A number that tells one batch from another; 0 for a batch with objects in it that have no bytes of their own."""
    known = 1
    for item in flat(batch):
        array = np.asarray(item)
        if array.dtype.hasobject:
            inside = (
                fingerprint(array.ravel().tolist()) if isinstance(item, np.ndarray) and array.dtype == object else 0
            )
            if not inside:
                return 0
            known = crc32(inside.to_bytes(4, "big"), known)
        else:
            known = crc32(array.tobytes(), known)
    return known or 1
