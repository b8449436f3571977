"""What forward has to keep for backward: the choices there are, and how much memory each takes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from dout.explain.algebra.derivative_forms import Derivative
from dout.explain.derivation.forward_graph import Forward
from dout.explain.model.explanation import Keeping, Reason
from dout.explain.terms.terms import Cases
from dout.graph import INPUT, Node, topological


def keepings(forward: Forward, found: Sequence[tuple[Node, Derivative]]) -> tuple[Keeping, ...]:
    """The choices, the one with the least memory first; parameters are kept in any case and do not count."""
    choices: list[Keeping] = []
    (output,) = forward.outputs
    needed = [node for _, one in found for node in _held(forward, one)]
    y = forward.names[output]
    inputs = tuple(forward.names[n] for n in forward.inputs)
    size = math.prod(output.shape)
    if found and all(one.by_output for _, one in found):
        if not any(one.uses or isinstance(one.term, Cases) for _, one in found):
            return (Keeping((), 0, Reason("keep nothing")),)
        if not needed:
            choices.append(Keeping(("mask",), math.ceil(size / 8), Reason("keep the mask", {"y": y})))
        choices.append(Keeping((y,), size, Reason("keep the output", {"y": y, "inputs": inputs})))
    if any(isinstance(one.term, Cases) for _, one in found) and not needed and not choices:
        choices.append(Keeping(("mask",), math.ceil(size / 8), Reason("keep the mask", {"y": y})))
    held = list(dict.fromkeys(_named(forward, needed)))
    names = tuple(forward.names[n] for n in held)
    if names and names != (y,):
        choices.append(Keeping(names, sum(math.prod(n.shape) for n in held), _reason(forward, held)))
    if all(keeping.names != inputs for keeping in choices) and choices:
        total = sum(math.prod(n.shape) for n in forward.inputs)
        choices.append(Keeping(inputs, total, Reason("keep the inputs", {"names": inputs})))
    return tuple(choices)


def _held(forward: Forward, one: Derivative) -> Iterable[Node]:
    return (node for node in one.uses if node not in forward.parameters)


def _named(forward: Forward, nodes: Iterable[Node]) -> Iterable[Node]:
    """Nodes that a reader knows by name; in the place of others the inputs from which they are computed."""
    for node in nodes:
        if node in forward.names and forward.is_named(node):
            yield node
        else:
            needed = topological([node])
            same = {forward.names[n]: n for n in forward.inputs}
            yield from (n for n in same.values() if n in needed)


def _reason(forward: Forward, held: Sequence[Node]) -> Reason:
    names = tuple(forward.names[n] for n in held)
    inputs = all(node.primitive is INPUT for node in held)
    return Reason("keep the inputs" if inputs else "keep values", {"names": names})
