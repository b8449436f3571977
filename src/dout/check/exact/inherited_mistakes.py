"""A layer that holds others: which of its wrong gradients are wrong because the backward of one of these is.

A part is to blame if it is wrong by itself, on what it was given in the layer. Then its derivative takes the place of
its gradient in the recording: what is right with it is no mistake of the layer's own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any

import numpy as np

from dout.adapt.interface.adapted_layer import as_layer, layer_class
from dout.adapt.interface.interface import Interface
from dout.check.exact.exact_route import Examination
from dout.check.exact.subject import Subject
from dout.grad import backpropagate
from dout.graph import Node, topological, with_inputs
from dout.judge.float_judge import as_floats, in_float64
from dout.judge.gradient_judge import refuted_here
from dout.judge.judging_points import generic
from dout.judge.outcomes import Outcome, Point
from dout.ops import PRIMITIVES
from dout.run import copied, objects_in, otherwise, quiet
from dout.trace.model.recorded import LayerCall
from dout.trace.record.record import METHODS_OF, record
from dout.trace.session.layer_calls import KINDS, plain_methods

_NEAR = 1e-7  # of the largest element: two formulas of one number, in float64
_MOST_CALLS = 100  # of parts: a deep network is judged by its layers
_ONES, _ADD = PRIMITIVES["ones"], PRIMITIVES["add"]
Class = tuple[str, str]  # the file of a class, and its name there


class InheritedMistakes:
    """The parts that make gradients of a layer wrong."""

    def __init__(self, subject: Subject, examination: Examination) -> None:
        self.subject, self.examination = subject, examination
        self.places = {node: place for place, node in enumerate(examination.trace.graph.nodes)}
        self.put: dict[frozenset[Class], dict[Node, Node]] = {}  # by the classes that are put right

    @cached_property
    def wrong_parts(self) -> Mapping[LayerCall, Mapping[Node, Node]]:
        """The parts that are wrong by themselves, in the order of backward: each gradient, and its derivative."""
        call = self.examination.call
        calls = [one for one in self.examination.trace.calls if one.defined != call.defined]
        found = {part: pairs for part in calls[:_MOST_CALLS] if (pairs := self._derived(part))}
        nodes = [node for pairs in found.values() for pair in pairs.items() for node in pair]
        base, recorded = self.examination.base, self.examination.recorded
        values = self._values(nodes, [base] if base is recorded else [base, recorded])
        wrong = [
            part for part, pairs in found.items() if any(_differ(v, *pair) for v in values for pair in pairs.items())
        ]
        first = {part.defined: part for part in reversed(wrong)}
        guilty = {name for name, part in first.items() if self._is_wrong_alone(part)}
        return dict(sorted(((part, found[part]) for part in wrong if part.defined in guilty), key=self._turn))

    @cached_property
    def _classes(self) -> list[Class]:
        """The classes of the wrong parts, what is inside before what it is in."""
        return list(dict.fromkeys(part.defined for part in sorted(self.wrong_parts, key=_depth, reverse=True)))

    def of(self, outcome: Outcome) -> tuple[str, ...]:
        """The classes whose mistake makes a refuted gradient wrong; none where it is a mistake of the layer's own."""
        if not self._classes or self._is_right_with((), outcome) or not self._is_right_with(self._classes, outcome):
            return ()
        needed = self._classes
        for one in reversed(self._classes):  # what is wrong only by what is inside is not needed
            without = [other for other in needed if other != one]
            needed = without if self._is_right_with(without, outcome) else needed
        names = {part.defined: part.cls for part in self.wrong_parts}
        return tuple(names[one] for one in needed)

    def left_out(self, outcome: Outcome) -> Node | None:
        """The step of forward whose part is missing in a gradient, once those of the wrong parts are put right."""
        judged = outcome.judged
        mine = self._with(self._classes, judged.gradient)
        for (user, argument), part in self.examination.gradients.on.items():
            if user.inputs[argument] is judged.node and mine.shape == part.shape and judged.derived is not None:
                with_it = Node(_ADD, (mine, part), {}, mine.shape, mine.dtype)
                if self._agree(with_it, judged.derived, outcome.point):
                    return user
        return None

    def _is_right_with(self, classes: Collection[Class], outcome: Outcome) -> bool:
        judged = outcome.judged
        mine = self._with(classes, judged.gradient)
        return judged.derived is not None and self._agree(mine, judged.derived, outcome.point)

    def _with(self, classes: Collection[Class], gradient: Node) -> Node:
        """A gradient, with the derivatives of the parts of these classes in the place of their gradients."""
        key = frozenset(classes)
        if key not in self.put:
            self.put[key] = {}
            for part, pairs in self.wrong_parts.items():
                if part.defined in key:
                    self.put[key] |= {old: _substituted(new, self.put[key]) for old, new in pairs.items()}
        return _substituted(gradient, self.put[key])

    def _agree(self, mine: Node, derived: Node, point: Point) -> bool:
        """Whether two gradients are the same where one was refuted, and nearby."""
        values = self._values([mine, derived], [point, {**self._nearby, **self._seeds_at(point)}])
        return bool(values) and not any(_differ(here, mine, derived) for here in values)

    @cached_property
    def _nearby(self) -> Point:
        return generic(self.examination, 0)

    def _seeds_at(self, point: Point) -> dict[Node, Any]:
        return {seed: point[seed] for seed in self.examination.seeds.values() if seed in point}

    def _derived(self, part: LayerCall) -> dict[Node, Node]:
        """What a part's backward gave and kept, each with the derivative of its forward, given what backward was."""
        douts = part.douts or ()
        seeds = {out: d for out, d in zip(part.outputs, douts, strict=False) if d is not None}
        if not seeds and part.gradients is not None and [out.shape for out in part.outputs] == [()]:
            dtype = np.dtype(part.outputs[0].dtype)  # of a loss, whose backward is given nothing
            seeds = {part.outputs[0]: Node(_ONES, (), {"shape": (), "dtype": dtype}, (), dtype)}
        if not seeds or part.gradients is None or {*part.outputs} & {*part.inputs}:
            return {}
        right = backpropagate(seeds, until=part.inputs).of
        pairs = [*zip(part.inputs, part.gradients, strict=False), *((p.node, p.gradient) for p in part.parameters)]
        found = {mine: right[node] for node, mine in pairs if mine is not None and node in right}
        return {mine: new for mine, new in found.items() if mine not in seeds.values() and mine.shape == new.shape}

    @otherwise(False)
    def _is_wrong_alone(self, call: LayerCall) -> bool:
        """Whether a part is wrong on what it was given in the layer, with nobody around it."""
        data = self.examination.trace.data
        root = self.subject.again()
        methods_of = getattr(type(root), METHODS_OF, plain_methods)
        held = (part for part in objects_in(root) if part is not root and type(part).__qualname__ == call.defined[1])
        for part in held:
            methods = methods_of(type(part))
            if methods is None:
                continue
            inputs = [copied(data[node]) for node in call.inputs]
            if methods[:2] != KINDS:
                names = [f"x{i}" for i in range(len(inputs))]
                part = as_layer(part, layer_class(type(part), Interface(*methods[:2]), names))
            given = [copied(data[dout]) for dout in call.douts or () if dout is not None]
            with quiet(), suppress(Exception):  # this one may have other sizes
                alone = record(part, *inputs, dout=given[0] if len(given) == 1 else given or None)
                return bool(refuted_here(Examination(alone)))
        return False

    def _values(self, wanted: Iterable[Node], points: Iterable[Point]) -> list[dict[Node, object]]:
        nodes, found = topological(wanted), list[dict[Node, object]]()
        for point in points:
            with suppress(ValueError, IndexError):  # there a mask chooses another number of elements
                found.append(in_float64(nodes, point))
        return found

    def _turn(self, item: tuple[LayerCall, Mapping[Node, Node]]) -> tuple[int, int]:
        """When a part gave the last of its gradients: what is inside first."""
        return max(self.places.get(mine, 0) for mine in item[1]), -_depth(item[0])


def _depth(part: LayerCall) -> int:
    return sum(1 for _ in part.outward())


def _substituted(wanted: Node, put: Mapping[Node, Node]) -> Node:
    """The node with others in the place of what it is computed from."""
    made = dict(put)
    for node in topological([wanted], known=put.keys()):
        made[node] = with_inputs(node, [made[i] for i in node.inputs])
    return made[wanted]


def _differ(values: Mapping[Node, object], mine: Node, derived: Node) -> bool:
    got, expected = as_floats(values[mine]), as_floats(values[derived])
    if got.shape != expected.shape:
        return True
    size = np.max(np.abs(expected[np.isfinite(expected)]), initial=0.0)
    return not np.allclose(got, expected, rtol=0, atol=_NEAR * (size or 1.0), equal_nan=True)
