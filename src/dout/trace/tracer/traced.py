"""The stand-ins of a trace: they carry the real value through the user's code, and let it out only through hooks."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from dout.graph import Node, Primitive
from dout.ops import OPERATORS, ArrayStandIn, StandIn
from dout.run import mapped
from dout.trace.tracer.shared_memory import Buffer

if TYPE_CHECKING:
    from dout.trace.tracer.run_record import RunRecord

_INTO_MEMORY = {"__array_interface__", "__array_struct__", "__buffer__", "__dlpack__", "__dlpack_device__"}
Step = tuple[Primitive, tuple[Node, ...], dict[str, Any]]


class Traced(StandIn):
    """A traced number: answers as its value's type, a plain number or one of NumPy's."""

    __slots__ = ("__weakref__", "_recorder", "epoch", "node", "value")
    _recorder: RunRecord

    def __init__(self, recorder: RunRecord, value: Any, node: Node) -> None:
        self._recorder = recorder
        self.value = value
        self.node = node
        self.epoch = recorder.epoch

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self.value)

    def resolve(self) -> Node:
        """The node of the present value."""
        if self._recorder.dropped and self.node in self._recorder.dropped:
            self.node = self._recorder.source(self.value).node
        return self.node

    # Ways out that change nothing: text, identity, truth.

    def __repr__(self) -> str:
        self._recorder.as_text(self)
        return repr(self.value)

    def __str__(self) -> str:
        self._recorder.as_text(self)
        return str(self.value)

    def __format__(self, spec: str) -> str:
        self._recorder.as_text(self)
        return format(self.value, spec)

    def __hash__(self) -> int:
        self._recorder.as_text(self)
        return hash(self.value)

    # Ways out that are noted: the recording holds for this value only.

    def __bool__(self) -> bool:
        return self._recorder.outcome("branch", self, bool(self.value))

    def __int__(self) -> int:
        return self._recorder.outcome("index", self, int(self._recorder.single(self).value))

    def __index__(self) -> int:
        return self._recorder.outcome("index", self, operator.index(self.value))

    # Ways out that would lose an edge.

    def __float__(self) -> float:
        return self._recorder.escape("float", self, float)

    def __complex__(self) -> complex:
        return self._recorder.escape("complex", self, complex)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        if not np.ndim(self.value):  # np.float32(x): the result is a number, and not traced
            return self._recorder.escape(
                "a conversion like np.float32", self, lambda value: np.array(value, dtype=dtype)
            )
        array = np.asarray(self.value, dtype=dtype, copy=copy)  # who keeps it keeps this one
        return self._recorder.leak(self, array, sys._getframe(1))

    def __reduce_ex__(self, protocol: Any) -> Any:
        self._recorder.leak(self, None)
        number = not isinstance(self.value, np.ndarray | np.generic)
        return (type(self.value), (self.value,)) if number else self.value.__reduce_ex__(protocol)

    def __getattr__(self, name: str) -> Any:
        if name in _INTO_MEMORY and name not in sys._getframe(1).f_code.co_names:
            raise AttributeError(name)  # NumPy, which asks for these, goes on to ask for `__array__`, which tells
        if name in _INTO_MEMORY:
            return self._recorder.leak(self, getattr(self.value, name))
        value = getattr(object.__getattribute__(self, "value"), name)
        return value if name.startswith("__") else self._recorder.attribute(self, name)


class TracedArray(Traced, ArrayStandIn):
    """A traced array. It may be a view: `base` is then the array it looks into, and `step` how.

    A view finds its node when it is read: a write anywhere in its buffer makes a new version.
    """

    __slots__ = ("base", "buffer", "step", "version")

    def __init__(
        self, recorder: RunRecord, value: Any, node: Node, base: TracedArray | None = None, step: Step | None = None
    ) -> None:
        super().__init__(recorder, value, node)
        self.base = base
        self.step = step
        self.buffer: Buffer | None = None
        self.version = 0
        if base is not None:
            self.buffer = base.memory()
            self.buffer.aliases.append(node)
            self.version = self.buffer.version

    def memory(self) -> Buffer:
        """The buffer this array lies in; made when it first matters."""
        if self.buffer is None:
            self.buffer = Buffer(self.node)
        return self.buffer

    def whole(self) -> TracedArray:
        """The array that a view looks into; itself where it is none."""
        return self if self.base is None else self.base.whole()

    def resolve(self) -> Node:
        """The node of the present content."""
        if self._recorder.dropped:
            self._recorder.writer.renew(self)
        if self.buffer is not None and self.version != self.buffer.version:
            self._recorder.writer.refresh(self)
        return self.node

    # Attributes that do not depend on values.

    @property
    def flags(self) -> Any:
        """As `ndarray.flags`."""
        self._recorder.looked.add(self.node)
        return self._recorder.flags(self)

    def __contains__(self, item: Any) -> bool:
        return bool((self == item).any())

    def __len__(self) -> int:
        return self._recorder.size_taken(self, len(self.value))

    def __iter__(self) -> Iterator[Any]:
        if self.ndim == 0:
            iter(self.value)  # NumPy's own error
        return (self[i] for i in range(len(self)))

    def tolist(self) -> Any:
        """As `ndarray.tolist`, of traced numbers."""
        if self.ndim == 0:
            return self.item()
        return [element.tolist() if element.ndim else element.item() for element in self]

    def item(self, *place: Any) -> Any:
        """As `ndarray.item`: of the only element, or of one by its place or its number."""
        if not place:
            return self._recorder.method("item", self, (), {})
        key = tuple(map(operator.index, place[0] if isinstance(place[0], tuple) else place))
        if len(key) == 1 and self.ndim != 1:
            self.value.item(*key)  # NumPy's own error
            key = tuple(map(int, np.unravel_index(key[0] % self.size, self.shape)))
        return (self[key] if key else self).item()

    def __getitem__(self, key: Any) -> Any:
        if not self._recorder.live:  # loops over single elements go on while nothing is recorded
            return self.value[plain_key(key)]
        return super().__getitem__(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._recorder.attempt(self._recorder.writer.set_item, self, key, value)

    def sort(self, *args: Any, **kwargs: Any) -> None:
        """As `ndarray.sort`, in place; the function, as the method of a plain array gives nothing."""
        self[...] = self._recorder.call(np.sort, (self, *args), kwargs)

    def conj(self) -> Any:
        """As `ndarray.conj`, of real numbers."""
        return self.real

    def fill(self, value: Any) -> None:
        """As `ndarray.fill`."""
        self[...] = value


class DotResult(np.ndarray):
    """What `dot` of a plain array with a traced one gives: the memory of a product that is `traced`, and that answers.

    So is the array that C makes of the traced one for it; a result takes after it.
    """

    __array_priority__ = 1.0  # more than that of a plain array, whose result is one of these
    traced: Any

    def __array_finalize__(self, of: Any) -> None:
        self.__dict__["traced"] = getattr(of, "__dict__", {}).get("traced")

    def __getattribute__(self, name: str) -> Any:
        """That of the product."""
        own = name == "traced" or name.startswith("__")
        return object.__getattribute__(self, name) if own else getattr(self.traced, name)

    def __getitem__(self, key: Any) -> Any:
        return self.traced[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self.traced[key] = value

    def __array_ufunc__(self, ufunc: Any, method: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(ufunc, method)(*mapped(args, of_product), **mapped(kwargs, of_product))

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return function(*mapped(args, of_product), **mapped(kwargs, of_product))


def of_product(item: Any) -> Any:
    """A product of `dot` as it is recorded; anything else as it is."""
    return item.traced if type(item) is DotResult else item


def _in_place(name: str) -> Callable[..., Any]:
    row = OPERATORS[name]
    return lambda self, other: self._recorder.attempt(self._recorder.writer.in_place, row, self, other)


def _composed(name: str) -> Callable[..., Any]:
    return lambda self, *args, **kwargs: self._recorder.method(name, self, args, kwargs)


def _sized(name: str) -> Callable[[TracedArray], Any]:
    """An attribute that tells how many elements there are."""
    get = operator.attrgetter(name)
    return lambda self: self._recorder.size_taken(self, get(self.value))


def _seen(name: str) -> Callable[[TracedArray], Any]:
    """An attribute of the layout."""
    get = operator.attrgetter(name)

    def look(self: TracedArray) -> Any:
        self._recorder.looked.add(self.node)
        return get(self.value)

    return look


def _unknown(name: str) -> Callable[[TracedArray], Any]:
    return lambda self: self._recorder.attribute(self, name)


def _real(name: str) -> Callable[[TracedArray], Any]:
    """Of real numbers the array itself, as NumPy has it."""
    return lambda self: self._recorder.attribute(self, name) if self.value.dtype.kind == "c" else self


class FlatElements:
    """`ndarray.flat` of an array that does not lie in one line: its elements can be read."""

    def __init__(self, array: TracedArray) -> None:
        self.array = array

    def __getitem__(self, key: Any) -> Any:
        return self.array.ravel()[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.array.ravel())

    def __getattr__(self, name: str) -> Any:
        return getattr(self.array._recorder.attribute(self.array, "flat"), name)

    def __setitem__(self, key: Any, item: Any) -> None:
        self.array._recorder.attribute(self.array, "flat")[key] = plain_deep(item)


def _flat(name: str) -> Callable[[TracedArray], Any]:
    """The elements one after the other: a view in one line, where there is one."""
    return lambda self: self.ravel() if self.value.flags.c_contiguous else FlatElements(self)


def _setter(name: str) -> Callable[[TracedArray, Any], None]:
    return lambda self, value: self._recorder.set_attribute(self, name, value)


for _name in ("take", "trace", "nonzero", "searchsorted"):
    setattr(TracedArray, _name, _composed(_name))

for _name, _get, _put in [
    ("shape", _sized, lambda self, shape: self._recorder.attempt(self._recorder.writer.set_shape, self, shape)),
    ("strides", _sized, _setter("strides")),
    ("dtype", _seen, _setter("dtype")),
    ("real", _real, _setter("real")),
    ("flat", _flat, _setter("flat")),
    ("imag", _unknown, _setter("imag")),
    *((name, _sized, None) for name in ("size", "nbytes")),
    *((name, _seen, None) for name in ("ndim", "itemsize")),
]:
    setattr(TracedArray, _name, property(_get(_name), _put, doc=f"As `ndarray.{_name}`."))

for _name in OPERATORS:
    if hasattr(np.ndarray, f"__i{_name}__"):
        setattr(TracedArray, f"__i{_name}__", _in_place(_name))


def plain(item: Any) -> Any:
    """Return the real value of a stand-in, and anything else as it is.

    >>> plain(3)
    3
    """
    kind = type(item)
    return item.value if kind is TracedArray or kind is Traced else item


def plain_deep(item: Any) -> Any:
    """`plain`, also inside lists, tuples, dicts and slices. An object without a stand-in comes back itself."""
    return mapped(item, _plain_part)


def plain_key(key: Any) -> Any:
    """`plain_deep` of an index. Most are whole numbers, and loops ask for very many."""
    if type(key) is not tuple:
        return key if type(key) is int else plain_deep(key)
    return tuple([part if type(part) is int else plain_deep(part) for part in key])


def _plain_part(item: Any) -> Any:
    return slice(plain(item.start), plain(item.stop), plain(item.step)) if type(item) is slice else plain(item)


def plainly(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a function with the real values."""
    return function(*plain_deep(list(args)), **plain_deep(kwargs))


_NUMBERS = frozenset(map(id, (int, float, bool, str)))  # a metaclass may refuse to hash its classes


def holds_traced(item: Any) -> bool:
    """Whether a stand-in is in here, at any depth of lists, tuples and dicts."""
    kind = type(item)
    if kind in (list, tuple):
        return not _NUMBERS.issuperset(map(id, map(type, item))) and any(map(holds_traced, item))
    if kind is dict:
        return any(holds_traced(part) for part in item.values())
    return isinstance(item, StandIn)
