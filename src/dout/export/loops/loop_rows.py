"""The rows of a rolled loop: the loop, what it leaves, and the part of an array that belongs to a turn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from dout.graph import INPUT, Graph, Node, Primitive, compute


def _run(*given: Any, body: Graph, turns: int, states: int) -> list[Any]:
    """All turns: the last states, and after these what each turn gave, one along the first axis."""
    turn, *inputs = body.inputs.values()
    outputs = list(body.outputs.values())
    nodes = [node for node in body.nodes if node.primitive is not INPUT]
    held, each = list(given[:states]), [list[Any]() for _ in outputs[states:]]
    for number in range(turns):
        values = dict(zip(inputs, [*held, *given[states:]], strict=True)) | {turn: number}
        compute(nodes, values)
        held = [values[node] for node in outputs[:states]]
        for found, node in zip(each, outputs[states:], strict=True):
            found.append(values[node])
    kept = zip(each, outputs[states:], strict=True)
    return [*held, *(np.array(found, node.dtype).reshape(turns, *node.shape) for found, node in kept)]


def _places(turn: int, start: int, step: int, length: int | None) -> Any:
    first = start + step * turn
    return first if length is None else [first + i for i in range(length)]


def _part(x: Any, turn: int, *, axis: int, start: int, step: int, length: int | None) -> Any:
    return np.take(x, _places(turn, start, step, length), axis=axis)


def _with_part(x: Any, part: Any, turn: int, *, axis: int, start: int, step: int, length: int) -> Any:
    made = np.array(x)
    made[(slice(None),) * axis + (_places(turn, start, step, length),)] = part
    return made


# `body` takes the turn, the states and what else it reads, and gives the states and what each turn leaves. The value of
# a loop is a list, of which LEFT takes one. A part lies at `start + step * turn` along an axis, `length` places long;
# without a length it is one place, and the axis goes.
LOOP = Primitive("loop", forward=_run)
LEFT = Primitive("left_by_loop", forward=lambda found, *, place: found[place])
PART = Primitive("part_of_turn", forward=_part)
WITH_PART = Primitive("with_part_of_turn", forward=_with_part)


def every_node(nodes: Iterable[Node]) -> Iterator[Node]:
    """The nodes, and those in the bodies of their loops, in one order."""
    for node in nodes:
        if node.primitive is LOOP:
            yield from every_node(node.static["body"].nodes)
        yield node
