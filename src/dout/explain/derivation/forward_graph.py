"""The recorded forward of a target: its steps without copies, what they are called, and their values."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import CodeType
from typing import Any

import numpy as np

from dout.adapt.search.example import Example, as_found, example
from dout.adapt.source import items_unpacked, shapes_for
from dout.adapt.target import Target, copies, placed
from dout.errors import EscapeError, NotTakenError, TargetError, UnsupportedError
from dout.explain.axes.alike_turns import AlikeTurns, alike_turns, places_of_use, with_loops_in_one, with_own_views
from dout.explain.axes.axis_classes import Axis
from dout.explain.axes.axis_letters import Letters, axis_letters
from dout.explain.derivation.closed_steps import closed_steps
from dout.explain.derivation.forward_names import names_by_part, value_names
from dout.explain.derivation.helper_names import helper_names
from dout.explain.derivation.length_runs import (
    NO_LENGTHS,
    KnownLengths,
    distinct_lengths,
    known_lengths,
    length_nodes,
    sizes_by_default,
    with_repeats,
)
from dout.explain.derivation.partial_tracer import PartialTracer
from dout.explain.terms.notation import COUNTER
from dout.grad import Gradients, backpropagate
from dout.graph import CONSTANT, INPUT, Graph, Node, Where, computed_from, evaluate, rebuild, renewed, topological
from dout.rewrite.easier_steps import of_plain_numbers, with_squares
from dout.rewrite.masked_writes import masked_write_to_select
from dout.rewrite.simplify import is_elementwise, simplify
from dout.run import deep_copy, quiet
from dout.trace.model.recorded import LOSSES, LayerCall
from dout.trace.record.record import record_by
from dout.trace.record.trace import Trace
from dout.trace.tracer.tracer import Tracer


@dataclass(frozen=True, eq=False)
class Forward:
    """A recorded forward, simplified: `now` leads from the nodes of the recording to those of `graph`."""

    trace: Trace
    call: LayerCall | None
    graph: Graph
    now: Mapping[Node, Node]
    inputs: tuple[Node, ...]
    outputs: tuple[Node, ...]
    told: Mapping[str, Sequence[str]] = field(default_factory=dict)  # axes that the source tells, by argument
    unpacked: Mapping[str, str] = field(default_factory=dict)  # local names of the items of attributes
    lengths: Mapping[Node, tuple[str, int]] = field(default_factory=dict)  # numbers that are one, with their letters
    known: Letters = field(default_factory=dict)  # letters of inputs
    multiples: Mapping[str, str] = field(default_factory=dict)  # lengths by those that they are multiples of: 4·H
    code: CodeType | None = None  # that of the user's forward
    returned: Mapping[Node, str] = field(default_factory=dict)  # names of what helpers return, by recorded node
    raised: str = ""  # by the user's backward, which is left out then
    stand_ins: tuple[str, ...] = ()  # what holds layers of ours

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """Everything the outputs need, each after its inputs."""
        return topological(self.outputs)

    @cached_property
    def parameters(self) -> tuple[Node, ...]:
        """The arrays and numbers of the layer that forward reads."""
        return tuple(n for n in self.nodes if n.primitive is INPUT and n not in self.inputs)

    @cached_property
    def held(self) -> frozenset[Node]:
        """The parameters that the layer has in any case; random numbers are others each time."""
        return frozenset(self.parameters) - self.drawn

    @cached_property
    def learned(self) -> tuple[Node, ...]:
        """The parameters that get a gradient: arrays, and numbers for which the user's backward keeps one."""
        paired = {self.now[p.node] for p in (self.call.parameters if self.call else ()) if p.node in self.now}
        arrays = (n for n in self.parameters if not isinstance(n.dtype, type) and n not in self.drawn)
        return tuple(dict.fromkeys((*(n for n in self.parameters if n in paired), *arrays)))

    @cached_property
    def varying(self) -> frozenset[Node]:
        """The values that depend on an input, or on a parameter that gets a gradient."""
        given = {*self.inputs, *self.learned}
        return frozenset(given | computed_from(self.nodes, given))

    @cached_property
    def steps(self) -> tuple[Node, ...]:
        """The nodes that compute something from values; in the order of the run where that shows a loop."""
        return self._steps_and_loops[0]

    @cached_property
    def _steps_and_loops(self) -> tuple[tuple[Node, ...], list[AlikeTurns]]:
        steps = [n for n in self.nodes if n.primitive not in (INPUT, CONSTANT) and n not in self.fixed]
        places, ends = self._places_in_the_run, places_of_use(steps)
        ran = sorted(steps, key=lambda node: (places[ends[node]], ends[node] is node, places[node]))
        ran, loops = with_loops_in_one(ran, alike_turns(ran))
        if ran == steps or any(loop.is_long for loop in loops):
            return tuple(ran), loops
        return tuple(steps), alike_turns(steps)

    @cached_property
    def _places_in_the_run(self) -> Mapping[Node, int]:
        """When each node was first recorded; one that was not, when its last input was."""
        found: dict[Node, int] = {}
        for place, now in enumerate(self.now.values()):
            found.setdefault(now, place)
        for node in self.nodes:
            found[node] = max(found.get(node, 0), *(found[i] for i in node.inputs), 0)
        return found

    @cached_property
    def loops(self) -> list[AlikeTurns]:
        """Steps that come again in every turn of a loop."""
        return [] if self.is_elementwise else self._steps_and_loops[1]

    @cached_property
    def _long_loops(self) -> list[AlikeTurns]:
        return [loop for loop in self.loops if loop.is_long]

    @cached_property
    def in_loops(self) -> frozenset[Node]:
        """Steps of which each turn of a loop has its own."""
        return frozenset(node for loop in self._long_loops for turn in loop.turns for node in turn) - {*self.outputs}

    @cached_property
    def left_out(self) -> frozenset[Node]:
        """The steps of turns that pass their gradients on as a later turn does, which is told."""
        found: set[Node] = set()
        for loop in self._long_loops:
            told: list[list[bool]] = []
            for turn in reversed(loop.turns):
                passed = [(node, place) in self.gradients.on for node in turn for place in range(len(node.inputs))]
                if any(all(b for a, b in zip(passed, one, strict=True) if a) for one in told):
                    found.update(turn)
                else:
                    told.append(passed)
        return frozenset(found)

    @cached_property
    def fixed(self) -> frozenset[Node]:
        """Lengths, and numbers that are computed from these alone."""
        found = set(self.lengths)
        for node in self.nodes:
            known = found.intersection(node.inputs)
            if known and all(i in known or i.primitive is CONSTANT for i in node.inputs):
                found.add(node)
        return frozenset(found)

    @cached_property
    def letters(self) -> dict[Node, tuple[str, ...]]:
        """A letter for every axis."""
        return self.letters_with(())

    def letters_with(self, same: Sequence[tuple[Axis, Axis]]) -> dict[Node, tuple[str, ...]]:
        """A letter for every axis, where some axes agree besides."""
        nodes = [*self.inputs, *self.nodes, *self.gradients.of.values(), *self.gradients.on.values()]
        names = {node: name for node, name in self.names.items() if node not in self.lengths}
        alike = [*same, *(pair for loop in self.loops for pair in loop.axes)]
        return axis_letters(nodes, names, self.values, self.told, self.known, gradients=self.gradients, same=alike)

    @cached_property
    def values(self) -> Mapping[Node, Any]:
        """The value of every node in the recorded run."""
        inside = set(self.nodes)
        with np.errstate(all="ignore"):
            return evaluate(self.outputs, {node: value for node, value in self.values_given.items() if node in inside})

    @cached_property
    def values_given(self) -> Mapping[Node, Any]:
        """The values of the inputs and parameters in the recorded run."""
        known = {n: self.trace.data[n] for n in self.now if n.primitive is INPUT and n in self.trace.data}
        lengths = {node: length for node, (_, length) in self.lengths.items()}
        return {**{self.now[n]: value for n, value in known.items()}, **lengths}

    @cached_property
    def seeds(self) -> dict[Node, Node]:
        """The upstream gradient of each output."""
        return {node: Node(INPUT, (), {}, node.shape, node.dtype) for node in self.outputs}

    @cached_property
    def gradients(self) -> Gradients:
        """The derived gradient of every value and on every edge."""
        return backpropagate(self.seeds)

    @cached_property
    def own_names(self) -> Mapping[Node, str]:
        """What the user calls the nodes; the last name of several."""
        made = {n: name for n, name in self.trace.names.items() if n in self.now and self.now[n].primitive is not INPUT}
        of_parts, inputs = names_by_part(self.trace), self.trace.graph.inputs.items()
        entered = {n: of_parts.get(name) or self._plain(name.rpartition(".")[2]) for name, n in inputs}
        every = {**made, **entered, **self.returned}
        return {self.now[n]: name for n, name in every.items() if n in self.now and name.isidentifier()}

    def _plain(self, name: str) -> str:
        """An item of an attribute by the local name that forward gives it, or by its key: Wx for params[0]."""
        key = re.fullmatch(r".*\['(\w+)'\]", name)
        return self.unpacked.get(name, key[1] if key else name)

    @cached_property
    def names(self) -> dict[Node, str]:
        """A name for everything: the user's, y for the output, and letters for steps that have no name."""
        given = {node: self._name_given(node) for node in (*self.inputs, *self.parameters)}
        read = {i for node in self.steps if node not in self.left_out for i in node.inputs}
        return value_names(given, self.outputs, self.steps, self.own_names, self.left_out - read)

    def _name_given(self, node: Node) -> str:
        if node in self.counts:
            return COUNTER.name
        if node in self.lengths:
            return self.lengths[node][0]
        return "random" if node in self.drawn else self.own_names.get(node, "x")

    @cached_property
    def drawn(self) -> frozenset[Node]:
        """The inputs that are random numbers."""
        return frozenset(self.now[n] for n in self.trace.draws if n in self.now)

    @cached_property
    def counts(self) -> frozenset[Node]:
        """Values that the user has not named and that are 0, 1, 2 …: the indices of the rows."""
        unnamed = [n for n in self.values_given if n.shape and self.own_names.get(n, "input")[:5] == "input"]
        lines = {n: self.values_given[n] for n in unnamed if math.prod(n.shape) == max(n.shape)}
        return frozenset(n for n, line in lines.items() if np.array_equal(line.ravel(), np.arange(line.size)))

    def has_line(self, where: Where) -> bool:
        """Whether a line is one of forward itself, and not of a function that it calls."""
        if self.code is None or where.file != self.code.co_filename:
            return False
        last = max((line for _, _, line in self.code.co_lines() if line), default=0)
        return self.code.co_firstlineno <= where.line <= last

    def is_named(self, node: Node) -> bool:
        """Whether a reader of the source knows this value by its name."""
        own = self.own_names.get(node) == self.names.get(node, "")
        return own or node in self.outputs or node.primitive is INPUT

    @cached_property
    def is_elementwise(self) -> bool:
        """Whether every step acts on each element of arrays of one shape, or on numbers."""
        shapes = {node.shape for node in self.nodes} - {()}
        return len(self.outputs) == 1 and len(shapes) <= 1 and all(is_elementwise(node) for node in self.steps)


def forward_of(target: Any, init: Mapping[str, Any], inputs: Mapping[str, Any], opened: Collection[str]) -> Forward:
    """Record a class, a layer or a function on inputs that are given, or on small ones that it takes.

    A softmax and its kin are one step each, unless they are `opened` by name, or "all" is. A function goes with the
    backward that its module has beside it. Raises as `dout.adapt.example`, and TargetError where nothing is computed.
    """
    target, found = _with_example(target, init, inputs)
    told, unpacked = shapes_for(target.forward), items_unpacked(target.forward)
    if any(np.iscomplexobj(value) for value in found.inputs.values()):
        raise TargetError(f"{target.name} takes complex numbers, and a gradient here is one of real numbers")
    found = replace(found, init={**sizes_by_default(target), **found.init})
    trace, raised = _with_backward_that_runs(target, found)
    repeating = with_repeats(found, {placed(key, target.inputs(found.interface)) for key in inputs})
    if repeating is not found and not raised:
        with suppress(Exception):  # whatever the user's code raises: it takes no index twice
            trace, found = _recorded(target, repeating), repeating
    alone = _alone(target) if target.has_both else target
    if not inputs and not init:
        letters = _forward(trace, opened).letters
        longer = distinct_lengths(trace, found, letters, lambda example: _recorded(alone, example))
        with suppress(Exception):  # whatever the user's code raises: its backward does not take these lengths
            trace, found = _recorded(target if not raised else alone, longer), longer
    code = getattr(target.forward, "__code__", None)
    made = replace(
        _forward(trace, opened), told=told, unpacked=unpacked, code=code, raised=raised, stand_ins=found.stand_ins
    )
    made = replace(made, returned=helper_names(target.forward, trace))
    return _with_lengths(made, found, opened, lambda example: _recorded(alone, example))


def _with_example(named: Any, init: Mapping[str, Any], inputs: Mapping[str, Any]) -> tuple[Target, Example]:
    """The target with an example: a function with its backward; a forward alone where its backward cannot be called."""
    target, own = Target.paired(named), Target.of(named)
    try:
        return target, example(target, init, inputs)
    except TargetError as error:
        if not target.has_both or (isinstance(error, NotTakenError) and not own.is_function):
            raise
    return (alone := own if own.is_function else _alone(target)), example(alone, init, inputs)


def _with_backward_that_runs(target: Target, found: Example) -> tuple[Trace, str]:
    """The recording and ""; if the user's backward raises, a recording of forward alone and the error."""
    try:
        return _recorded(target, found), ""
    except Exception as error:  # whatever the user's code raises
        if target.is_function or not target.has_both or isinstance(error, TargetError | UnsupportedError):
            raise
        try:
            trace = _recorded(_alone(target), found)
        except Exception:  # it was forward
            raise error from None
        return trace, f"{type(error).__name__}: {error}"


def _recorded(target: Target, found: Example) -> Trace:
    """The recording, in silence and from one random state; gradients end at a step that has no rule."""
    with quiet():
        try:
            return _recorded_by(Tracer(), target, found)
        except (UnsupportedError, EscapeError):
            return _recorded_by(PartialTracer(), target, found)


def _recorded_by(tracer: Tracer, target: Target, found: Example) -> Trace:
    layer, given = as_found(target, found)
    if layer is not target.named:
        return record_by(tracer, Target(layer).fresh(found.init), tuple(map(deep_copy, given)), {})
    ordered, keywords = target.arguments(copies(found.inputs))
    if target.forward_name and not target.has_both:
        target = _alone(target)  # as a layer: its numbers and arrays are then inputs of the recording
    return record_by(tracer, target.fresh(found.init), tuple(ordered), keywords)


def _with_lengths(
    forward: Forward, found: Example, opened: Collection[str], again: Callable[[Example], Trace]
) -> Forward:
    """The forward with letters in the place of numbers that are lengths of axes."""
    if not any(n.shape for n in forward.inputs):
        return forward
    known = known_lengths(forward.trace, found, forward.letters, again)
    letters = forward.letters_with(known.alike)
    new = {a: b for n in forward.letters for a, b in zip(forward.letters[n], letters[n], strict=True) if a.isalnum()}
    inputs = {n: tuple(a if a.isalnum() else "" for a in letters[n]) for n in forward.nodes if n.primitive is INPUT}
    multiples = {new[a]: f"{count}·{new[b]}" for a, (count, b) in known.multiples.items()}
    made = _forward(forward.trace, opened, known.called(new))
    return replace(
        forward, graph=made.graph, now=made.now, inputs=made.inputs, outputs=made.outputs, lengths=made.lengths,
        known=inputs, multiples=multiples,
    )  # fmt: skip


def _alone(target: Target) -> Target:
    """The same with a backward that does nothing."""
    return Target(target.adapted_to(target.forward_alone(target.forward_name)))


def _forward(trace: Trace, opened: Collection[str], known: KnownLengths = NO_LENGTHS) -> Forward:
    call = next((call for call in trace.calls if call.parent is None), None)
    before = [node for node in trace.graph.nodes if node not in trace.backward]
    outputs = call.outputs if call else [n for n in trace.graph.outputs.values() if n not in trace.backward]
    given = [n for n in outputs if n.primitive is INPUT]
    outputs = tuple(dict.fromkeys(n for n in outputs if n.primitive not in (INPUT, CONSTANT)))
    lost = next((event for event in trace.events if event.kind in LOSSES), None)
    if lost is not None and (not outputs or any(node.kind == "c" for node in before)):
        raise UnsupportedError(str(lost))
    if not outputs:
        nothing = "computes nothing from its inputs that a gradient could flow through"
        why = "gives back its input as it is: the backward gives back dout" if given else nothing
        raise TargetError(f"{trace.target} {why}")
    # Every node is an output while the graph is simplified: that is how the recorded nodes are found again.
    marked = {str(i): node for i, node in enumerate(before)}
    graph = Graph(tuple(before), {k: n for k, n in trace.graph.inputs.items() if n in before}, marked)
    lengths, told = length_nodes(known)
    graph = rebuild(graph, lambda node, new: told(node) if not node.inputs else renewed(told(node), new))
    graph = simplify(masked_write_to_select(simplify(graph)))
    graph = of_plain_numbers(rebuild(graph, lambda node, new: with_squares(renewed(node, new))))
    ends = [graph.outputs[mark] for mark, node in marked.items() if node in outputs]
    graph, turned = closed_steps(graph, ends, opened)
    now = {node: graph.outputs[mark] for mark, node in marked.items()}
    inputs = call.inputs if call else tuple(trace.graph.inputs.values())
    needed = set(topological([now[n] for n in outputs]))
    now |= {node: turned[made] for node, made in now.items() if made in turned and made not in needed}
    entered = tuple(dict.fromkeys(now[n] for n in inputs if n in now and now[n] in needed and n.primitive is INPUT))
    last = tuple(dict.fromkeys(now[n] for n in outputs))
    lengths = {node: length for node, length in lengths.items() if node in needed}
    return _with_loops(Forward(trace, call, graph, now, entered, last, lengths=lengths))


def _with_loops(forward: Forward) -> Forward:
    """The forward with a view of its own for each turn of a loop, if most of its steps then lie in loops."""
    made = with_own_views(forward.nodes)
    new = {node: copies[-1] for node, copies in made.items()}
    recorded: dict[Node, list[Node]] = {}
    for node, now in forward.now.items():
        recorded.setdefault(now, []).append(node)
    each = {now: made[now] for now in recorded if len(made.get(now, ())) == len(recorded[now])}
    own = {node: copy for now, copies in each.items() for node, copy in zip(recorded[now], copies, strict=True)}
    outputs = tuple(new[node] for node in forward.outputs)
    marked = {mark: new.get(node, node) for mark, node in forward.graph.outputs.items()}
    graph = Graph(topological(marked.values()), forward.graph.inputs, marked)
    followed = {node: own.get(node, new.get(now, now)) for node, now in forward.now.items()}
    found = replace(forward, graph=graph, now=followed, outputs=outputs)
    repeated = sum(len(loop.turns) * len(loop.turns[0]) for loop in found.loops)
    return found if 2 * repeated > len(found.steps) else forward
