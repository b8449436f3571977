"""How the arrays of a group lie over its iteration space, and the loops that run over it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dout.engine.ir.kernel_group import Group
from dout.engine.ir.scalar_expressions import REDUCTIONS, reduced_axes
from dout.errors import ShapeError
from dout.graph import CONSTANT, Node, Shape
from dout.ops import primitives

# For each axis of an array the axis of the space it lies along; None where its length is one.
Dims = tuple[int | None, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Loop:
    """One loop: it runs over axes of the space that all arrays treat alike, joined into one."""

    dims: tuple[int, ...]
    reduced: bool


@dataclass(frozen=True, eq=False)
class Placement:
    """Where each value lies: `own` of a node, `uses` of an operand by (node, argument), `varies` along which axes."""

    space: Shape
    own: dict[Node, Dims] = field(default_factory=dict)
    uses: dict[tuple[Node, int], Dims] = field(default_factory=dict)
    varies: dict[Node, frozenset[int]] = field(default_factory=dict)


def place(group: Group) -> Placement:
    """Find for every value of a group the axes of the space it lies along. ShapeError where they do not fit."""
    placed = Placement(group.space)
    for node in group.nodes:
        put = _reduction if node.primitive in REDUCTIONS else _moved if _is_moved(node) else _elementwise
        operands = put(node, group, placed)
        varies: set[int] = set()
        for argument, (operand, dims) in enumerate(zip(node.inputs, operands, strict=True)):
            placed.uses[node, argument] = dims
            varies |= placed.varies.get(operand, {d for d in dims if d is not None})
        if node.primitive in REDUCTIONS:
            varies -= set(group.axes)
        placed.varies[node] = frozenset(varies)
    return placed


def _is_moved(node: Node) -> bool:
    """Whether axes of length one come or go."""
    return node.primitive in primitives("reshape getitem")


def _elementwise(node: Node, group: Group, placed: Placement) -> list[Dims]:
    alike = [placed.own[i] for i in node.inputs if i in placed.own and i.shape == node.shape]
    own = placed.own[node] = alike[0] if alike else _by_shape(node.shape, group)
    operands = []
    for operand in node.inputs:
        length = len(operand.shape)
        last = own[len(own) - length :]
        dims: Dims = tuple(None if n == 1 else d for n, d in zip(operand.shape, last, strict=True))
        if operand in placed.own and placed.own[operand] != dims:
            raise ShapeError(f"{operand} and {node} lie along different axes of {group}")
        operands.append(dims)
    return operands


def _moved(node: Node, group: Group, placed: Placement) -> list[Dims]:
    (operand,) = node.inputs
    if operand in placed.own:
        left = iter([d for d in placed.own[operand] if d is not None])
        placed.own[node] = tuple(None if n == 1 else next(left) for n in node.shape)
        return [placed.own[operand]]
    own = placed.own[node] = _by_shape(node.shape, group)
    left = iter([d for d in own if d is not None])
    return [tuple(None if n == 1 else next(left) for n in operand.shape)]


def _reduction(node: Node, group: Group, placed: Placement) -> list[Dims]:
    operand, axes = node.inputs[0], reduced_axes(node)
    dims = placed.own[operand] if operand in placed.own else _by_shape(operand.shape, group)
    gone = {dims[a] for a in axes} - {None}
    if gone != {a for a in group.axes if group.space[a] != 1}:
        raise ShapeError(f"{node} reduces other axes than {group}")
    kept = [None if a in axes else d for a, d in enumerate(dims)]
    placed.own[node] = tuple(d for a, d in enumerate(kept) if node.static.get("keepdims") or a not in axes)
    return [dims]


def _by_shape(shape: Shape, group: Group) -> Dims:
    """Where an array of this shape lies: along all of the space, or what its reductions leave, or the last axes."""
    every = range(len(group.space))
    for axes in (every, [a for a in every if a not in group.axes], every[len(every) - len(shape) :]):
        if len(axes) == len(shape) and all(n in (1, group.space[a]) for n, a in zip(shape, axes, strict=True)):
            return tuple(None if n == 1 else a for n, a in zip(shape, axes, strict=True))
    raise ShapeError(f"an array of shape {shape} does not lie over {group}")


def accesses(group: Group, placed: Placement) -> dict[tuple[Node, Dims], None]:
    """Every way in which an array from outside is read or written, in order: inputs, then outputs."""
    reads = {
        (operand, placed.uses[node, argument]): None
        for node in group.nodes
        for argument, operand in enumerate(node.inputs)
        if operand not in placed.own and operand.primitive is not CONSTANT and operand.shape
    }
    return reads | {(node, placed.own[node]): None for node in group.outputs if node.shape}


def loops_over(group: Group, placed: Placement, layouts: Mapping[Node, str]) -> tuple[Loop, ...]:
    """As few loops as will do: neighbouring axes are one where every array runs through them in one go, or not at all.

    Axes of length one need none.
    """
    loops: list[list[int]] = []
    arrays = accesses(group, placed)
    for dim, length in enumerate(group.space):
        if length == 1:
            continue
        alike = loops and (dim in group.axes) == (loops[-1][-1] in group.axes)
        if alike and all(_as_one(dims, loops[-1][-1], dim, layouts.get(node, "C")) for node, dims in arrays):
            loops[-1].append(dim)
        else:
            loops.append([dim])
    return tuple(Loop(tuple(dims), dims[0] in group.axes) for dims in loops)


def _as_one(dims: Dims, first: int, second: int, layout: str) -> bool:
    return (first in dims) == (second in dims) and (second not in dims or layout == "C")


def along(dims: Iterable[int | None], loops: Sequence[Loop]) -> tuple[Loop, ...]:
    """The loops that run over any of these axes, in order."""
    wanted = set(dims)
    return tuple(loop for loop in loops if not wanted.isdisjoint(loop.dims))
