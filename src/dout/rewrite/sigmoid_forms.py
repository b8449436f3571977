"""Sigmoids as a person writes them: by the exponential that forward takes anyway, or by one that never overflows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from dout.graph import Graph, Node, rebuild, renewed
from dout.ops import PRIMITIVES
from dout.rewrite.node_facts import is_constant, made_by, standing_for

_SIGMOID, _NEGATIVE, _EXP, _ADD = (PRIMITIVES[name] for name in ("sigmoid", "negative", "exp", "add"))


def sigmoid_forms(graph: Graph, known: Collection[Node]) -> Graph:
    """Return the graph without the primitive sigmoid; `known` are values that forward computes.

    Where 1 + exp(−u) is known, σ(u) is 1 over it. Where exp(−u) is, it is 1 / (1 + exp(−u)), and where exp(u) is,
    1 / (1 + 1 / exp(u)): without another exponential, and of one that has overflowed it is 1. Else it is made of
    exp(−|u|).
    """
    powers = {_signed(node.inputs[0]): node for node in known if node.primitive is _EXP}
    sums = {_signed(power.inputs[0]): node for node in known if (power := power_and_one(node)) is not None}

    def written(node: Node, new: Mapping[Node, Node]) -> Node:
        if node.primitive is not _SIGMOID:
            return renewed(node, new)
        base, sign = _signed(node.inputs[0])
        u = new[node.inputs[0]]
        if (base, -sign) in sums:
            return _of(node, lambda d: 1 / d, d=new.get(sums[base, -sign], sums[base, -sign]))
        if base.primitive is PRIMITIVES["absolute"] and sign < 0:
            return _of(node, lambda u: np.exp(u) / (1 + np.exp(u)), u=u)
        if (base, -sign) in powers:
            return _of(node, lambda e: 1 / (1 + e), e=new.get(powers[base, -sign], powers[base, -sign]))
        if (base, sign) in powers:
            return _of(node, lambda e: 1 / (1 + 1 / e), e=new.get(powers[base, sign], powers[base, sign]))
        return _of(node, _bounded if sign > 0 else _bounded_of_minus, u=new.get(base, base))

    return rebuild(graph, written)


def is_sigmoid(node: Node) -> bool:
    """Whether a value is a quotient as `sigmoid_forms` writes it."""
    return node.primitive is PRIMITIVES["divide"] and power_and_one(node.inputs[1]) is not None


def _bounded(u: Any) -> Any:
    return np.exp(np.minimum(u, 0)) / (1 + np.exp(-np.abs(u)))


def _bounded_of_minus(u: Any) -> Any:
    return np.exp(-np.maximum(u, 0)) / (1 + np.exp(-np.abs(u)))


def _of(node: Node, function: Callable[..., Any], **operands: Node) -> Node:
    return standing_for(node, made_by(function, where=node.where, **operands))


def _signed(node: Node) -> tuple[Node, int]:
    """A value without its minuses, and their sign."""
    sign = 1
    while node.primitive is _NEGATIVE:
        (node,), sign = node.inputs, -sign
    return node, sign


def power_and_one(node: Node) -> Node | None:
    """The exponential in 1 + exp(u)."""
    if node.primitive is not _ADD:
        return None
    one = any(is_constant(i, 1) for i in node.inputs)
    return next((i for i in node.inputs if i.primitive is _EXP), None) if one else None
