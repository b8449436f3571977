"""The recorded run as a program that the page can compute again: forward, the hand-written backward, and ours.

A node is a row of the table on earlier nodes, with its dtype and the number it had. Nothing is computed here but the
numbers of derived gradients, and `recompute.js` computes only what follows from an input that was changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest
from typing import Any

import numpy as np

from dout.draw.scene.cards import MOST_LINES, DraftCard
from dout.draw.scene.scene import Label, Mark
from dout.draw.scene.scene_drafts import Draft
from dout.draw.words.equations import EquationLine, Operand
from dout.draw.words.gradient_formula import handed_back
from dout.graph import CONSTANT, INPUT, NUMPY_VALUES, Node, dtype_name, topological
from dout.trace.model.recorded import LOSSES, Gradient
from dout.trace.record.trace import Trace

Json = dict[str, Any]
Source = Node | tuple[Node, int]

RELATIVE = 1e-8  # the page calls a gradient wrong beyond this part of it
MOST = 20_000  # nodes of a recording that the page is given to compute
_NOT_KNOWN = "the saved trace does not say how its gradients were computed; trace the program again"
_OF_ARRAYS = {"axis", "keepdims", "dtype", "shape", "order", "axes"}  # static parameters that change no single number


class PageProgram:
    """Collects the nodes behind all numbers shown. `refuses` is the reason why no input can be changed, or empty."""

    def __init__(self, trace: Trace, digits: int, inputs: Iterable[Node]) -> None:
        self._trace = trace
        self._digits = digits
        self._number: dict[Node, int] = {}
        self._nodes: list[list[Any]] = []
        self._values: dict[Node, Any] = dict(trace.data)
        self._slopes: dict[tuple[Node, int], Node | None] = {}
        self._derived: dict[int, None] = {}
        self._editable = {n for n in inputs if n.primitive is INPUT and _is_number(trace.data.get(n))}
        self._follows: dict[Node, bool] = {}
        self.refuses = self._why_not()

    def _why_not(self) -> str:
        if not self._editable:
            return "no input is a single number"
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
        """All that was collected, with the values that steered the recorded program."""
        steered = [] if self.refuses else [self._index(n) for n in self._trace.steered if self._depends(n)]
        found = {"nodes": self._nodes, "steered": steered, "derived": list(self._derived), "digits": self._digits}
        return {**found, "refuses": self.refuses}

    # --- what is shown ------------------------------------------------------------------------------------------------

    def input(self, draft: Draft) -> Json | None:
        """An input that can be changed: its node and the kind of number."""
        node = draft.node
        if self.refuses or draft.kind != "input" or node is None or node not in self._editable:
            return None
        return {"node": self._index(node), "dtype": dtype_name(node.dtype)}

    def label(self, label: Label) -> Json | None:
        """The nodes behind the value and the gradient of a label, where they follow from an input."""
        mark = label.gradient
        value = self.source(label.node) if label.value is not None else None
        found = {"value": value, "gradient": self.mark(mark) if mark is not None else None}
        found = {key: number for key, number in found.items() if number is not None}
        return found or None

    def mark(self, mark: Mark) -> Json | None:
        """The node of a gradient, of the derived one beside it, and of the terms that it is the sum of."""
        gradient = mark.gradient
        if gradient is None:
            return None
        if gradient.node is None:
            self.refuses = self.refuses or _NOT_KNOWN
        node = self.source(gradient.node)
        if node is None:
            return None
        right = self._right(gradient)
        parts = [self.source(part.node) for part in mark.parts]
        found: Json = {"node": node, "right": right, "source": gradient.source}
        found |= {"along": True} if mark.along else {}
        return found | ({"parts": parts} if parts and None not in parts else {})

    def _right(self, gradient: Gradient) -> int | None:
        """The derived gradient beside the user's, unless that is taken for right although it differs, for a reason."""
        right = self.source(gradient.derived) if gradient.source == "user" else None
        if right is None or gradient.derived is None:
            return None
        derived = self._values[gradient.derived]
        if gradient.expected is None and not np.all(np.isclose(gradient.value, derived, RELATIVE, 0.0, equal_nan=True)):
            return None
        self._derived[right] = None
        return right

    def card(self, told: DraftCard) -> Json:
        """A card: each line as it is read now, and where its numbers can change, how it is made."""
        card = told.card(self._digits)
        lines: list[Any] = []
        for text, line in zip_longest(card.lines, told.lines[:MOST_LINES]):  # one more may say how many are left out
            made = self._line(line) if line is not None else None
            lines.append(text if made is None else {"text": text, **made})
        return {"title": card.title, "lines": lines}

    def _line(self, line: EquationLine) -> Json | None:
        result = self.source(_node_of(line.result))
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
        if line.sure:
            found["sure"] = True
        right = self._right(line.gradient) if line.gradient is not None else None
        return found if right is None else {**found, "right": right}

    def _operand(self, operand: Operand) -> int | str:
        source = operand.source
        number = self.source(self._slope(*source) if isinstance(source, tuple) else source)
        if number is None and _is_number(operand.data):  # a number that stays as it is
            self._nodes.append([None, [], "float", _encoded(operand.data)])
            number = len(self._nodes) - 1
        return operand.text(self._digits) if number is None else number

    # --- nodes --------------------------------------------------------------------------------------------------------

    def source(self, node: Node | None) -> int | None:
        """The number of a node that follows from an input; None for another, whose number stays as it is shown.

        An array that follows from an input has none, but is in the program all the same, so that the page refuses.
        """
        if self.refuses or node is None or not self._depends(node):
            return None
        number = self._index(node)
        return None if node.shape else number

    def _index(self, node: Node) -> int:
        for each in topological([node], known=self._number):
            self._number[each] = len(self._nodes)
            self._nodes.append(self._entry(each))
        return self._number[node]

    def _entry(self, node: Node) -> list[Any]:
        number = self._recorded(node)
        entry: list[Any] = [None, [], "array" if node.shape else dtype_name(node.dtype)]
        if node.primitive not in (INPUT, CONSTANT):
            entry = [_row(node), [self._number[i] for i in node.inputs], entry[2]]
        return [*entry, number] if number is not None else entry

    def _recorded(self, node: Node) -> str | None:
        if node not in self._values:
            if node.primitive is CONSTANT:
                self._values[node] = node.static["value"]
            else:
                try:
                    with np.errstate(all="ignore"):
                        self._values[node] = node.primitive(*[self._values[i] for i in node.inputs], **node.static)
                except Exception:  # numbers that a saved trace does not hold
                    self._values[node] = None
        return _encoded(self._values[node])

    def _depends(self, node: Node) -> bool:
        """True if the node depends on an input that can be changed."""
        for each in topological([node], known=self._follows):
            self._follows[each] = each in self._editable or any(self._follows[i] for i in each.inputs)
        return self._follows[node]

    def _slope(self, node: Node, argument: int) -> Node | None:
        """The node of the local derivative by an argument: the row's backward for a dout of 1."""
        if (node, argument) not in self._slopes:
            for i, found in enumerate(handed_back(node, 1)):
                self._slopes[node, i] = found
        return self._slopes.get((node, argument))


def _node_of(operand: Operand) -> Node | None:
    return operand.source if isinstance(operand.source, Node) else None


def _row(node: Node) -> str:
    """The name of the row, with the static parameters that the page would have to know."""
    known = {name for name, value in node.static.items() if value is not None} - _OF_ARRAYS
    return str(node.primitive) + (f" with {', '.join(sorted(known))}" if known else "")


def _is_number(data: Any) -> bool:
    if isinstance(data, bool | np.bool_):
        return False
    plain = isinstance(data, int | float)
    return plain or (isinstance(data, NUMPY_VALUES) and data.ndim == 0 and data.dtype.kind in "iuf")


def _encoded(data: Any) -> str | None:
    """A number as text that keeps its kind and every digit; None for anything but a single real number."""
    if isinstance(data, NUMPY_VALUES):
        data = data.item() if data.ndim == 0 else None
    if isinstance(data, bool):
        return str(data)
    if isinstance(data, int):
        return f"i{data}" if abs(data) < 10**4000 else None
    return f"f{data!r}" if isinstance(data, float) else None
