"""One way through a method: its conditions and its steps as lines of plain Python, and the kernels that they call."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import TypeVar

from dout.engine.codegen.driver import Program, needed
from dout.engine.codegen.kernel_source import KernelSource
from dout.engine.compile.program_builder import planned
from dout.engine.export import size_decisions
from dout.engine.export.sample_runs import SampleRun
from dout.engine.export.symbolic_sizes import Lengths, parametrised, written
from dout.engine.export.written_conditions import WrittenConditions
from dout.engine.export.written_names import Words
from dout.engine.export.written_steps import MethodBody, Steps
from dout.engine.guards.loaded_names import Loaded
from dout.errors import UnsupportedError
from dout.trace.capture.budget import Budget

_CHECK = re.compile(r"^(?P<start>is_array\(.*), (?P<axes>\d+)\)$")
# What some axis is for.
_AXIS = re.compile(r"\.shape\[|\[\w+, |axis=|\.T\b|np\.(?!empty|bool_|float|int|uint|may_share_memory)\w+\(")
_T = TypeVar("_T")


@dataclass(frozen=True)
class KernelText:
    """A kernel's function without its decorator and its name, and the functions that it calls."""

    parameters: str
    body: str
    calls: frozenset[str]


@dataclass(frozen=True)
class Branch:
    """One way through a method. In its lines `@k0@` stands for the name of the kernel number 0.

    `lengths` are those that may be others.
    """

    conditions: tuple[str, ...]
    lines: tuple[str, ...]
    kernels: tuple[KernelText, ...]
    lengths: tuple[str, ...]


def branch(runs: Sequence[SampleRun], module: ModuleType, parameters: list[str], leaves: str) -> Branch:
    """Write what recorded runs at several sizes have in common. UnsupportedError where no text can stand for them."""
    drafts = [_Draft(run, module, parameters, leaves) for run in runs]
    if any(one.shapes.keys() != drafts[0].shapes.keys() for one in drafts):
        raise UnsupportedError("the arrays that it reads depend on their sizes")
    if any(len(one.sources) != len(drafts[0].sources) for one in drafts):
        raise UnsupportedError("the steps of it depend on the sizes of its arrays")
    lengths = Lengths({name: [one.shapes[name] for one in drafts] for name in drafts[0].shapes})
    kernels, more = [], []
    for sources in zip(*(one.sources for one in drafts), strict=True):
        kernel, given = _kernel(sources, lengths)
        kernels.append(kernel)
        more.append("".join(f", {value}" for value in given.values()))
    conditions = [written(texts, lengths) for texts in _aligned([one.conditions for one in drafts])]
    lines = [written(texts, lengths) for texts in _aligned([one.lines for one in drafts])]
    for index, text in enumerate(more):
        lines = [line.replace(f"@more{index}@", text) for line in lines]
    conditions += [*lengths.relations(), *size_decisions.conditions([run.decided for run in runs], lengths)]
    conditions += _whole([one.bounds for one in drafts], lengths)
    symbols = tuple(lengths.symbols.values())
    return Branch(tuple(dict.fromkeys(conditions)), tuple(lines), tuple(kernels), symbols)


def of_lengths_above_one(one: Branch) -> Branch:
    """The way for arrays no length of which is one."""
    return replace(one, conditions=(*one.conditions, *(f"{name} > 1" for name in one.lengths)))


def of_any_axes(one: Branch) -> Branch:
    """The way for arrays of any number of axes, where it goes through all their elements alike; else as it is."""
    checks = [check for check in map(_CHECK.fullmatch, one.conditions) if check]
    numbers = {check["axes"] for check in checks}
    texts = [*one.conditions, *one.lines, *(kernel.body for kernel in one.kernels)]
    if len(numbers) != 1 or numbers <= {"0", "1"} or any(_AXIS.search(text) for text in texts):
        return one
    return replace(one, conditions=tuple(_CHECK.sub(r"\g<start>)", text) for text in one.conditions))


def _whole(bounds: Sequence[Sequence[tuple[int, int]]], lengths: Lengths) -> Iterator[str]:
    """The conditions under which slices are as long as they were."""
    for pairs in _aligned(bounds):
        sizes, needed = zip(*pairs, strict=True)
        if len({*sizes}) > 1 or len({*needed}) > 1:
            if any(size < least for size, least in pairs):
                raise UnsupportedError("a slice in it ends where its array does")
            yield f"{lengths.number(sizes)} >= {lengths.number(needed)}"


def _aligned(texts: Sequence[Sequence[_T]]) -> list[tuple[_T, ...]]:
    if any(len(one) != len(texts[0]) for one in texts):
        raise UnsupportedError("the steps of it depend on the sizes of its arrays")
    return list(zip(*texts, strict=True))


def _kernel(sources: Sequence[KernelSource], lengths: Lengths) -> tuple[KernelText, dict[str, str]]:
    """The text of a kernel at every size, and what it has to be given besides."""
    if any(one.parameters != sources[0].parameters for one in sources):
        raise UnsupportedError("the steps of it depend on the sizes of its arrays")
    body, given = parametrised(["\n".join(one.body) for one in sources], lengths)
    return KernelText(", ".join([*sources[0].parameters, *given]), body, sources[0].calls), given


class _Draft:
    """The text of one run, at its sizes."""

    def __init__(self, recorded: SampleRun, module: ModuleType, parameters: list[str], leaves: str) -> None:
        run = recorded.capture
        if run.why_not is not None:
            raise UnsupportedError(run.why_not)
        plan = planned(run, Budget())
        program = Program(run, plan.steps, plan.now, lambda text, inputs: Steps(text, inputs, plan, run))
        text = Words(module, run.root, Loaded(run.codes).outside | set(parameters), leaves)
        conditions = WrittenConditions(run, needed(program), text, recorded)
        conditions.write(parameters)
        self.conditions, text.body, text.indent = text.conditions, True, ""
        text.lines += conditions.reads
        body = MethodBody(program, text, conditions.variables)
        body.write()
        assert isinstance(body.writer, Steps)
        self.lines, self.sources, self.bounds = text.lines, body.writer.sources, body.writer.bounds
        self.shapes = conditions.shapes
