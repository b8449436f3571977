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
from dout.draw.scene.scene_builder import said_of
from dout.draw.scene.scene_drafts import Draft
from dout.draw.scene.timeline import Timeline
from dout.draw.scene.value_switches import Switches
from dout.draw.scene.wiring import Wiring
from dout.draw.words.equations import beside
from dout.draw.words.readable_numbers import show, show_value
from dout.trace.model.recorded import Gradient, Value


def run_data(wiring: Wiring, scene: Scene, drafts: Mapping[int, Draft], labels: Mapping[int, Label]) -> Json:
    """Return the data of the run, for items and labels by their numbers.

    `cards`: forward and backward, for each item that is a step; `says`: the words of an item for a screen reader, with
    nodes in the place of numbers; `inputs` that can be changed; `labels` whose numbers follow from one; `rows` of the
    table; `program`: see `Program`; `source`: see `PageSource`, with `places` by item; `phases`: what it goes through,
    in words.
    """
    switches = Switches(wiring.selection.nodes, wiring.trace.by_node)
    given = [draft.node for draft in drafts.values() if draft.kind == "input" and draft.node is not None]
    program = PageProgram(wiring.trace, wiring.view.digits, given, switches)
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


def _said(draft: Draft, wiring: Wiring, program: PageProgram) -> list[str | int] | None:
    """The words of an item in parts, with what is shown in the place of each number that follows from an input."""
    digits = wiring.view.digits

    def value(of: Value) -> str | int:
        number = program.source(of.node)
        return show_value(of, digits).text if number is None else number

    def gradient(of: Gradient) -> str | int:
        number = program.source(of.node)
        return show(of.value, digits).text if number is None else number

    words: list[str | int] = []
    for part in said_of(draft, wiring.trace, value, gradient):
        if isinstance(part, str) and words and isinstance(words[-1], str):
            words[-1] += part
        else:
            words.append(part)
    return words if any(isinstance(part, int) for part in words) else None


def _row(row: TableRow, program: PageProgram) -> list[Any]:
    """Name, value, gradient, maker and users of a value; then the nodes of value and gradient, if they can change."""
    shown, mark = row.label.value, row.label.gradient
    value = shown.text if shown is not None else ""
    gradient = ""
    if mark is not None:
        gradient = mark.shown.text if mark.right is None else beside(mark.shown.text, mark.right.text)
    return [row.name, value, gradient, row.made_by, list(row.used_by), program.label(row.label)]
