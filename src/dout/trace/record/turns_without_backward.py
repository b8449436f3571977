"""A recording of a program that calls its layers again and again, without a backward: its first turn is kept."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping, Sequence

from dout.graph import Node, computed_from
from dout.trace.model.recorded import Event
from dout.trace.tracer.open_call import OpenCall
from dout.trace.tracer.script_tracer import ScriptTracer

_CALLED_AGAIN = "the program calls its layers from the same line again and again: the first call is shown"
_FEW_CALLS = 5  # of a layer from one line, which are shown side by side


def keep_first_turn(tracer: ScriptTracer) -> None:
    """Forget all but the first turn of the loop that a recording ends in, and of a loop in that over the same layers.

    A decoder is called for one word after the other.
    """
    turn = first_turn(tracer.nodes, tracer.call_of)
    while turn:
        message = "the program goes on with the same lines, turn after turn: the first turn is shown"
        tracer.events.setdefault(Event("limit", message))
        tracer.keep_first(turn)
        turn = first_turn(tracer.nodes, tracer.call_of)
        kept, gone = ({id(c.instance) for c in tracer.calls if (c.span[0] < turn) is first} for first in (True, False))
        turn = turn if kept & gone else 0
    if turn := _first_of_apart(tracer):
        tracer.events.setdefault(Event("limit", _CALLED_AGAIN))
        tracer.keep_first(turn)


def _first_of_apart(tracer: ScriptTracer) -> int:
    """How many nodes came before a layer was called again, from one line, with what no call before gave; 0: it was not.

    So a program does whose batches are not all alike, where a step between them is not known.
    """
    outer = [call for call in tracer.calls if call.parent is None]
    for call in outer:
        alike = [other for other in outer if other.instance is call.instance and other.where == call.where]
        if len(alike) > _FEW_CALLS:
            later = computed_from(tracer.nodes, {node for node in alike[0].outputs if node is not None})
            if later.isdisjoint(node for other in alike[1:] for node in other.inputs if node is not None):
                return alike[1].span[0]
    return 0


def first_turn(nodes: Sequence[Node], call_of: Mapping[Node, OpenCall]) -> int:
    """How many of the nodes end with the first turn of the loop that a recording ends in; 0 where it ends in none.

    A loop that lasts has the same lines three times or more, up to the end, in the same layers; a line that takes a
    list of items, one more in each turn, is the same line. Of a recording from back to front, the longest beginning
    that repeats itself is found in one pass (Z algorithm: Gusfield, Algorithms on Strings, ch. 1).
    """

    def line(node: Node) -> Hashable:
        call = call_of.get(node)
        return node.primitive, node.where, None if call is None else id(call.instance)

    runs = [(each, len([*run])) for each, run in itertools.groupby(nodes, line)]
    lines = [each for each, _ in reversed(runs)]
    count, same, left, right = len(lines), [0] * len(lines), 0, 0
    best = (0, 0)  # how much of the recording a turn of some length covers, and minus that length
    for start in range(1, count):
        reach = min(right - start, same[start - left]) if start < right else 0
        while start + reach < count and lines[reach] == lines[start + reach]:
            reach += 1
        same[start] = reach
        if start + reach > right:
            left, right = start, start + reach
        if reach >= 2 * start:
            best = max(best, (start + reach, -start))
    covered, turn = best[0], -best[1]
    return sum(length for _, length in runs[: count - covered + turn]) if covered else 0
