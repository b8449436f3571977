"""In how many passes a kernel runs over its space, and what each of them computes, keeps and stores.

A reduction is known after the pass that runs over what it reduces. Values that depend on it are computed in the next
pass, where those from before are read back from an output, or from memory that keeps them, or are computed again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from dout.engine.ir.array_placement import Loop, Placement
from dout.engine.ir.kernel_group import Group
from dout.engine.ir.scalar_expressions import REDUCTIONS, expression_of
from dout.graph import Node


@dataclass(eq=False, slots=True)
class Pass:
    """One run over the space: `inside` is computed for each element in order, `reductions` take up theirs.

    `stored` are the outputs written in it, `kept` the values written for a later pass, `read` those read back.
    """

    inside: list[Node] = field(default_factory=list)
    reductions: list[Node] = field(default_factory=list)
    stored: list[Node] = field(default_factory=list)
    kept: list[Node] = field(default_factory=list)
    read: list[Node] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class PassSchedule:
    """All passes, the values computed `before` each of them and after the last, and where what is kept is kept.

    `storage` says for a kept value the output whose memory keeps it, for the last pass writes that; None: its own.
    """

    passes: list[Pass]
    before: list[list[Node]]
    storage: dict[Node, Node | None]

    @property
    def reductions(self) -> set[Node]:
        """The reductions of all passes."""
        return {node for this in self.passes for node in this.reductions}

    def stores(self, node: Node) -> bool:
        """Whether a pass writes this output."""
        return any(node in this.stored for this in self.passes)


def schedule(group: Group, placed: Placement, loops: Sequence[Loop]) -> PassSchedule:
    """Sort the nodes of a group into passes."""
    reduced = {d for loop in loops if loop.reduced for d in loop.dims}
    spread = {n for n in group.nodes if placed.varies[n] & reduced}  # they differ along what is reduced
    own = {n for n in group.nodes if n.primitive in REDUCTIONS and reduced}
    stage = _stages(group, spread, own)
    wide = [n for n in group.outputs if n in spread or reduced & set(placed.own[n])]
    count = max([stage[n] + (n not in own) for n in (*own, *wide)], default=0)
    passes = [Pass() for _ in range(count)]
    before: list[list[Node]] = [[] for _ in range(count + 1)]
    for node in group.nodes:
        if node in own:
            passes[stage[node] - 1].reductions.append(node)
            before[stage[node]].append(node)
        elif node not in spread:
            before[stage[node]].append(node)
        if node in wide:
            passes[stage[node]].stored.append(node)
    every = {d for loop in loops for d in loop.dims}
    full = {n for n in wide if every <= set(placed.own[n])}
    rows = bool(loops) and loops[-1].reduced
    return PassSchedule(passes, before, _Keeper(group, spread, passes, full, memory=rows).run())


def _stages(group: Group, spread: set[Node], own: set[Node]) -> dict[Node, int]:
    """The pass in which a node is computed; of one that does not vary in it, the pass that it comes before."""
    stage: dict[Node, int] = {}
    for node in group.nodes:
        first = max((stage[i] for i in node.inputs if i in stage), default=0)
        stage[node] = first + 1 if node in own else first
    return stage


_FUNCTION = re.compile(r"(?!abs|maximum|minimum)\b[a-z]\w*\(")
_COSTLY = 8  # from here on, keeping a value is cheaper than computing it again


class _Keeper:
    """Decides for each pass what has to be computed in it, and what of that is kept for later ones."""

    def __init__(self, group: Group, spread: set[Node], passes: list[Pass], full: set[Node], memory: bool) -> None:
        self.outputs, self.spread, self.passes, self.memory = set(group.outputs), spread, passes, memory
        self.first: dict[Node, int] = {}
        self.storage: dict[Node, Node | None] = {}
        self.free = [n for n in passes[-1].stored if n in full] if passes else []
        self.order = {node: place for place, node in enumerate(group.nodes)}

    def run(self) -> dict[Node, Node | None]:
        """Fill the passes; return where each kept value is kept."""
        for number, this in enumerate(self.passes):
            wanted = [*(n.inputs[0] for n in this.reductions), *this.stored]
            inside: set[Node] = set()
            read: set[Node] = set()
            while wanted:
                node = wanted.pop()
                if node not in self.spread or node in inside or node in read:
                    continue
                if self.first.setdefault(node, number) < number and self._is_known(node):
                    read.add(node)
                else:
                    inside.add(node)
                    wanted.extend(node.inputs)
            this.inside = sorted(inside, key=self.order.__getitem__)
            this.read = sorted(read, key=self.order.__getitem__)
        for node in self.storage:
            self.passes[self.first[node]].kept.append(node)
        return self.storage

    def _is_known(self, node: Node) -> bool:
        """Whether a value of an earlier pass can be read back."""
        if node in self.outputs or node in self.storage:
            return True
        if self._cost(node) < _COSTLY:
            return False
        place = next((n for n in self.free if n.dtype == node.dtype), None)
        if place is not None:
            self.free.remove(place)
        elif not self.memory:
            return False
        self.storage[node] = place
        return True

    def _cost(self, node: Node) -> int:
        """What it takes to compute a value again, from what is read in any case."""
        if node not in self.spread or node in self.outputs:
            return 0
        own = 10 if _FUNCTION.search(expression_of(node) or "") else 1
        return own + sum(self._cost(i) for i in node.inputs)


def last_read(schedule: PassSchedule, source: Node) -> int:
    """The last pass that reads an array from outside, or -1."""
    passes = [[*this.inside, *this.reductions, *this.stored] for this in schedule.passes]
    return max((k for k, nodes in enumerate(passes) if any(source in n.inputs for n in nodes)), default=-1)


def first_write(schedule: PassSchedule, output: Node) -> int:
    """The first pass that writes into the memory of an output, be it to keep another value there."""
    return min(
        number
        for number, this in enumerate(schedule.passes)
        if output in this.stored or any(schedule.storage[n] is output for n in this.kept)
    )
