"""Steps as lines of a driver: a kernel's call, or NumPy's function for one node."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from dout.engine.group import Group, Step
from dout.engine.text import Text
from dout.graph import CONSTANT, INPUT, Node, Primitive
from dout.ops import OPERATORS

Leave = Callable[[str], None]
_INFIX = {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "lt": "<", "le": "<=",
          "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}  # fmt: skip
_SYMBOLS = {OPERATORS[name]: symbol for name, symbol in _INFIX.items() if name in OPERATORS}


class Writer:
    """Writes steps into a driver's text. `inputs` names what the driver has read."""

    def __init__(
        self, text: Text, inputs: Mapping[Node, str], names: Mapping[Node, str] = MappingProxyType({})
    ) -> None:
        self.text = text
        self.names = names
        self.values = dict(inputs)

    def begin(self) -> None:
        """Take the memory that the steps need."""

    def end(self) -> None:
        """Give it back."""

    def value(self, node: Node) -> str:
        """The expression of a node's value."""
        if node.primitive is CONSTANT:
            return self._literal(node.static["value"])
        return self.values[node]

    def _literal(self, number: Any) -> str:
        if type(number) in (int, float, bool) and number == number and abs(number) != float("inf"):
            return repr(number) if number >= 0 and str(number)[0] != "-" else f"({number!r})"
        return self.text.constant(number)

    def step(self, step: Step, leave: Leave) -> None:
        """Write one step."""
        if isinstance(step, Group):
            for node in step.nodes:
                self._node(node, leave)
        elif step.primitive is not INPUT and step.primitive is not CONSTANT:
            self._node(step, leave)

    def store(self, target: str, node: Node) -> None:
        """Write the final content of an array of the user's."""
        if self.value(node) != target:
            self.text.line(f"{target}[...] = {self.value(node)}")

    def _node(self, node: Node, leave: Leave) -> None:
        name = self.values[node] = self.text.variable(node, self.names.get(node))
        self.text.line(f"{name} = {self._call(node)}")
        if _depends_on_values(node):
            leave(f"{name}.shape == {node.shape}")

    def _call(self, node: Node) -> str:
        row = node.primitive
        operands = [self.value(i) for i in node.inputs]
        if row.python is not None and all(isinstance(i.dtype, type) for i in node.inputs):
            if row in _SYMBOLS and len(operands) == 2:
                return f" {_SYMBOLS[row]} ".join(operands)
            return self._called(row.python, row.name, operands, node.static)
        return self.applied(row, operands, node.static)

    def applied(self, row: Primitive, operands: list[str], static: Mapping[str, Any]) -> str:
        """The expression of a row's function on NumPy values."""
        return self._called(row.forward, row.name, operands, static)

    def _called(self, function: Any, name: str, operands: list[str], static: Mapping[str, Any]) -> str:
        given = operands + [f"{key}={self._option(item)}" for key, item in static.items()]
        return f"{self.text.constant(function, name)}({', '.join(given)})"

    def _option(self, item: Any) -> str:
        if type(item) is str or (type(item) is tuple and all(type(i) in (int, bool, str) for i in item)):
            return repr(item)
        if type(item) is float:
            return self._literal(item)
        return self.text.constant(item)


def _depends_on_values(node: Node) -> bool:
    """Whether the shape of what a row gives depends on the values it is given."""
    if node.primitive.name in ("nonzero", "places"):
        return True
    return node.primitive.name == "getitem" and any(np.dtype(i.dtype) == np.bool_ for i in node.inputs[1:])
