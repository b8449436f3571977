"""Steps as lines of a driver: a kernel's call, or NumPy's function for one node."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dout.engine.codegen.driver_text import DriverText
from dout.engine.codegen.kernel_source import Kernel
from dout.engine.codegen.native_steps import Native
from dout.engine.codegen.numpy_phrases import PHRASES, function, subscript
from dout.engine.ir.aliasing import IN_PLACE, way
from dout.engine.ir.cost_model import is_product
from dout.engine.ir.kernel_group import Group, PatchProduct, Products, Step
from dout.engine.memory.buffer_layout import BufferLayout
from dout.engine.memory.memory_plan import Fresh, Memory, MemorySlot, Over
from dout.engine.memory.pool import Pool, scratch
from dout.graph import CONSTANT, INPUT, Node, Primitive
from dout.ops import OPERATORS, PRIMITIVES
from dout.ops.operators import fill_key
from dout.ops.raising import may_raise, shaped_by_values
from dout.rewrite.node_facts import FILLED

Leave = Callable[[str], None]  # writes that the driver leaves unless a condition holds; always where it is empty
_INFIX = {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "lt": "<", "le": "<=",
          "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}  # fmt: skip
_SYMBOLS = {OPERATORS[name]: symbol for name, symbol in _INFIX.items() if name in OPERATORS}


@dataclass(frozen=True, eq=False)
class Means:
    """What the steps of a program run with: places in memory, kernels by group, and how each value lies in memory."""

    memory: Memory
    kernels: Mapping[Group, Kernel]
    forms: Mapping[Node, BufferLayout]
    names: Mapping[Node, str]
    pool: Pool
    natives: Mapping[Step, Native] = field(default_factory=dict)


class StepWriter:
    """Writes steps into a driver's text. `inputs` names what the driver has read.

    `compares`: products are those of the recorded run, to the bit; else bounds of all that follows would be wanted.
    """

    compares = False

    def __init__(self, text: DriverText, inputs: Mapping[Node, str], means: Means) -> None:
        self.text = text
        self.means = means
        self.values = dict(inputs)
        self.temporaries: list[str] = []

    def begin(self) -> None:
        """Take the memory that the steps need."""
        memory = self.means.memory
        if memory.arrays:
            take, self.give = scratch(memory.slots, memory.arrays)
            self.temporaries = [self.text.name(f"t{i}") for i in range(len(memory.arrays))]
            self.taken = self.text.name("temporaries")
            names = ", ".join(self.temporaries) + ("," if len(self.temporaries) == 1 else "")
            self.text.line(f"{names} = {self.taken} = {self.text.constant(take, 'take_temporaries')}()")

    def end(self) -> None:
        """Give it back."""
        if self.temporaries:
            self.text.line(f"{self.text.constant(self.give, 'give_back')}({self.taken})")

    def value(self, node: Node) -> str:
        """The expression of a node's value."""
        if node.primitive is CONSTANT:
            return self._literal(node.static["value"])
        return self.values[node]

    def step(self, step: Step, leave: Leave | None) -> None:
        """Write one step; with no way to leave it raises what it raises."""
        if isinstance(step, Group):
            self._kernel(step)
        elif isinstance(step, Products):
            self._products(step)
        elif isinstance(step, PatchProduct):
            self._patches(step)
        elif step.primitive is not INPUT and step.primitive is not CONSTANT:
            if leave and may_raise(step):
                self._trying(step, leave)
            else:
                self._node(step)
            if leave and depends_on_values(step):
                leave(f"{self.values[step]}.shape == {step.shape}")

    def _trying(self, node: Node, leave: Leave) -> None:
        """Write a step whose error the user's own code is to raise, with all that it does before."""
        text, indent = self.text, self.text.indent
        text.line("try:")
        text.indent = indent + "    "
        self._node(node)
        text.indent = indent
        text.line("except Exception:")
        text.indent = indent + "    "
        leave("")
        text.indent = indent

    def commit(self) -> None:
        """Write the final contents of the user's arrays that do not lie there yet."""
        for node in self.means.memory.saved:
            name = self.text.variable(node, "saved")
            self.text.line(f"{name} = {self.value(node)}.copy()")
            self.values[node] = name
        for target, node in self.means.memory.copies:
            self.text.line(f"{self.value(target)}[...] = {self.value(node)}")

    # --- where results go ---------------------------------------------------------------------------------------------

    def _place(self, node: Node) -> str | None:
        """A variable that names the array for a result; None where it has none before it is computed."""
        place = self.means.memory.places[node]
        if isinstance(place, Over):
            return self.value(place.node)
        if isinstance(place, MemorySlot):
            return self.temporaries[place.array]
        if isinstance(place, Fresh):
            name = self._named(node)
            take = self.means.pool.taker(node.shape, np.dtype(node.dtype))
            self.text.line(f"{name} = {self.text.constant(take, f'take_{name}')}()")
            return name
        return None

    def _named(self, node: Node) -> str:
        """A new variable for a value."""
        name = self.values[node] = self.text.variable(node, self.means.names.get(node))
        return name

    def _kernel(self, group: Group) -> None:
        kernel = self.means.kernels[group]
        numbers = self._placed(group)
        given = ", ".join(map(self._argument, kernel.source.arguments))
        call = f"{self.text.constant(kernel.run, kernel.source.name)}({given})"
        self.text.line(f"{', '.join(numbers)} = {call}" if numbers else call)

    def _products(self, step: Products) -> None:
        given = []
        for number, (node, result) in enumerate(zip(step.nodes, step.outputs, strict=True)):
            place, onto = self._place(result), step.onto(number)
            assert place is not None  # the plan gives one to every product
            self.values[result] = place
            if onto is not None and (base := self.value(onto)) != place:
                self.text.line(f"{place}[...] = {base}")
            given += [*map(self.value, node.inputs), place]
            if self.compares and onto is not None:
                self.text.line(f"np.add({place}, {self._call(node, given[-3:-1])}, out={place})")
            elif self.compares:
                self.text.line(self._call(node, [*given[-3:-1], f"out={place}"]))
        if not self.compares:
            native = self.means.natives[step]
            self.text.line(f"{self.text.constant(native.run, native.name)}({', '.join(given)})")

    def _patches(self, step: PatchProduct) -> None:
        place = self.values[step.node] = self._place(step.node) or ""
        given = ", ".join([*map(self.value, step.inputs), place])
        native = self.means.natives[step]
        run = native.plain if self.compares else native.run
        self.text.line(f"{self.text.constant(run, native.name)}({given})")

    def _placed(self, group: Group) -> list[str]:
        """Name where the results of a group go; return the variables of those that are numbers."""
        numbers = []
        for node in group.outputs:
            place = self._place(node) if node.shape else self._named(node)
            assert place is not None
            self.values[node] = place
            if not node.shape:
                numbers.append(place)
        return numbers

    def _argument(self, node: Node) -> str:
        form = self.means.forms.get(node)
        number = form is not None and form.array and not node.shape
        return f"{self.value(node)}.item()" if number else self.value(node)

    def _node(self, node: Node) -> None:
        place = self._place(node)
        operands = [self.value(i) for i in node.inputs]
        if place is None:
            self.text.line(f"{self._named(node)} = {self._call(node, operands)}")
            return
        self.values[node] = place
        if node.primitive in IN_PLACE:
            if place != operands[0]:
                self.text.line(f"{place}[...] = {operands[0]}")
            self._write(node, place, operands)
        elif way(node) == "fill":
            self.text.line(f"{place}[...] = {FILLED[node.primitive] if node.primitive in FILLED else operands[0]}")
        elif way(node) == "copy" and node not in self.means.natives:
            self.text.line(f"{place}[...] = {operands[0]}")
        elif node in self.means.natives and not (self.compares and is_product(node)):
            native = self.means.natives[node]
            given = [*operands, place, *map(str, native.numbers)]
            self.text.line(f"{self.text.constant(native.run, native.name)}({', '.join(given)})")
        else:
            self.text.line(self._call(node, [*operands, f"out={place}"]))

    def _write(self, node: Node, place: str, operands: list[str]) -> None:
        if node in self.means.natives:
            native = self.means.natives[node]
            call = f"{self.text.constant(native.run, native.name)}({', '.join([place, *operands[1:]])})"
            self.text.line(f"if not {call}: raise IndexError")
            return
        if node.primitive is PRIMITIVES["setitem"]:
            self.text.line(f"{place}[{subscript(node.static['key'], operands[2:], self.text)}] = {operands[1]}")
            return
        key = self.text.constant(node.static["key"], "key")
        if len(operands) > 2:
            key = f"{self.text.constant(fill_key)}({key}, ({', '.join(operands[2:])},))"
        self.text.line(f"np.add.at({place}, {key}, {operands[1]})")

    def _call(self, node: Node, operands: list[str]) -> str:
        row = node.primitive
        if row in _SYMBOLS and len(operands) == 2 and _of_numbers(node):
            return f" {_SYMBOLS[row]} ".join(operands)
        if row.python is not None and all(isinstance(i.dtype, type) for i in node.inputs):
            return self._called(row.python, str(row), operands, node.static)
        if node.inputs and isinstance(node.inputs[0].dtype, type):  # a plain number has no methods of NumPy's
            return self._called(row.forward, str(row), operands, node.static)
        return self.applied(row, operands, node.static)

    def applied(self, row: Primitive, operands: list[str], static: Mapping[str, Any]) -> str:
        """The expression of a row's function on NumPy values."""
        written = PHRASES[row](operands, static, self.text) if row in PHRASES else None
        return written or self._called(row.forward, str(row), operands, static)

    def _called(self, forward: Any, name: str, operands: list[str], static: Mapping[str, Any]) -> str:
        given = operands + [f"{key}={self._option(item)}" for key, item in static.items()]
        return f"{function(forward, name, self.text)}({', '.join(given)})"

    def _option(self, item: Any) -> str:
        if type(item) is str or (type(item) is tuple and all(type(i) in (int, bool, str) for i in item)):
            return repr(item)
        return self._literal(item) if type(item) is float else self.text.constant(item)

    def _literal(self, number: Any) -> str:
        if type(number) in (int, float, bool) and number == number and abs(number) != float("inf"):
            return f"({number!r})" if repr(number).startswith("-") else repr(number)
        return self.text.constant(number)


def _of_numbers(node: Node) -> bool:
    """Whether an operator stands for NumPy's function: it takes a tenth of the time where numbers meet numbers."""
    if all(isinstance(i.dtype, type) for i in node.inputs):
        return node.primitive.python is not None
    exact = node.primitive not in (OPERATORS["floordiv"], OPERATORS["mod"])
    return exact and all(
        not i.shape and (i.dtype in (int, float) or np.dtype(i.dtype).kind == "f") for i in node.inputs
    )


def may_leave(step: Step) -> bool:
    """Whether values decide if a program goes on after a step: till then nothing of the user's is touched."""
    return depends_on_values(step) or (isinstance(step, Node) and may_raise(step))


def depends_on_values(step: Step) -> bool:
    """Whether the shape of what a step gives depends on values; a kernel's does not."""
    return isinstance(step, Node) and shaped_by_values(step)
