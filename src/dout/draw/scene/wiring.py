"""Trace → levels with items and edges: which value goes where, and through which gates of open layers."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from dout.draw.scene.backward_recording import Mirror
from dout.draw.scene.nesting import is_made
from dout.draw.scene.scene_drafts import Draft, LevelPlan, Strand, Wire
from dout.draw.scene.selection import Selection, select
from dout.draw.view_options import View
from dout.graph import CONSTANT, Node
from dout.trace.model.recorded import LayerCall, Use
from dout.trace.record.trace import Trace

_MOST_TAKEN = 8  # values alike that are drawn from one box to another


@dataclass(frozen=True)
class _Want:
    """A port that waits for its value."""

    wire: Wire
    target: Draft
    port: int
    use: Use | None


class Wiring:
    """Every item and edge of a trace, each on its level: those of `view`, or of `selection` if it is given.

    `root` is the whole picture; `results` the values that end it; `makers` the item that each value comes from;
    `hidden` the values that a closed layer also uses without having been given them, so that the gradients on their
    drawn edges need not add up.
    """

    def __init__(self, trace: Trace, view: View, selection: Selection | None = None) -> None:
        self.selection = select(trace, view) if selection is None else selection
        self._nesting = self.selection.nesting
        self.trace = trace = self.selection.trace
        self.view = view
        self.root = LevelPlan()
        self.results: set[Wire] = set()
        self.hidden: set[Node] = set()
        self._when = {node: float(i) for i, node in enumerate(self.selection.nodes)}
        self._order = {call: i for i, call in enumerate(trace.calls)}
        for call in self.selection.calls:
            self._order_of(call)
        self.uses = {(u.node, u.argument): u for v in trace.values for u in v.uses if u.node is not None}
        self._plans: dict[LayerCall, LevelPlan] = {}
        self._layers: dict[LayerCall, Draft] = {}
        self.makers: dict[Wire, Draft] = {}
        self._wants: list[_Want] = []
        self._handed_on = self._find_handed_on()
        self._unseen = {*self._find_unseen()}
        self.series: list[tuple[Draft, int]] = []  # items that take many values alike, of which both ends are drawn
        self._add_items()
        self._wants = [self._beside(want) for want in self._wants]
        self._between = {*self._leave_out_between()}
        self._place_inputs()
        for want in self._wants:
            self._join(want.wire, want.target, want.port, want.use)
        self._add_results()

    def _order_of(self, call: LayerCall) -> int:
        """The place of a call in the run; for a call that the picture adds, the place of the first call in it."""
        if call not in self._order:
            self._order[call] = min(map(self._order_of, self._nesting.inner.get(call, ())), default=0)
        return self._order[call]

    # --- items --------------------------------------------------------------------------------------------------------

    def _add_items(self) -> None:
        for opened in sorted((c for c in self.selection.calls if c in self.selection.open), key=self._nesting.depth):
            self._open(opened)
        for node in self.selection.nodes:
            if is_made(node, self.trace):
                call = self._nesting.homes.get(node)
                closed = self.selection.closed_around(call)
                if closed is None:
                    self._add_operator(node, call)
                else:
                    self._add_layer(closed)
        for each in self.selection.calls:
            closed = self.selection.closed_around(each)
            if closed is not None:
                self._add_layer(closed)

    def _plan_of(self, call: LayerCall | None) -> LevelPlan:
        """The level that a call is drawn on or in: inside the innermost open layer."""
        while call is not None and call not in self._plans:
            call = self._nesting.around[call]
        return self.root if call is None else self._plans[call]

    def _open(self, call: LayerCall) -> None:
        """Add the box of an open layer, and through its border the values that it was given, in order."""
        outside = self._plan_of(self._nesting.around[call])
        when = max(self._when[n] for n in self.selection.members[call])
        box = outside.add(Draft("open", outside, when, call=call))
        inside = box.inside = self._plans[call] = LevelPlan(call, outside, box)
        for argument, node in enumerate(call.inputs):
            wire: Wire = (node, None)
            if node.primitive is not CONSTANT and wire not in inside.sources and node not in self._unseen:
                self._wants.append(_Want(self._given(node, call), box, box.port(), self._argument(call, argument)))
                inside.sources[wire] = inside.add(Draft("entry", inside, -1.0, node, stems=[wire])), 0

    def _add_operator(self, node: Node, call: LayerCall | None) -> None:
        plan = self._plan_of(call)
        draft = self._makes(plan.add(Draft("operator", plan, self._when[node], node)), (node, None))
        for argument, given in enumerate(node.inputs):
            self._take(draft, (given, None), self.uses.get((node, argument)))

    def _add_layer(self, call: LayerCall) -> None:
        """Add a closed layer, once: as a circle if one operator is all there is in it."""
        if call in self._layers:
            return
        members = self.selection.members.get(call, ())
        order = _as_operator(call, members)
        when = max((self._when.get(n, 0.0) for n in members or call.outputs), default=0.0)
        plan = self._plan_of(self._nesting.around[call])
        kind, node = ("layer", None) if order is None else ("operator", members[0])
        draft = plan.add(Draft(kind, plan, when, node, call))  # type: ignore[arg-type]  # a literal through a tuple
        self._layers[call] = draft
        self.makers |= {(n, None): draft for n in members}
        for output in call.outputs:
            self._makes(draft, (output, None if output in members else call))
        between = self._nesting.folds.get(call, {})
        for argument in range(len(call.inputs)) if order is None else order:
            value = call.inputs[argument]
            self._take_together(draft, between.get(value, ()))
            if value not in self._unseen:
                self._take(draft, self._given(value, call), self._argument(call, argument))
        if node is not None:
            draft.constants += [n for n in node.inputs if n.primitive is CONSTANT and n not in draft.constants]
        self._take_from_around(draft, members, {*members, *call.inputs})

    def _find_unseen(self) -> Iterator[Node]:
        """The values between the ends of a series that only repeated steps take, and no item that is drawn makes."""
        for fold, series in self._nesting.folds.items():
            members = set(self._nesting.members[fold])
            for node in chain.from_iterable(series.values()):
                maker = self.selection.closed_around(self._nesting.homes.get(node))
                is_drawn = is_made(node, self.trace) and maker not in self._nesting.folds
                if not is_drawn and members.issuperset(self._nesting.users.get(node, ())):
                    yield node

    def _take_together(self, draft: Draft, values: Sequence[Node]) -> None:
        """Lead values to one port of a box, if they are drawn: they come from an item, or through an open layer."""
        wires: list[Wire] = [(node, None) for node in values]
        drawn = [w for w in wires if w[0] not in self._unseen and (w in self.makers or w in draft.level.sources)]
        port = draft.port() if drawn else 0
        self._wants += [_Want(wire, draft, port, None) for wire in drawn]

    def _take_from_around(self, draft: Draft, members: Sequence[Node], known: set[Node]) -> None:
        """Give a closed layer a port for each value that it takes from outside. Its own state stays inside."""
        for given in (given for node in members for given in node.inputs):
            if given not in known and given.primitive is not CONSTANT:
                known.add(given)
                if is_made(given, self.trace) and draft.call not in self._nesting.folds:
                    self._take(draft, (given, None), None)
                self.hidden.add(given)

    def _take(self, draft: Draft, wire: Wire, use: Use | None) -> None:
        if wire[0].primitive is CONSTANT:
            draft.constants.append(wire[0])
        else:
            self._wants.append(_Want(wire, draft, draft.port(), use))

    def _argument(self, call: LayerCall, argument: int) -> Use | None:
        """The recorded use behind an argument of a call; for a layer of dout's own, the only use inside it."""
        if call in self.trace.arguments:
            return next((u for u in self.trace.arguments[call] if u.argument == argument), None)
        return self._only_use(call, call.inputs[argument])

    def _only_use(self, call: LayerCall, value: Node) -> Use | None:
        inner = self._nesting.inner.get(call, ())
        found = [self._argument(c, i) for c in inner for i, given in enumerate(c.inputs) if given is value]
        for node in self._nesting.users.get(value, ()):
            if self._nesting.homes.get(node) is call:
                found += [self.uses.get((node, i)) for i, given in enumerate(node.inputs) if given is value]
        return found[0] if len(found) == 1 else None

    def _leave_out_between(self) -> Iterator[Wire]:
        """Leave out, and return, what lies between both ends of many values alike that one box, or the outside, gives.

        They go to one item, whose ports are fewer then. All are drawn where a gradient is wrong: it may be theirs.
        """
        series: dict[Hashable, list[_Want]] = {}
        for want in () if self.view.unfold or self.trace.wrong else self._wants:
            maker, node = self.makers.get(want.wire), want.wire[0]
            if want.target.kind != "open" and (maker is None or maker.kind == "layer"):
                key = id(want.target), id(maker), node.shape, node.kind, self.trace.names.get(node)
                series.setdefault(key, []).append(want)
        long = [found for found in series.values() if len({want.wire for want in found}) > _MOST_TAKEN]
        gone = {id(want): want.wire for found in long for want in found[1:-1]}
        self._wants = [want for want in self._wants if id(want) not in gone]
        for target, count in {found[0].target: len(found) for found in long}.items():
            places = sorted({want.port for want in self._wants if want.target is target})
            target.ports = len(places)
            self._wants = [
                replace(want, port=places.index(want.port)) if want.target is target else want for want in self._wants
            ]
            self.series.append((target, count))
        self.hidden.update(node for node, _ in gone.values())
        yield from gone.values()

    # --- values that a layer returns as it got them -------------------------------------------------------------------

    def _find_handed_on(self) -> dict[Node, list[LayerCall]]:
        found: dict[Node, list[LayerCall]] = {}
        for call in self.selection.calls:
            if self.selection.closed_around(call) is call:
                inside = set(self.selection.members.get(call, ()))
                for output in call.outputs:
                    if output not in inside:
                        found.setdefault(output, []).append(call)
        return found

    def _given(self, node: Node, call: LayerCall) -> Wire:
        """The value as this call got it: from the latest earlier layer that handed it on."""
        before = self._order.get(call, 0)
        earlier = [c for c in self._handed_on.get(node, ()) if self._order.get(c, 0) < before]
        return node, earlier[-1] if earlier else None

    # --- edges --------------------------------------------------------------------------------------------------------

    def _place_inputs(self) -> None:
        """Put each value that comes from outside on the innermost level that holds all its uses."""
        levels: dict[Node, LevelPlan] = {}
        for want in self._wants:
            node, handed_on = want.wire
            if handed_on is None and (node, None) not in self.makers:
                level = next((p.parent for p in [*want.target.level.outward()][::-1] if _enters(p, node)), None)
                level = level or want.target.level
                levels[node] = _shared(levels[node], level) if node in levels else level
        for node, level in levels.items():
            self._add_input((node, None), level)

    def _beside(self, want: _Want) -> _Want:
        """Let a residual enter beside each item that takes it, to save a long edge."""
        node = want.wire[0]
        if want.target.kind == "open" or not self.is_kept(node):
            return want
        wire, level = (node, want.target), want.target.level
        if wire not in self.makers:
            self._add_input(wire, level)
        return replace(want, wire=wire)

    def is_kept(self, node: Node) -> bool:
        """True if the value is a residual: a backward drawn as its own graph takes it from outside."""
        trace = self.trace
        return isinstance(trace, Mirror) and not is_made(node, trace) and (node, None) not in trace.carried

    def _add_input(self, wire: Wire, level: LevelPlan) -> None:
        self._makes(level.add(Draft("input", level, self._when.get(wire[0], -1.0), wire[0])), wire)

    def _makes(self, draft: Draft, wire: Wire) -> Draft:
        """Let a value leave from the item that makes it, or brings it in."""
        self.makers[wire] = draft
        draft.level.sources[wire] = draft, draft.stem(wire)
        return draft

    def _join(self, wire: Wire, target: Draft, port: int, use: Use | None) -> None:
        plan = target.level
        source, stem = self._source(wire, plan)
        plan.leaving.setdefault(wire, []).append(Strand(wire, source, stem, target, port, use))

    def _source(self, wire: Wire, plan: LevelPlan) -> tuple[Draft, int]:
        """The item and stem that a value leaves from on this level; makes gates at the borders it has to cross."""
        if wire in plan.sources:
            return plan.sources[wire]
        home = self.makers[wire].level
        if plan is home:
            draft = self.makers[wire]
            found = draft, draft.stem(wire)
        elif any(p is plan for p in home.outward()):
            inside = plan.child_towards(home)
            assert inside.item is not None
            self._join(wire, inside.add(Draft("exit", inside, -1.0, wire[0], ports=1)), 0, None)
            found = inside.item, inside.item.stem(wire)
        else:
            assert plan.item is not None
            self._join(wire, plan.item, plan.item.port(), None)
            found = plan.add(Draft("entry", plan, -1.0, wire[0], stems=[wire])), 0
        plan.sources[wire] = found
        return found

    def _add_results(self) -> None:
        """End the picture in the values that nothing uses, and in used values that are also outputs."""
        used = {want.wire for want in self._wants}
        outside = {want.wire[0] for want in self._wants if not self._is_within(want)}
        given_out = {*self.trace.graph.outputs.values()}
        given_out |= {o for call in self._plans if call.parent is None for o in call.outputs if o not in outside}
        for node in self.selection.targets:
            closed = self.selection.closed_around(self._nesting.homes.get(node))
            within = closed is not None and node not in closed.outputs
            if within and (closed in self._nesting.folds or node not in given_out):
                continue  # what layers inside a closed one hand to each other
            handed_on = self._handed_on.get(node)
            wire: Wire = (node, handed_on[-1] if handed_on else None)
            if wire in used:
                if node in given_out:
                    end = self.root.add(Draft("result", self.root, len(self._when), node, ports=1, stems=[wire]))
                    self._join(wire, end, 0, None)
                continue
            if wire in self._between:
                continue
            if wire not in self.makers:
                self._add_input((node, None), self.root)
            self._source(wire, self.root)
            self.results.add(wire)
        self.results |= {(node, None) for node in self.selection.loose}

    def _is_within(self, want: _Want) -> bool:
        """True if the use lies in the top-level open layer that returns the value."""
        top = next((plan.call for plan in want.target.level.outward() if plan.parent is self.root), None)
        return top is not None and want.wire[0] in top.outputs


def _enters(plan: LevelPlan, node: Node) -> bool:
    return plan.call is not None and node in plan.call.inputs


def _shared(one: LevelPlan, other: LevelPlan) -> LevelPlan:
    around = set(one.outward())
    return next(plan for plan in other.outward() if plan in around)


def _as_operator(call: LayerCall, members: Sequence[Node]) -> list[int] | None:
    """The order in which a layer of one operator takes its arguments; None for a larger layer."""
    if len(members) != 1 or call.outputs != (members[0],):
        return None
    waiting = [i for i, node in enumerate(call.inputs) if node.primitive is not CONSTANT]
    order: list[int] = []
    for given in members[0].inputs:
        if given.primitive is CONSTANT:
            continue
        argument = next((i for i in waiting if call.inputs[i] is given), None)
        if argument is None:
            return None
        waiting.remove(argument)
        order.append(argument)
    return None if waiting else order
