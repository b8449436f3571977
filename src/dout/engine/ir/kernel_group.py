"""What one kernel computes: nodes fused over one iteration space."""

from __future__ import annotations

from dataclasses import dataclass

from dout.graph import Node, Shape


@dataclass(frozen=True, eq=False, slots=True)
class Group:
    """Nodes that one kernel computes in one go, in topological order.

    `inputs` come from outside: arrays, and numbers of shape (). `outputs` are those of its nodes that others need.
    `space` is the shape that the kernel runs over, and `axes` those of it that its reductions reduce (none where it has
    no reduction). Every array in it has the shape of the space; or of the space without `axes`, or with ones in their
    place, as what was reduced; or is an input that broadcasts to the space, perhaps once a reshape has put ones in.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[Node, ...]
    outputs: tuple[Node, ...]
    space: Shape
    axes: tuple[int, ...] = ()

    def __repr__(self) -> str:
        return f"<group of {', '.join(str(node.primitive) for node in self.nodes)} over {self.space}>"


Step = Group | Node
