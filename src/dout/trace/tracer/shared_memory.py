"""Memory behind stand-ins: which recorded values share it, and how they are saved before a write."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dout.graph import INPUT, Node
from dout.ops.shape import same_layout
from dout.run import OF_A_LOCAL

_DUMMY: Any = type(np.lib.stride_tricks.as_strided(np.zeros(1)).base)
LARGE = 1 << 20  # bytes; a larger value that is about to be overwritten is not saved but computed anew when asked for


def owner_of(array: np.ndarray[Any, Any]) -> Any:
    """The object that owns an array's memory; arrays of np.lib.stride_tricks have a dummy object in between."""
    owner: Any = array
    while isinstance(owner, np.ndarray | _DUMMY) and owner.base is not None:
        owner = owner.base
    return owner


def way_to(view: np.ndarray[Any, Any], whole: np.ndarray[Any, Any]) -> Callable[[Any], Any] | None:
    """What makes a view of a whole array, of it or of a stand-in: other axes, a part, another shape. None of others.

    >>> W = np.arange(12.0).reshape(3, 4)
    >>> way_to(W.T[1:3], W)(W).tolist()
    [[1.0, 5.0, 9.0], [2.0, 6.0, 10.0]]
    """
    return next((way for way in _ways(view, whole) if _is_same_memory(way(whole), view)), None)


def _ways(view: np.ndarray[Any, Any], whole: np.ndarray[Any, Any]) -> Iterator[Callable[[Any], Any]]:
    if view.dtype != whole.dtype or not view.size:
        return
    if view.size == whole.size and whole.flags.c_contiguous and view.flags.c_contiguous:
        yield lambda array: array.reshape(view.shape)
    if view.size == whole.size and whole.flags.c_contiguous and view.T.flags.c_contiguous:
        yield lambda array: array.reshape(view.shape[::-1]).T
    if (key := _part(view, whole)) is not None:
        yield lambda array: array[key]
    order, everything = _order(view, whole), (slice(None),) * whole.ndim
    if order != [*range(whole.ndim)] and (turned := _part(view, whole.transpose(order))) is not None:
        yield lambda array: array.transpose(order)[turned] if turned != everything else array.transpose(order)


def _order(view: np.ndarray[Any, Any], whole: np.ndarray[Any, Any]) -> list[int]:
    """The axes of the whole array in the order in which a view may have them, by their strides; then the others."""
    order: list[int] = []
    for stride in view.strides:
        left = [axis for axis in range(whole.ndim) if axis not in order and whole.strides[axis] <= stride]
        order += [max(left, key=lambda axis: whole.strides[axis])] if left else []
    return [*order, *(axis for axis in range(whole.ndim) if axis not in order)]


def _part(view: np.ndarray[Any, Any], whole: np.ndarray[Any, Any]) -> tuple[int | slice, ...] | None:
    """The index that may give a view whose axes are some of the whole array's, in their order."""
    rest, axes, first, key = _address(view) - _address(whole), 0, [0] * whole.ndim, list[int | slice]()
    for axis in sorted(range(whole.ndim), key=lambda axis: -whole.strides[axis]):
        first[axis], rest = divmod(rest, whole.strides[axis]) if whole.strides[axis] > 0 else (-1, rest)
    if rest or any(not 0 <= at < n for at, n in zip(first, whole.shape, strict=True)):
        return None
    for at, n, stride in zip(first, whole.shape, whole.strides, strict=True):
        length = view.shape[axes] if axes < view.ndim else 0
        step, odd = divmod(view.strides[axes], stride) if length > 1 else (1, 0)
        if length and not odd and step > 0 and at + step * (length - 1) < n:
            end = at + step * (length - 1) + 1
            key.append(slice(None) if (at, length, step) == (0, n, 1) else slice(at, end, step))
            axes += 1
        else:
            key.append(at)
    return tuple(key)


def _address(array: np.ndarray[Any, Any]) -> int:
    return int(array.__array_interface__["data"][0])


def _is_same_memory(one: np.ndarray[Any, Any], two: np.ndarray[Any, Any]) -> bool:
    """Whether two views are the same elements in the same order."""
    strides = zip(one.shape, one.strides, two.strides, strict=False)
    same = one.shape == two.shape and all(a == b for n, a, b in strides if n > 1)
    return same and _address(one) == _address(two)


class Buffer:
    """One piece of memory with versions: each write makes a new one.

    `aliases` are the nodes whose recorded value lies in this memory as it is now.
    """

    __slots__ = ("aliases", "version")

    def __init__(self, node: Node) -> None:
        self.version = 0
        self.aliases = [node]

    def save(self, data: dict[Node, Any]) -> None:
        """Before a write: give the recorded values that lie here memory of their own."""
        for node in self.aliases:
            value = data.get(node)
            if value is None:
                continue
            if node.primitive is INPUT or value.nbytes <= LARGE:
                data[node] = same_layout(value, shared=True)
            else:
                del data[node]
        self.aliases.clear()


def set_apart(data: dict[Node, Any], unused: set[Node], *, inputs_alone: bool = False) -> None:
    """Give recorded values that the user's code can still change memory of their own.

    What nobody else refers to, neither the array nor a view of it, stays as it is; so do those that are `unused`, for
    there may be a data set among them.
    """
    for node in list(data):  # the pairs of a dictionary refer to the values as well
        if node in unused or (inputs_alone and node.primitive is not INPUT):
            continue
        value = data[node]
        if type(value) is np.ndarray and (value.base is not None or sys.getrefcount(value) > OF_A_LOCAL + 1):
            data[node] = same_layout(value, shared=True)
