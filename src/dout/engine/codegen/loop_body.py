"""The body of nested loops: one statement a node, each as far outside as its operands allow."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from dout.engine.codegen.kernel_words import UniqueNames
from dout.engine.ir.array_placement import Dims, Loop, Placement, along
from dout.engine.ir.kernel_group import Group
from dout.engine.ir.scalar_expressions import (
    FILLS,
    MOVES,
    REDUCTIONS,
    cast,
    expression,
    expression_of,
    literal,
    operand_dtypes,
)
from dout.graph import CONSTANT, Node
from dout.ops import by_primitive

INDENT = "    "
WORDS = by_primitive(
    {"max": "largest", "min": "smallest", "sum": "summed", "any": "found", "all": "held"}
)  # not Python's functions
Wrap = Callable[[str, list[str]], list[str]]


class Arrays:
    """What a kernel is given: its parameters, how an element of each is written, and how long each loop is."""

    def __init__(
        self, group: Group, placed: Placement, loops: Sequence[Loop], names: UniqueNames, called: Mapping[Node, str]
    ) -> None:
        self.group, self.placed, self.loops, self.names = group, placed, loops, names
        self.called = called  # the name of each parameter and result
        self.index = {loop: names.new("ijklmn"[min(place, 5)]) for place, loop in enumerate(loops)}
        self.extent = {loop: names.new(wish) for loop, wish in zip(loops, _extents(len(loops)), strict=True)}
        self.views: dict[tuple[str, tuple[Loop, ...]], str] = {}
        self.overwritten: set[Node] = set()  # inputs in whose memory an output lies: read before anything is written
        self.in_rows: set[Node] = set()  # inputs that are contiguous along their last axis alone
        self.numbers: dict[tuple[Node, np.dtype], str] = {}
        self.head: list[str] = []  # statements before all loops
        self.functions: set[str] = set()

    def element(self, array: Node, dims: Dims) -> str:
        """One element of an array in a loop: x[i, j]."""
        view, subscripts = self._view(array, dims), ", ".join(self.subscripts(array, dims)) or "0"
        return self.use(f"in_row({view}, ({subscripts}))") if array in self.in_rows else f"{view}[{subscripts}]"

    def subscripts(self, array: Node, dims: Dims) -> list[str]:
        """The indices of an element in a loop."""
        own = along(dims, self.loops)
        if any(len(loop.dims) > 1 for loop in own):
            return [self.index[loop] for loop in own]
        of = {loop.dims[0]: self.index[loop] for loop in own}
        return ["0" if d is None else of[d] for d in dims]

    def _view(self, array: Node, dims: Dims) -> str:
        """The array with an axis a loop: itself, or a view of it."""
        own, name = along(dims, self.loops), self.called[array]
        if all(len(loop.dims) == 1 for loop in own):
            return name
        if (name, own) not in self.views:
            lengths = ", ".join(self.extent[loop] for loop in own)
            view = self.views[name, own] = self.names.new(f"{name}_flat" if len(own) == 1 else f"{name}_view")
            self.head.append(f"{view} = {name}.reshape({lengths if len(own) == 1 else f'({lengths})'})")
        return self.views[name, own]

    def measure(self, accesses: Iterable[tuple[Node, Dims]]) -> None:
        """Write how long each loop is, from the shapes of the arrays."""
        arrays = list(accesses)
        for loop in self.loops:
            self.head.append(f"{self.extent[loop]} = {self._length(loop, arrays)}")

    def opened(self, loop: Loop, parallel: bool = False) -> str:
        """The line that opens a loop."""
        return f"for {self.index[loop]} in {'prange' if parallel else 'range'}({self.extent[loop]}):"

    def _length(self, loop: Loop, arrays: Sequence[tuple[Node, Dims]]) -> str:
        for array, dims in arrays:
            if {d for d in dims if d is not None} == set(loop.dims):
                return f"{self.called[array]}.size"
        for array, dims in arrays:
            if loop.dims[0] in dims:
                axes = [axis for axis, d in enumerate(dims) if d in loop.dims]
                return " * ".join(f"{self.called[array]}.shape[{axis}]" for axis in axes)
        return str(int(np.prod([self.group.space[d] for d in loop.dims])))  # no array tells: this size alone

    def number(self, node: Node, dtype: np.dtype) -> str:
        """A number that was given, cast once before all loops."""
        if np.dtype(node.dtype) == dtype:
            return self.called[node]
        if (node, dtype) not in self.numbers:
            self.numbers[node, dtype] = self.names.new(f"{self.called[node]}_{dtype.name}")
            self.head.append(f"{self.numbers[node, dtype]} = {cast(self.called[node], node.dtype, dtype)}")
        return self.numbers[node, dtype]

    def use(self, text: str) -> str:
        """The text, whose functions are noted."""
        self.functions.update(
            re.findall(r"\b(?:[a-z]\w*_f(?:32|64)|add_exactly|settled|indices|in_row|move_row)(?=\()", text)
        )
        return text


def _extents(count: int) -> list[str]:
    return [["size"], ["rows", "columns"]][count - 1] if 0 < count < 3 else [f"length_{i}" for i in range(count)]


class LoopBody:
    """Statements at each depth of a nest of loops.

    `known` are texts of values from outside it, `memory` those that are read from an array, with the axes of that.
    """

    def __init__(
        self,
        arrays: Arrays,
        nest: Sequence[Loop],
        known: Mapping[Node, str] | None = None,
        memory: Mapping[Node, tuple[str, Iterable[int | None]]] | None = None,
    ) -> None:
        self.arrays, self.nest = arrays, nest
        self.texts: dict[Node, str] = dict(known or {})
        self.memory = dict(memory or {})
        self.lines: list[list[str]] = [[] for _ in range(len(nest) + 1)]
        self._loads: dict[object, str] = {}
        self._uses: Counter[object] = Counter()

    def expect(self, nodes: Iterable[Node]) -> None:
        """Count what these nodes will read: what is read more than once, or chosen from, is read into a variable."""
        for node in nodes:
            row = node.primitive
            text = "{0} {0}" if row in MOVES else "{0}" if row in REDUCTIONS else expression_of(node) or ""
            for argument in range(len(node.inputs)):
                self._uses[self._source(node, argument)] += text.count(f"{{{argument}}}") + 2 * (" if " in text)

    def _source(self, node: Node, argument: int) -> object:
        operand = node.inputs[argument]
        return operand if operand in self.arrays.placed.own else (operand, self.arrays.placed.uses[node, argument])

    def depth(self, dims: Iterable[int | None]) -> int:
        """How many loops of the nest are open where something that varies along these axes is known."""
        inside = along(dims, self.nest)
        return 1 + max(self.nest.index(loop) for loop in inside) if inside else 0

    def compute(self, node: Node, depth: int | None = None) -> None:
        """Write the statement of a node."""
        depth = self.depth(self.arrays.placed.varies[node]) if depth is None else depth
        text = self.value(node, depth)
        moved = node.primitive in MOVES or (node.primitive in REDUCTIONS and text.isidentifier())
        if (moved and "(" not in text) or node.primitive in FILLS:
            self.texts[node] = text  # a variable or a number: no statement of its own
            return
        self.assign(node, text, depth)

    def assign(self, node: Node, text: str, depth: int) -> None:
        """Write a variable for a node."""
        name = self.arrays.names.new(WORDS.get(node.primitive, str(node.primitive)))
        self.lines[depth].append(f"{name} = {text}")
        self.texts[node] = name

    def value(self, node: Node, depth: int) -> str:
        """The expression of a node; of a reduction that of the one element it takes up."""
        row, own = node.primitive, np.dtype(node.dtype)
        if row in FILLS:
            return literal(FILLS[row], own)
        if row in MOVES:
            return self.operand(node, 0, own, depth)
        dtypes = operand_dtypes(node)
        operands = [self.operand(node, k, dtype, depth) for k, dtype in enumerate(dtypes)]
        return operands[0] if row in REDUCTIONS else self.arrays.use(expression(node, operands))

    def operand(self, node: Node, argument: int, dtype: np.dtype, depth: int) -> str:
        """The text of an operand, cast to a dtype."""
        operand = node.inputs[argument]
        if operand.primitive is CONSTANT and operand not in self.arrays.called:
            return literal(operand.static["value"], dtype)
        if operand in self.texts:
            return cast(self.texts[operand], operand.dtype, dtype)
        if operand not in self.memory and not operand.shape:
            return self.arrays.number(operand, dtype)
        return cast(self._load(node, argument, depth), operand.dtype, dtype)

    def _load(self, node: Node, argument: int, depth: int) -> str:
        key = self._source(node, argument)
        if key not in self._loads:
            operand = node.inputs[argument]
            dims: Iterable[int | None]
            if operand in self.memory:
                text, dims = self.memory[operand]
            else:
                dims = self.arrays.placed.uses[node, argument]
                text = self.arrays.element(operand, dims)
            outside = self.depth(dims)
            if self._uses[key] > 1 or outside < depth or operand in self.arrays.overwritten:
                wish = self.arrays.called.get(operand) or str(operand.primitive)
                suffix = "".join(self.arrays.index[loop] for loop in along(dims, self.arrays.loops))
                name = self.arrays.names.new(f"{wish}_{suffix}")
                self.lines[outside].append(f"{name} = {text}")
                text = name
            self._loads[key] = text
        return self._loads[key]

    def store(self, target: str, text: str) -> None:
        """Write into memory, innermost and after everything else."""
        self.lines[-1].append(f"{target} = {text}")

    def render(self, opened: Sequence[str], innermost: Wrap | None = None, outermost: Wrap | None = None) -> list[str]:
        """The loops and all that is in them; `opened` are the loops' own lines.

        Two of the loops may be written in another way: by a function of their line and what is in them.
        """
        inside = self.lines[-1]
        for depth in reversed(range(len(self.nest))):
            if depth == len(self.nest) - 1 and innermost:
                loop = innermost(opened[depth], inside)
            elif depth == 0 and outermost:
                loop = outermost(opened[depth], inside)
            else:
                loop = [opened[depth], *indented(inside)]
            inside = self.lines[depth] + loop
        return inside


def indented(lines: Iterable[str], depth: int = 1) -> list[str]:
    """The lines, further to the right."""
    return [INDENT * depth + line for line in lines]
