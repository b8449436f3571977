"""The words of a step: the operation of an item, forward or backward, with its numbers.

Backward, each gradient is dout times the slope of the item by that input, and the slope is what the row's own backward
makes of a dout of 1: there is no second table of derivatives. Its formula is printed from the same backward.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dout.draw.scene.backward_recording import Mirror, kept_for
from dout.draw.scene.edge_gradients import EdgeGradients
from dout.draw.scene.scene import Card
from dout.draw.scene.scene_drafts import Draft, LevelPlan, Strand, Wire, data_of
from dout.draw.scene.wiring import Wiring
from dout.draw.words.equations import (
    ADD,
    MULTIPLY,
    EquationLine,
    Operand,
    call_pattern,
    near,
    pattern_of,
    sum_pattern,
    symbol_of,
)
from dout.draw.words.gradient_formula import gradient_formulas, recorded_formula
from dout.draw.words.safe_text import shorten
from dout.graph import CONSTANT, Node
from dout.ops import by_primitive
from dout.trace.model.recorded import Gradient

MOST_LINES = 6
_NOUNS = by_primitive(
    {"add": "sum", "subtract": "difference", "multiply": "product", "divide": "quotient", "negative": "negated"}
)


@dataclass(frozen=True)
class DraftCard:
    """A card before its numbers are written out."""

    title: str
    lines: tuple[EquationLine, ...]
    forward: bool = False

    def card(self, digits: int) -> Card:
        """The card as it is read."""
        lines = [line.text(digits) for line in self.lines[:MOST_LINES]]
        if self.lines[MOST_LINES:]:
            lines.append(f"and {len(self.lines) - MOST_LINES} more")
        return Card(self.title, tuple(lines), self.forward)


class Cards:
    """The cards of the items of one wiring."""

    def __init__(self, wiring: Wiring, gradients: EdgeGradients) -> None:
        self._trace = wiring.trace
        self._by_node = wiring.trace.by_node
        self._mirrored = isinstance(wiring.trace, Mirror)
        self._gradients = gradients
        self._formulas: dict[Node, list[str]] = {}  # of its arguments
        self._arriving: dict[int, list[Strand]] = {}
        for plan in wiring.root.inward():
            for strands in plan.leaving.values():
                for strand in strands:
                    self._arriving.setdefault(id(strand.target), []).append(strand)

    def forward(self, draft: Draft) -> DraftCard:
        """The card of an item in forward: its result, and the operands it comes from."""
        results = [Operand(self._data(node), node) for node, _ in draft.stems if node in self._by_node]
        if draft.node is not None:
            row, static = draft.node.primitive, draft.node.static
            given = draft.node.inputs
            named = static and len(given) > 1  # an infix sign would hide them
            pattern = call_pattern(_symbol(draft), len(given)) if named else pattern_of(row, len(given))
        else:
            assert draft.call is not None
            row, static, given = None, {}, draft.call.inputs
            pattern = call_pattern(_symbol(draft), len(given))
        operands = tuple(Operand(self._data(node), node, self._called(node)) for node in given)
        lines = [EquationLine("", result, row, pattern, operands, static, sure=True) for result in results]
        if self._mirrored:
            return DraftCard(f"{_symbol(draft)} in backward", tuple(lines))
        return DraftCard(f"{_symbol(draft)} forward", tuple(lines), forward=True)

    def backward(self, draft: Draft, complete: Sequence[tuple[LevelPlan, Wire]] = ()) -> DraftCard:
        """The card of an item in backward: the gradient of each input and its rule, then the sums it completes."""
        says = draft.node.primitive.says if draft.node is not None else ""
        strands = sorted(self._arriving.get(id(draft), ()), key=lambda strand: strand.port)
        lines = [line for strand in strands for line in self._handed_back(draft, strand)]
        lines += self._kept(draft, {strand.wire[0] for strand in strands})
        lines += [line for plan, wire in complete for line in self._summed(plan, wire)]
        return DraftCard(f"{_symbol(draft)} backward" + (f": {says}" if says else ""), tuple(lines))

    def _handed_back(self, draft: Draft, strand: Strand) -> Iterator[EquationLine]:
        gradient = self._gradients.on_strand(strand)
        if gradient is None:
            return
        node, value = draft.node, strand.wire[0]
        before = f"∂L/∂{self._called(value)} = "
        if node is None:
            yield _line(before, gradient, rule=self._recorded(draft, gradient))
            return
        argument = [i for i, given in enumerate(node.inputs) if given.primitive is not CONSTANT][strand.port]
        if strand.use is not None and strand.use.node is node:  # not each of many has a port
            argument = strand.use.argument
        dout = self._gradients.on_stem(draft.level, (node, None))
        if node not in self._formulas:
            self._formulas[node] = gradient_formulas(node, self._called)
        formula = self._formulas[node][argument]
        if np.ndim(gradient.value) or self._is_array(node):
            yield _line(before, gradient, rule=formula)
        elif dout is not None:
            operands = (Operand(dout.value, dout.node), Operand(self._slope(node, argument), (node, argument)))
            if gradient.expected is not None and not near(MULTIPLY, [o.data for o in operands], gradient.expected):
                operands = (Operand(dout.expected, dout.derived), operands[1])
            formula = "" if formula == "dout" else formula  # the numbers say so
            yield _line(before, gradient, formula=formula, pattern="{0} × <1>", operands=operands)
        else:
            yield _line(before, gradient)

    def _kept(self, draft: Draft, said: Collection[Node]) -> Iterator[EquationLine]:
        """The gradients that a layer keeps for its own arrays."""
        if (call := draft.call) is None:
            return
        for parameter in call.parameters:
            gradient = kept_for(self._trace, call, parameter)
            if gradient is not None and parameter.node not in said:
                yield _line(f"∂L/∂{shorten(parameter.name)} = ", gradient, rule=self._recorded(draft, gradient))

    def _recorded(self, draft: Draft, gradient: Gradient) -> str:
        """The formula of a right gradient of a layer, as its own backward computes it."""
        if draft.call is None or gradient.node is None or gradient.source != "user" or gradient.expected is not None:
            return ""
        return recorded_formula(gradient.node, draft.call, self._called)

    def _summed(self, plan: LevelPlan, wire: Wire) -> Iterator[EquationLine]:
        total, parts = self._gradients.on_stem(plan, wire), self._gradients.parts(plan, wire)
        known = [part for part in parts if part is not None]
        if total is None or len(known) != len(parts) or not known:
            return
        before = f"∂L/∂{self._called(wire[0])} = "
        terms = tuple(Operand(part.value, part.node) for part in known)
        if any(np.ndim(term.data) for term in terms):
            yield _line(before, total, rule=f"sum of {len(terms)}")
        else:
            yield _line(before, total, row=ADD, pattern=sum_pattern(len(terms)), operands=terms)

    # --- numbers and names --------------------------------------------------------------------------------------------

    def _data(self, node: Node) -> Any:
        return data_of(node, self._by_node)

    def _slope(self, node: Node, argument: int) -> Any:
        """The local derivative by an argument: the row's backward for a dout of 1. None if it has none."""
        if node.primitive.backward is None:
            return None
        try:
            with np.errstate(all="ignore"):
                given = [self._data(i) for i in node.inputs]
                found = node.primitive.backward(1, self._data(node), *given, **node.static)
            slope = found[argument] if isinstance(found, tuple) else found
            return slope.item() if isinstance(slope, np.ndarray) else slope
        except Exception:  # numbers that a saved trace does not hold, or outside the domain: there is no slope to show
            return None

    def _is_array(self, node: Node) -> bool:
        return any(np.ndim(self._data(n)) for n in (node, *node.inputs))

    def _called(self, node: Node) -> str:
        """The name of a value; without one, its operator in parentheses: "(sum)". A constant is its number."""
        value = self._by_node.get(node)
        if value is not None and value.name:
            return shorten(value.name)
        if node.primitive is CONSTANT:
            return Operand(self._data(node)).text(4)
        row = node.primitive
        return f"({_NOUNS.get(row, shorten(symbol_of(row)))})"


def _line(before: str, gradient: Gradient, **words: Any) -> EquationLine:
    return EquationLine(before, Operand(gradient.value, gradient.node), gradient=gradient, **words)


def _symbol(draft: Draft) -> str:
    if draft.node is not None:
        return shorten(symbol_of(draft.node.primitive))
    assert draft.call is not None
    return shorten(draft.call.cls)
