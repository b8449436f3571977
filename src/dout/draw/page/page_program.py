"""The recorded run as a program that the page can compute again: forward, the hand-written backward, and ours.

Each number that follows from an input is a step on other numbers (see `number_steps`); the others are given. Nothing is
computed here but the numbers of derived gradients, and `recompute.js` computes only what follows from a change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import zip_longest
from typing import Any

import numpy as np

from dout.draw.page.composed_rows import NotComputed
from dout.draw.page.editable_inputs import EditableInputs
from dout.draw.page.number_steps import NumberSteps, view_of
from dout.draw.scene.cards import MOST_LINES, DraftCard
from dout.draw.scene.scene import Label, Mark
from dout.draw.scene.scene_drafts import Draft
from dout.draw.scene.value_switches import Switches
from dout.draw.words.equations import EquationLine, Operand
from dout.draw.words.gradient_formula import handed_back
from dout.draw.words.readable_numbers import head_of, show
from dout.graph import CONSTANT, Node, dtype_name
from dout.trace.model.recorded import LOSSES, Gradient
from dout.trace.record.trace import Trace

Json = dict[str, Any]
Source = Node | tuple[Node, int]

RELATIVE = 1e-8  # the page calls a gradient wrong beyond this part of it
MOST = 20_000  # nodes of a recording that the page is given to compute
_NOT_KNOWN = "the saved trace does not say how its gradients were computed; trace the program again"


class PageProgram:
    """Collects the steps behind all numbers shown. `refuses` is the reason why no input can be changed, or empty."""

    def __init__(self, trace: Trace, digits: int, inputs: Iterable[Node], switches: Switches | None = None) -> None:
        self._trace = trace
        self._digits = digits
        self._switches = switches
        self._shown: dict[Node, int] = {}
        self._places: list[Any] = []
        self._slopes: dict[tuple[Node, int], Node | None] = {}
        self._derived: dict[int, None] = {}
        self.refuses = self._why_not()
        self._inputs = EditableInputs(trace, () if self.refuses else inputs)
        self._steps: NumberSteps = self._inputs.steps

    def _why_not(self) -> str:
        if len(self._trace.graph.nodes) > MOST:
            return f"the recording has more than {MOST:,} nodes"
        lost = next((event for event in self._trace.events if event.kind in LOSSES), None)
        if lost is not None:
            return f"the recording may lack an edge: {lost}"
        gradients = [value.gradient for value in self._trace.values if value.gradient is not None]
        if gradients and all(gradient.node is None for gradient in gradients):
            return _NOT_KNOWN
        return ""

    def json(self) -> Json:
        """All that was collected, with the numbers that steered the recorded program."""
        steering = [node for node in (*self._trace.steered, *self._steps.steering) if self._inputs.follows(node)]
        return {
            "steps": self._steps.steps,
            "shown": self._places,
            "steered": [view_of(self._steps.of(node)) for node in steering],
            "derived": list(self._derived),
            "largest": self._inputs.largest,
            "digits": self._digits,
        }

    # --- what is shown ------------------------------------------------------------------------------------------------

    def input(self, draft: Draft) -> Json | None:
        """An input: the place of its first number, its shape and the kind of number; or why it cannot be changed."""
        node = draft.node
        if draft.kind != "input" or node is None:
            return None
        if why := self.refuses or self._inputs.why_not(node):
            return {"why": why}
        first = int(self._steps.of(node).flat[0])
        return {"first": first, "shape": node.shape, "dtype": dtype_name(node.dtype)}

    def label(self, label: Label) -> Json | None:
        """The steps behind the value and the gradient of a label, if they follow from an input."""
        node, mark = label.node, label.gradient
        mask = self._switches.mask(node) if self._switches is not None and node is not None and node.shape else None
        off = self.source(mask)
        number = self.source if off is None else self._always
        value = number(node) if label.value is not None else None
        found: Json = {"value": value, "gradient": self.mark(mark, number) if mark is not None else None, "off": off}
        found = {key: number for key, number in found.items() if number is not None}
        return found or None

    def mark(self, mark: Mark, number: Callable[[Node | None], int | None] | None = None) -> Json | None:
        """The numbers of a gradient, of the derived gradient beside it, and of the terms that add up to it."""
        gradient = mark.gradient
        if gradient is None:
            return None
        right = self._right(gradient)
        number = self._always if right is not None else number or self.source
        node = number(gradient.node)
        if node is None:
            return None
        parts = [self.source(part.node) for part in mark.parts]
        found: Json = {"node": node, "right": right, "source": gradient.source}
        found |= {name: True for name, holds in (("along", mark.along), ("first", mark.first)) if holds}
        return found | ({"parts": parts} if parts and None not in parts else {})

    def _right(self, gradient: Gradient) -> int | None:
        """The derived gradient beside the user's, unless that is taken for right although it differs, for a reason."""
        right = self.source(gradient.derived) if gradient.source == "user" else None
        if right is None or gradient.derived is None:
            return None
        derived = self._inputs.known(gradient.derived)
        if gradient.expected is None and not _alike(gradient.value, derived):
            return None
        self._derived[right] = None
        return right

    def card(self, told: DraftCard) -> Json:
        """A card: its lines, with the steps that compute each line whose numbers can change."""
        card = told.card(self._digits)
        lines: list[Any] = []
        for text, line in zip_longest(card.lines, told.lines[:MOST_LINES]):  # one more may say how many are left out
            made = self._line(line) if line is not None else None
            lines.append(text if made is None else {"text": text, **made})
        return {"title": card.title, "lines": lines}

    def _line(self, line: EquationLine) -> Json | None:
        right = self._right(line.gradient) if line.gradient is not None else None
        result = self.source(_node_of(line.result)) if right is None else self._always(_node_of(line.result))
        if result is None:
            return None
        found: Json = {
            "before": line.before,
            "result": result,
            "row": str(line.row) if line.row and not line.leads else None,
        }
        found |= {name: text for name, text in (("formula", line.formula), ("rule", line.rule)) if text}
        if line.pattern:
            operands = [self._operand(operand) for operand in line.operands]
            found |= {"pattern": line.pattern, "operands": operands}
        found |= {name: True for name, holds in (("sure", line.sure), ("gradient", line.gradient)) if holds}
        return found if right is None else {**found, "right": right}

    def _operand(self, operand: Operand) -> int | str:
        """What is shown of an operand: a number of the page, or a text that does not change."""
        if operand.name and np.ndim(operand.data):
            return operand.name
        source = operand.source
        number = self.source(self._slope(*source) if isinstance(source, tuple) else source)
        if number is None and operand.is_number and isinstance(operand.data, int | float | np.number | np.bool_):
            constant = Node(CONSTANT, (), {"value": operand.data}, (), type(operand.data))
            try:
                number = self._show(constant, operand.data)
            except NotComputed:  # a number of a kind that pages do not have
                number = None
        return operand.text(self._digits) if number is None else number

    # --- numbers ------------------------------------------------------------------------------------------------------

    def source(self, node: Node | None) -> int | None:
        """The number, among those shown, of a node that follows from an input; another stays as it is shown."""
        if node is None or not self._inputs.follows(node):
            return None
        try:
            return self._show(node, self._inputs.known(node))
        except NotComputed:  # only what is derived for a card, or for what a switch blocks
            return None

    def _always(self, node: Node | None) -> int | None:
        """The number of a node, also of one that stays as it is."""
        return None if node is None else self._show(node, self._inputs.known(node))

    def _show(self, node: Node, data: Any) -> int:
        if node not in self._shown:
            places = self._steps.of(node)
            entry: Any = view_of(places)
            if node.shape:
                shown = show(data, self._digits)
                columns = node.shape[-1] if shown.kind == "cells" else 0
                entry = {"places": entry, "head": head_of(node), "columns": columns}
            self._shown[node] = len(self._places)
            self._places.append(entry)
        return self._shown[node]

    def _slope(self, node: Node, argument: int) -> Node | None:
        """The node of the local derivative by an argument: the row's backward for a dout of 1."""
        if (node, argument) not in self._slopes:
            for i, found in enumerate(handed_back(node, 1)):
                self._slopes[node, i] = found
        return self._slopes.get((node, argument))


def _alike(mine: Any, derived: Any) -> bool:
    return np.shape(mine) == np.shape(derived) and bool(
        np.all(np.isclose(mine, derived, RELATIVE, 0.0, equal_nan=True))
    )


def _node_of(operand: Operand) -> Node | None:
    return operand.source if isinstance(operand.source, Node) else None
