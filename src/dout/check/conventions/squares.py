"""Does a loss depend on a number by squares alone? Then a 2 or a ½ of its derivative is dropped by convention."""

from __future__ import annotations

from dout.check.exact.exact_route import Examination
from dout.graph import CONSTANT, Node, topological
from dout.ops import primitives

_POWERS = primitives("power pow math_pow")
_PRODUCTS = primitives("multiply dot matmul inner einsum")
_SQUARES = primitives("square var")


def depends_by_squares(examination: Examination | None, node: Node) -> bool:
    """Whether every way from a value to what forward gives passes a square of it; what is not recorded may."""
    if examination is None:
        return True
    reached, plain = {node}, {node}  # all that depends on it, and what does by another way than a square
    for step in topological([*examination.seeds]):
        if reached.isdisjoint(step.inputs):
            continue
        reached.add(step)
        if not plain.isdisjoint(step.inputs) and step.kind == "f" and not _squares(step, reached):
            plain.add(step)
    return plain.isdisjoint(examination.seeds)


def _squares(step: Node, reached: set[Node]) -> bool:
    if step.primitive in _POWERS:
        base, exponent = step.inputs
        return base in reached and exponent.primitive is CONSTANT and exponent.static["value"] == 2
    if step.primitive in _PRODUCTS:
        return all(one in reached for one in step.inputs) and len(step.inputs) > 1
    return step.primitive in _SQUARES
