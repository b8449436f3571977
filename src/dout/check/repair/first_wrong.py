"""The gradients in between: a `dstd` of the backward is the gradient of the forward's `std`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dout.check.exact.exact_route import Examination
from dout.graph import INPUT, Node, Where, topological
from dout.judge.float_judge import as_floats, computed
from dout.judge.gradient_judge import refuted_here
from dout.judge.judged_run import JudgedRun
from dout.judge.outcomes import Judged
from dout.ops import PRIMITIVES

_NAMINGS = ("d(.+)", "d_(.+)", "grad_(.+)", "(.+)_grad")


@dataclass(frozen=True)
class NamedGradient:
    """A value of the backward that is named as the gradient of one of the forward.

    That it is exactly the negative of it may be a matter of convention.
    """

    name: str
    where: Where | None
    node: Node
    derived: Node
    right: bool
    negated: bool = False


def named_gradients(examination: Examination) -> list[NamedGradient]:
    """Every gradient in between by its name, in the order in which backward computes them, and whether it is right.

    A name that a helper gives in each of several calls says nothing: `dx` is that of `x[:, ::-1]`, too.
    """
    trace = examination.trace
    forward: dict[str, list[Node]] = {}
    for node in trace.graph.nodes:
        if node not in trace.backward and (name := trace.names.get(node)):
            forward.setdefault(name, []).append(node)
    called: dict[str, list[Node]] = {}
    for node in trace.graph.nodes:
        if node in trace.backward and node.primitive is not INPUT and (name := trace.names.get(node)):
            called[name] = called.pop(name, [])  # in the order of their last ones
            called[name].append(node)
    last = {name: nodes[-1] for name, nodes in called.items() if _is_of_one_call(nodes)}
    judged: list[tuple[Judged, Judged]] = []  # each beside its negative
    for name, mine in last.items():
        bases = [forward[base] for base in _meant(name) if base in forward][:1]
        value = bases[0][0] if bases and len(bases[0]) == 1 else None  # of several of one name none is meant
        has_sign = mine.kind != "b"  # NumPy negates no mask
        if value is not None and value in examination.derived and value.shape == mine.shape and has_sign:
            derived = examination.derived[value]
            negative = Node(PRIMITIVES["negative"], (mine,), {}, mine.shape, mine.dtype)
            judged.append((Judged(name, value, mine, derived=derived), Judged(name, value, negative, derived=derived)))
    if not judged:
        return []
    both = [one for pair in judged for one in pair]
    run = JudgedRun(trace.graph.nodes, trace.data, trace.backward, both, examination.seeds, examination.inputs)
    wrong = {outcome.judged for outcome in refuted_here(run)}
    known = dict(trace.data)
    return [
        NamedGradient(
            mine.name, mine.gradient.where, mine.gradient, examination.derived[mine.node],
            mine not in wrong or _is_divided_later(mine, known),
            mine in wrong and negative not in wrong,
        )
        for mine, negative in judged
    ]  # fmt: skip


def _is_of_one_call(nodes: Sequence[Node]) -> bool:
    """Whether those that the line of the last one makes come one after another, as in a loop."""
    alike = {node for node in nodes if node.where == nodes[-1].where}
    return len(alike) == 1 or {*topological(nodes[-1:])} >= alike


def _is_divided_later(judged: Judged, known: dict[Node, Any]) -> bool:
    """Whether it is the right one times a length: of a loss that is a mean each parameter's gradient may be divided."""
    if judged.derived is None:
        return False
    values = computed(topological([judged.derived, judged.gradient], known=known), known)
    mine, derived = as_floats(values[judged.gradient]), as_floats(values[judged.derived])
    return any(n > 1 and bool(np.allclose(mine, n * derived, rtol=1e-9, atol=0)) for n in judged.gradient.shape)


def _meant(name: str) -> list[str]:
    """The names of which this may be the gradient: dstd is that of std."""
    found = (re.fullmatch(naming, name.removeprefix("self.")) for naming in _NAMINGS)
    return [match[1] for match in found if match is not None]
