"""Exact arithmetic for a graph: every float becomes a ball, a number with a proven bound on its error.

A trace's nodes are evaluated anew on `flint.arb` of 300 bits in object arrays, so that what two formulas have in common
is seen to 2⁻²⁰⁰, and where they differ the balls are disjoint: a proof. Most primitives move elements or apply Python's
operators, and their own forward does that for objects as well; `exact_rules` holds the others. A comparison that the
balls leave open, or of two numbers that are equal, is a kink: it is noted, and decided as float64 would.

Source: Johansson, "Arb: efficient arbitrary-precision midpoint-radius interval arithmetic" (IEEE Transactions on
Computers 66, 2017).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from flint import arb, ctx

from dout.clock import count
from dout.graph import CONSTANT, Node
from dout.judge.ball_numbers import ball, exact, is_exact, size
from dout.judge.ball_rules import RULES
from dout.judge.judged_run import elements
from dout.judge.outcomes import NoRuleError
from dout.ops import primitives

PRECISION = 300  # bits
_A_NODE, _A_BALL = 8e-6, 0.2e-6  # seconds, as measured


class Balls:
    """Evaluates nodes over balls; afterwards `values` has what each gave.

    `kinks` are the nodes that met one.
    """

    def __init__(self, given: Mapping[Node, Any]) -> None:
        self.values: dict[Node, Any] = {node: exact(value) for node, value in given.items()}
        self.kinks: set[Node] = set()
        self._sizes: dict[Node, arb] = {}

    def size_of(self, node: Node) -> arb:
        """The largest absolute value that a node gave."""
        if node not in self._sizes:
            self._sizes[node] = size(self.values[node])
        return self._sizes[node]

    def compute(self, nodes: Iterable[Node]) -> None:
        """Compute `nodes`, each after its inputs. Raises NoRuleError."""
        ctx.prec = PRECISION  # it is global, and the user may have set it
        new = [node for node in nodes if node not in self.values]
        count(_A_NODE * len(new) + _A_BALL * elements(new))
        for node in new:
            self.values[node] = self._apply(node)

    def _apply(self, node: Node) -> Any:
        if node.primitive is CONSTANT:
            return exact(node.static["value"])
        values = [self.values[i] for i in node.inputs]
        rule = RULES.get(node.primitive)
        if rule is not None:
            value = rule(self, node, *values)
        elif any(is_exact(v) for v in values):
            if node.primitive in _MOVES:  # `np.mean(x)[()]`: one ball has no axes to index
                values = [np.array(v, dtype=object) if type(v) is arb else v for v in values]
            static = {k: v for k, v in node.static.items() if k != "dtype"}  # balls have no precision to lose
            try:
                value = node.primitive.forward(*values, **static)
            except (TypeError, AttributeError, ValueError) as error:
                raise NoRuleError(f"{node.primitive}: {error}") from None
        else:
            value = node.primitive.apply(values, node.static)
        only_moves = node.primitive in _MOVES and node.inputs[0].kind == "f"  # what it gives are balls, as these are
        return exact(value) if node.kind == "f" and not only_moves else value

    def order(self, node: Node, a: Any, b: Any) -> int:
        """-1, 0 or 1 as a is below, equal to or above b; a kink where a small step might change that."""
        if a is b:
            return 0
        a, b = ball(a), ball(b)
        sign = bool(a > b) - bool(a < b)
        if sign == 0 and not (a.is_nan() or b.is_nan()):
            self.kinks.add(node)
            sign = (float(a.mid()) > float(b.mid())) - (float(a.mid()) < float(b.mid()))
        return int(sign)


_MOVES = primitives("getitem reshape ravel transpose broadcast_to setitem add_at scatter")
