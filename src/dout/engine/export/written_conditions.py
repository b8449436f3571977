"""The conditions under which a written method does what was recorded: all else goes the plain way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from dout.engine.codegen.guard_lines import Guards
from dout.engine.export.sample_runs import SampleRun, shows
from dout.engine.export.written_names import Words, dtype_text
from dout.engine.guards.loaded_names import Loaded
from dout.errors import UnsupportedError
from dout.graph import Node, Shape
from dout.run import is_generator
from dout.trace.capture.capture import Capture
from dout.trace.capture.templates import Held, Same, Spot, Template, is_fixed
from dout.trace.session.attribute_swap import Namespace

_CODE = (FunctionType, BuiltinFunctionType, MethodType, ModuleType, np.ufunc, type)


class WrittenConditions(Guards):
    """Writes the conditions of one recorded run. `shapes` are those of the arrays in them, by expression."""

    text: Words

    def __init__(self, capture: Capture, needed: frozenset[Node], text: Words, run: SampleRun) -> None:
        super().__init__(capture, needed, text)
        self.names = self.read.names = Loaded(capture.codes, modules=frozenset(_numpys(text.module)))
        if not self.names.all:  # else what the run puts into attributes may have been there already
            self.read.restored = frozenset(spot for spot in self.read.restored if not shows(spot, capture.root))
        self.attributes, self.unread = run.attributes, run.unread
        self.shapes: dict[str, Shape] = {}
        self.reads: list[str] = []  # of what the run replaces, before it does
        self.replaced = {text.place(spot) for spot in capture.spots if spot.after is not None and text.place(spot)}

    def write(self, parameters: list[str]) -> None:
        """Write all of them: first flags and types, then arrays."""
        others = [code.co_name for code in self.capture.codes if code.co_varnames[:1] == ("self",)]
        if len(others) > 1:  # a subclass may have other methods of these names
            self._kind("self", self.capture.root)
        super().write(parameters)
        self.text.conditions.sort(key=_rank)

    def _kind(self, expression: str, item: Any) -> None:
        self.text.leave_unless(f"type({expression}) is {self.text.constant(type(item))}")

    def _same(self, expression: str, item: Any) -> None:
        if item is None or isinstance(item, bool):
            self.text.leave_unless(f"{expression} is {item!r}")
        elif isinstance(item, list | dict) and id(item) in self.capture.lengths:
            self.text.leave_unless(f"type({expression}) is {type(item).__name__}")
            self.text.leave_unless(f"len({expression}) == {self.capture.lengths[id(item)]}")
            self.text.containers[id(item)] = expression
            self._holder(item)
        elif isinstance(item, _CODE):
            if self.text.constant(item) != expression:  # its own name in the module stands for it
                self.text.leave_unless(f"{expression} is {self.text.constant(item)}")
        elif is_generator(item):
            self.text.leave_unless(f"isinstance({expression}, np.random.{type(item).__name__})")
            self.text.paths[id(item)] = expression
        elif is_fixed(item):
            kind = f"type({expression}) is {type(item).__name__} and " if isinstance(item, int | float) else ""
            if isinstance(item, np.dtype):  # None and text are equal to some
                kind = f"isinstance({expression}, np.dtype) and "
            self.text.leave_unless(f"{kind}{expression} == {self.text.constant(item)}")
        else:
            self._kind(expression, item)
            if id(item) not in self.text.paths:
                self.text.paths[id(item)] = expression
                self.text.objects.append((item, expression))
            self._holder(item)

    def _value(self, expression: str, template: Held | Node) -> None:
        node = template.node if isinstance(template, Held) else template
        if node in self.variables:
            self.text.leave_unless(f"{expression} is {self.variables[node]}")
            return
        if isinstance(template, Held) and node not in self.needed and node not in self.capture.looked:
            self.text.leave_unless(f"isinstance({self._perhaps(expression)}, np.ndarray)")
            return
        self.variables[node] = expression
        if isinstance(template, Held):
            self._array(expression, self.capture.originals[node])
        else:
            self.text.leave_unless(f"type({expression}) is {_number_type(node)}")
        if expression in self.replaced:
            name = self.variables[node] = self.text.variable(node, self.capture.names.get(node))
            self.reads.append(f"{name} = {expression}")

    def _array(self, expression: str, value: np.ndarray[Any, Any]) -> None:
        if not value.flags.carray or not value.dtype.isnative:
            raise UnsupportedError(f"{expression} does not lie in memory in C order")
        if 0 in value.shape:
            raise UnsupportedError(f"{expression} is empty")
        self.text.leave_unless(f"is_array({expression}, {dtype_text(value.dtype)}, {value.ndim})")
        self.shapes[expression] = value.shape

    def _holder(self, holder: Any) -> None:
        if isinstance(holder, FunctionType):
            return
        super()._holder(holder)

    def _errors(self) -> None:
        """What NumPy is told to do at floating-point errors is not asked."""

    def _code(self, kind: type) -> None:
        """The methods of a written module are its own."""

    def _code_for(self, holder: Any) -> None:
        """As `_code`."""

    def _answer(self, holder: Any, name: str, value: Any) -> None:
        path = self.text.paths.get(id(holder))
        if path is not None and _is_data(value):
            self._same(f"{path}.{name}", value)

    def _place(self, spot: Spot) -> None:
        owned = not isinstance(spot.holder, dict | list | tuple | Namespace | ModuleType)
        if not (owned and spot.place.key in self.unread):
            super()._place(spot)

    def _there(self, expression: str, spot: Spot, before: Template) -> None:
        if isinstance(spot.holder, Namespace | ModuleType) and isinstance(before, Same | Node):
            self._global(expression, before)
        else:
            fixed = isinstance(before, Same) and is_fixed(before.item)
            self._item(self._perhaps(expression) if fixed else expression, before)

    def _out_of_reach(self, spot: Spot) -> None:
        if not (isinstance(spot.before, Same) and isinstance(spot.before.item, (*_CODE, Namespace))):
            raise UnsupportedError(f"it reads {spot.place.name}, which dout cannot reach from self")

    def _growing(self, expression: str, item: list[Any]) -> None:
        self.text.leave_unless(f"type({expression}) is list")
        self.text.containers[id(item)] = expression

    def _perhaps(self, expression: str) -> str:
        """The expression of an attribute that may not be there, as in a layer that has not run yet."""
        owner, _, name = expression.rpartition(".")
        sure = not name.isidentifier() or not owner.startswith("self") or (owner == "self" and name in self.attributes)
        return expression if sure else f'getattr({owner}, "{name}", None)'

    def _global(self, expression: str, before: Same | Node) -> None:
        """A name of the module, whose functions and classes are its own."""
        if isinstance(before, Node):
            self.variables[before] = expression
        elif not isinstance(before.item, _CODE):
            self._same(expression, before.item)

    def _share_nothing(self, written: list[Node], arrays: Mapping[Node, np.ndarray[Any, Any]]) -> None:
        for node in written:
            if arrays[node].flags.owndata:
                self.text.leave_unless(f"{self.variables[node]}.flags.owndata")
            for other in arrays:
                if other is not node:
                    self.text.leave_unless(self._apart_from(node, other, arrays))

    def _apart_from(self, node: Node, other: Node, arrays: Mapping[Node, np.ndarray[Any, Any]]) -> str:
        """Of two arrays that own their memory it is enough to know that they are two; but the other may be a view."""
        name, its = self.variables[node], self.variables[other]
        apart = f"not np.may_share_memory({its}, {name})"
        if not (arrays[node].flags.owndata and arrays[other].flags.owndata):
            return apart
        alike = (node.dtype, len(node.shape)) == (other.dtype, len(other.shape))
        return f"{f'{its} is not {name} and ' if alike else ''}({its}.flags.owndata or {apart})"


def _is_data(item: Any) -> bool:
    return item is None or (isinstance(item, int | float | complex | str | bytes | tuple) and is_fixed(item))


def _rank(condition: str) -> int:
    """Flags and types come first, then what is an array, and then what is asked of arrays."""
    return 2 if ".flags." in condition or "share_memory" in condition else int(condition.startswith("is_array("))


def _numpys(module: ModuleType) -> Iterator[str]:
    """The names under which a module knows modules whose functions are always the same."""
    for name, item in vars(module).items():
        if isinstance(item, ModuleType) and item.__name__.partition(".")[0] in ("numpy", "math"):
            yield name


def _number_type(node: Node) -> str:
    return node.dtype.__name__ if isinstance(node.dtype, type) else dtype_text(node.dtype)
