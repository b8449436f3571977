"""Where the values of a kernel stand in its iteration space, and which nodes may meet there."""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

from dout.engine.ir.scalar_expressions import REDUCTIONS, fusible, reduced_axes
from dout.graph import Node, Shape
from dout.ops import PRIMITIVES, primitives

# Nothing is computed: another index, or the same number everywhere. Each kernel that wants one writes it anew.
FREE = primitives("broadcast_to reshape getitem zeros ones full")
_RESHAPED = primitives("reshape getitem")
LARGE = 1 << 13  # elements that are worth a step of their own where rows become columns
SIDE = 8  # and so many along each of the two axes


def turns_rows(node: Node) -> bool:
    """Whether a step copies an array whose rows become columns: that is a step of its own, which goes by squares."""
    if node.primitive is not PRIMITIVES["copy"]:
        return False
    (turned,) = node.inputs
    while turned.primitive is PRIMITIVES["reshape"]:
        (turned,) = turned.inputs
    if turned.primitive is not PRIMITIVES["transpose"]:
        return False
    (source,), axes = turned.inputs, turned.static["axes"]
    moved = len(axes) > 1 and axes[-1] != len(axes) - 1 and source.primitive is not PRIMITIVES["windows"]
    return moved and math.prod(node.shape) >= LARGE and min(source.shape[-1], node.shape[-1]) >= SIDE


def fits_a_kernel(node: Node) -> bool:
    """Whether a kernel can compute this node, and has something to do.

    What is reduced has more than one element along its axes: else the result could have the very shape of its input.
    """
    if not fusible(node) or 0 in node.shape or turns_rows(node):
        return False
    return node.primitive not in REDUCTIONS or math.prod(node.inputs[0].shape[a] for a in reduced_axes(node)) > 1


class Frame(NamedTuple):
    """An iteration space, and the axes along which it is reduced.

    A value stands in it at full, or reduced: without the axes, or with ones in their place. No value is both, for
    what has length one along all axes is not reduced by a kernel.
    """

    space: Shape
    axes: tuple[int, ...] = ()

    def holds(self, node: Node) -> bool:
        """Whether a fusible node can be computed here. A number alone has no kernel."""
        row = node.primitive
        if not self.space:
            return False
        if row in REDUCTIONS:
            return node.inputs[0].shape == self.space and reduced_axes(node) == self.axes
        if row in _RESHAPED:
            return self._reshapes(node, node.inputs[0])
        return node.shape == self.space or self.reduces_to(node.shape)

    def reads(self, node: Node) -> bool:
        """Whether a value from outside can be read in the shape that this node gives it, with ones put in."""
        if node.primitive not in _RESHAPED or not self.space:
            return False
        lengths = zip(node.shape, self.space, strict=False)
        aligned = len(node.shape) == len(self.space) and all(n in (1, whole) for n, whole in lengths)
        return aligned or set(node.shape) <= {1}

    def connects(self, user: Node, value: Node) -> bool:
        """Whether `user` can take `value` from within the kernel: both are here, and the indices agree."""
        if user.primitive in _RESHAPED:
            return self._reshapes(user, value)
        if value.shape == self.space:
            return user.shape == self.space or user.primitive in REDUCTIONS
        if user.primitive in REDUCTIONS:
            return False
        if user.shape == value.shape or set(value.shape) <= {1}:
            return True
        return self.axes == tuple(range(len(self.axes))) or len(value.shape) == len(self.space)

    def _reshapes(self, node: Node, value: Node) -> bool:
        """Whether an index of the kernel stands for a reshape: none at all, or one of what is reduced."""
        whole = node.shape == value.shape == self.space
        return whole or (self.reduces_to(node.shape) and self.reduces_to(value.shape))

    def reduces_to(self, shape: Shape) -> bool:
        """Whether reduced values have this shape."""
        return shape in _reduced_shapes(self.space, self.axes)

    def with_(self, other: Frame) -> Frame | None:
        """The frame of both together, None where they do not fit; the values of one may be reduced ones of the other.

        >>> Frame((2, 3)).with_(Frame((2, 3), (1,)))
        Frame(space=(2, 3), axes=(1,))
        >>> Frame((2, 1)).with_(Frame((2, 3), (1,)))
        Frame(space=(2, 3), axes=(1,))
        """
        if self.space == other.space:
            agree = self.axes == other.axes or not (self.axes and other.axes)
            return Frame(self.space, self.axes or other.axes) if agree and self.space else None
        for small, large in ((self, other), (other, self)):
            if not small.axes and large.reduces_to(small.space):
                return large
        return None


def frame_of(node: Node) -> Frame:
    """The frame of a kernel for one node alone."""
    if node.primitive in REDUCTIONS:
        return Frame(node.inputs[0].shape, reduced_axes(node))
    return Frame(node.shape)


@cache
def _reduced_shapes(space: Shape, axes: tuple[int, ...]) -> tuple[Shape, ...]:
    if not axes:
        return ()
    kept = tuple(1 if i in axes else n for i, n in enumerate(space))
    return kept, tuple(n for i, n in enumerate(space) if i not in axes)
