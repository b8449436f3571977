"""What is computed in one go: nodes fused over one iteration space, products side by side, and those of patches."""

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
    """Products of matrices that do not need each other: threads compute them side by side.

    `sums` are the additions that a product goes into as it is computed; None where it stays as it is.
    """

    nodes: tuple[Node, ...]
    sums: tuple[Node | None, ...]

    @property
    def inputs(self) -> tuple[Node, ...]:
        """The factors, and what products are added to."""
        added = [onto for onto in map(self.onto, range(len(self.nodes))) if onto is not None]
        return tuple(dict.fromkeys([*(i for node in self.nodes for i in node.inputs), *added]))

    @property
    def outputs(self) -> tuple[Node, ...]:
        """The products, and the sums in the place of those that go into one."""
        return tuple(total or node for node, total in zip(self.nodes, self.sums, strict=True))

    def onto(self, number: int) -> Node | None:
        """What a product is added to."""
        total = self.sums[number]
        return total and next(i for i in total.inputs if i is not self.nodes[number])


@dataclass(frozen=True, eq=False, slots=True)
class PatchProduct:
    """A product of a matrix by patches of images, or by their transpose, that reads the patches where the images lie.

    `image` has the shape (N, H, W, C) and lies in C order; the rows of the patches are those of `node`, a product of
    two matrices, and go along (N, H, W), their columns along (window, C).
    """

    node: Node
    image: Node
    window: Shape
    transposed: bool

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The product that this stands for."""
        return (self.node,)

    @property
    def inputs(self) -> tuple[Node, ...]:
        """The images and the matrix."""
        return self.image, self.node.inputs[1]

    @property
    def outputs(self) -> tuple[Node, ...]:
        """The product."""
        return (self.node,)


Step = Group | Products | PatchProduct | Node
