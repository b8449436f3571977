"""From a group to the readable source of its kernel.

Three forms. Without a reduction, the loops of the space and all statements in them. Where the innermost axis is
reduced, rows: for each of them several passes, between which its sums are known. Where it is not, columns: the sums of
many columns grow side by side while the rows go by. How the arrays lie is in placement.py, which passes there are in
passes.py.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dout.engine.codegen.column_kernels import Columns
from dout.engine.codegen.kernel_passes import PassSchedule, first_write, last_read, schedule
from dout.engine.codegen.kernel_words import UniqueNames, described, title
from dout.engine.codegen.loop_body import Arrays, LoopBody, indented
from dout.engine.codegen.row_kernels import Rows
from dout.engine.ir.array_placement import accesses, loops_over, place
from dout.engine.ir.kernel_group import Group
from dout.engine.memory.buffer_layout import Layout
from dout.engine.runtime.entry_point import ArrayType, KernelType
from dout.graph import Node


@dataclass(frozen=True)
class KernelSource:
    """The text of a kernel: `imports` and `function` make up `text`, which defines `name`.

    `types` are those of its parameters, `results` the dtypes of the numbers that it returns, one alone or a tuple.
    `meaning` is the text without what compiles to nothing: how things are called, and which lines they come from.
    """

    name: str
    imports: str
    function: str
    types: tuple[KernelType, ...]
    results: tuple[np.dtype[Any], ...] = ()
    meaning: str = ""

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
) -> KernelSource:
    """Write the kernel of a group: `kernel(*inputs, *outputs with a shape)`, which returns the outputs without one.

    `layouts` say of the inputs which are contiguous ("C", also where nothing is said), which are so along their last
    axis alone ("rows"), and which may have any strides ("A"); outputs are contiguous. `names` are wishes for the names
    of values. `over` says of outputs in the memory of which input they lie, where `may_overwrite` allows it: the kernel
    then reads that input from the output. Nothing is called like one of `functions`, those that it calls.

    ShapeError if the arrays of the group do not lie so over one another that a kernel can run over them.
    """
    placed = place(group)
    loops = loops_over(group, placed, layouts)
    wanted, taken = names or {}, UniqueNames(functions)
    called = {node: taken.new(wanted.get(node, f"x{k}")) for k, node in enumerate(group.inputs)}
    shaped = [node for node in group.outputs if node.shape]
    for node in group.outputs:
        wish = wanted.get(node, "out" if len(group.outputs) == 1 else str(node.primitive))
        called[node] = taken.new(wish)
    arrays = Arrays(group, placed, loops, taken, called)
    arrays.in_rows.update(node for node in group.inputs if layouts.get(node) == "rows")
    arrays.measure(accesses(group, placed))
    arrays.overwritten.update((over or {}).values())
    for output, given in (over or {}).items():
        arrays.views[given, placed.own[output]] = arrays.views[output, placed.own[output]]
    lines, values = _form(arrays, schedule(group, placed, loops), parallel)
    if not functions and not taken.isdisjoint(arrays.functions):  # now it is known which they are
        return source(group, layouts, parallel=parallel, names=names, over=over, functions=arrays.functions)
    parameters = [called[node] for node in (*group.inputs, *shaped)]
    told = described(group, {**{n: str(n.primitive) for n in group.nodes}, **called})
    body = [*arrays.head, *lines]
    if values:
        body.append(f"return {', '.join(values)}")
    types = tuple(_type(node, layouts.get(node, "C")) for node in group.inputs)
    types += tuple(_type(node, "C", written=True) for node in shaped)
    results = tuple(np.dtype(node.dtype) for node in group.outputs if not node.shape)
    head, body = f"({', '.join(parameters)}):", indented(body)
    meaning = taken.neutral("\n".join([head, *body]))
    return _finished(
        title(group), [head, *indented([f'"""{told}"""']), *body], meaning, types, results, arrays.functions
    )


def _form(arrays: Arrays, plan: PassSchedule, parallel: bool) -> tuple[list[str], list[str]]:
    """The loops, and the texts of the numbers to return."""
    if not any(loop.reduced for loop in arrays.loops):
        return _elementwise(arrays, parallel)
    return (Rows if arrays.loops[-1].reduced else Columns)(arrays, plan, parallel).write()


def _elementwise(arrays: Arrays, parallel: bool) -> tuple[list[str], list[str]]:
    group, placed = arrays.group, arrays.placed
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
    opened = [arrays.opened(loop, parallel and place == 0) for place, loop in enumerate(arrays.loops)]
    return body.render(opened), [body.texts[n] for n in group.outputs if not n.shape]


def _finished(
    stem: str,
    lines: Sequence[str],
    meaning: str,
    types: tuple[KernelType, ...],
    results: tuple[np.dtype[Any], ...],
    functions: set[str],
) -> KernelSource:
    parallel = "prange(" in meaning
    options = 'error_model="numpy", fastmath={"contract"}' + (", parallel=True" if parallel else "")
    imports = ["import numpy as np", f"from numba import njit{', prange' if parallel else ''}"]
    if functions:
        modules = _by_module(functions).items()
        imports += ["", *(f"from dout.engine.math.{module} import {', '.join(names)}" for module, names in modules)]
    meaning = "\n".join([str(types), options, *imports, meaning])
    name = f"{stem}_{hashlib.sha256(meaning.encode()).hexdigest()[:12]}"
    rest = "\n".join([*lines, ""])
    return KernelSource(name, "\n".join(imports) + "\n", f"@njit({options})\ndef {name}{rest}", types, results, meaning)


_ACCUMULATE = re.compile("plus|minus|maximum|minimum|larger|smaller|known|add_exactly|settled|indices")


def _by_module(functions: set[str]) -> dict[str, list[str]]:
    """The functions that a kernel calls, by the module they are in."""
    modules: dict[str, list[str]] = {}
    for name in sorted(functions):
        module = "row_access" if name == "in_row" else "accumulate" if _ACCUMULATE.match(name) else "vector_math"
        modules.setdefault(module, []).append(name)
    return modules


def _type(node: Node, layout: str, *, written: bool = False) -> KernelType:
    """The type of a parameter."""
    dtype = np.dtype(node.dtype)
    return ArrayType(dtype, len(node.shape), layout, written) if node.shape else dtype


def may_overwrite(group: Group, given: Node, output: Node) -> bool:
    """Whether an output may lie in the memory of an input, which then is lost.

    Both are contiguous, of one shape and dtype, and each element is read for the last time where the output's is
    written, or before.
    """
    if not given.shape or given.shape != output.shape or given.dtype != output.dtype:
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
