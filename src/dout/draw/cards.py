"""The words of a step: what an item does forward or backward, with the numbers it does it with."""

from __future__ import annotations

from dout.draw.drafts import Draft
from dout.draw.scene import Card
from dout.draw.shown import show, show_value
from dout.draw.text import shorten
from dout.trace.model import Trace


def forward_card(draft: Draft, trace: Trace, digits: int) -> Card:
    """What an item makes of its inputs."""
    made = [show_value(trace.by_node[wire[0]], digits).text for wire in draft.stems if wire[0] in trace.by_node]
    return Card(f"{_name(draft)} forward", tuple(made), forward=True)


def backward_card(draft: Draft, trace: Trace, digits: int) -> Card:
    """What an item hands back to its inputs, and by which rule."""
    says = draft.node.primitive.says if draft.node is not None else ""
    given = draft.node.inputs if draft.node is not None else draft.call.inputs if draft.call is not None else ()
    values = [trace.by_node[node] for node in given if node in trace.by_node]
    lines = [
        f"∂L/∂{shorten(value.name)} = {show(value.gradient.value, digits, gradient=True).text}"
        for value in values
        if value.gradient is not None and value.name
    ]
    return Card(f"{_name(draft)} backward" + (f": {says}" if says else ""), tuple(lines))


def _name(draft: Draft) -> str:
    if draft.node is not None:
        return shorten(draft.node.primitive.symbol or draft.node.primitive.name)
    assert draft.call is not None
    return shorten(draft.call.cls)
