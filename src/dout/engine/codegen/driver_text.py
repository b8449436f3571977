"""The text of a driver while it is written: lines, the objects that they name, and how places are read and written."""

from __future__ import annotations

import builtins
from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np

from dout.engine.codegen.kernel_words import UniqueNames
from dout.engine.guards.array_guard import GuardedForm, form_of, guard
from dout.errors import UnsupportedError
from dout.graph import Node
from dout.trace.capture.templates import Spot
from dout.trace.session.attribute_swap import refill

_KEYS = (str, int, bool, type(None))


class DriverText:
    """Lines of Python, and the namespace they run in. Nothing is called as one of `taken`."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.lines: list[str] = []
        self.indent = "    "
        self.namespace: dict[str, Any] = {}
        self.containers: dict[int, str] = {}  # expressions of objects that each call may bring anew, by identity
        self.movable: dict[int, Any] = {}  # objects that each call may bring anew: an expression must read them
        self._names: dict[int, tuple[Any, str]] = {}
        self._guards: dict[GuardedForm, str | None] = {}
        known = {"np": np, "ndarray": np.ndarray}
        self._unique = UniqueNames((*taken, *dir(builtins), *known))
        for name, item in known.items():
            self._names[id(item)] = item, name
            self.namespace[name] = item

    def line(self, text: str) -> None:
        """Add a line."""
        self.lines.append(self.indent + text)

    def leave_unless(self, condition: str) -> None:
        """Add a guard."""
        self.line(f"if not ({condition}): return MISS")

    def name(self, wish: str) -> str:
        """A name that nothing else has, as near to `wish` as Python allows; the wish may be any text."""
        return self._unique.new(wish)

    def variable(self, node: Node, wish: str | None) -> str:
        """A variable for the value of a node."""
        return self.name(wish or str(node.primitive))

    def constant(self, item: Any, wish: str | None = None) -> str:
        """An expression for an object: written out where that is the same object, else a name for it."""
        if item is None or item is True or item is False or item is Ellipsis or type(item) is int:
            return repr(item)
        if id(item) in self.containers:
            return self.containers[id(item)]
        if id(item) in self.movable:
            raise UnsupportedError(
                f"it uses an object of {type(item).__qualname__} that each call makes anew, and no place leads to it"
            )
        if id(item) not in self._names:
            name = self.name(wish or _called(item))
            self._names[id(item)] = item, name
            self.namespace[name] = item
        return self._names[id(item)][1]

    def is_like(self, name: str, value: np.ndarray[Any, Any], *, written: bool) -> str:
        """Whether an array has the type, dtype, shape and layout of `value`; and may be `written` into, if it is."""
        form = form_of(value, written=written)
        if form not in self._guards:
            self._guards[form] = (run := guard(form)) and self.constant(run, f"is_{form.name}")
        if self._guards[form]:
            return f"{self._guards[form]}({name})"
        dtype = self.constant(form.dtype, f"{form.dtype.name}_dtype")
        same = f"({name}.dtype is {dtype} or {name}.dtype == {dtype}) and {name}.shape == {form.shape}"
        flags = f"{name}.flags.num & {form.flags} == {form.flags}"
        strides = f" and {name}.strides == {form.strides}" if form.strides else ""
        if form.beyond:
            strides = f" and {name}.strides[0] > {form.beyond} and {name}.strides[1:] == {form.strides[1:]}"
        return f"type({name}) is ndarray and {same} and {flags}{strides}"

    # --- places -------------------------------------------------------------------------------------------------------

    def place(self, spot: Spot) -> str | None:
        """The expression that reads a place; None for the rare kinds."""
        function, arguments = _put(spot)
        if function in (dict.__setitem__, list.__setitem__):
            holder, key = arguments
            base: Any = dict if isinstance(holder, dict) else list
            if type(holder).__getitem__ is base.__getitem__:
                return f"{self.constant(holder, _called(spot.holder))}[{self.key(key)}]"
            return f"{self.constant(base.__getitem__)}({self.constant(holder)}, {self.key(key)})"
        if function is type.__setattr__:
            return f"{self.constant(arguments[0])}.__dict__[{arguments[1]!r}]"
        if function is setattr:
            return f"{self.constant(arguments[0])}.{arguments[1]}"
        if getattr(function, "__name__", "") == "__set__":
            return f"{self.constant(function.__self__.__get__, spot.place.name)}({self.constant(spot.holder)})"
        return None

    def absent(self, spot: Spot) -> str:
        """Whether nothing stands in a place."""
        function, arguments = _put(spot)
        if function is dict.__setitem__:
            return f"{self.key(arguments[1])} not in {self.constant(arguments[0])}"
        return "False"

    def put(self, spot: Spot, value: str) -> str:
        """The statement that puts a value into a place."""
        function, arguments = _put(spot)
        if function in (refill, list.extend):
            return f"{self.constant(function)}({self.constant(arguments[0])}, {value})"
        if function in (dict.__setitem__, list.__setitem__):
            holder, key = arguments
            base: Any = dict if isinstance(holder, dict) else list
            if type(holder).__setitem__ is base.__setitem__:
                return f"{self.constant(holder, _called(spot.holder))}[{self.key(key)}] = {value}"
        return f"{self.constant(spot.place.put, 'put_' + spot.place.name)}({value})"

    def key(self, key: Any) -> str:
        """An expression for the key of a dict."""
        return repr(key) if type(key) in _KEYS else self.constant(key)


def _put(spot: Spot) -> tuple[Any, tuple[Any, ...]]:
    """The function that puts a value into a place, and the arguments that come before that value."""
    put = spot.place.put
    return (put.func, put.args) if isinstance(put, partial) else (put, ())


def _called(item: Any) -> str:
    name = getattr(item, "__name__", None)
    if isinstance(item, type) or (isinstance(name, str) and callable(item)):
        return str(name)
    return type(item).__name__.lower()
