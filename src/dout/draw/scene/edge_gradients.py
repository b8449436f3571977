"""Which gradient stands on which edge, and how the gradients of several uses add up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dout.draw.scene.backward_recording import Mirror
from dout.draw.scene.scene import Mark
from dout.draw.scene.scene_drafts import Draft, LevelPlan, Strand, Wire
from dout.draw.scene.wiring import Wiring
from dout.draw.view_options import MOST_DIGITS
from dout.draw.words.equations import ADD, gives
from dout.draw.words.readable_numbers import Shown, full_of, show
from dout.graph import NUMPY_VALUES, Node
from dout.number_text import format_number
from dout.trace.model.derived_gradients import sum_of
from dout.trace.model.derived_gradients import total as sum_node
from dout.trace.model.recorded import LOSSES, Gradient, LayerCall, Value

_MOST_TERMS = 4  # a longer sum says how many terms it has


class EdgeGradients:
    """The gradient on every stem and every strand of a wiring."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._by_node = wiring.trace.by_node
        self._digits = wiring.view.digits
        self._stems: dict[tuple[int, Wire], Gradient | None] = {}
        self._is_cut = any(event.kind in LOSSES for event in wiring.trace.events)
        self.first = self._first_wrong()

    def on_strand(self, strand: Strand) -> Gradient | None:
        """The gradient of one use. At the border of an open layer, what the edges beyond the gate carry."""
        if _is_condition(strand.wire[0]):
            return None
        if strand.use is not None:
            return strand.use.gradient
        if strand.target.kind == "result":
            return self._given_back(strand.wire[0])
        return None if strand.beyond is None else self.on_stem(strand.beyond, strand.wire)

    def _given_back(self, output: Node) -> Gradient | None:
        """The upstream gradient that the program passed to the backward of an output's layer."""
        for call in self._wiring.trace.calls:
            if call.parent is None and output in call.outputs and call.douts:
                dout = dict(zip(call.outputs, call.douts, strict=False)).get(output)  # backward may take fewer
                return None if dout is None else Gradient(self._wiring.trace.data.get(dout), "user", node=dout)
        return None

    def on_stem(self, plan: LevelPlan, wire: Wire) -> Gradient | None:
        """The gradient of a value as it leaves its item on this level: over all the uses that lead on from there."""
        key = id(plan), wire
        if key not in self._stems:
            self._stems[key] = None if _is_condition(wire[0]) else self._sum(plan, wire)
        return self._stems[key]

    def _sum(self, plan: LevelPlan, wire: Wire) -> Gradient | None:
        value = self._by_node.get(wire[0])
        whole = value.gradient if value is not None else None
        strands = plan.leaving.get(wire, [])
        parts = [self.on_strand(s) for s in strands]
        if not strands:
            return whole if wire in self._wiring.results else None
        is_whole = wire[1] is None and _leads_all(plan, wire)
        if len(parts) == 1:
            return _more_telling(parts[0], whole) if is_whole else parts[0]
        return whole if is_whole and not self._is_cut else _added(parts)  # a use may not have been recorded

    def mark(self, gradient: Gradient | None, parts: Sequence[Gradient | None] = ()) -> Mark | None:
        """Make a gradient ready for the eye; with the gradients of its uses, it says how they add up."""
        if gradient is None:
            return None
        shown, right = pair(gradient, self._digits)
        total = gradient.value if gradient.expected is None else gradient.expected
        terms = [p.value for p in parts if p is not None]
        sums = _equation(terms, total, self._digits) if parts and all(parts) else ""
        known = tuple(p for p in parts if p is not None) if sums else ()
        return Mark(shown, gradient.source, right, sums, gradient is self.first, gradient, known)

    def parts(self, plan: LevelPlan, wire: Wire) -> list[Gradient | None]:
        """The gradients of a value's uses on this level, or none where undrawn uses would be missing from the sum."""
        if wire[0] in self._wiring.hidden:
            return []
        return [self.on_strand(s) for s in plan.leaving.get(wire, [])]

    def wrong_inside(self, call: LayerCall) -> dict[Node, Gradient]:
        """The wrong gradients in a layer that no edge shows while it is closed, in the order of the backward."""
        if not self._wiring.trace.wrong:
            return {}
        members = self._wiring.selection.members.get(call, ())
        used: dict[Node, list[Gradient | None]] = {}
        for member in members:
            for argument, given in enumerate(member.inputs):
                use = self._wiring.uses.get((member, argument))
                used.setdefault(given, []).append(use.gradient if use is not None else None)
        seen, found = {*call.inputs, *call.outputs}, {}
        for node in (given for member in members[::-1] for given in (member, *member.inputs)):
            value = self._by_node.get(node)
            if node in seen or value is None:
                continue
            seen.add(node)
            wrong = (g for g in (*used.get(node, ()), value.gradient) if g is not None and g.expected is not None)
            if (first := next(wrong, None)) is not None:
                found[node] = first
        return found

    def _first_wrong(self) -> Gradient | None:
        """The wrong gradient on a drawn edge that the backward pass meets first."""
        wrong = self._wiring.trace.wrong
        drawn = set(map(id, self._drawn())) if wrong else set()
        return next((gradient for gradient in wrong if id(gradient) in drawn), None)

    def _drawn(self) -> Iterator[Gradient | None]:
        """Every gradient that has a label, and those wrong in a closed layer."""
        for plan in self._wiring.root.inward():
            for draft in plan.items:
                yield from (self.on_stem(plan, wire) for wire in draft.stems if has_label(draft, wire))
                if draft.kind == "layer" and draft.call:
                    yield from self.wrong_inside(draft.call).values()
            yield from (
                self.on_strand(strand) for strands in plan.leaving.values() if len(strands) > 1 for strand in strands
            )


class Carried(EdgeGradients):
    """Where the edges run the way that gradients flow: the gradient that a value is. Nothing comes back on an edge."""

    def __init__(self, wiring: Wiring, mirror: Mirror) -> None:
        self._wiring = wiring
        self._carried, self._ends = mirror.carried, mirror.ends
        self._digits = wiring.view.digits
        wrong = (wire for wire, gradient in mirror.carried.items() if gradient.expected is not None)
        place = {node: i for i, node in enumerate(mirror.graph.nodes)}
        first = min(wrong, key=lambda wire: place[wire[0]], default=None)
        self.first = None if first is None else mirror.carried[first]

    def wrong_inside(self, call: LayerCall) -> dict[Node, Gradient]:
        """The wrong gradients in a layer that do not leave it."""
        found = ((n, self._carried.get((n, None))) for n in self._wiring.selection.members.get(call, ()))
        leaving = {*call.outputs, *self._ends}
        return {n: g for n, g in found if g is not None and g.expected is not None and n not in leaving}

    def on_strand(self, strand: Strand) -> Gradient | None:
        """Nothing: what flows on an edge is the value it comes from."""

    def on_stem(self, plan: LevelPlan, wire: Wire) -> Gradient | None:
        """The gradient that a drawn value is, as it leaves the item that computes it."""
        if plan.sources[wire][0].kind == "entry":
            return None
        return self._carried.get(wire) or self._carried.get((wire[0], None))

    def parts(self, plan: LevelPlan, wire: Wire) -> list[Gradient | None]:
        """Nothing that adds up."""
        return []

    def mark(self, gradient: Gradient | None, parts: Sequence[Gradient | None] = ()) -> Mark | None:
        """Make a gradient ready for the eye."""
        made = super().mark(gradient)
        return None if made is None else replace(made, along=True)


def gradients_of(wiring: Wiring) -> EdgeGradients:
    """The gradients on the edges of a forward, or of a backward that is drawn as its own graph."""
    return Carried(wiring, wiring.trace) if isinstance(wiring.trace, Mirror) else EdgeGradients(wiring)


def pair(gradient: Gradient, digits: int) -> tuple[Shown, Shown | None]:
    """A gradient, and the right one if it is wrong, with enough digits to see the difference."""
    shown = show(gradient.value, digits, gradient=True)
    if gradient.expected is None:
        return shown, None
    right = show(gradient.expected, digits, gradient=True)
    while shown.text == right.text and digits < MOST_DIGITS:
        digits += 1
        shown, right = (show(g, digits, gradient=True) for g in (gradient.value, gradient.expected))
    return shown, right


def _is_condition(node: Node) -> bool:
    """Whether a value is only True or False: what a product with it derives for it is no gradient of anything."""
    return node.kind == "b"


def _leads_all(plan: LevelPlan, wire: Wire) -> bool:
    """Whether every drawn use of a value is reached from this level: none is hidden behind a gate it came through."""
    draft = plan.sources[wire][0]
    while draft.inside is not None:
        inside = draft.inside
        if len(inside.leaving.get(wire, [])) != 1:
            return False
        draft = inside.sources[wire][0]
    return draft.kind != "entry"


def has_label(draft: Draft, wire: Wire) -> bool:
    """Whether the stem of a value has a label. At the border of an open layer only one of the two edges has it."""
    strands = draft.level.leaving.get(wire, [])
    is_passage = len(strands) == 1 and strands[0].target.kind == "exit"
    return not is_passage and not (draft.kind == "entry" and len(strands) < 2)


def _more_telling(edge: Gradient | None, value: Gradient | None) -> Gradient | None:
    """The gradient to draw on an edge whose value is used once: the wrong one, else the user's."""
    for gradient in (edge, value):
        if gradient is not None and gradient.expected is not None:
            return gradient
    if edge is not None and value is not None:
        return value if edge.source == "dout" else edge
    return edge or value


def _added(parts: Sequence[Gradient | None]) -> Gradient | None:
    found = [p for p in parts if p is not None]
    if not found or len(found) < len(parts):
        return None
    try:
        total = sum_of(part.value for part in found)
        expected = sum_of(part.value if part.expected is None else part.expected for part in found)
    except Exception:  # gradients of shapes that do not add: there is no sum to show
        return None
    wrong = any(p.expected is not None for p in found)
    source = "user" if all(p.source == "user" for p in found) else "dout"
    nodes = sum_node(p.node for p in found), sum_node(p.derived for p in found)
    return Gradient(total, source, expected if wrong else None, *nodes)  # type: ignore[arg-type]  # a literal


def _equation(parts: Sequence[Any], total: Any, digits: int) -> str:
    """Return "1.1 + 0.4 =" (or ≈ where the shown digits do not add up), if the numbers do add up to the total."""
    numbers = [*parts, total]
    if len(parts) < 2:
        return ""
    if any(np.ndim(n) != 0 for n in numbers):
        return f"sum of {len(parts)} =" if _arrays_add_up(parts, total) else ""
    plain = [n.item() if isinstance(n, NUMPY_VALUES) else n for n in numbers]
    if not all(isinstance(n, int | float) for n in plain):
        return ""
    try:
        gap, scale = abs(sum(plain[:-1]) - plain[-1]), max(abs(n) for n in plain)
        if not gap <= 1e-6 * scale:
            return ""
    except OverflowError:
        return ""
    if len(parts) > _MOST_TERMS:
        return f"sum of {len(parts)} ="
    texts = [format_number(n, digits) for n in plain]
    terms = texts[0] + "".join(f" − {t[1:]}" if t.startswith("−") else f" + {t}" for t in texts[1:-1])
    return f"{terms} {'=' if gives(ADD, texts[:-1], texts[-1]) else '≈'}"


def _arrays_add_up(parts: Sequence[Any], total: Any) -> bool:
    try:
        with np.errstate(all="ignore"):
            return bool(np.allclose(sum(parts[1:], parts[0]), total, rtol=1e-6, equal_nan=True))
    except Exception:  # gradients of shapes that do not add
        return False


def describe(value: Value | None, name: str, carried: Gradient | None) -> str:
    """Say a value and its gradient with every digit, for the pointer that rests on it and for a screen reader.

    `carried` is the gradient that the value is.
    """
    if value is None:
        return name
    full = full_of(value.data)
    parts = [f"{name} = {full}" if name else full]
    gradient = carried or value.gradient
    if gradient is not None and gradient is not carried:
        derived = " (derived by dout)" if gradient.source == "dout" else ""
        parts.append(f"gradient {full_of(gradient.value)}{derived}")
    if gradient is not None and gradient.expected is not None:
        parts.append(f"wrong: the right gradient is {full_of(gradient.expected)}")
    return "\n".join(parts)
