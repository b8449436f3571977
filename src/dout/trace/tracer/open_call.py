"""A forward or backward of a layer while it runs, and the round of a program that it is in."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Sequence
from types import CodeType, FrameType
from typing import Any

from dout.graph import Node, Where
from dout.run import module_of, names_of, qualname_of
from dout.trace.model.recorded import Parameter

_MOST_HEADS = 20  # of one trunk


def _defined(cls: type) -> tuple[str, str]:
    """The file in which a class is written, "" where it is not known, and its qualified name."""
    file = names_of(sys.modules.get(module_of(cls))).get("__file__")
    return file if type(file) is str else "", qualname_of(cls)


class OpenCall:
    """A forward or backward under way; its fields are filled in as it runs."""

    def __init__(self, kind: str, instance: Any, name: str, parent: OpenCall | None, where: Where | None) -> None:
        self.kind = kind
        self.instance = instance
        self.cls = type(instance).__name__
        self.defined = _defined(type(instance))  # now: a program's modules are gone when its recording ends
        self.name = name
        self.parent = parent
        self.where = where
        self.arguments: dict[str, Any] = {}
        self.inputs: tuple[Node | None, ...] = ()
        self.outputs: tuple[Node | None, ...] = ()
        self.span = (0, 0)
        self.held: dict[str, Any] = {}  # the layer's attributes when forward began
        self.held_nodes: dict[int, Node] = {}  # and the nodes of those that are arrays, by identity
        self.parameters: tuple[Parameter, ...] = ()
        self.match: OpenCall | None = None  # forward ↔ its backward
        self.done = False
        self.kept_as = ""  # the name of its place in a dict or list of layers
        self.takes_dout = True  # whether a backward is given the upstream gradient
        self.arriving: tuple[Node | None, ...] = ()  # the arguments of a backward that may be upstream gradients

    def in_backward(self) -> bool:
        """Whether this is a backward or was made inside one."""
        return self.kind == "backward" or (self.parent is not None and self.parent.in_backward())

    def is_inside(self, other: OpenCall) -> bool:
        """Whether this was made inside another, at any depth."""
        return self.parent is not None and (self.parent is other or self.parent.is_inside(other))


def forwards_of(instance: Any, calls: Sequence[OpenCall]) -> list[OpenCall]:
    """The forwards of one layer."""
    return [call for call in calls if call.instance is instance and call.kind == "forward"]


class Round:
    """Says of each forward that begins whether it is in the round of the calls before it."""

    def __init__(self) -> None:
        self.end = 0  # where the round ends, if what waits there for its backward never goes back
        self._first: dict[tuple[Any, ...], Any] = {}  # the first layer of a class that was called through these lines
        self._through: dict[int, set[tuple[Any, ...]]] = {}  # the lines through which a layer was called, by identity
        self._there_before: dict[type, list[Any]] = {}  # the layers of a class that were there at its first call

    def takes(self, instance: Any, calls: Sequence[OpenCall], size: int, *, may_have_heads: bool) -> bool:
        """Whether it is: no backward of this layer, or of one in its place, has run, or it is another head of a trunk.

        A program that comes to the same lines again after a backward begins a round, also where it never asks this
        layer to go back. `size` is that of the recording so far.
        """
        own, lines = forwards_of(instance, calls), tuple(_lines(sys._getframe(1)))
        through = self._through.setdefault(id(instance), set())
        if own and lines in through and any(call.match is not None for call in calls[calls.index(own[-1]) :]):
            return False
        through.add(lines)
        known = own or self._forwards_before(instance, calls)
        if own or _wait(known, calls):
            return _wait(known, calls)
        goes_on = not self.end or size < _MOST_HEADS * self.end
        is_head = may_have_heads and goes_on and _waits_for_more(calls, known[0])
        self.end = self.end or size * is_head
        return is_head

    def _forwards_before(self, instance: Any, calls: Sequence[OpenCall]) -> list[OpenCall]:
        """The forwards of the layer in whose place a program has made a new one, as it may for each round.

        It is of the same class and was called through the same lines. A layer that was there then is none in its place:
        two losses of one trunk are in one round.
        """
        cls = type(instance)
        if cls not in self._there_before:
            self._there_before[cls] = [one for one in gc.get_referrers(cls) if type(one) is cls]
        first = self._first.setdefault((id(cls), *_lines(sys._getframe(1))), instance)
        return [] if any(one is instance for one in self._there_before[cls]) else forwards_of(first, calls)


def _wait(forwards: Sequence[OpenCall], calls: Sequence[OpenCall]) -> bool:
    """Whether no backward of any of these forwards, or of one inside them, has run."""
    back = [call for call in calls if call.match is not None]
    return not any(call is forward or call.is_inside(forward) for call in back for forward in forwards)


def _waits_for_more(calls: Sequence[OpenCall], forward: OpenCall) -> bool:
    """Whether a layer that ran before a forward waits for its backward, and has not run again: a trunk of two heads."""
    place = calls.index(forward)
    before = [call for call in calls[:place] if call.kind == "forward" and call.parent is None and call.done]
    again = {id(call.instance) for call in calls[place:] if call.kind == "forward"}
    return any(call.match is None and id(call.instance) not in again for call in before)


def _lines(frame: FrameType | None) -> Iterator[tuple[CodeType, int]]:
    """The lines that run, from a frame outwards."""
    while frame is not None:
        yield frame.f_code, frame.f_lineno
        frame = frame.f_back
