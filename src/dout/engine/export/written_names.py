"""The words of a written method: how it names what belongs to the layer, to its module, and to NumPy."""

from __future__ import annotations

import json
import math
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import numpy as np

from dout.engine.codegen.driver_text import DriverText
from dout.errors import UnsupportedError
from dout.run import is_generator
from dout.trace.capture.templates import Spot

_ARRAY_SHOWN = 20  # elements of an array that is written out
_NUMBERS = (bool, int, float, str, bytes, type(None), type(Ellipsis))


class Words(DriverText):
    """The text of one method. What has no name in a module of its own raises UnsupportedError.

    `paths` are the expressions of the objects that can be reached from `self`, by identity. Conditions come first;
    once `body` is set, a condition that does not hold leaves by `leaves`. No variable is called as one of `taken`.
    """

    def __init__(self, module: ModuleType, root: Any, taken: set[str], leaves: str) -> None:
        super().__init__({"self", "is_array", *taken})
        self.module, self.leaves = module, leaves
        self.paths: dict[int, str] = {id(root): "self"}
        self.objects: list[tuple[Any, str]] = [(root, "self")]
        self.conditions: list[str] = []
        self.body = False

    def leave_unless(self, condition: str) -> None:
        """Add a condition."""
        if self.body:
            self.line(f"if {condition[4:]}:" if condition.startswith("not ") else f"if not ({condition}):")
            self.line(f"    return {self.leaves}")
        elif condition not in self.conditions:
            self.conditions.append(condition)

    # --- objects ------------------------------------------------------------------------------------------------------

    def constant(self, item: Any, wish: str | None = None) -> str:
        """An expression for an object."""
        written = self.paths.get(id(item)) or self.containers.get(id(item)) or self._literal(item)
        written = written or self._numpys(item) or self._modules(item)
        if written is None:
            name = getattr(item, "__qualname__", None) or type(item).__qualname__
            raise UnsupportedError(f"dout cannot write {wish or name} without itself")
        return written

    def _literal(self, item: Any) -> str | None:
        kind = type(item)
        if kind is str:
            return json.dumps(item)
        if kind is float and not math.isfinite(item):
            return "np.nan" if item != item else f"{'-' if item < 0 else ''}np.inf"
        if kind in _NUMBERS:
            return repr(item)
        if kind is tuple:
            parts = [self.constant(part) for part in item]
            return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
        if isinstance(item, np.generic) and item.dtype.kind in "biuf" and np.isfinite(item):
            return f"np.{item.dtype.name if kind is not np.bool_ else 'bool_'}({item.item()!r})"
        return None

    def _numpys(self, item: Any) -> str | None:
        """An expression for what is NumPy's or Python's."""
        if isinstance(item, np.dtype):
            return dtype_text(item)
        if isinstance(item, np.ndarray):
            return self._array(item)
        if is_generator(item) and item is getattr(np.random.rand, "__self__", None):
            return "np.random"
        name = getattr(item, "__name__", "")
        if isinstance(item, type) and item in (float, int, bool, complex, list, dict, tuple):
            return str(name)
        return f"np.{name}" if name and getattr(np, name, None) is item else None

    def _array(self, item: np.ndarray[Any, Any]) -> str | None:
        """An array that the code made out of nothing."""
        dtype = dtype_text(item.dtype)
        if item.ndim == 1 and item.dtype.kind == "i" and np.array_equal(item, np.arange(len(item))):
            return f"np.arange({len(item)}{'' if item.dtype == np.dtype(int) else f', dtype={dtype}'})"
        for number in (0, 1):
            if item.size and np.all(item == number):
                return f"np.{('zeros', 'ones')[number]}({item.shape}, {dtype})"
        if item.size <= _ARRAY_SHOWN and item.dtype.kind in "biuf" and np.all(np.isfinite(item)):
            return f"np.array({item.tolist()}, {dtype})"
        return None

    def _modules(self, item: Any) -> str | None:
        """The name of a function or class of the user's module."""
        if isinstance(item, FunctionType | BuiltinFunctionType | type | ModuleType):
            return next((name for name, known in vars(self.module).items() if known is item), None)
        return None

    # --- places -------------------------------------------------------------------------------------------------------

    def place(self, spot: Spot) -> str | None:
        """The expression of a place; None where there is none."""
        holder, key = spot.holder, spot.place.key
        if hasattr(holder, "__dict__") and vars(holder) is vars(self.module):
            return str(key)
        path = self.paths.get(id(holder)) or self.containers.get(id(holder))
        if path is None:
            path = self._of_class(holder) if isinstance(holder, type) else self._modules(holder)
        if path is None or isinstance(holder, FunctionType):
            return None
        if isinstance(holder, dict | list | tuple):
            return f"{path}[{self.key(key)}]" if type(key) in (str, int, bool, type(None)) else None
        return f"{path}.{key}" if isinstance(key, str) and key.isidentifier() else None

    def _of_class(self, holder: type) -> str | None:
        """The expression of the one object of a class: it may have an attribute where the class has another."""
        found = [path for item, path in self.objects if isinstance(item, holder)]
        return found[0] if len(found) == 1 else None

    def absent(self, spot: Spot) -> str:
        """Whether nothing stands in a place."""
        return f"not hasattr({str(self.place(spot)).rpartition('.')[0]}, {spot.place.key!r})"

    def put(self, spot: Spot, value: str) -> str:
        """The statement that puts a value into a place."""
        function = getattr(spot.place.put, "func", None)
        path = self.paths.get(id(spot.holder)) or self.containers.get(id(spot.holder))
        if spot.place.key == "[:]" and path is not None and isinstance(spot.holder, list):  # more elements, or others
            return f"{path}.extend({value})" if function is list.extend else f"{path}[:] = {value}"
        place = self.place(spot)
        if place is None or spot.place.key == "[:]" or "." not in place + "[" or place == spot.place.key:
            raise UnsupportedError(f"it changes {spot.place.name}, which is no attribute of the layer")
        return f"{place} = {value}"

    def key(self, key: Any) -> str:
        """An expression for the key of a dict."""
        return json.dumps(key) if type(key) is str else super().key(key)


def dtype_text(dtype: np.dtype[Any]) -> str:
    """How a dtype is written."""
    return "np.bool_" if dtype.kind == "b" else f"np.{dtype.name}"
