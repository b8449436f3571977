"""The elements that a switch (a mask, a maximum, a clip) blocks. A ReLU is one, and one should see it switch.

There is no second table of derivatives: an element is blocked if the row's own backward gives 0 for a dout of 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from typing import Any

import numpy as np

from dout.draw.scene.scene_drafts import data_of
from dout.draw.words.gradient_formula import handed_back
from dout.graph import CONSTANT, Node, evaluate, uses_of
from dout.ops import PRIMITIVES, primitives
from dout.ops.abstract import AbstractRecorder
from dout.trace.model.recorded import Value

_CHOOSE = primitives("where maximum minimum clip")
_HAND_ON = primitives("copy asarray astype")
_MOST = 100_000  # numbers
_DEEP = 4  # operations between a condition and the mask that is made of it

Off = np.ndarray[Any, Any]


class Switches:
    """The elements that are switched off, of each value next to a switch."""

    def __init__(self, nodes: Iterable[Node], by_node: Mapping[Node, Value]) -> None:
        self._by_node = by_node
        self._uses = uses_of(nodes)
        self._blocked: dict[Node, tuple[Node | None, ...]] = {}
        self._known: dict[Node, Any] = {}

    def off(self, node: Node) -> Off | None:
        """The elements of a value that the switches beside it block, before or after it; None if they block none."""
        mask = self.mask(node)
        try:
            found = None if mask is None else self._computed(mask)
        except Exception:  # numbers that a saved trace does not hold: nothing is known to be off
            return None
        return found if found is not None and found.any() else None

    def mask(self, node: Node) -> Node | None:
        """What tells for each element of a value whether the switches beside it block it.

        A value that has another use passes there, so it counts as not blocked.
        """
        return _joined(np.logical_or, [mask for mask in (self._behind(node), self._ahead(node)) if mask is not None])

    def _computed(self, mask: Node) -> Off:
        waiting = [mask]
        while waiting:
            node = waiting.pop()
            data = data_of(node, self._by_node)
            if data is not None:
                self._known[node] = data
            elif node not in self._known:
                waiting += node.inputs
        with np.errstate(all="ignore"):
            return np.asarray(evaluate([mask], self._known)[mask])

    def _behind(self, node: Node) -> Node | None:
        """The elements that the switch which made the value took from a constant alone."""
        if not _is_switch(node):
            return None
        data = [i for i, given in enumerate(node.inputs) if given.primitive is not CONSTANT and not _is_mask(given)]
        return _joined(np.logical_and, [self._at(node, i) for i in data])

    def _ahead(self, node: Node) -> Node | None:
        """The elements that every use of the value blocks."""
        blocked: list[Node | None] = []
        for user, argument in self._uses.get(node, ()):
            if user.primitive.backward is None:
                continue  # a condition: nothing flows there anyway
            hands_on = user.primitive in _HAND_ON and user.shape == node.shape
            off = self._ahead(user) if hands_on else self._at(user, argument) if _is_switch(user) else None
            if off is None or off.shape != node.shape:  # of a value that was broadcast, elements meet several switches
                return None
            blocked.append(off)
        return _joined(np.logical_and, blocked)

    def _at(self, switch: Node, argument: int) -> Node | None:
        if switch not in self._blocked:
            self._blocked[switch] = _blocking(switch)
        return self._blocked[switch][argument]


def _blocking(switch: Node) -> tuple[Node | None, ...]:
    """For each argument of a switch the elements with gradient 0 for a dout of 1; None if its shape is another."""
    if not switch.shape or np.prod(switch.shape) > _MOST:
        return (None,) * len(switch.inputs)
    wrap: Callable[[Node], Any] = AbstractRecorder().wrap
    dout = Node(
        PRIMITIVES["ones"], (), {"shape": switch.shape, "dtype": np.dtype(float)}, switch.shape, np.dtype(float)
    )
    back = handed_back(switch, dout)
    return tuple(None if g is None or g.shape != switch.shape else np.equal(wrap(g), 0).node for g in back)


def _joined(function: Callable[..., Any], masks: Iterable[Node | None]) -> Node | None:
    """Several masks as one; None if there is none, or one of them is not known."""
    recorder, known = AbstractRecorder(), list(masks)
    if not known or None in known:
        return None
    found: Node = reduce(function, [recorder.wrap(mask) for mask in known if mask is not None]).node
    return found


def _is_switch(node: Node) -> bool:
    row = node.primitive
    if row is PRIMITIVES["setitem"]:
        return any(map(_is_condition, node.inputs[2:]))
    return row in _CHOOSE or (row is PRIMITIVES["multiply"] and any(map(_is_mask, node.inputs)))


def _is_condition(node: Node) -> bool:
    return node.kind == "b" and bool(node.shape)


def _is_mask(node: Node, deep: int = _DEEP) -> bool:
    """True for a condition, and for a value made of one and constants: `(r > 0.5) / 0.5`."""
    if _is_condition(node):
        return True
    data = [given for given in node.inputs if given.primitive is not CONSTANT]
    return len(data) == 1 and deep > 0 and data[0].shape == node.shape and _is_mask(data[0], deep - 1)
