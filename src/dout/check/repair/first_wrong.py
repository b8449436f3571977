"""The gradients in between: a `dstd` of the backward is the gradient of the forward's `std`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dout.check.exact.exact_route import Examination
from dout.graph import INPUT, Node, Where, evaluate, topological
from dout.judge.float_judge import as_floats, computed
from dout.judge.gradient_judge import refuted_here
from dout.judge.judged_run import JudgedRun
from dout.judge.outcomes import Judged
from dout.ops import PRIMITIVES

_NAMINGS = ("d(.+)", "d_(.+)", "dL_?d_?(.+)", "grad_(.+)", "(.+)_grad")


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

    A name that a helper gives in each of several calls says nothing: `dx` is that of `x[:, ::-1]`, too. Nor does that
    of a local derivative, `du = 1 - t**2`: what is no function of `dout` is a gradient only where it is 1.
    """
    trace, seeds = examination.trace, {*examination.seeds.values()}
    moved = set[Node]() if examination.ignores_dout else set(seeds)
    for node in trace.graph.nodes if moved else ():
        moved |= {node} if not moved.isdisjoint(node.inputs) else set()
    forward: dict[str, list[Node]] = {}
    for node in trace.graph.nodes:
        if node not in trace.backward and (name := trace.names.get(node)):
            forward.setdefault(name.removeprefix("self."), []).append(node)
    called: dict[str, list[Node]] = {}
    for node in trace.graph.nodes:
        is_gradient = node in trace.backward and node.primitive is not INPUT and (not moved or node in moved)
        if is_gradient and (name := trace.names.get(node)):
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


def first_unknown(examination: Examination, gradient: Node) -> Where | None:
    """The first line on the way to a gradient that makes of `dout` what is no gradient, and no value of forward.

    That of the gradient itself, where there is none before it.
    """
    trace = examination.trace
    backward, seeds = set(trace.backward), set(examination.seeds.values())
    with np.errstate(all="ignore"):
        gradients = evaluate([*examination.derived.values(), *examination.gradients.on.values()], dict(trace.data))
    known = prints_of_forward(examination) | {print_of(value) for value in gradients.values()}
    moved, users = set[Node](seeds), dict[Node, list[Node]]()
    needed = {*topological([gradient])}
    way = [node for node in trace.graph.nodes if node in needed]  # as they were computed
    for node in way:
        moved |= {node} if not moved.isdisjoint(node.inputs) else set()
        for other in node.inputs:
            users.setdefault(other, []).append(node)
    for node in way:
        is_own = node in backward and node.where is not None and (not seeds or node in moved)
        is_result = any(user.where != node.where for user in users.get(node, ())) or node is gradient
        if is_own and is_result and node in trace.data and print_of(trace.data[node]) not in known:
            return node.where
    return gradient.where


def prints_of_forward(examination: Examination) -> set[tuple[Any, ...]]:
    """The prints of all values of forward."""
    trace, backward = examination.trace, set(examination.trace.backward)
    return {print_of(trace.data[node]) for node in trace.graph.nodes if node not in backward and node in trace.data}


def print_of(value: Any) -> tuple[Any, ...]:
    """What arrays of the same elements have in common, in whatever order and shape."""
    array = np.sort(np.ravel(np.asarray(value, dtype=float)))
    return array.size, *(float(f"{number:.9g}") for number in (array.sum(), *array[:1], *array[-1:]))


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
