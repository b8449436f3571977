"""Trace → Scene: the finished items and edges, with all words on them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from dout.draw.scene.backward_recording import Mirror
from dout.draw.scene.edge_gradients import describe, gradients_of, has_label, pair
from dout.draw.scene.scene import Edge, Item, Label, Level, Mark, Scene, Stem, TableRow
from dout.draw.scene.scene_drafts import Draft, LevelPlan, Strand, Wire, data_of
from dout.draw.scene.timeline import Timeline
from dout.draw.scene.value_switches import Switches
from dout.draw.scene.wiring import Wiring
from dout.draw.view_options import View
from dout.draw.words.equations import symbol_of
from dout.draw.words.parameter_words import static_words
from dout.draw.words.readable_numbers import Shown, full_of, show, show_value
from dout.draw.words.safe_text import clean, shorten
from dout.graph import Node, Where
from dout.trace.model.recorded import LOSSES, Event, Gradient, LayerCall, Value
from dout.trace.record.trace import Trace

_NOTHING = {
    False: "nothing to draw: no forward node was recorded",
    True: "nothing to draw: no hand-written backward was recorded",
}
_MOST_NOTES = 6  # on wrong gradients, below the picture
_MOST_ALIKE = 3  # notes of one kind at one line
_NAMES = 3  # of wrong gradients at a closed layer
_INSTALLED = f"{Path(__file__).parents[3]}{os.sep}"  # a ready-made layer stands in dout/layers, wherever that is
_OPERATOR_ROOM = 8  # columns for an operator's symbol


def build_scene(trace: Trace, view: View = View()) -> Scene:
    """Return the scene of `trace`."""
    return scene_of(Wiring(trace, view))


def scene_of(wiring: Wiring) -> Scene:
    """Return the scene of a wired trace: a level for each plan, its items in the order of the drafts."""
    return _Builder(wiring).scene()


# Events that say for which values a recording holds, and where a program was stopped: a picture is of one run anyway.
_QUIET = frozenset({"index", "draw", "round"})


def _notes(events: Iterable[Event]) -> Iterator[str]:
    """The events that a picture tells: of many of a kind at one line the first, and how many more there are.

    So it does of edges that were lost, wherever: each takes the derived gradients away from all that lies before it.
    """
    alike: dict[tuple[str, Where | None], list[Event]] = {}
    for event in events:
        if event.kind not in _QUIET:
            alike.setdefault((event.kind, None if event.kind in LOSSES else event.where), []).append(event)
    for (_, where), found in alike.items():
        few = found[0].where is None or len(found) <= _MOST_ALIKE
        yield from (clean(_told(event)) for event in (found if few else found[:1]))
        if not few:
            yield clean(_told(replace(found[-1], message=f"and {len(found) - 1} more like it", where=where)))


def _drawn_ends(item: Draft, count: int) -> str:
    """That of many values which an item takes not all are drawn."""
    name = item.call.cls if item.call is not None else str(item.node.primitive) if item.node is not None else "a box"
    return clean(f"of {count} values alike that go into {name} the first and the last are drawn; --unfold draws all")


def _told(event: Event) -> str:
    """An event with its place, named from here where that is shorter: `../common/trainer.py:114`."""
    if event.where is None:
        return event.message
    with contextlib.suppress(ValueError):  # another drive
        here = os.path.relpath(event.where.file)
        return f"{event.message}, at {replace(event.where, file=min(event.where.file, here, key=len))}"
    return str(event)


def said_of(
    draft: Draft, trace: Trace, value_of: Callable[[Value], Any], gradient_of: Callable[[Gradient], Any]
) -> list[Any]:
    """The description of an item for a screen reader: "multiply, inputs 650 and 1.1, output 715, gradient 1".

    It is in parts that join to one text; these functions make the part of a value and of a gradient.
    """
    by_node = trace.by_node
    if draft.kind not in ("operator", "layer", "open"):
        return []
    if draft.node is not None:
        name, given = str(draft.node.primitive).replace("_", " "), draft.node.inputs
    else:
        assert draft.call is not None
        name, given = f"layer {shorten(draft.call.cls)}", draft.call.inputs
    parts: list[Any] = [f"{name} {shorten(draft.variable)}" if draft.variable else name]
    inputs = [by_node[node] for node in given if node in by_node]
    for i, value in enumerate(inputs[:8]):
        parts += [" and " if i else ", inputs " if inputs[1:] else ", input ", value_of(value)]
    parts += [" …"] if inputs[8:] else []
    for node, _ in draft.stems:
        if (made := by_node.get(node)) is not None:
            parts += [", output ", value_of(made)]
            if made.gradient is not None:
                parts += [", gradient ", gradient_of(made.gradient)]
    return parts


class _Builder:
    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._trace = wiring.trace
        self._view = wiring.view
        self._gradients = gradients_of(wiring)
        self._schedule = Timeline(wiring)
        self._switches = Switches(wiring.selection.nodes, wiring.trace.by_node)
        self._shown: dict[Value, Shown] = {}
        self._wrong: dict[int, tuple[str, Gradient]] = {}
        outputs = wiring.trace.graph.outputs
        self._output_names = {node: name if len(outputs) > 1 else "out" for name, node in outputs.items()}

    def scene(self) -> Scene:
        level = self._level(self._wiring.root)
        first = self._gradients.first
        wrong = sorted(self._wrong.values(), key=lambda said: said[1] is not first)
        texts = tuple(f"{text}{', the first wrong edge' if g is first else ''}" for text, g in wrong[:_MOST_NOTES])
        if wrong[_MOST_NOTES:]:
            texts += (f"and {len(wrong) - _MOST_NOTES} more wrong gradients",)
        events = (*_notes(self._trace.events), *(_drawn_ends(*each) for each in self._wiring.series))
        nothing, steps = _NOTHING[isinstance(self._trace, Mirror)], lambda: self._schedule.steps(self._gradients)
        return Scene(shorten(self._trace.target, 80), level, texts, events, self._table, steps, nothing)

    # --- items and edges ----------------------------------------------------------------------------------------------

    def _level(self, plan: LevelPlan) -> Level:
        place = {id(draft): i for i, draft in enumerate(plan.items)}
        items = tuple(self._item(draft) for draft in plan.items)
        edges = []
        for wire, strands in plan.leaving.items():
            for s in strands:
                label = self._branch(s) if len(strands) > 1 else Label()
                looks = self._is_thick(wire[0]), self._wiring.is_kept(wire[0])
                edges.append(Edge(place[id(s.source)], s.stem, place[id(s.target)], s.port, label, *looks))
        return Level(items, tuple(edges))

    def _item(self, draft: Draft) -> Item:
        stems = tuple(self._stem(draft, wire) for wire in draft.stems)
        constants = [self._constant(node) for node in draft.constants]
        text = caption = ""
        if draft.kind == "operator":
            assert draft.node is not None
            text = shorten(symbol_of(draft.node.primitive), _OPERATOR_ROOM)
            caption = shorten(draft.call.name) if draft.call is not None else ""
            constants += static_words(draft.node)
        elif draft.kind in ("layer", "open"):
            assert draft.call is not None
            text = shorten(draft.call.cls)
            caption = shorten(draft.variable)
        elif draft.kind == "input":
            text = shorten(self._name(draft.node))
        inside = None if draft.inside is None else self._level(draft.inside)
        hover, place = self._hover(draft), self._schedule.place(draft)
        wrong = self._wrong_inside(draft)
        return Item(draft.kind, text, draft.ports, stems, caption, tuple(constants), hover, inside, place, *wrong)

    def _wrong_inside(self, draft: Draft) -> tuple[str, bool]:
        """The text at a closed layer about wrong gradients inside, and True if the first wrong one is among them."""
        found = self._gradients.wrong_inside(draft.call) if draft.call is not None and draft.node is None else {}
        if not found:
            return "", False
        names = [shorten(self._name(node), 16) or "a value inside" for node in found]
        if draft.kind == "layer":
            for name, (node, gradient) in zip(names, found.items(), strict=True):
                part = self._part_with(node, draft.call)
                within = "" if part is None else f"{shorten(f'{part.cls} {part.name}', 32)} of "
                self._note(gradient, f"gradient of {name} in {within}{self._title(draft)}")
        more = f" and {len(names) - _NAMES} more" if names[_NAMES:] else ""
        said = f"✗ gradient of {', '.join(dict.fromkeys(names[:_NAMES]))}{more}"
        return said, any(gradient is self._gradients.first for gradient in found.values())

    def _part_with(self, node: Node, whole: LayerCall | None) -> LayerCall | None:
        """The layer inside another one whose parameter or input a value is; None where it is of that one itself."""
        parts = [call for call in self._trace.calls if call is not whole and call.inside(whole)]
        owners = [call for call in parts if any(parameter.node is node for parameter in call.parameters)]
        return next(iter(owners[-1:] or [call for call in parts if node in call.inputs][-1:]), None)

    def _stem(self, draft: Draft, wire: Wire) -> Stem:
        looks = self._is_thick(wire[0]), self._wiring.is_kept(wire[0])
        if draft.kind == "result":
            return Stem(Label(), "result", self._result(wire), *looks)
        plan = draft.level
        strands = plan.leaving.get(wire, [])
        value = self._trace.by_node.get(wire[0])
        name = self._name(wire[0])
        is_gate = draft.kind == "entry"
        label = Label()
        if has_label(draft, wire):
            gradient = self._gradients.on_stem(plan, wire)
            mark = self._gradients.mark(gradient, self._gradients.parts(plan, wire) if len(strands) > 1 else ())
            is_gradient = mark is not None and mark.along
            called = (self._result(wire) or name or "a gradient") if is_gradient else f"gradient of {name or 'a value'}"
            self._note(gradient, called)
            shown = None if is_gate or is_gradient or value is None else self._show(value)
            made = self._schedule.value(wire)
            back = made if is_gradient else self._schedule.on_stem(plan, wire)
            hover = describe(value, clean(name), gradient if is_gradient else None)
            shown, mark = self._switched(wire[0], shown, mark)
            label = self._label(shown, mark, hover, made, back, None if is_gate else wire[0])
        end = "result" if wire in self._wiring.results and not strands else "dot" if len(strands) > 1 else "edge"
        result = self._result(wire) if end == "result" else ""
        if result and draft.kind == "input" and result == shorten(self._name(draft.node)):
            result = ""  # an input that is also the result is named once
        return Stem(label, end, result, *looks)  # type: ignore[arg-type]  # a literal through a name

    def _switched(self, node: Node, shown: Shown | None, mark: Mark | None) -> tuple[Shown | None, Mark | None]:
        """The same, with the elements marked that a switch does not let through, in value and gradient alike."""
        off = self._switches.off(node) if node.shape else None
        if off is None:
            return shown, mark
        return shown and shown.switched(off), mark and replace(mark, shown=mark.shown.switched(off))

    def _result(self, wire: Wire) -> str:
        """The name of a value at its end; a `dout` that is handed on ends as a gradient of another name."""
        if isinstance(self._trace, Mirror):
            return shorten(self._trace.ends.get(wire[0], ""))
        return shorten(self._name(wire[0]) or self._output_names.get(wire[0], ""))

    def _branch(self, strand: Strand) -> Label:
        gradient = self._gradients.on_strand(strand)
        name = shorten(self._name(strand.wire[0])) or "a value"
        where = self._title(strand.target)
        self._note(gradient, f"gradient of {name}" + (f" in {where}" if where else ""))
        if gradient is None:
            return Label()
        full = f"gradient of this use of {name}: {full_of(gradient.value)}"
        since = self._schedule.on_strand(strand)
        return self._label(None, self._gradients.mark(gradient), full, 0, since)

    def _label(
        self, value: Shown | None, mark: Mark | None, hover: str, made: int, back: int, node: Node | None = None
    ) -> Label:
        """A label with the parts of it that the view shows."""
        shown, gradient = value if self._view.values else None, mark if self._view.gradients else None
        return Label(shown, gradient, hover, made, back, node) if shown or gradient else Label()

    def _note(self, gradient: Gradient | None, of: str) -> None:
        """Keep the note on a wrong gradient for the text below the picture; once, even if two labels show it."""
        if gradient is not None and gradient.expected is not None:
            got, right = pair(gradient, self._view.digits)
            assert right is not None
            self._wrong.setdefault(id(gradient), (f"{shorten(of, 60)} is {got.text}, right: {right.text}", gradient))

    # --- words --------------------------------------------------------------------------------------------------------

    def _name(self, node: Node | None) -> str:
        value = self._trace.by_node.get(node) if node is not None else None
        return (value.name if value is not None else None) or ""

    def _title(self, draft: Draft) -> str:
        """The name of an item in a sentence: "× mul_tax", "Relu relu_layer"."""
        if draft.kind in ("exit", "entry"):
            return ""
        if draft.kind == "result":
            return "result"
        if draft.node is not None and draft.kind == "operator":
            return shorten(
                symbol_of(draft.node.primitive) + (f" {draft.call.name}" if draft.call is not None else ""), 32
            )
        if draft.call is not None:
            return shorten(f"{draft.call.cls} {draft.variable}".rstrip(), 32)
        return "input"

    def _hover(self, draft: Draft) -> str:
        """The description of an item, with the place of its code."""
        words = said_of(draft, self._trace, lambda value: self._show(value).text, self._gradient_text)
        if not words:
            return ""
        where = draft.node.where if draft.node is not None else draft.call.where if draft.call is not None else None
        place = "" if where is None else f"\n{clean(str(where).removeprefix(_INSTALLED))}"
        return clean("".join(words)) + place

    def _gradient_text(self, gradient: Gradient) -> str:
        return show(gradient.value, self._view.digits).text

    def _show(self, value: Value) -> Shown:
        """A value ready for the eye, made once: it stands on its edge, in the table, and in the words for its users."""
        if value not in self._shown:
            self._shown[value] = show_value(value, self._view.digits)
        return self._shown[value]

    def _constant(self, node: Node) -> str:
        return shorten(show(data_of(node, self._trace.by_node), self._view.digits).text, 18)

    def _is_thick(self, node: Node) -> bool:
        value = self._trace.by_node.get(node)
        return value is not None and bool(value.shape or getattr(value.data, "shape", ()))

    # --- the table ----------------------------------------------------------------------------------------------------

    def _table(self) -> tuple[TableRow, ...]:
        return tuple(row for _, row in sorted(self._rows(self._wiring.root), key=lambda found: found[0]))

    def _rows(self, plan: LevelPlan) -> list[tuple[float, TableRow]]:
        """Every value with its place in the order of the run."""
        rows = []
        for draft in plan.items:
            if draft.kind in ("operator", "layer", "input"):
                rows += [(draft.when, self._row(draft, wire)) for wire in draft.stems]
            if draft.inside is not None:
                rows += self._rows(draft.inside)
        return rows

    def _row(self, draft: Draft, wire: Wire) -> TableRow:
        value = self._trace.by_node.get(wire[0])
        mark = self._gradients.mark(self._gradients.on_stem(draft.level, wire))
        shown = self._show(value) if value is not None and not (mark and mark.along) else None
        name = self._name(wire[0]) or self._output_names.get(wire[0], "")
        users = tuple(dict.fromkeys(self._users(draft.level, wire)))
        return TableRow(shorten(name), Label(shown, mark, node=wire[0]), self._title(draft), users)

    def _users(self, plan: LevelPlan, wire: Wire) -> list[str]:
        found = []
        for strand in plan.leaving.get(wire, []):
            if strand.target.kind == "exit" and plan.parent is not None:
                found += self._users(plan.parent, strand.wire)
            else:
                found.append(self._title(strand.target))
        return found
