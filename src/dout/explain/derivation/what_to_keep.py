"""What forward has to keep for backward: the choices there are, and how much memory each takes."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np

from dout.explain.algebra.derivative_forms import Derivative
from dout.explain.derivation.forward_graph import Forward
from dout.explain.model.explanation import Keeping, Phrase
from dout.explain.terms.terms import Cases, Symbol
from dout.explain.terms.walk import calls_in
from dout.graph import CONSTANT, INPUT, Graph, Node, topological
from dout.ops import primitives
from dout.rewrite.simplify import simplify

NOTHING: Mapping[Node, Node] = {}
_DIVIDE = primitives("divide")


def keepings(forward: Forward, found: Sequence[Derivative]) -> tuple[Keeping, ...]:
    """The choices, the one with the least memory first; parameters are kept in any case and do not count."""
    (output,) = forward.outputs
    uses = (n for one in found for n in one.uses)
    needed = [n for n in dict.fromkeys(_known(forward, uses)) if not _is_held(forward, n)]
    if set(forward.inputs) <= set(needed):
        needed = [n for n in needed if n is not output]  # it follows from the inputs
    switches = any(isinstance(one.term, Cases) or "sign" in calls_in(one.term) for one in found)
    if not needed and not switches:
        return (kept(forward, []),)
    by_output = all(one.by_output for one in found)
    choices = [kept(forward, needed, or_output=by_output)] if needed else []
    if switches and not needed:
        numbers = math.prod(output.shape)  # a truth value takes one byte
        fields = {"y": Symbol(forward.names[output]), "bytes": _size(output)}
        choices.append(Keeping(("mask",), numbers, numbers, Phrase("keep the mask", fields)))
    if by_output:
        choices.append(kept(forward, [output]))
    if forward.drawn.isdisjoint(needed):
        choices.append(kept(forward, forward.inputs))
    first: dict[tuple[str, ...], Keeping] = {}
    for keeping in choices:
        first.setdefault(keeping.names, keeping)
    return tuple(first.values())


def read_by_gradients(forward: Forward, instead: Mapping[Node, Node] = NOTHING) -> tuple[Keeping, ...]:
    """The one choice that always holds: every value of forward that some gradient is computed from.

    Without those that follow from others by one operation: a numerator is the quotient times the denominator. Where
    there is another formula of a gradient `instead`, it is that which is computed.
    """
    every = {n: forward.gradients.of[n] for n in (*forward.inputs, *forward.learned) if n in forward.gradients.of}
    wanted = [*{**every, **instead}.values()]
    marked = {str(i): node for i, node in enumerate((*forward.nodes, *wanted))}
    merged = simplify(Graph(topological(marked.values()), {}, marked)).outputs  # what gradients compute again is one
    now = {merged[mark]: node for mark, node in reversed(marked.items()) if node not in wanted}
    after = [merged[mark] for mark, node in marked.items() if node in wanted]
    read = {now[i] for node in topological(after, known=now) for i in node.inputs if i in now}
    read |= {now[node] for node in after if node in now}
    needed = [n for n in forward.nodes if n in read]
    for node in list(needed):
        if node not in forward.held and _follows(node, [n for n in needed if n is not node]):
            needed.remove(node)
    return (kept(forward, list(dict.fromkeys(_known(forward, needed)))),)


def _follows(node: Node, others: Collection[Node]) -> bool:
    """Whether a value is the numerator of a quotient that is known with its denominator."""
    quotients = (n for n in others if n.primitive in _DIVIDE and n.inputs[0] is node and n.shape == node.shape)
    return any(n.inputs[1] in others for n in quotients)


def kept(forward: Forward, nodes: Sequence[Node], *, or_output: bool = False) -> Keeping:
    """The choice to keep some values; `or_output` says that the output would do as well."""
    if not nodes:
        return Keeping((), 0, 0, Phrase("keep nothing"))
    names, inputs = (tuple(forward.names[n] for n in found) for found in (nodes, forward.inputs))
    if tuple(nodes) == forward.outputs:
        reason = Phrase("keep the output", {"y": Symbol(names[0]), "inputs": inputs})
    elif or_output:
        reason = Phrase("keep one of them", {"names": names, "y": Symbol(forward.names[forward.outputs[0]])})
    else:
        known = set(forward.inputs) | set(forward.parameters)
        reason = Phrase("keep the inputs" if set(nodes) <= known else "keep values", {"names": names})
    counted = [(math.prod(node.shape), _size(node)) for node in nodes if node not in forward.held]
    return Keeping(names, sum(n for n, _ in counted), sum(n * size for n, size in counted), reason)


def _size(node: Node) -> int:
    """The bytes that an element takes; a Python number counts as one of NumPy's."""
    return np.dtype(node.dtype).itemsize


def _is_held(forward: Forward, node: Node) -> bool:
    """Whether a value is computed from parameters alone."""
    return {n for n in topological([node]) if n.primitive is INPUT} <= forward.held


def _known(forward: Forward, nodes: Iterable[Node]) -> Iterator[Node]:
    """Nodes that a reader knows by name; in the place of others the values with names that they are computed from."""
    waiting, seen = list(nodes)[::-1], set[Node]()
    while waiting:
        node = waiting.pop()
        if node in seen or node.primitive is CONSTANT or node in forward.counts or node in forward.fixed:
            continue
        seen.add(node)
        if forward.is_named(node) and node not in forward.in_loops:
            yield node
        else:
            waiting += reversed(node.inputs)
