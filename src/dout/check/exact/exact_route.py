"""A recorded layer call, ready for exact arithmetic: which of its gradients are judged, and what may vary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property

import numpy as np

from dout.check.exact.condition_sides import Conditions
from dout.grad import backpropagate
from dout.graph import INPUT, Node, topological
from dout.judge.ball_numbers import middle
from dout.judge.exact_judge import ExactJudge
from dout.judge.float_judge import in_float64
from dout.judge.judged_run import MOST_ELEMENTS, elements
from dout.judge.outcomes import Judged, NoRuleError
from dout.ops import PRIMITIVES
from dout.trace.model.recorded import LOSSES, LayerCall, Parameter
from dout.trace.record.trace import Trace

_SELECTING = frozenset(
    PRIMITIVES[name]
    for name in ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "maximum", "minimum", "clip",
                 "absolute", "math_fabs", "sign", "max", "min", "argmax", "argmin", "argsort")
)  # fmt: skip


class Examination(ExactJudge):
    """One recorded layer call, ready to be evaluated over balls at any point."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.call = call = trace.calls[0]
        pairs = zip(call.outputs, call.douts or (), strict=False)
        seeds = {output: dout for output, dout in pairs if dout is not None}
        self.gradients = backpropagate(seeds)
        self.derived = self.gradients.of
        judged = _judged(trace, call, self.derived)
        super().__init__(trace.graph.nodes, trace.data, trace.backward, judged, seeds, call.inputs)

    @cached_property
    def is_large(self) -> bool:
        """Whether balls would take seconds, and minutes for a whole network."""
        return elements(self.nodes) > MOST_ELEMENTS

    @cached_property
    def ignores_dout(self) -> bool:
        """Whether no gradient depends on the upstream one, as in a loss whose backward assumes that it is 1.

        Where the derivative is 0 there is nothing to depend on it.
        """
        needed = set(topological(j.gradient for j in self.judged))
        if not self.judged or needed & set(self.seeds.values()):
            return False
        point = self.recorded | self.ones
        if self.is_large:
            derived = [judged.derived for judged in self.judged if judged.derived is not None]
            values = in_float64(topological(derived), point)
            return any(np.any(values[node]) for node in derived)
        balls = self.balls(point)
        return any(np.any(middle(self.expected(balls, j)) != 0) for j in self.judged)

    @cached_property
    def steering(self) -> frozenset[Node]:
        """What the run took a branch, or an index, for, of that which may have another value at another point."""
        return frozenset(self.varying) & frozenset(topological(self.trace.steered))

    @property
    def is_steered(self) -> bool:
        """Whether the recording holds only where some inputs have the values that they have here."""
        return bool(self.steering)

    def refuse_gaps(self) -> None:
        """Raise NoRuleError where the recording does not hold all that the layer computes."""
        lost = next((event for event in self.trace.events if event.kind in LOSSES), None)
        if lost is not None:
            raise NoRuleError(str(lost))
        if any(event.kind == "specialised" for event in self.trace.events) and not self.is_steered:
            raise NoRuleError("on other inputs the layer computes something that the recording does not explain")

    @cached_property
    def conditions(self) -> Conditions:
        """The conditions in arrays, those of backward too."""
        return Conditions(self.trace, self.varying)

    @cached_property
    def selects(self) -> bool:
        """Whether the forward chooses by value anywhere, so that it has kinks."""
        return any(node.primitive in _SELECTING for node in self.forward)


def _judged(trace: Trace, call: LayerCall, derived: Mapping[Node, Node]) -> tuple[Judged, ...]:
    names = {node: name for name, node in trace.graph.inputs.items()}
    found: dict[Node, Judged] = {}
    for i, (node, gradient) in enumerate(zip(call.inputs, call.gradients or (), strict=False)):
        if gradient is not None:
            name = names.get(node) or trace.names.get(node) or f"input {i}"
            found[node] = Judged(name, node, gradient, derived=derived.get(node))
    for parameter in call.parameters:
        mine = Judged(parameter.name, parameter.node, parameter.gradient, True, derived.get(parameter.node))
        found.setdefault(parameter.node, mine)
    for name, parameter in _of_parts(trace, call):
        mine = Judged(name, parameter.node, parameter.gradient, True, derived.get(parameter.node))
        found.setdefault(parameter.node, mine)
    given = {*call.inputs, *(call.douts or ())}
    return tuple(judged for judged in found.values() if judged.gradient in given or not _is_untouched(judged))


def _is_untouched(judged: Judged) -> bool:
    """Whether forward makes no use of a parameter, and what is named as its gradient is not computed."""
    return judged.parameter and judged.is_unused and judged.gradient.primitive is INPUT


def _of_parts(trace: Trace, call: LayerCall) -> Iterator[tuple[str, Parameter]]:
    """The parameters of the layers that a layer calls, named after these; not those of one that is called twice."""
    parts = [part for part in trace.calls if part is not call and part.inside(call) and part.parameters]
    owners = Counter(parameter.node for part in parts for parameter in part.parameters)
    numbered = Counter(part.name for part in parts)
    places: Counter[str] = Counter()
    for part in parts:
        name = part.name if numbered[part.name] == 1 else f"{part.name}[{places[part.name]}]"
        places[part.name] += 1
        for parameter in part.parameters:
            if owners[parameter.node] == 1:
                yield f"{name}.{parameter.name}", parameter
