"""Kernels whose innermost axis is not reduced: the sums of many columns grow side by side while the rows go by."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from dout.engine.codegen.kernel_passes import Pass, PassSchedule
from dout.engine.codegen.loop_body import Arrays, LoopBody, indented
from dout.engine.codegen.row_kernels import divided, first_value, pass_body, taken
from dout.engine.ir.scalar_expressions import cast, operand_dtypes
from dout.graph import Node
from dout.ops import PRIMITIVES

WIDTH = 512  # columns that one thread takes at once, where there are many
HEIGHT = 256  # rows that one takes at once, where there are few columns


class Columns:
    """Writes one kernel of this form."""

    def __init__(self, arrays: Arrays, plan: PassSchedule, parallel: bool) -> None:
        self.arrays, self.plan = arrays, plan
        *outer, self.lane = arrays.loops
        self.outer = [loop for loop in outer if not loop.reduced]
        self.inner = [loop for loop in outer if loop.reduced]
        wide = (
            math.prod(arrays.group.space[d] for d in self.lane.dims) >= 4 * WIDTH
        )  # what is faster, not what is right
        self.parallel_outer = parallel and bool(self.outer)
        self.parallel_lanes = parallel and not self.outer and wide
        self.parallel_rows = parallel and not self.outer and not wide
        self.body = LoopBody(arrays, self.outer)
        self.lines = self.body.lines[-1]
        self.depth = 1 if self.parallel_outer else 0
        self.memory: dict[Node, tuple[str, tuple[int, ...]]] = {}  # values of each column, where they stand
        self.open = arrays.opened(self.lane)
        self.reductions = plan.reductions
        self.late = self._needed_later()

    def write(self) -> tuple[list[str], list[str]]:
        """The loops, and the texts of the numbers to return."""
        if self.parallel_lanes:
            first, last = self.arrays.names.new("first"), self.arrays.names.new("last")
            span = self.arrays.use(f"indices({first}, {last})")
            self.open = f"for {self.arrays.index[self.lane]} in {span}:"
        for number, before in enumerate(self.plan.before):
            if number:
                self._run(self.plan.passes[number - 1])
            self._between(before, late=number > 0)
        opened = [self.arrays.opened(loop, self.parallel_outer and place == 0) for place, loop in enumerate(self.outer)]
        lines = self.body.render(opened)
        if self.parallel_lanes:
            lines = self._side_by_side(lines, first, last)
        return lines, [self.body.texts[n] for n in self.arrays.group.outputs if not n.shape]

    def _side_by_side(self, lines: list[str], first: str, last: str) -> list[str]:
        """The same for blocks of columns, in parallel."""
        length, block = self.arrays.extent[self.lane], self.arrays.names.new("block")
        return [
            f"for {block} in prange(({length} + {WIDTH - 1}) // {WIDTH}):",
            *indented([f"{first} = {block} * {WIDTH}", f"{last} = min({first} + {WIDTH}, {length})", *lines]),
        ]

    def _needed_later(self) -> set[Node]:
        """Values of a column that are read outside the loop that computes them."""
        where = {node: number for number, before in enumerate(self.plan.before) for node in before}
        nodes = self.arrays.group.nodes
        read = {i for n in nodes for i in n.inputs if i in where and where[i] != where.get(n)}
        return read | {n for n in self.arrays.group.outputs if n in where}

    def _by_column(self, node: Node) -> bool:
        """Whether a value that is there before the passes is one of each column."""
        is_output = node in self.arrays.group.outputs and not self.plan.stores(node)
        return is_output or not self.arrays.placed.varies[node].isdisjoint(self.lane.dims)

    def _place(self, node: Node) -> None:
        """Give a value of each column its memory: that of the output that it is, or its own."""
        arrays = self.arrays
        if node in arrays.group.outputs and not self.plan.stores(node):
            self.memory[node] = arrays.element(node, arrays.placed.own[node]), self.lane.dims
            return
        name = arrays.names.new(str(node.primitive))
        length = arrays.extent[self.lane]
        allocated = f"{name} = np.empty({length}, np.{np.dtype(node.dtype).name})"
        (arrays.head if self.depth == 0 else self.body.lines[self.depth]).append(allocated)
        self.memory[node] = f"{name}[{arrays.index[self.lane]}]", self.lane.dims

    def _between(self, before: list[Node], *, late: bool) -> None:
        """Write a loop over the columns for what is computed once for each, outside of the passes."""
        single = [n for n in before if not late and not self._by_column(n)]
        self.body.expect(single)
        for node in single:
            self.body.compute(node)
        each = [
            n for n in before if n not in single and (n not in self.reductions or n.primitive is PRIMITIVES["mean"])
        ]
        if not each:
            return
        body = LoopBody(self.arrays, [self.lane], self.body.texts, self.memory)
        body.expect(n for n in each if n not in self.reductions)
        for node in each:
            if node in self.reductions:
                text = self.memory[node][0]
                body.store(text, divided(text, node, self.arrays, self.inner))
                continue
            body.compute(node, 1)
            if node in self.late:
                self._place(node)
                body.store(self.memory[node][0], body.texts[node])
        self.lines += body.render([self.open])

    def _run(self, this: Pass) -> None:
        """Write one pass: what its reductions begin with, and the loops in which they grow."""
        arrays = self.arrays
        for node in this.reductions:
            self._place(node)
        totals = {node: self.memory[node][0] for node in this.reductions}
        if totals:
            self.lines += self._begun(totals)
            parts = self._parts(totals) if self.parallel_rows else totals

        def take(node: Node, value: str) -> str:
            return f"{parts[node]} = {taken(node, parts[node], value, arrays)}"

        nest = [*self.inner, self.lane]
        after = [node for node in this.reductions if self._is_written(node.inputs[0], this)]
        first = replace(this, reductions=[node for node in this.reductions if node not in after])
        inside = pass_body(first, arrays, nest, self.body.texts, self.memory, self._kept, take)
        self.after = [take(node, self._read_back(node)) for node in after]
        opened = [*map(arrays.opened, self.inner), self.open]
        if not self.parallel_rows:
            self.lines += inside.render(opened, innermost=self._and_after)
        elif totals:
            self.lines += self._in_blocks(inside, opened, totals, parts)
        else:
            self.lines += inside.render([arrays.opened(self.inner[0], parallel=True), *opened[1:]])

    def _is_written(self, node: Node, this: Pass) -> bool:
        """Whether a pass writes a value of each element: then a loop of its own takes up a row of them.

        In one loop with what computes them LLVM finds too many arrays that may overlap, and makes no vectors.
        """
        every = {d for loop in (*self.outer, *self.inner, self.lane) for d in loop.dims}
        return node in this.stored and every <= {*self.arrays.placed.own[node]}

    def _read_back(self, node: Node) -> str:
        (value,) = node.inputs
        text = self.arrays.element(value, self.arrays.placed.own[value])
        return cast(text, value.dtype, operand_dtypes(node)[0])

    def _and_after(self, line: str, inside: list[str]) -> list[str]:
        """The loop along a row, and that which takes up what it has written."""
        return [line, *indented(inside), *([line, *indented(self.after)] if self.after else [])]

    def _begun(self, totals: Mapping[Node, str]) -> list[str]:
        """The loop that sets totals to the value of an empty reduction."""
        begin = LoopBody(self.arrays, [self.lane])
        for node, total in totals.items():
            begin.store(total, first_value(node))
        return begin.render([self.open])

    def _parts(self, totals: Mapping[Node, str]) -> dict[Node, str]:
        """The totals of blocks of rows, each block in a row of its own."""
        self.block, self.blocks = self.arrays.names.new("block"), self.arrays.names.new("blocks")
        length, width = self.arrays.extent[self.inner[0]], self.arrays.extent[self.lane]
        self.lines.append(f"{self.blocks} = ({length} + {HEIGHT - 1}) // {HEIGHT}")
        parts = {}
        for node in totals:
            name = self.arrays.names.new("parts")
            self.lines.append(f"{name} = np.empty(({self.blocks}, {width}), np.{np.dtype(node.dtype).name})")
            parts[node] = f"{name}[{self.block}, {self.arrays.index[self.lane]}]"
        return parts

    def _in_blocks(
        self, inside: LoopBody, opened: Sequence[str], totals: Mapping[Node, str], parts: Mapping[Node, str]
    ) -> list[str]:
        """Blocks of rows in parallel; their parts are added up in order, however many threads there were."""
        loop, arrays, block = self.inner[0], self.arrays, self.block
        last = f"min({block} * {HEIGHT} + {HEIGHT}, {arrays.extent[loop]})"
        run = f"for {arrays.index[loop]} in {arrays.use(f'indices({block} * {HEIGHT}, {last})')}:"

        def wrap(_: str, lines: list[str]) -> list[str]:
            return [
                f"for {block} in prange({self.blocks}):",
                *indented([*self._begun(parts), run, *indented(lines)]),
            ]

        joined = LoopBody(arrays, [self.lane])
        at = arrays.names.new("k")
        for node, total in totals.items():
            joined.store(total, taken(node, total, parts[node].replace(f"[{block},", f"[{at},"), arrays))
        join = [f"for {at} in range({self.blocks}):", *indented(joined.render([self.open]))]
        return inside.render(opened, self._and_after, wrap) + join

    def _kept(self, node: Node) -> str:
        output = self.plan.storage.get(node) or node
        return self.arrays.element(output, self.arrays.placed.own[output])
