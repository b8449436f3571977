"""The driver: the text of a Python function that does what a recorded run did, and the function itself.

Guards, reads and draws come first, then the steps, then what the run changed in the user's objects, and the result.
Nothing of the user's is touched before the last guard has passed.
"""

from __future__ import annotations

import linecache
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

from dout.engine.codegen.driver_steps import StepWriter, may_leave
from dout.engine.codegen.driver_text import DriverText
from dout.engine.codegen.guard_lines import Guards
from dout.engine.guards.equality import alike
from dout.engine.ir.kernel_group import Group, Step
from dout.engine.memory.memory_plan import makes
from dout.graph import CONSTANT, INPUT, Node
from dout.ops.shape import same_layout
from dout.run import put_state, state_of
from dout.trace.capture.capture import Capture
from dout.trace.capture.templates import Built, Held, HeldView, Same, Template, held_in, is_fixed, nodes_in

MISS = object()  # what a driver returns if a call differs from the recorded one

_numbers = count(1)  # of drivers, for their files' names


@dataclass(frozen=True, eq=False)
class Program:
    """What a driver is written from: a run, the steps that compute the same, and where their results live.

    `now` gives for every node whose value the run needed the node that computes it in the steps.
    """

    capture: Capture
    steps: tuple[Step, ...]
    now: Mapping[Node, Node]
    writer: Callable[[DriverText, Mapping[Node, str]], StepWriter]


def write(program: Program, name: str) -> tuple[Callable[..., Any], str]:
    """Return the driver and its text."""
    text = DriverText()
    name = text.name(name)  # the user's function may be called so too
    text.constant(MISS, "MISS")
    parameters = _parameters(program.capture, text)
    guards = Guards(program.capture, needed(program), text)
    text.indent = "        "
    guards.write(parameters)
    guarded, text.lines = text.lines, []
    text.indent = "    "
    if program.capture.hushed and not all(isinstance(step, Group) for step in program.steps):
        text.line("with np.errstate(all='ignore'):")
        text.indent = "        "
    body = Following(program, text, guards.variables)
    body.write()
    head = [f"def {name}({', '.join(parameters)}):"]
    if guarded:
        head += ["    try:", *guarded, "    except (LookupError, AttributeError):", "        return MISS"]
    source = "\n".join([*head, *text.lines]) + "\n"
    return _executed(source, name, text.namespace), source


def computed(program: Program) -> dict[Node, Any]:
    """Run the steps on what the recorded run was given; return results and final contents of arrays by recorded node.

    Nothing of the user's is touched: what is written into are copies.
    """
    run, text = program.capture, DriverText()
    name = text.name("computed")
    given = {node: text.variable(node, run.names.get(node)) for node in run.graph.inputs.values()}
    writer = program.writer(text, given)
    writer.compares = True
    writer.begin()
    for step in program.steps:
        writer.step(step, None)
    writer.commit()
    leaves = [n for template in (run.result, *(spot.after for spot in run.spots)) for n in nodes_in(template)]
    values = [writer.value(program.now[node]) for node in leaves] + [given[node] for node in run.written]
    text.line(f"return [{', '.join(values)}]")
    source = "\n".join([f"def {name}({', '.join(given.values())}):", *text.lines])
    inputs = (same_layout(run.data[node]) if node in run.written else run.data[node] for node in given)
    results = _executed(source, name, text.namespace)(*inputs)
    return dict(zip([*leaves, *run.written.values()], results, strict=True))


def _executed(source: str, name: str, namespace: dict[str, Any]) -> Callable[..., Any]:
    file = f"<dout driver {name} {next(_numbers)}>"
    linecache.cache[file] = len(source), None, source.splitlines(keepends=True), file  # so that a traceback shows it
    exec(compile(source, file, "exec"), namespace)
    driver: Callable[..., Any] = namespace[name]
    # Emptied, not taken out: an object goes at any time, and `linecache.checkcache` fails where a name goes meanwhile.
    weakref.finalize(driver, linecache.cache.__setitem__, file, (0, None, [], file))
    return driver


def _parameters(capture: Capture, text: DriverText) -> list[str]:
    given = [*capture.arguments, *capture.keywords.values()]
    names = []
    for i, template in enumerate(given):
        node = template.node if isinstance(template, Held) else template
        names.append(text.name((isinstance(node, Node) and capture.names.get(node)) or f"argument_{i}"))
    return names


def needed(program: Program) -> frozenset[Node]:
    """The inputs that the steps read, and those that are results as they are."""
    used: set[Node] = set(program.now.values()) | set(program.capture.written)
    for step in program.steps:
        used.update(step.inputs)
    for template in (program.capture.result, *(spot.after for spot in program.capture.spots)):
        used.update(held_in(template))
    return frozenset(node for node in used if node.primitive is INPUT)


class Following:
    """Everything after the guards."""

    def __init__(self, program: Program, text: DriverText, inputs: Mapping[Node, str]) -> None:
        self.program = program
        self.capture = program.capture
        self.text = text
        self.inputs = dict(inputs)
        self.built: dict[int, str] = {}
        self.settled: dict[int, Template] = {}
        self.drawn: list[tuple[str, str]] = []  # generators that were drawn from, and what their states are called
        steering = program.capture.outcomes.items()
        self.known = {program.now[node]: item for (node, _), item in steering if type(item) is node.dtype is int}
        stood = (spot.before.item for spot in program.capture.spots if isinstance(spot.before, Same))
        self.stood = {repr(item): item for item in stood if type(item) is tuple and is_fixed(item)}

    def write(self) -> None:
        """Write it: draws, steps, what the run changed, and the result."""
        self._made()
        writer = self.writer = self.program.writer(self.text, self.inputs)
        waiting = self._outcomes()
        first = dict.fromkeys(self._on_plain_numbers())
        self._steps(first, waiting, writer)
        for node in self.inputs:
            self._check(node, waiting, writer)
        rest = [step for step in self.program.steps if step not in first]
        self._draws(restores=bool(waiting) or any(map(may_leave, rest)))
        writer.values.update(self.inputs)
        writer.begin()
        self._steps(rest, waiting, writer)
        for node in list(waiting):
            self._check(node, waiting, writer)
        self._commit(writer)
        result = self._expression(self._settled(self.capture.result), writer)
        writer.end()
        self.text.line(f"return {result}")

    def _made(self) -> None:
        for node in filter(self.capture.made.__contains__, self.capture.graph.inputs.values()):
            value = self.capture.data[node]
            if isinstance(value, np.ndarray):  # the user has that of the recorded run, and may write into it
                value = same_layout(value)
            self.inputs[node] = self.text.constant(value, self.capture.names.get(node) or "array")

    def _on_plain_numbers(self) -> list[Step]:
        """Steps on plain numbers that need nothing else, as `count % 10` or the 1 - p of a draw: they come first.

        What they decide is decided before anything is computed in vain; and nothing drawn has to go back, so the state
        of the generator, which takes long to read, is not kept.
        """
        known, found = set[Step](self.inputs), list[Step]()
        for step in self.program.steps if self.capture.draws or self.capture.outcomes else ():
            plain = isinstance(step, Node) and isinstance(step.dtype, type)
            if plain and all(node in known or node.primitive is CONSTANT for node in step.inputs):
                known.add(step)
                found.append(step)
        return found

    def _steps(self, steps: Iterable[Step], waiting: dict[Node, list[tuple[str, Any]]], writer: StepWriter) -> None:
        for step in steps:
            writer.step(step, self._leave)
            for node in makes(step):
                self._check(node, waiting, writer)

    def _draws(self, *, restores: bool) -> None:
        for node, (generator, draw) in self.capture.draws.items():
            source = self.text.constant(generator, "generator")
            if restores and source not in dict(self.drawn):
                state = self.text.name("state")
                self.text.line(f"{state} = {self.text.constant(state_of)}({source})")
                self.drawn.append((source, state))
            arguments = [self.text.constant(a) for a in draw.arguments]
            arguments += [f"{key}={self.text.constant(a)}" for key, a in draw.keywords.items()]
            self.inputs[node] = name = self.text.variable(node, self.capture.names.get(node) or draw.method)
            self.text.line(f"{name} = {source}.{draw.method}({', '.join(arguments)})")

    def _leave(self, condition: str) -> None:
        """Leave in the middle unless a condition holds (always if it is empty), and undo the draws."""
        if condition and not self.drawn:
            self.text.leave_unless(condition)
            return
        margin = ""
        if condition:
            self.text.line(f"if not ({condition}):")
            margin = "    "
        for source, state in self.drawn:
            self.text.line(f"{margin}{self.text.constant(put_state)}({source}, {state})")
        self.text.line(f"{margin}return MISS")

    def _outcomes(self) -> dict[Node, list[tuple[str, Any]]]:
        """The values that steered the run, by the nodes that compute them now."""
        found: dict[Node, list[tuple[str, Any]]] = {}
        for (node, kind), outcome in self.capture.outcomes.items():
            found.setdefault(self.program.now[node], []).append((kind, outcome))
        return found

    def _check(self, node: Node, waiting: dict[Node, list[tuple[str, Any]]], writer: StepWriter) -> None:
        for kind, outcome in dict.fromkeys(waiting.pop(node, ())):  # many turns may have asked the same
            value = writer.value(node)
            if kind == "branch":
                self._leave(value if outcome else f"not {value}")
            else:
                self._leave(f"{value} == {self.text.constant(outcome)}")

    def _commit(self, writer: StepWriter) -> None:
        writer.commit()
        for spot in self.capture.spots:
            if spot.after is not None:
                self.text.line(self.text.put(spot, self._expression(self._settled(spot.after), writer)))

    def _settled(self, after: Template) -> Template:
        """What a place gets, with numbers that were compared as they were then: the same for the same template."""
        if id(after) not in self.settled:
            self.settled[id(after)] = self._as_known(after)
        return self.settled[id(after)]

    def _as_known(self, after: Template) -> Template:
        """For a tuple of what is known an equal one that stood there before: the next call need not compare it."""
        if isinstance(after, Node) and (node := self.program.now[after]) in self.known:
            return Same(self.known[node])
        if isinstance(after, Built):
            after = Built(after.kind, tuple(map(self._settled, after.parts)), after.keys)
            items = [part.item for part in after.parts if isinstance(part, Same) and is_fixed(part.item)]
            if after.kind in (tuple, slice) and len(items) == len(after.parts):
                after = Same(slice(*items) if after.kind is slice else tuple(items))
        if isinstance(after, Same) and type(after.item) is tuple and is_fixed(after.item):
            stood = self.stood.get(repr(after.item))
            return Same(stood) if stood is not None and alike(stood, after.item) else after
        return after

    def _expression(self, template: Template, writer: StepWriter) -> str:
        if isinstance(template, Node):
            value, recorded = writer.value(self.program.now[template]), self.capture.data[template]
            if isinstance(recorded, np.ndarray) and not recorded.flags.writeable:
                self.text.line(f"{value}.flags.writeable = False")
            return value
        if isinstance(template, Held):
            return self.inputs[template.node]
        if isinstance(template, Same):
            return self.text.constant(template.item)
        if isinstance(template, HeldView):
            return self._view(template, writer)
        if id(template) not in self.built:
            self.built[id(template)] = self._built(template, writer)
        return self.built[id(template)]

    def _built(self, template: Built, writer: StepWriter) -> str:
        """A variable for a tuple, list, dict or object that is made anew."""
        parts = [self._expression(part, writer) for part in template.parts]
        if issubclass(template.kind, tuple):
            made = f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
        elif template.kind is list:
            made = f"[{', '.join(parts)}]"
        elif template.kind is slice:
            made = f"{self.text.constant(slice)}({', '.join(parts)})"
        else:
            pairs = [f"{self.text.key(key)}: {part}" for key, part in zip(template.keys, parts, strict=True)]
            made = f"{{{', '.join(pairs)}}}"
        name = self.text.name(template.kind.__name__ + "_1")
        if issubclass(template.kind, tuple) and template.kind is not tuple:
            new = self.text.constant(tuple.__new__, "new_tuple")
            made = f"{new}({self.text.constant(template.kind)}, {made})"
        if issubclass(template.kind, tuple | list | dict | slice):
            self.text.line(f"{name} = {made}")
        else:
            new = self.text.constant(object.__new__, "new")
            self.text.line(f"{name} = {new}({self.text.constant(template.kind)})")
            self.text.line(f"{name}.__dict__.update({made})")
        return name

    def _view(self, template: HeldView, writer: StepWriter) -> str:
        if id(template) not in self.built:
            row, rest, static = template.step
            operands = [self._expression(template.base, writer), *(writer.value(self.program.now[n]) for n in rest)]
            name = self.built[id(template)] = self.text.variable(template.node, self.capture.names.get(template.node))
            self.text.line(f"{name} = {writer.applied(row, operands, static)}")
        return self.built[id(template)]
