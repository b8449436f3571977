"""Formulas that a derivation shows as one step: softmax and its kin, and a sigmoid inside a layer."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from dout.graph import Graph, Node, rebuild, renewed
from dout.ops import PRIMITIVES, primitives
from dout.rewrite.node_facts import applied, is_constant
from dout.rewrite.sigmoid_forms import power_and_one
from dout.rewrite.softmax_forms import softmax_forms

SOFTMAX = ("softmax", "log_softmax", "logsumexp")
SIGMOID = "sigmoid"
_DIVIDE, _MULTIPLY, _NEGATIVE = primitives("divide"), primitives("multiply"), primitives("negative")


def closed_steps(graph: Graph, outputs: Collection[Node], opened: Collection[str]) -> tuple[Graph, Mapping[Node, Node]]:
    """Return the graph in which each such formula is one step, unless `opened` names it or "all".

    A sigmoid that is an output is what the layer is for: it stays as it is written. Also the products with a negated
    factor whose place others take: −β · x, where σ(β · x) is one step.
    """
    turned: dict[Node, Node] = {}
    if not {"all", SIGMOID} & set(opened):
        graph = rebuild(graph, lambda node, new: _sigmoid(node, new, outputs, turned))
    return (graph if {"all", *SOFTMAX} & set(opened) else softmax_forms(graph)), turned


def _sigmoid(node: Node, new: Mapping[Node, Node], outputs: Collection[Node], turned: dict[Node, Node]) -> Node:
    """1 / (1 + exp(−u)) as one step."""
    made = renewed(node, new)
    if node in outputs or made.primitive not in _DIVIDE or not is_constant(made.inputs[0], 1):
        return made
    u = _behind(made, turned)
    if u is None or u.shape != node.shape or u.dtype != node.dtype:
        return made
    return applied(PRIMITIVES["sigmoid"], [u], {}, node.where)


def _behind(quotient: Node, turned: dict[Node, Node]) -> Node | None:
    """The u of 1 / (1 + exp(−u)), also where a factor of it is negated."""
    power = power_and_one(quotient.inputs[1])
    if power is None:
        return None
    (inside,) = power.inputs
    if inside.primitive in _NEGATIVE:
        return inside.inputs[0]
    if inside.primitive not in _MULTIPLY:
        return None
    for place, factor in enumerate(inside.inputs):
        if factor.primitive in _NEGATIVE:
            factors = list(inside.inputs)
            factors[place] = factor.inputs[0]
            return turned.setdefault(inside, applied(inside.primitive, factors, inside.static, inside.where))
    return None
