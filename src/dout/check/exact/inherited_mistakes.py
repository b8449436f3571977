"""A layer that holds others: which of its wrong gradients are wrong because the backward of one of these is.

Each part was recorded inside the layer, with what its backward was given and what it gave. So its derivative takes the
place of its gradient in the recording: what is right then is no mistake of the layer's own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from functools import cached_property

import numpy as np

from dout.check.exact.exact_route import Examination
from dout.grad import backpropagate
from dout.graph import Node, topological, with_inputs
from dout.judge.float_judge import as_floats, in_float64
from dout.judge.judging_points import generic
from dout.judge.outcomes import Judged, Point
from dout.ops import PRIMITIVES
from dout.trace.model.recorded import LayerCall

_ROUNDED = 1e-7  # of the largest element: two formulas of one number, in float64


class InheritedMistakes:
    """The parts that make gradients of a layer wrong."""

    def __init__(self, examination: Examination) -> None:
        self.examination = examination
        self.places = {node: place for place, node in enumerate(examination.trace.graph.nodes)}
        self.points: list[Point] = [examination.base, generic(examination, 0)]

    @cached_property
    def wrong_parts(self) -> Mapping[LayerCall, Mapping[Node, Node]]:
        """The parts with a wrong gradient, in the order of backward: each gradient that is, and its derivative."""
        calls = [call for call in self.examination.trace.calls if call is not self.examination.call]
        found = {part: pairs for part in calls if (pairs := self._derived(part))}
        values = self._values([node for pairs in found.values() for pair in pairs.items() for node in pair])
        wrong = {
            part: {mine: derived for mine, derived in pairs.items() if any(_differ(v, mine, derived) for v in values)}
            for part, pairs in found.items()
        }
        return dict(sorted(((part, pairs) for part, pairs in wrong.items() if pairs), key=self._turn))

    @cached_property
    def _classes(self) -> list[tuple[str, str]]:
        """The classes of the wrong parts, what is inside before what it is in."""
        return list(dict.fromkeys(part.defined for part in sorted(self.wrong_parts, key=_depth, reverse=True)))

    def of(self, judged: Judged) -> tuple[str, ...]:
        """The classes whose mistake makes a wrong gradient wrong; none where it is a mistake of the layer's own."""
        if not self._is_right_with(self._classes, judged):
            return ()
        needed = self._classes
        for one in reversed(self._classes):  # what is wrong only by what is inside is not needed
            without = [other for other in needed if other != one]
            needed = without if self._is_right_with(without, judged) else needed
        names = {part.defined: part.cls for part in self.wrong_parts}
        return tuple(names[one] for one in needed)

    def left_out(self, judged: Judged) -> Node | None:
        """The step of forward whose part is missing in a gradient, once those of the wrong parts are put right."""
        mine, derived = self._with(self._classes, judged.gradient), judged.derived
        for (user, argument), part in backpropagate(self.examination.seeds).on.items():
            if user.inputs[argument] is judged.node and mine.shape == part.shape and derived is not None:
                with_it = Node(PRIMITIVES["add"], (mine, part), {}, mine.shape, mine.dtype)
                if self._agree(with_it, derived):
                    return user
        return None

    def _is_right_with(self, classes: Collection[tuple[str, str]], judged: Judged) -> bool:
        if judged.derived is None or not classes:
            return False
        return self._agree(self._with(classes, judged.gradient), judged.derived)

    def _with(self, classes: Collection[tuple[str, str]], gradient: Node) -> Node:
        """A gradient, with the derivatives of the parts of these classes in the place of their gradients."""
        put: dict[Node, Node] = {}
        for part, pairs in self.wrong_parts.items():
            put |= {old: _substituted(new, put) for old, new in pairs.items()} if part.defined in classes else {}
        return _substituted(gradient, put)

    def _agree(self, mine: Node, derived: Node) -> bool:
        values = self._values([mine, derived])
        return bool(values) and not any(_differ(here, mine, derived) for here in values)

    def _derived(self, part: LayerCall) -> dict[Node, Node]:
        """What a part's backward gave and kept, each with the derivative of its forward, given what backward was."""
        seeds = {out: d for out, d in zip(part.outputs, part.douts or (), strict=False) if d is not None}
        if not seeds or not part.gradients or {*part.outputs} & {*self.examination.trace.joined, *part.inputs}:
            return {}
        right = backpropagate(seeds, until=part.inputs).of
        pairs = [*zip(part.inputs, part.gradients, strict=False), *((p.node, p.gradient) for p in part.parameters)]
        found = {mine: right[node] for node, mine in pairs if mine is not None and node in right}
        return {mine: new for mine, new in found.items() if mine not in seeds.values() and mine.shape == new.shape}

    def _values(self, wanted: Iterable[Node]) -> list[dict[Node, object]]:
        nodes, found = topological(wanted), list[dict[Node, object]]()
        for point in self.points:
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
    for node in topological([wanted]):
        if node not in made:
            made[node] = with_inputs(node, [made[i] for i in node.inputs])
    return made[wanted]


def _differ(values: Mapping[Node, object], mine: Node, derived: Node) -> bool:
    got, expected = as_floats(values[mine]), as_floats(values[derived])
    if got.shape != expected.shape:
        return True
    size = np.max(np.abs(expected[np.isfinite(expected)]), initial=0.0)
    return not np.allclose(got, expected, rtol=0, atol=_ROUNDED * (size or 1.0), equal_nan=True)
