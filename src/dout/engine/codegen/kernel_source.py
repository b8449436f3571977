"""From a group to the readable source of its kernel.

Three forms. Without a reduction, the loops of the space and all statements in them. Where the innermost axis is
reduced, rows: for each of them several passes, between which its sums are known. Where it is not, columns: the sums of
many columns grow side by side while the rows go by. How the arrays lie is in `array_placement`, which passes there
are in `kernel_passes`.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dout.engine.codegen.column_kernels import Columns
from dout.engine.codegen.kernel_passes import PassSchedule, first_write, last_read, schedule
from dout.engine.codegen.kernel_words import UniqueNames, described, title
from dout.engine.codegen.loop_body import Arrays, LoopBody, indented
from dout.engine.codegen.row_kernels import Rows
from dout.engine.ir.array_placement import accesses, loops_over, place
from dout.engine.ir.cost_model import flops
from dout.engine.ir.kernel_group import Group
from dout.engine.lowering.entry_point import WORK, ArrayType, KernelType
from dout.engine.memory.buffer_layout import Layout
from dout.engine.runtime import kernel_cache
from dout.engine.runtime.parallel_threshold import OVERHEAD, cores, parallel_pays
from dout.graph import CONSTANT, Node
from dout.ops import PRIMITIVES


@dataclass(frozen=True)
class KernelSource:
    """A kernel: `arguments` are the values that it is called with, `parameters` their names, `body` its lines.

    `calls` are the functions that it calls, `types` those of its arguments, `results` the dtypes of the numbers that it
    returns, one alone or a tuple. `meaning` is the text without what compiles to nothing: how things are called, and
    which lines they come from.
    """

    title: str
    arguments: tuple[Node, ...]
    parameters: tuple[str, ...]
    body: tuple[str, ...]
    calls: frozenset[str]
    types: tuple[KernelType, ...]
    results: tuple[np.dtype[Any], ...]
    named: str  # the meaning of the lines alone

    @cached_property
    def meaning(self) -> str:
        """What the machine code depends on."""
        return "\n".join([str(self.types), self._options, self.imports, self.named])

    @cached_property
    def name(self) -> str:
        """What it computes, and a number that no kernel of another meaning has."""
        return f"{self.title}_{hashlib.sha256(self.meaning.encode()).hexdigest()[:12]}"

    @property
    def _parallel(self) -> bool:
        return "prange(" in self.named

    @property
    def _options(self) -> str:
        return 'error_model="numpy", fastmath={"contract"}' + (", parallel=True" if self._parallel else "")

    @property
    def imports(self) -> str:
        """The lines before the function."""
        modules = _by_module(self.calls).items()
        ours = [f"from dout.engine.math.{module} import {', '.join(names)}\n" for module, names in modules]
        numbas = f"import numpy as np\nfrom numba import njit{', prange' if self._parallel else ''}\n"
        return "\n".join([numbas, "".join(ours)] if ours else [numbas])

    @property
    def function(self) -> str:
        """The function itself."""
        head = f"def {self.name}({', '.join(self.parameters)}):"
        return "\n".join([f"@njit({self._options})", head, *self.body, ""])

    @property
    def text(self) -> str:
        """The whole module."""
        return f"{self.imports}\n\n{self.function}"


def source(
    group: Group,
    layouts: Mapping[Node, Layout],
    *,
    parallel: bool,
    names: Mapping[Node, str] | None = None,
    over: Mapping[Node, Node] | None = None,
    functions: Collection[str] = (),
    sizes: Collection[int] = (),
) -> KernelSource:
    """Write the kernel of a group: `kernel(*inputs, *outputs with a shape)`, which returns the outputs without one.

    `layouts` say of the inputs which are contiguous ("C", also where nothing is said), which are so along their last
    axis alone ("rows"), and which may have any strides ("A"); outputs are contiguous. `names` are wishes for the names
    of values. `over` says of outputs in the memory of which input they lie, where `may_overwrite` allows it: then the
    kernel is given that array once. Nothing is called like one of `functions`, those that it calls. Plain numbers that
    are among `sizes` are arguments, too: one text serves every size.

    ShapeError if the arrays of the group do not lie so over one another that a kernel can run over them.
    """
    placed, over = place(group), over or {}
    loops = loops_over(group, placed, layouts)
    taken = UniqueNames(functions)
    sized = dict.fromkeys(i for node in group.nodes for i in node.inputs if _is_size(i, sizes))
    called = _called(group, names or {}, over, sized, taken)
    arrays = Arrays(group, placed, loops, taken, called)
    arrays.in_rows.update(node for node in group.inputs if layouts.get(node) == "rows")
    arrays.overwritten.update(over.values())
    arrays.measure(accesses(group, placed))
    lines, values = _form(arrays, schedule(group, placed, loops), parallel)
    if not functions and not taken.isdisjoint(arrays.functions):  # now it is known which they are
        return source(
            group, layouts, parallel=parallel, names=names, over=over, functions=arrays.functions, sizes=sizes
        )
    if any("prange(" in line for line in lines):
        arrays.head.append(_operations(arrays))
    arguments = [*group.inputs, *sized, *(node for node in group.outputs if node.shape and node not in over)]
    written = {*group.outputs, *over.values()}
    told = described(group, {n: str(n.primitive) for n in group.nodes} | called)
    body = indented([*arrays.head, *lines, *([f"return {', '.join(values)}"] if values else [])])
    parameters = [called[node] for node in arguments]
    return KernelSource(
        title(group),
        tuple(arguments),
        tuple(parameters),
        (*indented([f'"""{told}"""']), *body),
        frozenset(arrays.functions),
        tuple(_type(node, layouts.get(node, "C"), written=node in written) for node in arguments),
        tuple(np.dtype(node.dtype) for node in group.outputs if not node.shape),
        taken.neutral("\n".join([f"({', '.join(parameters)}):", *body])),
    )


def _called(
    group: Group, wanted: Mapping[Node, str], over: Mapping[Node, Node], sized: Iterable[Node], taken: UniqueNames
) -> dict[Node, str]:
    """The names of what a kernel is given, and of its results."""
    called = {node: taken.new(wanted.get(node, f"x{k}")) for k, node in enumerate(group.inputs)}
    called |= {node: taken.new("size") for node in sized}
    for node in group.outputs:
        wish = wanted.get(node, "out" if len(group.outputs) == 1 else str(node.primitive))
        called[node] = called[over[node]] if node in over else taken.new(wish)
    return called


@dataclass(frozen=True, eq=False)
class Kernel:
    """A group's kernel; `run` is compiled when the driver is written."""

    source: KernelSource
    parallel: bool
    run: Callable[..., Any]


def kernel(
    group: Group,
    layouts: Mapping[Node, Layout],
    names: Mapping[Node, str],
    places: Mapping[Node, Node],
    sizes: Collection[int],
) -> Kernel:
    """Write and load the kernel of a group; `places` are outputs over other values, `sizes` lengths of what is given.

    The kernel for several threads also serves fewer elements, on one thread, where it is there for more already.
    """
    over = {node: places[node] for node in group.outputs if places.get(node) in group.inputs}
    parallel = parallel_pays(_elements(group), _cost(group))
    written = source(group, layouts, parallel=parallel, names=names, over=over, sizes=sizes)
    if not parallel and cores() > 1:
        wider = source(group, layouts, parallel=True, names=names, over=over, sizes=sizes)
        written = wider if kernel_cache.is_loaded(**_asked(wider)) else written
    return Kernel(written, parallel, kernel_cache.load(text=written.text, **_asked(written)))


def _asked(written: KernelSource) -> dict[str, Any]:
    """What tells a kernel from all others."""
    return {"name": written.name, "types": written.types, "results": written.results, "meaning": written.meaning}


def _elements(group: Group) -> int:
    return int(np.prod(group.space, dtype=float))


def _cost(group: Group) -> float:
    """Operations an element."""
    return flops(group) / max(1, _elements(group))


def _operations(arrays: Arrays) -> str:
    """The line that says how many operations a kernel has, so that few of them run on one thread."""
    cost = 1 << math.ceil(math.log2(OVERHEAD + _cost(arrays.group)))  # the same for every size
    return f"{WORK} = {' * '.join([*map(arrays.extent.__getitem__, arrays.loops), str(cost)])}"


def _is_size(node: Node, sizes: Collection[int]) -> bool:
    """Whether a node is a plain number that may be the size of something."""
    return node.primitive is CONSTANT and type(node.static["value"]) in (int, float) and node.static["value"] in sizes


def _form(arrays: Arrays, plan: PassSchedule, parallel: bool) -> tuple[list[str], list[str]]:
    """The loops, and the texts of the numbers to return."""
    if not any(loop.reduced for loop in arrays.loops):
        return _elementwise(arrays, parallel)
    return (Rows if arrays.loops[-1].reduced else Columns)(arrays, plan, parallel).write()


def _elementwise(arrays: Arrays, parallel: bool) -> tuple[list[str], list[str]]:
    group, placed = arrays.group, arrays.placed
    opened = [arrays.opened(loop, parallel and place == 0) for place, loop in enumerate(arrays.loops)]
    if (moved := _short_rows(arrays)) is not None:
        return [line for k, text in enumerate([*opened[:-1], moved]) for line in indented([text], k)], []
    body = LoopBody(arrays, arrays.loops)
    body.expect(group.nodes)
    shaped = [node for node in group.outputs if node.shape]
    direct = shaped[0] if len(shaped) == 1 and not any(shaped[0] in n.inputs for n in group.nodes) else None
    for node in group.nodes:
        if node is not direct:
            body.compute(node)
    for node in shaped:
        text = body.value(node, len(body.nest)) if node is direct else body.texts[node]
        body.store(arrays.element(node, placed.own[node]), text)
    return body.render(opened), [body.texts[n] for n in group.outputs if not n.shape]


def _short_rows(arrays: Arrays) -> str | None:
    """The line that moves a row, where a kernel copies rows of a few elements, as those of windows, and no more."""
    (node, *others), given = arrays.group.nodes, arrays.group.inputs
    plain = not others and node.primitive is PRIMITIVES["copy"] and arrays.in_rows.issuperset(given)
    if not plain or len(arrays.loops) < 2 or np.dtype(node.dtype).kind not in "fiu":
        return None
    if not 1 < (length := node.shape[-1]) <= _SHORT:
        return None
    index = ", ".join(arrays.subscripts(node, arrays.placed.own[node])[:-1])
    return arrays.use(f"move_row({arrays.called[given[0]]}, {arrays.called[node]}, ({index},), {length})")


_SHORT = 16  # elements of a row that are moved as one
_ACCUMULATE = re.compile("plus|minus|maximum|minimum|larger|smaller|known|add_exactly|settled|indices")


def _by_module(functions: Collection[str]) -> dict[str, list[str]]:
    """The functions that a kernel calls, by the module they are in."""
    modules: dict[str, list[str]] = {}
    for name in sorted(functions):
        module = (
            "row_access"
            if name in ("in_row", "move_row")
            else "accumulate"
            if _ACCUMULATE.match(name)
            else "vector_math"
        )
        modules.setdefault(module, []).append(name)
    return modules


def _type(node: Node, layout: str, *, written: bool = False) -> KernelType:
    """The type of a parameter."""
    dtype = np.dtype(node.dtype)
    return ArrayType(dtype, len(node.shape), layout, written) if node.shape else dtype


def may_overwrite(group: Group, given: Node, output: Node) -> bool:
    """Whether an output may lie in the memory of an input, which then is lost.

    Both are contiguous, of one shape and dtype, and each element is read for the last time where the output's is
    written, or before. What `where` leaves as it is must move, unless its condition is written, too: LLVM makes masked
    stores of it, which take three times as long on AMD's processors.
    """
    if not given.shape or given.shape != output.shape or given.dtype != output.dtype:
        return False
    if output.primitive is PRIMITIVES["where"] and given in output.inputs[1:] and output.inputs[0] not in group.outputs:
        return False
    placed = place(group)
    whole = placed.own[output]
    uses = {dims for (node, k), dims in placed.uses.items() if node.inputs[k] is given}
    if uses - {whole} or len([n for n in group.space if n != 1]) != len([d for d in whole if d is not None]):
        return False
    loops = loops_over(group, placed, {})
    if not any(loop.reduced for loop in loops):
        return True
    plan = schedule(group, placed, loops)
    return last_read(plan, given) <= first_write(plan, output)
