"""The steps of a method as lines of plain Python, in memory that NumPy gives at each call."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dout.engine.codegen import kernel_source
from dout.engine.codegen.driver import Following
from dout.engine.codegen.driver_steps import Leave, Means, StepWriter
from dout.engine.codegen.driver_text import DriverText
from dout.engine.codegen.kernel_source import KernelSource
from dout.engine.codegen.loop_body import WORDS
from dout.engine.codegen.numpy_phrases import subscript
from dout.engine.compile.program_builder import Planned
from dout.engine.export.written_names import dtype_text
from dout.engine.ir.aliasing import IN_PLACE
from dout.engine.ir.kernel_group import Group, Step
from dout.engine.memory.buffer_layout import Layout
from dout.engine.memory.memory_plan import Fresh, MemorySlot, Over, ResultView, makes
from dout.engine.memory.pool import Pool
from dout.errors import UnsupportedError
from dout.explain.spelling.written_text import tupled
from dout.graph import Node, Primitive, Shape
from dout.ops import PRIMITIVES, by_primitive, primitives
from dout.trace.capture.capture import Capture
from dout.trace.capture.templates import Built, Template

_IN_PLACE = by_primitive({"add": "+=", "subtract": "-=", "multiply": "*=", "divide": "/="})
_WORDS = WORDS | by_primitive({"getitem": "picked", "setitem": "changed", "transpose": "turned", "reshape": "reshaped"})
_PRODUCTS = primitives("dot matmul")  # NumPy gives them in C order, whatever it is given
_SINGLE = {*_IN_PLACE, *primitives("negative copy greater greater_equal less less_equal equal not_equal")}
_LONGEST = 16  # characters of a name made of an expression
_INDEXED = primitives("getitem setitem add_at")


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
        for node in makes(step):
            found.setdefault(node, _WORDS.get(node.primitive, str(node.primitive)))
    return {node: _word(name) for node, name in found.items()}


def _word(text: str) -> str:
    """A name that is short where the user's expression is long: `grads_W1`, but not `windows_i_j`."""
    word = re.sub(r"\W+", "_", text).strip("_")
    return word if len(word) <= _LONGEST else word.partition("_")[0]


class Steps(StepWriter):
    """Steps in memory that NumPy gives at each call.

    `sources` are the kernels, `bounds` what slices rest on: lengths, and how long they have to be.
    """

    def __init__(self, text: DriverText, inputs: Mapping[Node, str], plan: Planned, run: Capture) -> None:
        super().__init__(text, inputs, Means(plan.memory, {}, plan.forms, _names(plan, run), Pool()))
        self.over = plan.over
        self.layouts: dict[Node, Layout] = {n: "C" if layout == "C" else "A" for n, layout in plan.layouts.items()}
        self.leaves = frozenset(plan.now.values())  # what leaves the method, or is looked at in it
        self.sources: list[KernelSource] = []
        self.bounds: list[tuple[int, int]] = []

    def begin(self) -> None:
        """Nothing is taken before it is needed."""

    def end(self) -> None:
        """Nothing is given back."""

    def step(self, step: Step, leave: Leave | None) -> None:
        """Write one step; what is a single operation is left to NumPy, which is as fast in it."""
        if isinstance(step, Group) and len(step.nodes) == 1 and step.nodes[0].primitive in _SINGLE:
            step = step.nodes[0]
        super().step(step, leave)

    def _trying(self, node: Node, leave: Leave) -> None:
        """An error is raised where it happens: the methods have no other run to leave it to."""
        self._node(node)

    def _place(self, node: Node) -> str | None:
        place = self.means.memory.places[node]
        if isinstance(place, Over):
            return self.value(place.node)
        if isinstance(place, MemorySlot | Fresh):
            shape = node.shape if len(node.shape) != 1 else node.shape[0]
            self.text.line(f"{self._named(node)} = np.empty({shape}, {dtype_text(np.dtype(node.dtype))})")
            return self.values[node]
        return None

    def _node(self, node: Node) -> None:
        place, operands = self.means.memory.places[node], [self.value(i) for i in node.inputs]
        row = node.primitive
        if row in _INDEXED:
            self.bounds.extend(bounds(node.static["key"], node.inputs[0].shape))
        if isinstance(place, ResultView) and row is PRIMITIVES["transpose"] and node not in self.leaves:
            self.values[node] = self._call(node, operands)  # written where it is used
        elif isinstance(place, MemorySlot | Fresh) and row in _PRODUCTS:
            self.text.line(f"{self._named(node)} = {self._call(node, operands)}")
        elif isinstance(place, Over) and row in _IN_PLACE and operands[0] == self.value(place.node):
            self.values[node] = operands[0]
            self.text.line(f"{operands[0]} {_IN_PLACE[row]} {operands[1]}")
        elif row in IN_PLACE and not isinstance(place, MemorySlot | Fresh | Over):
            self.text.line(f"{self._named(node)} = {operands[0]}.copy()")
            self._write(node, self.values[node], operands)
        else:
            super()._node(node)

    def applied(self, row: Primitive, operands: list[str], static: Mapping[str, Any]) -> str:
        """The expression of a row's function on NumPy values."""
        return call(row, operands, static) or super().applied(row, operands, static)

    def _write(self, node: Node, place: str, operands: list[str]) -> None:
        if node.primitive is not PRIMITIVES["add_at"]:
            super()._write(node, place, operands)
            return
        key = subscript(node.static["key"], operands[2:], self.text)
        if ":" in key:
            raise UnsupportedError("it adds at places and slices")
        self.text.line(f"np.add.at({place}, {f'({key})' if ', ' in key else key}, {operands[1]})")

    def _kernel(self, group: Group) -> None:
        over = {node: self.over[node] for node in group.outputs if self.over.get(node) in group.inputs}
        source = kernel_source.source(group, self.layouts, parallel=False, names=self.means.names, over=over)
        numbers = self._placed(group)
        text = f"@k{len(self.sources)}@({', '.join(map(self._argument, source.arguments))}@more{len(self.sources)}@)"
        self.sources.append(source)
        kinds = [dtype_text(dtype) for dtype in source.results]
        if len(numbers) == 1:
            text = f"{numbers[0]} = {kinds[0]}({text})"
        elif numbers:
            text = f"{', '.join(numbers)} = {text}"
        self.text.line(text)
        if len(numbers) > 1:
            for name, kind in zip(numbers, kinds, strict=True):
                self.text.line(f"{name} = {kind}({name})")


class MethodBody(Following):
    """What follows the conditions."""

    def _draws(self, *, restores: bool) -> None:
        if self.capture.draws and self.capture.outcomes:
            raise UnsupportedError("it draws numbers and decides on values")
        super()._draws(restores=restores)

    def _expression(self, template: Template, writer: StepWriter) -> str:
        if template is self.capture.result and isinstance(template, Built) and template.kind is tuple:
            parts = [self._expression(part, writer) for part in template.parts]
            return ", ".join(parts) + ("," if len(parts) == 1 else "")
        return super()._expression(template, writer)


Static = Mapping[str, Any]
_REDUCED = primitives("sum mean var std prod max min any all")
_CALLED = by_primitive({"clip": "np.clip", "inv": "np.linalg.inv", "solve": "np.linalg.solve", "det": "np.linalg.det"})
_MADE = by_primitive({"zeros": "zeros", "ones": "ones", "full": "full", "empty": "zeros"})  # a recording sees zeros
_WRITTEN: dict[Primitive, Callable[[list[str], Static], str]] = by_primitive({
    "concatenate": lambda operands, static: f"np.concatenate({tupled(operands)}, axis={static['axis']})",
    "einsum": lambda operands, static: f"np.einsum({', '.join([repr(static['subscripts']), *operands])})",
    "astype": lambda operands, static: f"{operands[0]}.astype({dtype_text(np.dtype(static['dtype']))})",
    "copy": lambda operands, static: f"{operands[0]}.copy()",
    "ravel": lambda operands, static: f"{operands[0]}.ravel()",
    "flatten": lambda operands, static: f"{operands[0]}.flatten()",
    "item": lambda operands, static: f"{operands[0]}.item()",
})  # fmt: skip
_ORDERS = by_primitive({"copy": "CK", "astype": "K"})  # in which a result lies as without the word; "C" for others


def call(row: Primitive, operands: Sequence[str], static: Static) -> str | None:
    """The expression for a row on operands; None for rows that need none of their own."""
    given = list(operands)
    if row in _REDUCED:
        given[1:] = [text if text.startswith("out=") else f"where={text}" for text in operands[1:]]
    if row in _REDUCED or row in _CALLED:
        return f"{_CALLED.get(row, f'np.{row}')}({', '.join([*given, *_options(static)])})"
    if static.get("order", "") not in _ORDERS.get(row, "C") or static.get("array"):
        return None
    if row in _MADE:
        dtype = dtype_text(np.dtype(static["dtype"]))
        return f"np.{_MADE[row]}({', '.join([str(static['shape']), *given, f'dtype={dtype}'])})"
    return _WRITTEN[row](given, static) if row in _WRITTEN else None


def _options(static: Static) -> Iterator[str]:
    for key, item in static.items():
        yield f"{key}={dtype_text(np.dtype(item)) if key == 'dtype' else repr(item)}"


def bounds(key: Any, shape: Shape) -> Iterator[tuple[int, int]]:
    """What slices in an index rest on: lengths of axes, and how long they have to be for the slices to be whole."""
    parts = key if isinstance(key, tuple) else (key,)
    taken = sum(part is not None and part is not Ellipsis for part in parts)
    axis = 0
    for part in parts:
        if part is None:
            continue
        if part is Ellipsis:
            axis += len(shape) - taken
            continue
        if isinstance(part, slice) and axis < len(shape):
            ends = [abs(end) for end in (part.start, part.stop) if end is not None]
            if ends and max(ends):
                yield shape[axis], max(ends)
        axis += 1
