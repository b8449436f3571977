"""The data for stepping through the run, and for running it with other numbers: cards, table and program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dout.draw.page.page_program import Json, PageProgram
from dout.draw.page.page_source import PageSource
from dout.draw.scene.backward_recording import Mirror
from dout.draw.scene.cards import Cards
from dout.draw.scene.edge_gradients import gradients_of
from dout.draw.scene.scene import Label, Scene, TableRow
from dout.draw.scene.scene_drafts import Draft
from dout.draw.scene.timeline import Timeline
from dout.draw.scene.wiring import Wiring
from dout.draw.words.equations import beside
from dout.graph import Node


def run_data(wiring: Wiring, scene: Scene, drafts: Mapping[int, Draft], labels: Mapping[int, Label]) -> Json:
    """Return the data of the run, for items and labels by their numbers.

    `cards`: forward and backward, for each item that is a step; `says`: the words of an item for a screen reader, with
    nodes in the place of numbers; `inputs` that can be changed; `labels` whose numbers follow from one; `rows` of the
    table; `program`: see `Program`; `source`: see `PageSource`, with `places` by item; `phases`: what it goes through,
    in words.
    """
    program = PageProgram(wiring.trace, wiring.view.digits, [d.node for d in drafts.values() if d.node is not None])
    gradients, schedule = gradients_of(wiring), Timeline(wiring)
    cards = Cards(wiring, gradients)
    told, says, places, source = {}, {}, {}, PageSource(here=wiring.trace.stored is None)
    for number, draft in drafts.items():
        if draft.kind in ("operator", "layer", "open"):
            back = cards.backward(draft, schedule.completes(draft)) if schedule.goes_back else None
            both = [cards.forward(draft), *([back] if back else [])]
            told[number] = [*map(program.card, both)]
            places[number] = source.lines(draft, both)
            says[number] = _said(draft, wiring, program)
    changing = {number: found for number, label in labels.items() if (found := program.label(label))}
    phases = ["forward", "backward"] if schedule.goes_back else ["forward"]
    if isinstance(wiring.trace, Mirror):
        phases = ["backward"]
    rows = [_row(row, program) for row in scene.rows()]
    inputs = {number: found for number, draft in drafts.items() if (found := program.input(draft))}
    return {
        "cards": told,
        "says": {number: found for number, found in says.items() if found},
        "inputs": inputs,
        "source": {"files": source.files, "places": places if source.files else {}},
        "labels": changing,
        "rows": rows,
        "phases": phases,
        "program": program.json(),
    }


def _said(draft: Draft, wiring: Wiring, program: PageProgram) -> Json | None:
    """The nodes behind the numbers in the words of an item: its inputs, then output and gradient of each stem."""
    by_node = wiring.trace.by_node
    given = draft.node.inputs if draft.node is not None else draft.call.inputs if draft.call is not None else ()

    def gradient(node: Node) -> int | None:
        found = by_node[node].gradient
        return None if found is None else program.source(found.node)

    inputs = [program.source(node) for node in given if node in by_node]
    outputs = [[program.source(node), gradient(node)] for node, _ in draft.stems if node in by_node]
    numbers = [*inputs[:8], *(number for output in outputs for number in output)]
    return {"inputs": inputs[:8], "outputs": outputs} if any(number is not None for number in numbers) else None


def _row(row: TableRow, program: PageProgram) -> list[Any]:
    """Name, value, gradient, maker and users of a value; then the nodes of value and gradient, if they can change."""
    shown, mark = row.label.value, row.label.gradient
    value = shown.text if shown is not None else ""
    gradient = ""
    if mark is not None:
        gradient = mark.shown.text if mark.right is None else beside(mark.shown.text, mark.right.text)
    return [row.name, value, gradient, row.made_by, list(row.used_by), program.label(row.label)]
