"""Arrays that are zero but for a part each, which have all parts together: their sum is the parts side by side."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from dout.graph import Node
from dout.ops import PRIMITIVES
from dout.ops.operators import is_basic
from dout.rewrite.node_facts import is_constant


def side_by_side(terms: Sequence[Node]) -> Node | None:
    """The sum of the gradients of A[:, :H], A[:, H:] … as one array; None where they are not all of A, each once."""
    shape = terms[0].shape
    if len(terms) < 2 or any(t.primitive is not PRIMITIVES["scatter"] or t.shape != shape for t in terms):
        return None
    parts = {term: part for term in terms if (part := _part(term)) is not None}
    order = sorted(parts, key=lambda term: parts[term][1])
    if len(order) < len(terms) or len({axis for axis, _, _ in parts.values()}) != 1:
        return None
    axis, ends = parts[order[0]][0], [(parts[term][1], parts[term][2]) for term in order]
    if ends[0][0] != 0 or ends[-1][1] != shape[axis] or any(a[1] != b[0] for a, b in pairwise(ends)):
        return None
    values = tuple(term.inputs[0] for term in order)
    if any(one.dtype != terms[0].dtype or len(one.shape) != len(shape) for one in values):
        return None
    return Node(PRIMITIVES["concatenate"], values, {"axis": axis}, shape, terms[0].dtype, terms[0].where)


def _part(term: Node) -> tuple[int, int, int] | None:
    """The axis along which a value is written into a part, and where that begins and ends; None of another key."""
    key = term.static["key"]
    slices = key if isinstance(key, tuple) else (key,)
    if not is_basic(key) or not all(isinstance(one, slice) for one in slices):
        return None
    ranges = [one.indices(n) for one, n in zip(slices, term.shape, strict=False)]
    axes = [i for i, (one, n) in enumerate(zip(ranges, term.shape, strict=False)) if one != (0, n, 1)]
    if len(axes) != 1 or ranges[axes[0]][2] != 1:
        return None
    start, stop, _ = ranges[axes[0]]
    return (axes[0], start, stop) if start < stop else None


def both_sides(root: Node) -> Node | None:
    """Rewrite where(c, a, 0) + where(c, 0, b) as where(c, a, b); None for any other sum."""
    one, two = root.inputs
    alike = one.primitive is two.primitive is PRIMITIVES["where"] and one.inputs[0] is two.inputs[0]
    if root.primitive is not PRIMITIVES["add"] or not alike:
        return None
    (_, a, b), (_, c, d) = one.inputs, two.inputs
    if is_constant(b, 0) and is_constant(c, 0):
        sides = (a, d)
    elif is_constant(a, 0) and is_constant(d, 0):
        sides = (c, b)
    else:
        return None
    return Node(one.primitive, (one.inputs[0], *sides), {}, root.shape, root.dtype, root.where)
