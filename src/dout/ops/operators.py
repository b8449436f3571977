"""The base of all stand-ins: each looks like an array or a number, and hands every operation to a recorder.

Two kinds exist: abstract ones (`dout.grad`: shape and dtype, no value) and those of a trace (`dout.trace`: they carry
the real value through the user's code). Neither is an ndarray subclass: see docs/decisions/0001.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dout.errors import UnsupportedError
from dout.graph import Primitive
from dout.ops.registry import CALLS, METHODS, OPERATORS, PRIMITIVES


class Recorder:
    """Turns operations on stand-ins into nodes."""

    def emit(self, primitive: Primitive, operands: tuple[Any, ...], static: dict[str, Any]) -> Any:
        """Record one node and return the stand-in of its value."""
        raise NotImplementedError

    def operator(self, primitive: Primitive, operands: tuple[Any, ...]) -> Any:
        """Answer one of Python's operators."""
        return self.emit(primitive, operands, {})

    def call(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer a call of a NumPy function by the row that stands for it."""
        try:
            row, bind = CALLS[function]
        except (KeyError, TypeError):
            raise self.unsupported(numpy_name(function)) from None
        return self.bound(row, bind, numpy_name(function), args, kwargs)

    def method(self, name: str, owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer an ndarray method by the row that stands for it."""
        row, bind = METHODS[name]
        return self.bound(row, bind, f"ndarray.{name}", (owner, *args), kwargs)

    def ufunc_method(self, ufunc: np.ufunc, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer a method of a ufunc, such as np.add.at."""
        raise self.unsupported(f"np.{ufunc.__name__}.{method}")

    def bound(self, row: Primitive, bind: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Sort the arguments as the row says, and record."""
        try:
            operands, static = bind(*args, **kwargs)
        except TypeError:
            raise self.unsupported(f"{name} with {', '.join(kwargs) or f'{len(args)} arguments'}") from None
        return self.emit(row, operands, static)

    def unsupported(self, what: str) -> UnsupportedError:
        """Say that `what` has no row."""
        return UnsupportedError(f"{what} is not in dout's table of primitives")


class StandIn:
    """Base of the stand-ins: operators, ndarray methods and NumPy's protocols, generated from the table of rows."""

    __slots__ = ()

    _recorder: Recorder

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__":
            return self._recorder.ufunc_method(ufunc, method, inputs, kwargs)
        return self._recorder.call(ufunc, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return self._recorder.call(function, args, kwargs)

    def __round__(self, ndigits: int | None = None) -> Any:
        return self._recorder.emit(PRIMITIVES["round"], (self,), {"ndigits": ndigits})

    def __divmod__(self, other: Any) -> tuple[Any, Any]:
        return self // other, self % other


class ArrayStandIn(StandIn):
    """A stand-in with an array's methods; those of plain numbers have none."""

    __slots__ = ()

    def __getitem__(self, key: Any) -> Any:
        template, index = split_key(key)
        return self._recorder.emit(PRIMITIVES["getitem"], (self, *index), {"key": template})

    @property
    def T(self) -> Any:
        """The transpose, as `ndarray.T`."""
        return self._recorder.method("transpose", self, (), {})


def _operator(row: Primitive, *, reflected: bool = False) -> Callable[..., Any]:
    if reflected:
        return lambda self, other: self._recorder.operator(row, (other, self))
    return lambda self, *others: self._recorder.operator(row, (self, *others))


def _method(name: str) -> Callable[..., Any]:
    return lambda self, *args, **kwargs: self._recorder.method(name, self, args, kwargs)


def install_rows() -> None:
    """Give the stand-ins a method for every operator and ndarray method in the table, once all rows are defined."""
    for name, row in OPERATORS.items():
        setattr(StandIn, f"__{name}__", _operator(row))
        if hasattr(np.ndarray, f"__r{name}__"):
            setattr(StandIn, f"__r{name}__", _operator(row, reflected=True))
    for name in METHODS:
        setattr(ArrayStandIn, name, _method(name))


def emit(primitive: Primitive, operands: tuple[Any, ...], static: dict[str, Any]) -> Any:
    """Record where an operand is a stand-in, compute where none is."""
    for operand in operands:
        if isinstance(operand, StandIn):
            return operand._recorder.emit(primitive, operands, static)
    return primitive.apply(operands, static)


# --- index keys: fixed parts stay in the key, arrays become inputs ----------------------------------------------------


class Slot(int):
    """A place in an index key that is filled by input number `self` of the node (0: the first after the base)."""

    def __repr__(self) -> str:
        return f"Slot({int(self)})"


def split_key(key: Any) -> tuple[Any, list[Any]]:
    """Split an index key into a template without arrays, and the arrays, lists and traced numbers it held.

    >>> split_key((slice(None), np.array([0, 2])))
    ((slice(None, None, None), Slot(0)), [array([0, 2])])
    """
    index: list[Any] = []

    def part(item: Any) -> Any:
        if isinstance(item, StandIn | np.ndarray | np.bool_):
            index.append(item)
            return Slot(len(index) - 1)
        if isinstance(item, list | tuple):
            traced = next((i for i in item if isinstance(i, StandIn)), None)
            if traced is not None:
                item = traced._recorder.emit(PRIMITIVES["array"], tuple(item), {})
                return part(item)
            index.append(list(item) if item else np.zeros(0, np.intp))
            return Slot(len(index) - 1)
        if isinstance(item, slice):
            return slice(*(_plain(bound) for bound in (item.start, item.stop, item.step)))
        return item if item is None or item is Ellipsis or isinstance(item, bool) else _plain(item)

    template = tuple(part(item) for item in key) if isinstance(key, tuple) else part(key)
    return template, index


def _plain(number: Any) -> Any:
    """A bound of a slice as a plain int; NumPy itself refuses other objects."""
    return number.__index__() if hasattr(number, "__index__") else number


def fill_key(template: Any, index: tuple[Any, ...]) -> Any:
    """Put the arrays back into a key template: the inverse of `split_key`."""
    if isinstance(template, tuple):
        return tuple(fill_key(part, index) for part in template)
    return index[template] if isinstance(template, Slot) else template


def is_basic(template: Any) -> bool:
    """Whether indexing by this key gives a view."""
    parts = template if isinstance(template, tuple) else (template,)
    return not any(isinstance(part, Slot | bool) for part in parts)


def numpy_name(function: Any) -> str:
    """How a person writes a NumPy function: np.linalg.svd."""
    module = (getattr(function, "__module__", None) or "numpy").replace("numpy", "np", 1).replace(".core", "")
    return f"{'np' if module.startswith('np._') else module}.{getattr(function, '__name__', function)}"
