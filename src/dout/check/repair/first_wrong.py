"""The gradients in between: a `dstd` of the backward is the gradient of the forward's `std`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dout.check.exact.exact_route import Examination
from dout.check.repair.test_stand import natural_size, near, values_of
from dout.graph import INPUT, Node, Where

_NAMINGS = ("d{}", "d_{}", "grad_{}", "{}_grad")


@dataclass(frozen=True)
class NamedGradient:
    """A value of the backward that is named as the gradient of one of the forward.

    That it is exactly the negative of it may be a matter of convention.
    """

    name: str
    where: Where | None
    node: Node
    right: bool
    negated: bool = False


def named_gradients(examination: Examination) -> list[NamedGradient]:
    """Every gradient in between by its name, in the order in which backward computes them, and whether it is right."""
    trace = examination.trace
    forward: dict[str, list[Node]] = {}
    for node in trace.graph.nodes:
        if node not in trace.backward and (name := trace.names.get(node)):
            forward.setdefault(name, []).append(node)
    last: dict[str, Node] = {}
    for node in trace.graph.nodes:
        if node in trace.backward and node.primitive is not INPUT and (name := trace.names.get(node)):
            last.pop(name, None)
            last[name] = node
    found: list[tuple[str, Node, Node, Node]] = []
    for name, mine in last.items():
        bases = [forward[base] for base in _meant(name) if base in forward][:1]
        value = bases[0][0] if bases and len(bases[0]) == 1 else None  # of several of one name none is meant
        if value is not None and value in examination.derived and value.shape == mine.shape:
            found.append((name, mine, examination.derived[value], value))
    values = values_of(examination, (derived for _, _, derived, _ in found))
    named = []
    for name, mine, derived, value in found:
        got, right, natural = trace.data[mine], values[derived], natural_size(examination, value)
        is_right, is_negative = (near(g, right, 1e-6, natural) for g in (got, np.negative(got)))
        named.append(NamedGradient(name, mine.where, mine, is_right, not is_right and is_negative))
    return named


def _meant(name: str) -> list[str]:
    """The names of which this may be the gradient: dstd is that of std."""
    bare = name.removeprefix("self.")
    ends = [naming.split("{}") for naming in _NAMINGS]
    return [
        bare.removeprefix(before).removesuffix(after)
        for before, after in ends
        if bare.startswith(before) and bare.endswith(after) and len(bare) > len(before) + len(after)
    ]
