"""Training, seen in the values alone: a parameter is what its own next value is computed from, by a step."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dout.graph import Node, Where
from dout.ops import primitives

_STEPS = primitives("add subtract")
_SOON = 1000  # nodes
_CASTS = primitives("astype")  # `W -= …` in float32


class Updates:
    """The updates of parameters in a recording: `W - step` or `W + step`, where the step was computed from W.

    Both are arrays of one shape, and W was not computed from several arrays, as what goes through a network is. A line
    that comes to W again updates nothing, as `y - output` in each step: what it updates it would not have again. Nor
    does one in the forward of a layer: there x + f(x) is a path beside f.
    """

    def __init__(self) -> None:
        self.first: dict[Node, Node] = {}  # by parameter, in the order of the run: the node of its first next value
        self._of: dict[Node, Node] = {}  # by next value: the parameter
        self._at: dict[Node, int] = {}
        self._made_of: dict[Node, tuple[Node, int] | None] = {}  # the one array, and how many steps ago; None: several
        self._met: dict[tuple[Node, Where | None], int] = {}  # the turn of its line
        self._line: Where | None = None
        self._turn = 0  # of lines that ran: one ends with its update

    def met(self, node: Node, *, in_forward: bool = False) -> bool | None:
        """Take the next node of the recording: whether it updates a parameter anew; None where it updates none."""
        self._at[node] = len(self._at)
        self._made_of[node] = self._one_array_of(node)
        if node.inputs and node.where != self._line:  # a constant has no line
            self._line, self._turn = node.where, self._turn + 1
        if node.primitive in _CASTS and node.inputs[0] in self._of:
            self._of[node] = self._of[node.inputs[0]]
        is_step = node.primitive in _STEPS and node.shape and all(i.shape == node.shape for i in node.inputs)
        if in_forward or not is_step:
            return None
        old, step = node.inputs
        place = (old, node.where)
        if self._met.setdefault(place, self._turn) != self._turn:
            return None
        starts = node.kind == "f" and (old in self._of or self._made_of[old])
        if not starts or self._made_of[step] or not self.leads(old, step):
            return None
        parameter = self._of[node] = self._of.get(old, old)
        anew = parameter in self.first
        self.first.setdefault(parameter, node)
        self._turn += 1
        return anew

    @property
    def end(self) -> int:
        """How many nodes there are up to the last of the first updates."""
        return 1 + max(self._at[node] for node in self.first.values())

    def leads(self, value: Node, to: Node) -> bool:
        """Whether a value was computed from another one."""
        start = self._at.get(value, -1)
        return value is not to and any(node is value for node in _behind(to, lambda n: self._at.get(n, -1) >= start))

    def _one_array_of(self, node: Node) -> tuple[Node, int] | None:
        """The array that a value was made of alone, as `0.1 * np.random.randn(3, 4)`, and in how many steps, if few."""
        given = [self._made_of.get(i, (i, 0)) for i in node.inputs if i.shape]
        if not given:
            return node, 0
        steps = 1 + max(made[1] if made else _SOON for made in given)
        alone = len({made and made[0] for made in given}) == 1
        return (given[0][0], steps) if alone and given[0] and steps < _SOON else None


def _behind(node: Node, goes: Callable[[Node], bool]) -> Iterator[Node]:
    """A node and those that it was computed from, as far as the search `goes`."""
    seen, left = {node}, [node]
    while left:
        yield (each := left.pop())
        new = [i for i in each.inputs if i not in seen and goes(i)]
        seen.update(new)
        left += new
