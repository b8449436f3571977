"""What is computed in one go: nodes fused over one iteration space, and products side by side."""

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


@dataclass(frozen=True, eq=False, slots=True)
class Products:
    """Products of matrices that do not need each other: threads compute them side by side."""

    nodes: tuple[Node, ...]

    @property
    def inputs(self) -> tuple[Node, ...]:
        """The factors."""
        return tuple(dict.fromkeys(i for node in self.nodes for i in node.inputs))

    @property
    def outputs(self) -> tuple[Node, ...]:
        """The products."""
        return self.nodes


Step = Group | Products | Node
