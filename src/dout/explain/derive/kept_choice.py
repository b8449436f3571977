"""Paired gradients in; the values that forward keeps, and where it has them, out."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from dout.explain.derive.backward_graph import BackwardGraph, EqualValues, Twins, WritingWay, wanted_inputs
from dout.explain.derive.forward_runs import ForwardRun, ForwardSubject, is_same, recorded, same_structure
from dout.explain.derive.forward_source import ForwardSource, SourcePlace
from dout.explain.derive.forward_watch import Watch, digest, span_of
from dout.explain.derive.kept_values import bytes_of
from dout.explain.parts.part_calls import PART, PART_GRADIENT, read_by
from dout.explain.spelling.numpy_text import COSTLY, SLOW
from dout.explain.spelling.spare_names import word_for
from dout.graph import CONSTANT, INPUT, Node, computed_from
from dout.judge.judging_points import ACROSS
from dout.ops import by_primitive
from dout.ops.registry import broadcast
from dout.run import attributes_of, is_float_array


class _Call:
    """Calls a version of the forward of a subject; `layer` is the one that it ran on."""

    def __init__(self, subject: ForwardSubject) -> None:
        self.subject, self.layer = subject, None

    def __call__(self, function: Any) -> Any:
        ordered, keywords = self.subject.arguments
        if self.subject.target.is_function:
            return function(*ordered, **keywords)
        self.layer = self.subject.bare()
        return function(self.layer, *ordered, **keywords)


@dataclass(frozen=True)
class _OtherRun:
    """A run on other inputs: its values, the twin of each node of the first run, and the observed source values."""

    data: Mapping[Node, Any]
    twins: Mapping[Node, Node]
    watch: Watch
    layer: Any

    def has(self, place: SourcePlace, member: Node) -> bool:
        """Whether the value of a node of the first run is at hand in a place."""
        value = self.data.get(self.twins[member])
        if place.attribute:
            return is_same(attributes_of(self.layer).get(place.name), value)
        if place.expression is not None:
            seen = self.watch.expressions.get(span_of(place.expression))
        else:
            seen = self.watch.names.get((place.line, place.name))
        return seen is not None and seen[0][0] == digest(value)


class KeptChoice:
    """Facts about the values of a forward: which are equal, at hand or costly, and their names."""

    def __init__(self, twins: Twins, way: WritingWay) -> None:
        """Raises OSError where there is no source."""
        self.twins, self.way = twins, way
        self.graph: BackwardGraph = twins.graphs[0]
        self.run: ForwardRun = self.graph.run
        self.equal = EqualValues(twins)
        self.source = ForwardSource(_function(self.run))
        call = _Call(self.run.subject)
        self.watch: Watch = self.source.watched(call, self.run.subject.seed)
        self.watched_layer = call.layer
        self.first = self._merged()
        self.members = {node: self._recorded_alike(node) for node in dict.fromkeys(self.first.values())}
        self._places: dict[Node, SourcePlace | None] = {}

    # --- equal values -------------------------------------------------------------------------------------------------

    def _merged(self) -> dict[Node, Node]:
        """For each node the first of the same value."""
        first: dict[Node, Node] = {}
        seen: dict[Any, list[Node]] = {}
        for node in self.graph.nodes:
            bucket = seen.setdefault((node.shape, node.kind), [])
            is_call = node.primitive is PART_GRADIENT  # of two parts with one array, each has its own call
            found = None if is_call else next((n for n in bucket if self.equal.same(n, node)), None)
            first[node] = node if found is None else found
            if found is None:
                bucket.append(node)
        return first

    def same(self, node: Node) -> Node:
        """The first node of the same value."""
        return self.first.get(node, node)

    def _recorded_alike(self, node: Node) -> list[Node]:
        """The nodes of the recorded forward that have the value of a node."""
        if node.primitive is CONSTANT or self.has_dout(node):
            return []
        return [
            n for n in self.run.graph.nodes if n is node or (n.primitive is not CONSTANT and self.equal.same(n, node))
        ]

    def has_dout(self, node: Node) -> bool:
        """Whether a value depends on an upstream gradient."""
        return node in self._with_dout

    @cached_property
    def _with_dout(self) -> set[Node]:
        return {*self.graph.douts} | computed_from(self.graph.nodes, self.graph.douts)

    # --- what is kept -------------------------------------------------------------------------------------------------

    def place(self, node: Node) -> SourcePlace | None:
        """Where forward has a value at hand."""
        if node not in self._places:
            self._places[node] = self._place(node)
        return self._places[node]

    def _place(self, node: Node) -> SourcePlace | None:
        data = self.run.trace.data
        found: SourcePlace | None = None
        for member in self.members.get(node, ()):
            if member not in data:
                continue
            if not (member in self.run.arguments or member.kind == "b" or self._is_trusted(member, node)):
                continue
            value = data[member]
            for name, item in self._attributes().items():
                place = SourcePlace(name, attribute=True)
                if is_same(item, value) and self._is_there(place, member):
                    return place
            if member in self.run.arguments and self.run.arguments[member] in self.source.parameters:
                return SourcePlace(self.run.arguments[member])
            likely = (place for place in self.source.places(self.watch, value) if self._is_there(place, member))
            found = found or next(likely, None)
        return found

    def _is_there(self, place: SourcePlace, member: Node) -> bool:
        """Whether a value is at hand in a place on other inputs, too, where a clip or a switch may tell two apart."""
        return all(other.has(place, member) for other in self._on_other_inputs)

    @cached_property
    def _on_other_inputs(self) -> list[_OtherRun]:
        """Runs on other inputs, where two values of forward are the same bits and not always equal."""
        data, run = self.run.trace.data, self.run
        pairs = ((n, i) for n in run.graph.nodes if n in data for i in n.inputs if i in data and i.shape == n.shape)
        if not any(is_same(data[n], data[i]) and not self.equal.same(n, i) for n, i in pairs):
            return []
        found = []
        for factor, offset in ACROSS:
            inputs = {
                name: factor * x + offset if is_float_array(x) and np.any(x != np.round(x)) else x
                for name, x in run.subject.inputs.items()
            }
            with suppress(Exception):  # the user's own: forward does not take them
                other = recorded(replace(run.subject, inputs=inputs))
                if same_structure(run.graph.nodes, other.graph.nodes) is None:
                    call = _Call(other.subject)
                    watch = self.source.watched(call, other.subject.seed)
                    twins = dict(zip(run.graph.nodes, other.graph.nodes, strict=True))
                    found.append(_OtherRun(other.trace.data, twins, watch, call.layer))
        return found

    def _is_trusted(self, member: Node, node: Node) -> bool:
        """Whether a value that forward computes is used for a node."""
        return not self.way.given_only and (not self.way.finite_only or self.equal.holds_far_out(member, node))

    def _attributes(self) -> dict[str, Any]:
        """What forward itself keeps, by attribute."""
        if self.run.subject.target.is_function:
            return {}
        held = attributes_of(self.watched_layer)
        return {name: item for name, item in held.items() if f"self.{name}" in self.run.written}

    def _cost(self, node: Node) -> int | None:
        if self._at_hand(node) is not None:
            return 0
        if self.place(node) is not None:
            return max(bytes_of(node), 1)
        return bytes_of(node) + _MADE.get(node.primitive, 1) if self._is_made(node) else None

    # --- what forward can make --------------------------------------------------------------------------------------

    def _is_made(self, node: Node) -> bool:
        """Whether forward can make a value for backward's sake: a mask, or in one pass over the largest arrays."""
        if not node.inputs or self.has_dout(node) or math.prod(node.shape) < self._largest:
            return False
        return all(self._is_ready(i, node) for i in map(self.same, node.inputs)) and _is_cheap(node)

    def _is_ready(self, node: Node, user: Node) -> bool:
        """Whether what forward makes may read a value: it is at hand, or a part of a mask, or smaller."""
        if node.primitive is CONSTANT or self._at_hand(node) is not None or self.place(node) is not None:
            return True
        if not node.inputs or self.has_dout(node) or node.primitive in COSTLY:
            return False
        is_part = node.kind == user.kind == "b"
        is_smaller = math.prod(node.shape) < math.prod(user.shape)
        return (is_part or is_smaller) and all(self._is_ready(i, node) for i in map(self.same, node.inputs))

    @cached_property
    def _largest(self) -> int:
        """How many elements the largest array has that forward is given or returns."""
        nodes = (*self.run.arguments, *self.graph.outputs)
        return max(math.prod(node.shape) for node in nodes)

    def _read_by(self, node: Node) -> dict[Node, SourcePlace]:
        """The values from which a value is computed and that have a place in the source, with their places."""
        found: dict[Node, SourcePlace] = {}
        waiting = [self.same(i) for i in node.inputs]
        while waiting:
            one = waiting.pop(0)
            place = self.place(one) if self._at_hand(one) is None else None
            if place is not None:
                found[one] = place
            elif one.primitive is not CONSTANT and self._at_hand(one) is None:
                waiting += map(self.same, one.inputs)
        return found

    def _at_hand(self, node: Node) -> str | None:
        """The text of a value that backward has without keeping it: of a parameter, of an array known by its size."""
        for member in self.members.get(node, [node]):
            path = self.run.held.get(member)
            if path is not None and path not in self.run.written:
                return path
        return self._number(node) or self._range(node)

    def _number(self, node: Node) -> str | None:
        """A plain number that is no argument: of the class, of the module, or as it is."""
        data = self.run.trace.data
        if (
            node.primitive is not INPUT
            or node in self.run.arguments
            or node in self.run.trace.draws
            or not isinstance(node.dtype, type)
            or node not in data
        ):
            return None
        name = self.run.trace.names.get(node, "")
        for text, holder in (
            (f"self.{name}", vars(self.run.subject.target.cls)),
            (name, self.source.function.__globals__),
        ):
            if is_same(holder.get(name), data[node]):
                return text
        return repr(data[node]) if all(is_same(v, data[node]) for v in self._recorded(node)) else None

    def _recorded(self, node: Node) -> list[Any]:
        """The value of an input, in each of the recordings."""
        pairs = zip(self.twins.graphs, self.twins.of.get(node, ()), strict=False)
        return [graph.run.trace.data.get(twin) for graph, twin in pairs]

    def _range(self, node: Node) -> str | None:
        if node.primitive is not INPUT or node in self.run.arguments:
            return None
        values = self._recorded(node)
        if not values or not all(_counts(v) for v in values):
            return None
        index = [":" if axis == _longest(values) else "np.newaxis" for axis in range(values[0].ndim)]
        return "np.arange({})" + (f"[{', '.join(index)}]" if len(index) > 1 else "")

    def _again(self, node: Node) -> bool:
        """Whether backward may compute a value: not a second time what is costly, nor what is slow and at hand."""
        if node.primitive is PART:  # it would forget what it kept
            return False
        members = self.members.get(node, ())
        if self.way.finite_only:
            members = [member for member in members if self._is_trusted(member, node)]
        computed = bool(members) and node.primitive in COSTLY
        dear = computed or (node.primitive in SLOW and self.place(node) is not None)
        return self.way.recompute or not dear

    def _wanted_order(self) -> list[str]:
        return [name for name in wanted_inputs(self.run) if name in self.graph.wanted]

    def _read(self, roots: Sequence[Node]) -> list[Node]:
        """The values of forward that the gradients read."""
        found: dict[Node, None] = {}
        seen: set[Node] = set()
        waiting = list(roots)
        while waiting:
            node = waiting.pop()
            if node in seen:
                continue
            seen.add(node)
            if not self.has_dout(node):
                found[node] = None
            elif node not in self.graph.douts:
                waiting += map(self.same, read_by(node))
        return [node for node in found if node.primitive is not CONSTANT]

    def _named_places(self, nodes: Sequence[Node]) -> list[tuple[str, SourcePlace | None, Node]]:
        """Names for values, in the order in which forward computes them; last those that it makes for backward's sake.

        They are the attributes that keep them, and the local names of what is lifted out of an expression.
        """
        taken = {name.partition(".")[2] for name in self.run.held.values()}
        taken |= {name for path in self.run.parts.values() for name in re.findall(r"\bself\.(\w+)", path)}
        taken |= {path.partition(".")[2] for path in self.run.written}
        taken |= set(dir(self.run.subject.target.cls)) if not self.run.subject.target.is_function else set()
        found = []
        places = [(self.place(node), node) for node in nodes]
        places.sort(key=lambda one: self._when(one[0]))
        for place, node in places:
            wish = (place and place.name) or self._name_of(node) or self._word(node, place)
            name, n = wish, 2
            locals_ = self.source.function.__code__.co_varnames if place and place.expression is not None else ()
            while not (place and place.attribute) and (name in taken or name in locals_):
                name, n = f"{wish}_{n}", n + 1
            taken.add(name)
            found.append((name, place, node))
        return found

    def _when(self, place: SourcePlace | None) -> tuple[int, ...]:
        """When forward has a value: as an argument, after a line, or in one; last what it makes for backward's sake."""
        if place is None:
            return (1,)
        if place.expression is not None:
            return (0, place.expression.end_lineno or 0, 0, place.expression.end_col_offset or 0)
        names = self.source.parameters
        return (0, place.line, 1, names.index(place.name) if place.name in names else 0)

    def _word(self, node: Node, place: SourcePlace | None) -> str:
        if place is None and node.kind == "b":
            return "mask"
        return word_for(next(iter(self.members.get(node, ())), node) if place is None else node)

    def _name_of(self, node: Node) -> str | None:
        """The user's name for a value; `out` for an output without a name."""
        for member in self.members.get(node, ()):
            name = self.run.arguments.get(member) or self.run.trace.names.get(member)
            if name and name.isidentifier():
                return name
        return "out" if any(node is self.same(out) for out in self.graph.outputs) else None


_MADE = by_primitive({"divide": 0})  # rather than what is divided: a division takes longer than to keep its result


def _is_cheap(node: Node) -> bool:
    """Whether a value takes one short pass over arrays, or is a mask."""
    return node.kind == "b" or (node.primitive.infer is broadcast and node.primitive not in SLOW)


def _counts(value: Any) -> bool:
    """Whether an array is 0, 1, 2 … along its only axis that is longer than one."""
    is_line = isinstance(value, np.ndarray) and value.dtype.kind == "i" and value.size == max((0, *value.shape))
    return is_line and np.array_equal(value.ravel(), np.arange(value.size))


def _longest(values: Sequence[Any]) -> int:
    """The axis that is longer than one in some of these lines."""
    return max(range(values[0].ndim), key=lambda axis: max(value.shape[axis] for value in values))


def _function(run: ForwardRun) -> Any:
    subject = run.subject
    own = subject.target.named if subject.target.is_function else getattr(subject.target.cls, subject.methods[0])
    return subject.with_defaults(own)
