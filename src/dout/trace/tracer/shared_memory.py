"""Memory behind stand-ins: which recorded values share it, and how they are saved before a write."""

from __future__ import annotations

import sys
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
