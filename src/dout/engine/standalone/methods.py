"""One way through a method: its conditions and its steps as lines of plain Python, and the kernels that they call."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import ModuleType

import numpy as np

from dout.engine import emit
from dout.engine.body import WORDS
from dout.engine.build import Planned, planned
from dout.engine.driver import Following, Program, needed
from dout.engine.emit import Source
from dout.engine.group import Group
from dout.engine.memory import Fresh, Over, Slot, View
from dout.engine.names import Loaded
from dout.engine.phrases import subscript
from dout.engine.placing import IN_PLACE
from dout.engine.pool import Pool
from dout.engine.standalone import decisions
from dout.engine.standalone.conditions import Conditions
from dout.engine.standalone.runs import Run
from dout.engine.standalone.sizes import Lengths, parametrised, written
from dout.engine.standalone.words import Words, dtype_text
from dout.engine.steps import Means, Writer
from dout.engine.text import Text
from dout.errors import UnsupportedError
from dout.graph import Node
from dout.trace.capture import Capture
from dout.trace.templates import Built, Template

_IN_PLACE = {"add": "+=", "subtract": "-=", "multiply": "*=", "divide": "/="}
_WORDS = WORDS | {"getitem": "picked", "setitem": "changed", "transpose": "turned"}
_PRODUCTS = ("dot", "matmul")  # NumPy gives them in C order, whatever it is given


@dataclass(frozen=True)
class KernelText:
    """A kernel's function without its decorator and its name, and the functions that it calls."""

    parameters: str
    body: str
    calls: frozenset[str]


@dataclass(frozen=True)
class Branch:
    """One way through a method. In its lines `@k0@` stands for the name of the kernel number 0."""

    conditions: tuple[str, ...]
    lines: tuple[str, ...]
    kernels: tuple[KernelText, ...]


def branch(runs: Sequence[Run], module: ModuleType, parameters: list[str], leaves: str) -> Branch:
    """Write what recorded runs at several sizes have in common.

    Raises UnsupportedError where no text can stand for them.
    """
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
    conditions = [written(texts, lengths) for texts in _by_line([one.conditions for one in drafts])]
    lines = [written(texts, lengths) for texts in _by_line([one.lines for one in drafts])]
    for index, text in enumerate(more):
        lines = [line.replace(f"@more{index}@", text) for line in lines]
    conditions += [*lengths.relations(), *decisions.conditions([run.decided for run in runs], lengths)]
    return Branch(tuple(dict.fromkeys(conditions)), tuple(lines), tuple(kernels))


def _by_line(texts: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    if any(len(one) != len(texts[0]) for one in texts):
        raise UnsupportedError("the steps of it depend on the sizes of its arrays")
    return list(zip(*texts, strict=True))


def _kernel(sources: Sequence[Source], lengths: Lengths) -> tuple[KernelText, dict[str, str]]:
    """The text of a kernel at every size, and what it has to be given besides."""
    heads, bodies = zip(*(_taken_apart(source) for source in sources), strict=True)
    if any(head != heads[0] for head in heads):
        raise UnsupportedError("the steps of it depend on the sizes of its arrays")
    body, given = parametrised(bodies, lengths)
    calls = frozenset(
        name.strip()
        for line in sources[0].imports.splitlines()
        if line.startswith("from dout.")
        for name in line.partition(" import ")[2].split(",")
    )
    return KernelText(", ".join([heads[0], *given]), body, calls), given


@dataclass(frozen=True)
class _Bare:
    """A kernel without what it does not read: `source`, and the places of the arguments that it takes."""

    source: Source
    taken: tuple[int, ...]

    @classmethod
    def of(cls, source: Source, over: Sequence[tuple[int, int]]) -> _Bare:
        """`over` are the places of inputs and of the outputs in their memory, which may be called as they are."""
        head, body = _taken_apart(source)
        names = head.split(", ")
        for given, output in over:  # how long it is, both know
            body = re.sub(rf"\b{names[given]}(?=\.(?:size|shape)\b)", names[output], body)
        lines = [line for line in body.split("\n") if not _is_unused_view(line, body)]
        text = "\n".join(lines)
        inside = text.partition('."""\n')[2]
        taken = tuple(i for i, name in enumerate(names) if re.search(rf"\b{name}\b", inside))
        for given, output in over:
            if given not in taken:
                text = re.sub(rf"\b{names[output]}(?=\b|_flat\b|_view\b|_[ijklmn]\b)", names[given], text)
                names[output] = names[given]
        head = ", ".join(names[i] for i in taken)
        return cls(replace(source, function=f"def {source.name}({head}):\n{text}"), taken)


_VIEW = re.compile(r" +(\w+_(?:flat|view)\w*) = ")


def _is_unused_view(line: str, body: str) -> bool:
    found = _VIEW.match(line)
    return found is not None and len(re.findall(rf"\b{found[1]}\b", body)) == 1


def _taken_apart(source: Source) -> tuple[str, str]:
    """The parameters of a kernel, and the lines of its body."""
    head, _, body = source.function.partition("):\n")
    return head.partition(f"def {source.name}(")[2], body


class _Draft:
    """The text of one run, at its sizes."""

    def __init__(self, recorded: Run, module: ModuleType, parameters: list[str], leaves: str) -> None:
        run = recorded.capture
        if run.why_not is not None:
            raise UnsupportedError(run.why_not)
        plan = planned(run)
        steps = _Means(plan, run)
        program = Program(run, plan.steps, plan.now, lambda text, inputs: _Steps(text, inputs, steps))
        text = Words(module, run.root, Loaded(run.codes).outside | set(parameters), leaves)
        conditions = Conditions(run, needed(program), text, recorded)
        conditions.write(parameters)
        self.conditions, text.body, text.indent = text.conditions, True, ""
        text.lines += conditions.reads
        _Body(program, text, conditions.variables).write()
        self.lines, self.sources, self.shapes = text.lines, steps.sources, conditions.shapes


def _names(plan: Planned, run: Capture) -> dict[Node, str]:
    """What values are called: as in the user's code, or as the attribute that keeps them, or as results."""
    attributes = [(spot.after, spot.place.name) for spot in run.spots if isinstance(spot.after, Node)]
    results = [(run.result, "out")] if isinstance(run.result, Node) else []
    called = {node: name for node, name in [*results, *attributes] if isinstance(node, Node)}
    called |= run.names
    found = {plan.now.get(node, node): name for node, name in called.items()} | dict(run.names)
    for node, given in reversed(plan.over.items()):
        if node in found:  # they lie in one array
            found.setdefault(given, found[node])
    for step in plan.steps:
        for node in step.outputs if isinstance(step, Group) else ():
            found.setdefault(node, _WORDS.get(node.primitive.name, node.primitive.name))
    return {node: _WORDS.get(name, name) for node, name in found.items()}


class _Means(Means):
    """As a driver's, with the texts of kernels instead of kernels."""

    def __init__(self, plan: Planned, run: Capture) -> None:
        super().__init__(plan.memory, {}, plan.forms, _names(plan, run), Pool())
        vars(self).update(plan=plan, sources=[], leaves=frozenset(plan.now.values()))

    plan: Planned
    sources: list[Source]
    leaves: frozenset[Node]  # what leaves the method, or is looked at in it

    def source(self, group: Group) -> tuple[int, tuple[int, ...]]:
        """Write the kernel of a group; return its number, and the places of the arguments that it takes."""
        over = {node: self.plan.over[node] for node in group.outputs if self.plan.over.get(node) in group.inputs}
        source = emit.source(group, self.plan.layouts, parallel=False, names=self.names, over=over)
        given = [*group.inputs, *(node for node in group.outputs if node.shape)]
        bare = _Bare.of(source, [(given.index(x), given.index(node)) for node, x in over.items()])
        self.sources.append(bare.source)
        return len(self.sources) - 1, bare.taken


class _Steps(Writer):
    """Steps in memory that NumPy gives at each call."""

    means: _Means

    def __init__(self, text: Text, inputs: Mapping[Node, str], means: _Means) -> None:
        super().__init__(text, inputs, means)

    def begin(self) -> None:
        """Nothing is taken before it is needed."""

    def end(self) -> None:
        """Nothing is given back."""

    def _place(self, node: Node) -> str | None:
        place = self.means.memory.places[node]
        if isinstance(place, Over):
            return self.value(place.node)
        if isinstance(place, Slot | Fresh):
            shape = node.shape if len(node.shape) != 1 else node.shape[0]
            self.text.line(f"{self._named(node)} = np.empty({shape}, {dtype_text(np.dtype(node.dtype))})")
            return self.values[node]
        return None

    def _named(self, node: Node) -> str:
        """A new variable for a value."""
        wish = self.means.names.get(node) or _WORDS.get(node.primitive.name)
        name = self.values[node] = self.text.variable(node, wish and re.sub(r"\W+", "_", wish).strip("_"))
        return name

    def _node(self, node: Node) -> None:
        place, operands = self.means.memory.places[node], [self.value(i) for i in node.inputs]
        name = node.primitive.name
        if isinstance(place, View) and name == "transpose" and node not in self.means.leaves:
            self.values[node] = self._call(node, operands)  # written where it is used
        elif isinstance(place, Slot | Fresh) and name in _PRODUCTS:
            self.text.line(f"{self._named(node)} = {self._call(node, operands)}")
        elif isinstance(place, Over) and name in _IN_PLACE and operands[0] == self.value(place.node):
            self.values[node] = operands[0]
            self.text.line(f"{operands[0]} {_IN_PLACE[name]} {operands[1]}")
        elif name in IN_PLACE and not isinstance(place, Slot | Fresh | Over):
            self.text.line(f"{self._named(node)} = {operands[0]}.copy()")
            self._write(node, self.values[node], operands)
        else:
            super()._node(node)

    def _write(self, node: Node, place: str, operands: list[str]) -> None:
        if node.primitive.name != "add_at":
            super()._write(node, place, operands)
            return
        key = subscript(node.static["key"], operands[2:], self.text)
        if ":" in key:
            raise UnsupportedError("it adds at places and slices")
        self.text.line(f"np.add.at({place}, {f'({key})' if ', ' in key else key}, {operands[1]})")

    def _kernel(self, group: Group) -> None:
        given = [self._argument(node) for node in group.inputs]
        numbers = [node for node in group.outputs if not node.shape]
        for node in group.outputs:
            place = self._place(node) if node.shape else self._named(node)
            assert place is not None
            self.values[node] = place
            if node.shape:
                given.append(place)
        index, taken = self.means.source(group)
        call = f"@k{index}@({', '.join(given[i] for i in taken)}@more{index}@)"
        if len(numbers) == 1:
            call = f"{self.values[numbers[0]]} = {dtype_text(np.dtype(numbers[0].dtype))}({call})"
        elif numbers:
            call = f"{', '.join(self.values[node] for node in numbers)} = {call}"
        self.text.line(call)
        if len(numbers) > 1:
            for node in numbers:
                name = self.values[node]
                self.text.line(f"{name} = {dtype_text(np.dtype(node.dtype))}({name})")


class _Body(Following):
    """What follows the conditions."""

    def _draws(self) -> None:
        if self.capture.draws and self.capture.outcomes:
            raise UnsupportedError("it draws numbers and decides on values")
        super()._draws()

    def _expression(self, template: Template, writer: Writer) -> str:
        if template is self.capture.result and isinstance(template, Built) and template.kind is tuple:
            parts = [self._expression(part, writer) for part in template.parts]
            return ", ".join(parts) + ("," if len(parts) == 1 else "")
        return super()._expression(template, writer)
