"""The plan of a compiled function, as a value: steps, kept values, bytes, memory, and the least time of a call."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Protocol

import numpy as np

from dout.engine.codegen.kernel_words import UniqueNames, formula, places
from dout.engine.compile.plan_guards import guards_of
from dout.engine.compile.plan_lines import FunctionPlan, How, Kept, LoopPlan, PlanLine, ProgramPlan
from dout.engine.compile.plan_text import lines_of
from dout.engine.compile.program_builder import BuiltProgram
from dout.engine.ir.aliasing import IN_PLACE, nbytes
from dout.engine.ir.cost_model import bytes_moved, is_product
from dout.engine.ir.cost_model import flops as flops_of
from dout.engine.ir.kernel_group import Group, PatchProduct, Products, Step
from dout.engine.loops.looped_function import LoopedFunction
from dout.engine.memory.memory_plan import Over, ResultView, makes
from dout.graph import CONSTANT, Node, dtype_name
from dout.ops import PRIMITIVES, by_primitive
from dout.styled_lines import coloured, in_notebook, plain
from dout.trace.capture.capture import Capture
from dout.trace.capture.templates import Built, Held, HeldView, Same, Spot, Template, is_held

_LONGEST = 24  # characters of an option of a NumPy call
_SYMBOLS = by_primitive({"matmul": "@", "add": "+", "subtract": "-", "multiply": "*", "divide": "/"})


@dataclass(frozen=True)
class Plan:
    """What compiled functions do at a call: of a layer its forward and its backward.

    Printed it shows all of it. `source` and `kernels` are the texts of everything that was compiled.
    """

    functions: tuple[FunctionPlan, ...]

    @property
    def programs(self) -> tuple[ProgramPlan, ...]:
        """The programs of all functions."""
        return tuple(program for function in self.functions for program in function.programs)

    @property
    def source(self) -> str:
        """The text of the drivers, one for each program."""
        return "\n\n".join(program.source for program in self.programs)

    @property
    def kernels(self) -> dict[str, str]:
        """The texts of all kernels, by name."""
        found = {name: text for program in self.programs for name, text in program.kernels.items()}
        loops = (loop for function in self.functions for loop in function.loops if loop.kernel)
        return found | {f"loop at {loop.place}": loop.kernel for loop in loops}

    def __repr__(self) -> str:
        steps = sum(len(program.steps) for program in self.programs)
        plainly = sum(bool(function.plainly) for function in self.functions)
        names = " and ".join(function.name for function in self.functions)
        more = f", {plainly} of {len(self.functions)} run plainly" if plainly else ""
        return f"<plan of {names}: {len(self.programs)} programs, {steps} steps{more}>"

    def __str__(self) -> str:
        return plain(lines_of(self.functions))

    def __rich__(self) -> Any:
        return coloured(lines_of(self.functions))

    def _repr_html_(self) -> str:
        return in_notebook(lines_of(self.functions))


class PlanOwner(Protocol):
    """What a plan asks of a compiled function: its programs, by how it is called, and why other calls run plainly."""

    function: Callable[..., Any]
    programs: dict[tuple[Any, ...], list[BuiltProgram]]
    why_not: list[str]
    loops: LoopedFunction | None


def plan_of(*compiled: PlanOwner) -> Plan:
    """The plan of compiled functions, as they are now; each is followed by its parts."""
    return Plan(tuple(function for one in compiled for function in _functions(one)))


def _functions(compiled: PlanOwner) -> Iterator[FunctionPlan]:
    parts = [function for part in _parts(compiled) for function in _functions(part)]
    yield replace(_function(compiled), parts=tuple(part.name for part in parts))
    yield from parts


def _parts(compiled: PlanOwner) -> list[PlanOwner]:
    return compiled.loops.parts.made() if compiled.loops else []


def _function(compiled: PlanOwner) -> FunctionPlan:
    function = compiled.function
    name = getattr(function, "__qualname__", type(function).__qualname__).rpartition("<locals>.")[2]
    programs = [
        _program(built, form, _parameters(function)) for form, many in list(compiled.programs.items()) for built in many
    ]
    return FunctionPlan(name, tuple(programs), tuple(compiled.why_not), tuple(_loops(compiled)))


def _loops(compiled: PlanOwner) -> Iterator[LoopPlan]:
    """The loops that kernels stand for, and those that none does."""
    for site in compiled.loops.sites if compiled.loops else ():
        for text in site.kernels():
            yield LoopPlan(str(site.where), site.turns, text)
        for why in site.why_not:
            yield LoopPlan(str(site.where), 0, "", why)


def _parameters(function: Any) -> list[str]:
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return []


def _program(built: BuiltProgram, form: tuple[Any, ...], parameters: list[str]) -> ProgramPlan:
    run, memory = built.program.capture, built.means.memory
    texts = _named(built)
    lines = [_line(step, built, texts) for step in built.program.steps]
    lines += [PlanLine(f"{texts[x]}[...] = {texts[n]}", "copy", "", nbytes(x) + nbytes(n)) for x, n in memory.copies]
    kernels = {kernel.source.name: kernel.source.text for kernel in built.means.kernels.values()}
    return ProgramPlan(
        arguments=tuple(_arguments(run, form, parameters)),
        guards=tuple(guards_of(built, lambda spot: _whose(spot, run))),
        steps=tuple(lines),
        kept=tuple(_kept(built)),
        fresh=memory.fresh,
        own=memory.own,
        peak=memory.peak,
        source=built.source,
        kernels=kernels,
    )


# --- steps ------------------------------------------------------------------------------------------------------------


def _named(built: BuiltProgram) -> dict[Node, str]:
    """A name for every value in the steps: the user's where there is one. The names are safe to show."""
    run, now = built.program.capture, built.program.now
    left = [("result", run.result), *((spot.place.name, spot.after) for spot in run.spots)]
    wishes = {
        now[n]: name for name, template in left for n, _, given in _values(template, name) if n in now and not given
    }
    wishes |= {now[node]: name for node, name in run.names.items() if node in now}
    wishes |= run.names
    names, texts, others = UniqueNames(), dict[Node, str](), count(1)

    def name(node: Node) -> None:
        if node.primitive is CONSTANT:
            texts[node] = _literal(node.static["value"])
        elif node not in texts:
            texts[node] = names.new(wishes.get(node) or f"t{next(others)}")

    for node in run.graph.inputs.values():
        if node in wishes:
            name(node)
    for step in built.program.steps:
        for node in (*step.inputs, *makes(step)):
            name(node)
    for pair in built.means.memory.copies:
        for node in pair:
            name(node)
    return texts


def _line(step: Step, built: BuiltProgram, texts: Mapping[Node, str]) -> PlanLine:
    over = ", ".join(
        texts[place.node] for node in makes(step) if isinstance(place := built.means.memory.places[node], Over)
    )
    if isinstance(step, Group):
        parallel = built.means.kernels[step].parallel
        return PlanLine(formula(step, texts), "kernel", places(step.nodes), bytes_moved(step), parallel, over)
    if isinstance(step, Products):
        added = [f"{texts[onto]} + " if (onto := step.onto(i)) else "" for i in range(len(step.nodes))]
        named = zip(step.outputs, added, step.nodes, strict=True)
        text = "; ".join(f"{texts[result]} = {onto}{_called(node, texts)}" for result, onto, node in named)
        size = np.dtype(step.nodes[0].dtype).itemsize
        moved, where = bytes_moved(step), places(step.nodes)
        return PlanLine(text, "NumPy", where, moved, over=over, products=flops_of(step), itemsize=size)
    if isinstance(step, PatchProduct):
        mark = ".T" if step.transposed else ""
        text = (
            f"{texts[step.node]} = patches({texts[step.image]}, window={step.window}){mark} @ {texts[step.inputs[1]]}"
        )
        size = np.dtype(step.node.dtype).itemsize
        return PlanLine(text, "kernel", places(step.nodes), bytes_moved(step), products=flops_of(step), itemsize=size)
    text = f"{texts[step]} = {_called(step, texts)}"
    view = isinstance(built.means.memory.places[step], ResultView)
    products = flops_of(step) if is_product(step) else 0
    how: How = "view" if view else "kernel" if step in built.means.natives and not products else "NumPy"
    return PlanLine(
        text, how, places([step]), bytes_moved(step, in_place=bool(over)), over=over,
        products=products, itemsize=np.dtype(step.dtype).itemsize,
    )  # fmt: skip


def _called(node: Node, texts: Mapping[Node, str]) -> str:
    """A call of NumPy's, with the options that are short."""
    row, given = node.primitive, [texts[i] for i in node.inputs]
    if row in _SYMBOLS and len(given) == 2:
        return f" {_SYMBOLS[row]} ".join(given)
    if row is PRIMITIVES["getitem"]:
        return f"{given[0]}[{_option(node.static['key']) or '…'}]"
    if row in IN_PLACE:
        sign = "=" if row is PRIMITIVES["setitem"] else "+="
        return f"{given[0]} with [{_option(node.static['key']) or '…'}] {sign} {given[1]}"
    if row is PRIMITIVES["transpose"] and node.static.get("axes") == (1, 0):
        return f"{given[0]}.T"
    options = [f"{key}={text}" for key, item in node.static.items() if (text := _option(item))]
    return f"{row}({', '.join([*given, *options])})"


def _option(item: Any) -> str:
    """An option as it is written, if it is short; otherwise ""."""
    parts = item if type(item) is tuple else (item,)
    known = all(type(part) in (int, float, bool) or isinstance(part, np.dtype) for part in parts)
    text = repr(item) if not isinstance(item, np.dtype) else item.name
    return text if known and len(text) <= _LONGEST else ""


def _literal(value: Any) -> str:
    return repr(value).removeprefix("np.")


# --- calls ------------------------------------------------------------------------------------------------------------


def _arguments(run: Capture, form: tuple[Any, ...], parameters: list[str]) -> Iterator[str]:
    """The arguments of a call, one by one."""
    given = [*run.arguments, *run.keywords.values()]
    names = [*(parameters[: form[0]]), *form[1:]]
    names = names if len(names) == len(given) else [f"argument {i}" for i in range(len(given))]
    for name, template in zip(names, given, strict=True):
        yield f"{name} {_kind(template)}"


def _kind(template: Template) -> str:
    if isinstance(template, Held | Node | HeldView):
        node = template if isinstance(template, Node) else template.node
        return f"{dtype_name(node.dtype)}{f' {node.shape}' if node.shape else ''}"
    if isinstance(template, Built):
        return f"{template.kind.__name__} of {len(template.parts)}"
    assert isinstance(template, Same)
    item = template.item
    return repr(item)[:_LONGEST] if type(item) in (int, float, bool, str, type(None)) else type(item).__name__


def _kept(built: BuiltProgram) -> Iterator[Kept]:
    """The values that a call leaves, each once."""
    run, now = built.program.capture, built.program.now
    found: dict[Node, list[str]] = {}
    given = set(run.written)
    places = [(_whose(spot, run), spot.after) for spot in run.spots if spot.after is not None]
    for name, template in (*places, ("the result", run.result)):
        for node, full, is_given in _values(template, name):
            node = now.get(node, node)
            found.setdefault(node, []).append(full)
            if is_given:
                given.add(node)
    for node in run.written:
        found.setdefault(node, []).append(f"{run.names.get(node, 'an array')}, written into")
    for node, names in found.items():
        yield Kept(tuple(dict.fromkeys(names)), nbytes(node), node in given)


def _whose(spot: Spot, run: Capture) -> str:
    """What a place is called: `self.out`, or `Affine.dW` in a layer of a network."""
    if isinstance(spot.holder, dict | list):
        return spot.place.name
    return f"{'self' if spot.holder is run.root else type(spot.holder).__name__}.{spot.place.name}"


def _values(template: Template | None, name: str) -> Iterator[tuple[Node, str, bool]]:
    """The values in a template, what each is called, and whether it lies in an array that was there before."""
    if isinstance(template, Node):
        yield template, name, False
    elif isinstance(template, Held):
        yield template.node, name, True
    elif isinstance(template, HeldView):
        yield template.node, name, is_held(template)
    elif isinstance(template, Built):
        for key, part in zip(template.keys or range(len(template.parts)), template.parts, strict=True):
            yield from _values(part, f"{name}[{key!r}]")
