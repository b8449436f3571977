"""A forward or backward of a layer while it runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from dout.graph import Node, Where
from dout.run import module_of, names_of, qualname_of
from dout.trace.model.recorded import Parameter


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


def waits_for_more(calls: Sequence[OpenCall], forward: OpenCall) -> bool:
    """Whether a layer that ran before a forward waits for its backward, and has not run again: a trunk of two heads."""
    place = calls.index(forward)
    before = [call for call in calls[:place] if call.kind == "forward" and call.parent is None and call.done]
    again = {id(call.instance) for call in calls[place:] if call.kind == "forward"}
    return any(call.match is None and id(call.instance) not in again for call in before)
