"""Algebra: formulas that are slow, lose digits or overflow give way to better ones.

The results are at least as accurate, but not the same bits. The table is plain NumPy: a formula, its replacement, and
a condition. A formula is looked for in every order of its sums and products.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dout.graph import CONSTANT, INPUT, Graph, Node, Primitive, rebuild, renewed, settled
from dout.ops import PRIMITIVES, primitives
from dout.ops.elementwise import sigmoid, softplus
from dout.rewrite.node_facts import behind, users_of
from dout.rewrite.patterns import Match, Pattern, replaced
from dout.rewrite.simplify import simplify


def stable_forms(graph: Graph, *, derived: bool = False) -> Graph:
    """Return the graph, simplified, with its formulas replaced as the table says.

    A formula whose costly part is needed elsewhere too is replaced only where the table says that this still pays.
    Rewrite before you differentiate: a gradient holds on to the parts of a formula. Where the graph has a gradient that
    was `derived`, it loses no digits that its function has.
    """
    rules = _FOR_DERIVED if derived else _BY_ROOT
    return settled(simplify(graph), lambda graph: simplify(rebuild(graph, _Rewriting(graph, rules))))


def by_exponentials(graph: Graph) -> Graph:
    """Return the graph in which the slope of tanh is made of exponentials, which may be joined with others."""
    return simplify(rebuild(simplify(graph), _Rewriting(graph, _BY_EXPONENTIALS)))


@dataclass(frozen=True, eq=False)
class _Rule:
    pattern: Pattern
    instead: Callable[..., Any]
    when: Callable[..., bool] | None
    alone: bool


class _Rewriting:
    """Gives for each node of a graph its replacement by the first rule that matches."""

    def __init__(self, graph: Graph, rules: Mapping[Primitive, list[_Rule]]) -> None:
        self.rules = rules
        self.users = users_of(graph)

    def __call__(self, node: Node, new: Mapping[Node, Node]) -> Node:
        for rule in self.rules.get(node.primitive, ()):
            for match in rule.pattern.matches(node):
                found = {name: match[v] for name, v in rule.pattern.variables.items()}
                if (rule.when and not rule.when(node, **found)) or (rule.alone and not self._alone(match, node)):
                    continue
                operands = {name: x.static["value"] if x.primitive is CONSTANT else new[x] for name, x in found.items()}
                made = replaced(node, rule.instead, operands)
                if made is not None:
                    return made
        return renewed(node, new)

    def _alone(self, match: Match, root: Node) -> bool:
        """Whether nothing else needs what is computed inside the match."""
        inside: set[Node | None] = {node for pattern, node in match.items() if pattern.primitive is not INPUT}
        return all(self.users[node] <= inside for node in inside - {root} if node)


# --- when -------------------------------------------------------------------------------------------------------------


def _by_powers_of_two(node: Node, **operands: Node) -> bool:
    """Whether the constants and their reciprocals are powers of two, well inside the range of the node's dtype."""
    numbers = [x.static["value"] for x in operands.values() if x.primitive is CONSTANT]
    most = np.finfo(np.dtype(node.dtype)).maxexp // 2 - 2
    return all(abs(math.frexp(number)[0]) == 0.5 and abs(math.frexp(number)[1]) < most for number in numbers)


_PASSED = primitives("reshape broadcast_to getitem transpose")


def _is_softmax(node: Node, z: Node, s: Node) -> bool:
    """Whether z is an array without its largest element, and s the sum of exp(z), both along the same axes."""
    if z.primitive is not PRIMITIVES["subtract"]:
        return False
    x, largest, total = z.inputs[0], behind(z.inputs[1], through=_PASSED), behind(s, through=_PASSED)
    return (
        (largest.primitive, total.primitive) == (PRIMITIVES["max"], PRIMITIVES["sum"])
        and largest.inputs == (x,)
        and largest.static.get("axis") == total.static.get("axis")
        and total.inputs[0].primitive is PRIMITIVES["exp"]
        and total.inputs[0].inputs == (z,)
    )


# --- the table --------------------------------------------------------------------------------------------------------

_BY_ROOT: dict[Primitive, list[_Rule]] = {}
_FOR_DERIVED: dict[Primitive, list[_Rule]] = {}
_BY_EXPONENTIALS: dict[Primitive, list[_Rule]] = {}


def _rule(
    pattern: Callable[..., Any],
    instead: Callable[..., Any],
    when: Callable[..., bool] | None = None,
    alone: bool = True,
    table: dict[Primitive, list[_Rule]] = _BY_ROOT,
) -> None:
    rule = _Rule(Pattern.of(pattern), instead, when, alone)
    table.setdefault(rule.pattern.root.primitive, []).append(rule)


_rule(lambda u: 1 / (1 + np.exp(u)), lambda u: sigmoid(-u))
_rule(lambda u: np.exp(u) / (1 + np.exp(u)), lambda u: sigmoid(u))
_rule(lambda u: (1 + np.tanh(u)) * 0.5, lambda u: sigmoid(u * 2))
_rule(lambda u: np.tanh(u) * 0.5 + 0.5, lambda u: sigmoid(u * 2))

_rule(lambda u: np.log(1 + np.exp(u)), lambda u: softplus(u))
_rule(lambda u: np.log1p(np.exp(u)), lambda u: softplus(u))
_rule(lambda u: np.logaddexp(0, u), lambda u: softplus(u))
_rule(lambda u: np.maximum(u, 0) + np.log1p(np.exp(-np.abs(u))), lambda u: softplus(u))
_rule(lambda u: np.maximum(u, 0) + np.log(1 + np.exp(-np.abs(u))), lambda u: softplus(u))
_rule(lambda r, u: np.maximum(u, 0) - r + softplus(-np.abs(u)), lambda r, u: softplus(u) - r)
_rule(lambda r, u: np.maximum(u, 0) + r + softplus(-np.abs(u)), lambda r, u: softplus(u) + r)
# These pay also where the sigmoid or the softmax is needed anyway: the logarithm of what has become 0 is lost.
_rule(lambda u: np.log(sigmoid(u)), lambda u: -softplus(-u), alone=False)
_rule(lambda u: np.log(1 - sigmoid(u)), lambda u: -softplus(u), alone=False)
_rule(
    lambda mask, u: np.log(np.where(mask, sigmoid(u), 1 - sigmoid(u))),
    lambda mask, u: -softplus(np.where(mask, -u, u)),
    alone=False,
)
_rule(
    lambda mask, u: np.log(np.where(mask, 1 - sigmoid(u), sigmoid(u))),
    lambda mask, u: -softplus(np.where(mask, u, -u)),
    alone=False,
)
_rule(lambda z, s: np.log(np.exp(z) / s), lambda z, s: z - np.log(s), _is_softmax, alone=False)

_rule(lambda u: (np.exp(u) - np.exp(-u)) / (np.exp(u) + np.exp(-u)), lambda u: np.tanh(u))
_rule(lambda u: (np.exp(u) - 1) / (np.exp(u) + 1), lambda u: np.tanh(u * 0.5))
_rule(lambda u: (1 - np.exp(u)) / (1 + np.exp(u)), lambda u: np.tanh(u * -0.5))
_rule(lambda u: 1 - 2 / (np.exp(u) + 1), lambda u: np.tanh(u * 0.5))
_rule(lambda u: 2 / (np.exp(u) + 1) - 1, lambda u: np.tanh(u * -0.5))
_rule(lambda u: sigmoid(u) * 2 - 1, lambda u: np.tanh(u * 0.5))
_rule(lambda u: np.sinh(u) / np.cosh(u), lambda u: np.tanh(u))

# The last of the quotients: any numerator, as in x / (1 + exp(−x)), whose gradient would hold inf / inf.
_rule(lambda a, u: a / (1 + np.exp(u)), lambda a, u: a * sigmoid(-u))

# The sigmoids of u and −u are computed in one, and 1 − s has lost what an s near 1 is short of.
_rule(lambda u: 1 - sigmoid(u), lambda u: sigmoid(-u), alone=False, table=_FOR_DERIVED)

# tanh is ±1 long before what its slope is multiplied by overflows: exp(x) · (1 − tanh² exp(x)) is 0.
for _slope in (lambda u: 1 - np.square(np.tanh(u)), lambda u: 1 - np.tanh(u) * np.tanh(u)):
    _rule(
        _slope,
        lambda u: 4 * np.exp(-2 * abs(u)) / np.square(1 + np.exp(-2 * abs(u))),
        alone=False,
        table=_BY_EXPONENTIALS,
    )

_rule(lambda u: 1 / np.exp(u), lambda u: np.exp(-u))
_rule(lambda x: np.reciprocal(x), lambda x: 1 / x)
_rule(lambda x, c: x / c, lambda x, c: x * (1 / c), _by_powers_of_two)
_rule(lambda x, c, d: x * c * d, lambda x, c, d: x * (c * d), _by_powers_of_two)


def _powers(power: Callable[[Any, Any], Any]) -> None:
    _rule(lambda x: power(x, 1), lambda x: x)
    _rule(lambda x: power(x, 2), lambda x: np.square(x))
    _rule(lambda x: power(x, 3), lambda x: x * np.square(x))
    _rule(lambda x: power(x, 4), lambda x: np.square(np.square(x)))
    _rule(
        lambda x: power(x, 0.5), lambda x: np.sqrt(x), lambda node, x: node.shape != ()
    )  # of numbers −inf and −0 differ
    _rule(lambda x: power(x, -1), lambda x: 1 / x)
    _rule(lambda x: power(x, -2), lambda x: np.square(1 / x))


_powers(operator.pow)
_powers(np.power)
