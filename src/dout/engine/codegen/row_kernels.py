"""Kernels whose innermost axis is reduced: for each row several passes, between which its sums are known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from dout.engine.codegen.kernel_passes import Pass, PassSchedule
from dout.engine.codegen.loop_body import Arrays, LoopBody, Wrap, indented
from dout.engine.ir.array_placement import Loop
from dout.engine.ir.scalar_expressions import EXTREMES, TESTS, cast, literal, operand_dtypes
from dout.graph import Node
from dout.ops import PRIMITIVES, by_primitive, primitives

_EXTREME = by_primitive({"max": "larger", "min": "smaller"})
BLOCK = 1024  # elements that are added up in vector lanes before they are added to a total


def first_value(node: Node) -> str:
    """The value of an empty reduction, as text: each total begins with it."""
    row, dtype = node.primitive, np.dtype(node.dtype)
    if row in EXTREMES:
        limits = (-np.inf, np.inf) if dtype.kind == "f" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        return literal(limits[row is PRIMITIVES["min"]], dtype)
    return literal(row is PRIMITIVES["all"], dtype)


def taken(node: Node, total: str, value: str, arrays: Arrays) -> str:
    """The expression that combines a total with one more value."""
    row, dtype = node.primitive, np.dtype(node.dtype)
    version = f"_f{8 * dtype.itemsize}"
    if row in EXTREMES:
        function = f"{row}imum{version}" if dtype.kind == "f" else str(row)
        return arrays.use(f"{function}({total}, {value})")
    if row in TESTS:
        return f"{total} {'|' if row is PRIMITIVES['any'] else '&'} {value}"
    whole = dtype.kind in "iu" and dtype != np.int64
    return f"np.{dtype.name}({total} + {value})" if whole else f"{total} + {value}"


def is_float_sum(node: Node) -> bool:
    """Whether rounding makes it matter in which order a reduction goes."""
    return node.primitive in primitives("sum mean") and np.dtype(node.dtype).kind == "f"


def divided(total: str, node: Node, arrays: Arrays, loops: Iterable[Loop]) -> str:
    """The expression of a mean, from its sum over these loops."""
    count = " * ".join(arrays.extent[loop] for loop in loops)
    return f"{total} / np.{np.dtype(node.dtype).name}({count})"


def pass_body(
    this: Pass,
    arrays: Arrays,
    nest: Sequence[Loop],
    known: Mapping[Node, str],
    memory: Mapping[Node, tuple[str, Iterable[int | None]]],
    kept: Callable[[Node], str],
    take: Callable[[Node, str], str],
) -> LoopBody:
    """The body of one pass.

    `kept` gives the element that keeps a value for a later pass, `take` the line with which a reduction takes up an
    element.
    """
    every = [d for loop in nest for d in loop.dims]
    body = LoopBody(arrays, nest, known, {**memory, **{node: (kept(node), every) for node in this.read}})
    body.expect((*this.inside, *this.reductions))
    for node in this.inside:
        body.compute(node)
    lines = [take(node, body.operand(node, 0, operand_dtypes(node)[0], len(nest))) for node in this.reductions]
    body.lines[-1] += lines  # before anything is written: that may lie over what they read
    for node in this.kept:
        body.store(kept(node), body.texts[node])
    for node in this.stored:
        body.store(arrays.element(node, arrays.placed.own[node]), body.texts.get(node) or memory[node][0])
    return body


class Taking:
    """The lines of one reduction and their variables, from the line before the loop to the result.

    A sum grows in blocks; beside a sum of float64 numbers stands what it lost by rounding, beside an extreme whether a
    NaN was seen.
    """

    def __init__(self, node: Node, arrays: Arrays) -> None:
        self.node, self.arrays, self.dtype = node, arrays, np.dtype(node.dtype)
        self.version = f"f{8 * self.dtype.itemsize}"
        self.blocked = is_float_sum(node)
        self.extreme = _EXTREME.get(node.primitive) if self.dtype.kind == "f" else None
        self.total = arrays.names.new("total" if self.blocked else f"{node.primitive}_so_far")
        self.part = arrays.names.new("part") if self.blocked else self.total
        self.lost = arrays.names.new("lost") if self.blocked and self.dtype != np.float32 else ""
        self.odd = arrays.names.new("odd") if self.extreme else ""

    def start(self) -> str:
        """The line before everything: a float32 has a float64 total, which costs one addition a block."""
        if self.extreme:
            return f"{self.total}, {self.odd} = {first_value(self.node)}, False"
        if not self.blocked:
            return f"{self.total} = {first_value(self.node)}"
        return f"{self.total} = {f'{self.lost} = ' if self.lost else ''}0.0"

    def block(self) -> str:
        """The line before a block."""
        return f"{self.part} = {literal(0, self.dtype)}" if self.blocked else self.start()

    def step(self, value: str) -> str:
        """The line that takes up one element."""
        if not self.blocked:
            return self.add(value)
        return f"{self.part} = {self.arrays.use(f'plus_{self.version}({self.part}, {value})')}"

    def add(self, part: str) -> str:
        """The line that adds a block."""
        if self.extreme:
            taken_up = self.arrays.use(f"{self.extreme}_{self.version}({self.total}, {self.odd}, {part})")
            return f"{self.total}, {self.odd} = {taken_up}"
        if not self.blocked:
            return f"{self.total} = {taken(self.node, self.total, part, self.arrays)}"
        if not self.lost:
            return f"{self.total} += {part}"
        added = self.arrays.use(f"add_exactly({self.total}, {self.lost}, {part})")
        return f"{self.total}, {self.lost} = {added}"

    def whole(self) -> tuple[str, str]:
        """The text of the total, and the name of its dtype."""
        if self.extreme:
            return self.arrays.use(f"known_{self.version}({self.total}, {self.odd})"), self.dtype.name
        if self.lost:
            return self.arrays.use(f"settled({self.total}, {self.lost})"), "float64"
        return self.total, "float64" if self.blocked else self.dtype.name

    def result(self) -> str:
        """The text of the total in the node's dtype."""
        text, dtype = self.whole()
        return cast(text, np.dtype(dtype), self.dtype)


class Rows:
    """Writes one kernel of this form."""

    def __init__(self, arrays: Arrays, plan: PassSchedule, parallel: bool) -> None:
        self.arrays, self.plan = arrays, plan
        self.outer = [loop for loop in arrays.loops if not loop.reduced]
        self.inner = [loop for loop in arrays.loops if loop.reduced]
        self.parallel_rows, self.parallel_all = parallel and bool(self.outer), parallel and not self.outer
        self.body = LoopBody(arrays, self.outer)
        self.kept: dict[Node, str] = {}  # where the values of one pass are kept for a later one

    def write(self) -> tuple[list[str], list[str]]:
        """The loops, and the texts of the numbers to return."""
        body, placed, deepest = self.body, self.arrays.placed, len(self.outer)
        reductions = self.plan.reductions
        self._allocate(1 if self.parallel_rows else 0)
        for before in self.plan.before:
            body.expect(n for n in before if n not in reductions)
        for number, before in enumerate(self.plan.before):
            if number:
                self._run(self.plan.passes[number - 1])
            for node in before:
                if node not in reductions:
                    body.compute(node, deepest if number else None)
        for node in self.arrays.group.outputs:
            if node.shape and not self.plan.stores(node):
                body.store(self.arrays.element(node, placed.own[node]), body.texts[node])
        opened = [self.arrays.opened(loop, self.parallel_rows and loop is self.outer[0]) for loop in self.outer]
        return body.render(opened), [body.texts[n] for n in self.arrays.group.outputs if not n.shape]

    def _allocate(self, depth: int) -> None:
        """Memory for what one row keeps from pass to pass."""
        for node, output in self.plan.storage.items():
            if output is not None:
                self.kept[node] = self.arrays.element(output, self.arrays.placed.own[output])
                continue
            name = self.arrays.names.new(f"kept_{node.primitive}")
            lengths = ", ".join(self.arrays.extent[loop] for loop in self.inner)
            lengths = f"({lengths})" if len(self.inner) > 1 else lengths
            self.body.lines[depth].append(f"{name} = np.empty({lengths}, np.{np.dtype(node.dtype).name})")
            self.kept[node] = f"{name}[{', '.join(self.arrays.index[loop] for loop in self.inner)}]"

    def _run(self, this: Pass) -> None:
        """Write one pass over a row, and the values of its reductions."""
        takings: list[Taking] = []

        def take(node: Node, value: str) -> str:
            takings.append(Taking(node, self.arrays))
            return takings[-1].step(value)

        inside = pass_body(this, self.arrays, self.inner, self.body.texts, {}, self._kept, take)
        write = self._in_parallel if self.parallel_all else self._in_order
        self.body.lines[-1] += write(inside, takings)
        for taking in takings:
            self._finish(taking.node, taking.result())

    def _kept(self, node: Node) -> str:
        return self.kept.get(node) or self.arrays.element(node, self.arrays.placed.own[node])

    def _finish(self, node: Node, result: str) -> None:
        """Name the value of a reduction."""
        if node.primitive is PRIMITIVES["mean"]:
            result = divided(result, node, self.arrays, self.inner)
        if result.isidentifier():
            self.body.texts[node] = result
        else:
            self.body.assign(node, result, len(self.outer))

    def _in_order(self, inside: LoopBody, takings: list[Taking]) -> list[str]:
        """The pass as plain loops, the innermost in blocks where a sum wants them."""
        opened = [self.arrays.opened(loop) for loop in self.inner]
        return [taking.start() for taking in takings] + inside.render(opened, self._blocks(takings))

    def _blocks(self, takings: list[Taking]) -> Wrap | None:
        """How the innermost loop is written: in blocks, each of which is added to the totals."""
        sums = [taking for taking in takings if taking.blocked]
        if not sums:
            return None
        first, loop = self.arrays.names.new("first"), self.inner[-1]
        length = self.arrays.extent[loop]

        def wrap(_: str, lines: list[str]) -> list[str]:
            span = self.arrays.use(f"indices({first}, min({first} + {BLOCK}, {length}))")
            run = f"for {self.arrays.index[loop]} in {span}:"
            within = [*(t.block() for t in sums), run, *indented(lines), *(t.add(t.part) for t in sums)]
            return [f"for {first} in range(0, {length}, {BLOCK}):", *indented(within)]

        return wrap

    def _in_parallel(self, inside: LoopBody, takings: list[Taking]) -> list[str]:
        """The pass of a kernel without rows: its parts run in parallel, and are added up in their order."""
        arrays, first = self.arrays, self.inner[0]
        opened = [arrays.opened(loop, loop is first) for loop in self.inner]
        if not takings:
            return inside.render(opened)
        parts = [arrays.names.new("parts") for _ in takings]
        length = arrays.extent[first]
        if len(self.inner) > 1:
            count, at = length, arrays.index[first]
            texts = [taking.whole() for taking in takings]
            ends = [f"{part}[{at}] = {text}" for part, (text, _) in zip(parts, texts, strict=True)]
            starts = [taking.start() for taking in takings]
            loop = inside.render(
                opened,
                self._blocks(takings),
                lambda line, lines: [line, *indented([*starts, *lines, *ends])],
            )
            head = []
        else:
            count, at = arrays.names.new("blocks"), arrays.names.new("block")
            texts = [(t.part, t.dtype.name) if t.blocked else t.whole() for t in takings]
            ends = [f"{part}[{at}] = {text}" for part, (text, _) in zip(parts, texts, strict=True)]
            span = arrays.use(f"indices({at} * {BLOCK}, min({at} * {BLOCK} + {BLOCK}, {length}))")
            run = f"for {arrays.index[first]} in {span}:"
            loop = inside.render(
                opened,
                lambda _, lines: [
                    f"for {at} in prange({count}):",
                    *indented([*(t.block() for t in takings), run, *indented(lines), *ends]),
                ],
            )
            head = [f"{count} = ({length} + {BLOCK - 1}) // {BLOCK}"]
        head += [f"{p} = np.empty({count}, np.{dtype})" for p, (_, dtype) in zip(parts, texts, strict=True)]
        return head + loop + self._joined(parts, takings, count)

    def _joined(self, parts: list[str], takings: list[Taking], count: str) -> list[str]:
        """The parts, added up one after the other: the result does not depend on how many threads there were."""
        at = self.arrays.names.new("k")
        for taking in takings:
            taking.__init__(taking.node, self.arrays)  # type: ignore[misc]  # other variables than in the parallel loop
        adds = [taking.add(f"{part}[{at}]") for part, taking in zip(parts, takings, strict=True)]
        return [*(taking.start() for taking in takings), f"for {at} in range({count}):", *indented(adds)]
