"""From a captured run to a program: passes, fusion, memory, kernels, driver."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from types import MappingProxyType, ModuleType
from typing import Any

import numpy as np

from dout.engine.codegen.driver import Program, write
from dout.engine.codegen.driver_steps import Means, StepWriter, may_leave
from dout.engine.codegen.kernel_source import Kernel, kernel, may_overwrite
from dout.engine.codegen.native_steps import Native, native, patches, products
from dout.engine.guards.loaded_names import Loaded
from dout.engine.ir.aliasing import IN_PLACE, bases, nbytes
from dout.engine.ir.kernel_group import Group, PatchProduct, Products, Step
from dout.engine.memory.buffer_layout import BufferLayout, Layout, order_of, rehearse
from dout.engine.memory.memory_plan import Memory, MemoryPlanner, Over, Own, ResultView, makes
from dout.engine.memory.pool import Pool
from dout.engine.passes.add_products import add_products
from dout.engine.passes.fuse import fuse
from dout.engine.passes.group_products import group_products
from dout.engine.passes.pipeline import transformed
from dout.engine.passes.read_patches import read_patches
from dout.engine.passes.unalias_outputs import in_order, unalias_outputs
from dout.engine.runtime.compile_progress import CompileProgress
from dout.errors import UnsupportedError
from dout.graph import CONSTANT, INPUT, Graph, Node, rebuild, renewed, topological, with_inputs
from dout.ops import PRIMITIVES, by_primitive
from dout.ops.raising import may_raise
from dout.rewrite.node_facts import constant
from dout.trace.capture.budget import Budget
from dout.trace.capture.capture import Capture
from dout.trace.capture.templates import Same, nodes_in
from dout.trace.session.attribute_swap import Namespace, identity_of

_LARGE = 1 << 20  # bytes, from which on a copy takes longer than all that is gained in a small step
_FEW = 8
_SIZE = 3  # from which on a plain number may be a size
_INDEX = by_primitive({"getitem": 1, "add_at": 2})  # where the index begins among the inputs
_PLACES = "places"
_COPIES = 2  # of an array that is written into: one to compute in, and back


@dataclass(frozen=True, eq=False)
class BuiltProgram:
    """A program that is ready to run: the driver, its text, and what it was written from."""

    driver: Callable[..., Any]
    source: str
    program: Program
    means: Means


@dataclass(frozen=True, eq=False)
class Planned:
    """What a program of a run does, before anything is compiled: its steps, and where and how their results lie.

    `now` is that of `Program`.
    """

    steps: tuple[Step, ...]
    now: dict[Node, Node]
    forms: dict[Node, BufferLayout]
    memory: Memory

    @property
    def layouts(self) -> dict[Node, Layout]:
        """Which values lie in C order, and which with any strides."""
        return {node: form.layout for node, form in self.forms.items()}

    @property
    def over(self) -> dict[Node, Node]:
        """The values that overwrite another, and which."""
        return {node: place.node for node, place in self.memory.places.items() if isinstance(place, Over)}


def planned(
    run: Capture,
    budget: Budget,
    *,
    strict: bool = False,
    threads: bool = False,
    known: Mapping[Node, Any] = MappingProxyType({}),
) -> Planned:
    """Decide what a program of a run does; with `threads` they take products side by side.

    `known` are the inputs that have these values at each call of the program.

    Raises UnsupportedError where none can stand for it, or when the budget is exceeded.
    """
    if any(map(may_raise, run.graph.nodes)) and Loaded(run.codes).catches:
        raise UnsupportedError("it catches errors, and some of its steps may raise one")
    if (large := next(filter(_may_be_large, run.graph.nodes), None)) is not None:
        raise UnsupportedError(f"the number that a uint64 becomes may be too large for an int64, at {large.where}")
    if (name := next(_set_unseen(run), None)) is not None:
        raise UnsupportedError(f"it sets an attribute of {name}, which dout does not look into")
    graph = _with_literals(run, run.graph if strict else run.better or run.graph)
    graph = _with_known_numbers(run, graph) if threads else graph
    graph = transformed(graph, _turned(run, graph), known, budget, strict=strict)
    budget.check()
    graph = unalias_outputs(run, graph)
    steps, forms = _rehearsed(run, graph, strict)
    if (ordered := in_order(run, graph, forms)) is not graph:
        graph = ordered
        steps, forms = _rehearsed(run, graph, strict)
    now = {node: graph.outputs[name] for name, node in run.graph.outputs.items()}
    written = {node: now[final] for node, final in run.written.items()}
    if threads:
        kept = {*graph.outputs.values()}
        steps = group_products(add_products(read_patches(steps, forms, kept), written, kept))
    memory = _memory(run, steps, now, forms, written)
    computed = sum(nbytes(n) for n in graph.nodes if n.primitive not in (INPUT, CONSTANT) and not _is_of_another(n))
    for target, node in memory.copies:
        if _is_small_part(node, target) and _COPIES * nbytes(target) > computed:
            raise UnsupportedError(
                f"a program would copy all of an array of {nbytes(target) / 1e6:.3g} MB to write into a part of it"
                + (f", at {node.where}" if node.where else "")
            )
    return Planned(steps, now, forms, memory)


def build(run: Capture, pool: Pool, budget: Budget, *, called: str, strict: bool = False) -> BuiltProgram:
    """Make a program of a run of the function that is `called` so.

    Raises UnsupportedError where none can stand for it, or when the budget is exceeded.
    """
    steady = [] if strict else _placing(run)
    run = _holding_for(run, steady)
    known = {node: run.data[node] for node in (*run.made, *steady)}
    with budget.spending():
        plan = planned(run, budget, strict=strict, threads=not strict, known=known)
        budget.check()
    layouts, over = plan.layouts, plan.over
    sizes = _sizes(run.graph)
    kernels, natives = dict[Group, Kernel](), dict[Step, Native | None]()
    with CompileProgress(called, sum(isinstance(step, Group) for step in plan.steps)) as progress:
        for step in plan.steps:
            if isinstance(step, Group):
                kernels[step] = kernel(step, layouts, run.names, over, sizes)
                progress.advance()
            elif isinstance(step, Products):
                natives[step] = products(*step.nodes, adds=[total is not None for total in step.sums])
            elif isinstance(step, PatchProduct):
                natives[step] = patches(step)
            elif not isinstance(plan.memory.places.get(step), Own | ResultView):
                natives[step] = native(step, plan.forms) or (None if strict else products(step))
    means = Means(plan.memory, kernels, plan.forms, run.names, pool, {s: n for s, n in natives.items() if n})
    program = Program(run, plan.steps, plan.now, lambda text, inputs: StepWriter(text, inputs, means))
    driver, source = write(program, "run")
    return BuiltProgram(driver, source, program, means)


def _sizes(graph: Graph) -> set[int]:
    """Lengths of what a run was given, and products of the first of them: a plain number among them may be one.

    Small ones are left out: 2 is rarely a size.
    """
    shapes = [node.shape for node in graph.inputs.values()]
    lengths = {n for shape in shapes for n in shape} | {n for shape in shapes for n in accumulate(shape, operator.mul)}
    return {n for n in lengths if n >= _SIZE}


def without_values(built: BuiltProgram) -> BuiltProgram:
    """The program without the recorded values, which would hold as much memory as all steps of the run together."""
    run = replace(built.program.capture, data={}, originals={}, returned=None)
    return replace(built, program=replace(built.program, capture=run))


def _with_literals(run: Capture, graph: Graph) -> Graph:
    """The graph, with the plain numbers in the user's code as constants."""
    numbers = {n: constant(run.data[n], n.where) for n in run.made if isinstance(n.dtype, type)}
    return rebuild(graph, lambda node, new: with_inputs(node, (numbers.get(i, new[i]) for i in node.inputs)))


def _with_known_numbers(run: Capture, graph: Graph) -> Graph:
    """The graph, with the numbers as constants that are made of such arrays as `x.shape` alone, in NumPy's calls."""

    def change(node: Node, new: Mapping[Node, Node]) -> Node:
        known = node.inputs and node.shape == () and run.made.issuperset(node.inputs) and node not in run.draws
        return constant(run.data[node], node.where) if known and node in run.data else renewed(node, new)

    return rebuild(graph, change)


def _holding_for(run: Capture, numbers: Sequence[Node]) -> Capture:
    """The run, whose program holds as long as these plain numbers are the same."""
    outcomes = {(node, _PLACES): run.data[node] for node in numbers}
    named = {f"{_PLACES} {number}": node for number, node in enumerate(numbers)}

    def wider(graph: Graph) -> Graph:
        return Graph(graph.nodes, graph.inputs, {**graph.outputs, **named})

    if not numbers:
        return run
    better = run.better and wider(run.better)
    return replace(run, outcomes={**run.outcomes, **outcomes}, graph=wider(run.graph), better=better)


def _placing(run: Capture) -> list[Node]:
    """The whole numbers that index arrays are made of, and that lengths depend on anyway: a stride, and not a place."""
    index = {i for node in run.graph.nodes for i in node.inputs[_INDEX.get(node.primitive, len(node.inputs)) :]}
    lengths = dict.fromkeys(node for node, kind in run.outcomes if kind != "branch")
    both = {*topological(index)} & {*topological(lengths)}
    inputs = (node for node in run.graph.inputs.values() if node in both and node not in run.made)
    return [node for node in inputs if node.dtype is int and node in run.data]


def _turned(run: Capture, graph: Graph) -> dict[Node, tuple[int, ...]]:
    """The inputs that lie in another order than C, and their axes in that order."""
    turned: dict[Node, tuple[int, ...]] = {}
    for node in graph.inputs.values():
        order = order_of(run.data[node]) if node in run.data else None
        if order == "F":
            turned[node] = tuple(range(len(node.shape)))[::-1]
        elif isinstance(order, tuple):
            turned[node] = order
    return turned


def _single(graph: Graph) -> tuple[Step, ...]:
    return tuple(n for n in graph.nodes if n.primitive is not INPUT and n.primitive is not CONSTANT)


def _rehearsed(run: Capture, graph: Graph, strict: bool) -> tuple[tuple[Step, ...], dict[Node, BufferLayout]]:
    """The steps of a graph, and how their values lie; a group that a kernel cannot read is left to NumPy."""
    steps = _single(graph) if strict else fuse(graph)
    given = {node: run.data[node] for node in graph.inputs.values() if node in run.data}
    while True:
        forms = rehearse(steps, given)
        readable = tuple(part for step in steps for part in _readable(step, forms))
        if readable == steps:
            return steps, forms
        steps = readable


def _readable(step: Step, forms: dict[Node, BufferLayout]) -> Sequence[Step]:
    """The step, or the nodes of a group whose kernel could not read its inputs: those are left to NumPy."""
    if isinstance(step, Group) and not all(forms[node].readable for node in step.inputs):
        return step.nodes
    return (step,)


def _set_unseen(run: Capture) -> Iterator[str]:
    """The global names of modules and classes of a library whose attributes the code sets."""
    names, seen = Loaded(run.codes).set_into, {identity_of(spot.holder) for spot in run.spots}
    for spot in run.spots if names else ():
        item = spot.before.item if isinstance(spot.before, Same) else None
        named = isinstance(spot.holder, Namespace | ModuleType) and spot.place.key in names
        if named and isinstance(item, type | ModuleType) and identity_of(item) not in seen:
            yield str(spot.place.key)


def _may_be_large(node: Node) -> bool:
    """Whether a plain number may be one of which NumPy makes another dtype than of others."""
    return node.primitive is PRIMITIVES["item"] and node.inputs[0].dtype == np.uint64


def _is_of_another(node: Node) -> bool:
    """Whether a value lies in the memory of another, or is most of another."""
    return node.primitive in IN_PLACE or bool(bases(node))


def _is_small_part(node: Node, target: Node) -> bool:
    """Whether a few elements of a large array are another: NumPy writes these alone."""
    few = node.primitive in IN_PLACE and _FEW * math.prod(node.static["selected"]) < math.prod(target.shape)
    return few and nbytes(target) >= _LARGE


def _memory(
    run: Capture,
    steps: Sequence[Step],
    now: dict[Node, Node],
    forms: dict[Node, BufferLayout],
    written: dict[Node, Node],
) -> Memory:
    leaves = [n for template in (run.result, *(spot.after for spot in run.spots)) for n in nodes_in(template)]
    steering = {now[node] for node, _ in run.outcomes}
    ends = [i for i, s in enumerate(steps) if may_leave(s) or not steering.isdisjoint(makes(s))]
    arrays = {node for node, form in forms.items() if node.primitive is INPUT and form.array}
    return MemoryPlanner(
        steps,
        outputs=[now[node] for node in leaves],
        held=[node for node in arrays if node not in run.draws],
        written=written,
        guards_end=max(ends, default=-1) + 1,
        contiguous=[node for node in arrays if forms[node].layout == "C"],
        odd=[node for node in arrays if not forms[node].readable],
        may_overwrite=may_overwrite,
    ).memory()
