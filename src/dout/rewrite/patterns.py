"""Patterns in a graph, written as plain NumPy functions: each is recorded once, and its nodes are matched."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dout.graph import CONSTANT, INPUT, Node, same_kind
from dout.ops import PRIMITIVES
from dout.ops.abstract import AbstractRecorder
from dout.rewrite.node_facts import made_by
from dout.rewrite.simplify import COMMUTATIVE

Match = dict[Node, Node]  # the nodes of a pattern → the nodes of a graph

_EITHER_WAY = COMMUTATIVE | {PRIMITIVES["maximum"], PRIMITIVES["minimum"], PRIMITIVES["logaddexp"]}
_NUMBERS = ("c", "d")  # parameters of a pattern that stand for a constant
_CONDITION = "mask"


@dataclass(frozen=True, eq=False)
class Pattern:
    """What to look for: `root` computes it of the `variables`, by name. c and d are constants; mask has any dtype."""

    root: Node
    variables: Mapping[str, Node]

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Pattern:
        """Record a function written in plain NumPy."""
        recorder = AbstractRecorder()
        names = inspect.signature(function).parameters
        variables = {name: Node(INPUT, (), {"name": name}, (), np.dtype(float)) for name in names}
        return cls(function(*map(recorder.wrap, variables.values())).node, variables)

    def matches(self, node: Node) -> Iterator[Match]:
        """Each way in which `node` computes the pattern, of floating-point arrays in its own dtype."""
        arrays = [v for name, v in self.variables.items() if name not in (*_NUMBERS, _CONDITION)]
        if not isinstance(node.dtype, type) and node.dtype.kind == "f":
            for match in _matches(self.root, node, {}):
                if all(same_kind(match[v].dtype, node.dtype) for v in arrays):
                    yield match


def _matches(pattern: Node, node: Node, found: Match) -> Iterator[Match]:
    if pattern in found:
        if found[pattern] is node:
            yield found
    elif pattern.primitive is INPUT:
        if pattern.static["name"] not in _NUMBERS or _is_number(node):
            yield {**found, pattern: node}
    elif pattern.primitive is CONSTANT:
        if node.primitive is CONSTANT and node.static["value"] == pattern.static["value"]:
            yield found
    elif pattern.primitive is node.primitive and pattern.static == node.static:
        for inputs in (node.inputs, node.inputs[::-1]) if node.primitive in _EITHER_WAY else (node.inputs,):
            yield from _all_match(pattern.inputs, inputs, {**found, pattern: node})


def _all_match(patterns: tuple[Node, ...], nodes: tuple[Node, ...], found: Match) -> Iterator[Match]:
    if not patterns:
        yield found
    else:
        for so_far in _matches(patterns[0], nodes[0], found):
            yield from _all_match(patterns[1:], nodes[1:], so_far)


def _is_number(node: Node) -> bool:
    return node.primitive is CONSTANT and isinstance(node.static["value"], int | float | np.floating | np.integer)


def replaced(node: Node, function: Callable[..., Any], operands: Mapping[str, Any]) -> Node | None:
    """The result of `function`, in plain NumPy, on some operands; None if shape or dtype differ from the node's."""
    made: Node = made_by(function, where=node.where, **operands)
    return made if made.shape == node.shape and same_kind(made.dtype, node.dtype) else None
