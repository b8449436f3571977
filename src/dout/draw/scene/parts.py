"""A level on which there is too much is divided into parts, and these again, each small enough to look at."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import ceil, log

from dout.draw.scene.nesting import Nesting, Unit, is_made
from dout.graph import CONSTANT, Node
from dout.trace.model.recorded import LayerCall

LIMIT = 2000  # items that are laid out on one level as they are
_PARTS = 100  # parts of a level, at most


def divide(nesting: Nesting, results: Collection[Node]) -> set[LayerCall]:
    """Put calls of our own, "part1", "part2" … "part1.1" …, around what stands on levels with too much on them.

    A value leaves its part if it is used outside, or is one of the `results`. Return the parts.
    """
    before = len(nesting.calls)
    for level, units in nesting.levels().items():
        if len(units) > LIMIT:
            _divide(nesting, level, units, results, "part")
    return set(nesting.calls[before:])


def _divide(
    nesting: Nesting, level: LayerCall | None, units: Sequence[Unit], results: Collection[Node], name: str
) -> None:
    deep = ceil(log(len(units), _PARTS))
    size = ceil(len(units) ** (1 - 1 / deep))
    for i, start in enumerate(range(0, len(units), size), 1):
        inside = units[start : start + size]
        members = [node for unit in inside for node in nesting.inside(unit)]
        part = _part(nesting, level, f"{name}{i}", members, results)
        nesting.enclose(part, inside)
        if deep > 2:
            _divide(nesting, part, inside, results, f"{part.name}.")


def _part(
    nesting: Nesting, level: LayerCall | None, name: str, members: Sequence[Node], results: Collection[Node]
) -> LayerCall:
    inside = set(members)

    def beyond(node: Node) -> bool:
        return any(user not in inside for user in nesting.users.get(node, ()))

    given = dict.fromkeys(g for node in members for g in node.inputs if g not in inside and g.primitive is not CONSTANT)
    inputs = tuple(node for node in given if is_made(node, nesting.trace) or beyond(node))
    outputs = tuple(node for node in members if node in results or beyond(node))
    return LayerCall(name, f"{len(members):,} nodes", inputs, outputs, level, members[0].where)
