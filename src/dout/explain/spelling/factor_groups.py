"""Products in; which factors go together, what is a mask, and numbers as Python writes them, out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np

from dout.graph import Node
from dout.ops import PRIMITIVES
from dout.rewrite.node_facts import is_constant


def grouped(root: Node, above: Sequence[Node], below: Sequence[Node]) -> tuple[list[Node], list[Node]]:
    """Factors and divisors; those of one shape smaller than the product's are multiplied first, which saves a pass.

    Single numbers go with the first smaller shape.
    """
    above, below = list(above), list(below)
    shapes = dict.fromkeys(n.shape for n in (*above, *below) if n.shape not in ((), root.shape))
    for i, shape in enumerate(shapes):
        alike = (shape,) if i else (shape, ())
        tops, bottoms = ([n for n in side if n.shape in alike] for side in (above, below))
        tops.sort(key=lambda n: n.shape == ())
        if len(tops) + len(bottoms) < 2:
            continue
        over = [_joined("multiply", bottoms, root)] if bottoms else []
        if not tops:
            below = [*over, *(n for n in below if n not in bottoms)]
            continue
        one = _joined("divide", [_joined("multiply", tops, root), *over], root)
        above = [one if n is tops[0] else n for n in above if n is tops[0] or n not in tops]
        below = [n for n in below if n not in bottoms]
    return above, below


def ordered(
    factors: Sequence[Node], is_gradient: Callable[[Node], bool], is_made: Callable[[Node], bool]
) -> list[Node]:
    """Factors: gradients first; what is made on the way second, so that few arrays wait to be used."""
    first = sorted(factors, key=lambda n: not is_gradient(n))
    return [*first[:1], *sorted(first[1:], key=lambda n: not is_made(n))]


def _joined(row: str, nodes: Sequence[Node], root: Node) -> Node:
    """Nodes of one shape, combined."""
    return reduce(lambda a, b: Node(PRIMITIVES[row], (a, b), {}, a.shape or b.shape, root.dtype, root.where), nodes)


def is_masked(node: Node) -> bool:
    """Whether a value is another where a mask is true, and 0 elsewhere: of finite numbers, the faster product."""
    if node.primitive is not PRIMITIVES["where"]:
        return False
    test, side, other = node.inputs
    is_mask = test.kind == "b" and test.shape == side.shape == node.shape != ()
    return is_mask and is_constant(other, 0)


def literal(node: Node) -> Any:
    """The number of a constant, as one of Python's."""
    value = node.static["value"]
    return value.item() if isinstance(value, np.generic) else value


def whole(number: Any) -> Any:
    """A float without a fraction as an int; any other number unchanged."""
    return int(number) if isinstance(number, float) and abs(number) < 1e15 and number == int(number) else number
