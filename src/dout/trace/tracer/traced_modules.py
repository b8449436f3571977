"""Tracing versions of numpy, math and their functions, for the user's own modules."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from dout.ops import PRIMITIVES, StandIn, special
from dout.ops.shape import memory_order
from dout.run import names_of
from dout.trace.model import user_source
from dout.trace.model.uses_of_answers import goes_into_text
from dout.trace.tracer.numpy_source import rebound
from dout.trace.tracer.random_draws import generator_of
from dout.trace.tracer.traced import Traced, TracedArray, holds_traced, plain, plain_deep, plainly
from dout.trace.tracer.user_functions import (
    TracingFunction,
    current,
    is_function,
    is_jitted,
    tracing_function,
    under_way,
)

if TYPE_CHECKING:
    from dout.trace.tracer.tracer import Tracer


class _AnyType(type):
    """Every class is an instance of the tracing `type`."""

    def __instancecheck__(cls, item: Any) -> bool:
        return isinstance(item, type)

    def __subclasscheck__(cls, other: type) -> bool:
        return issubclass(other, type)


class TracingType(type, metaclass=_AnyType):
    """`type` in the user's modules while a trace runs: the type of a stand-in is that of its value."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """As `type`: the type of one thing, or a new class."""
        if len(args) == 1 and cls is TracingType:
            kind = type(plain(args[0]))
            return TracingFloat if kind is float else kind
        return type.__new__(type if cls is TracingType else cls, *args, **kwargs)


class _FloatType(type):
    """Every float is an instance of the tracing `float`, and the two classes are one to whoever compares them."""

    def __instancecheck__(cls, item: Any) -> bool:
        return isinstance(item, float) if cls is TracingFloat else type.__instancecheck__(cls, item)

    def __subclasscheck__(cls, other: type) -> bool:
        return issubclass(other, float) if cls is TracingFloat else type.__subclasscheck__(cls, other)

    def __eq__(cls, other: object) -> bool:
        return other is cls or (cls is TracingFloat and other is float)

    def __hash__(cls) -> int:
        return hash(float) if cls is TracingFloat else type.__hash__(cls)


class TracingFloat(float, metaclass=_FloatType):
    """`float` in the user's modules while a trace runs: of a traced value it gives a traced number, so no edge is lost.

    `losses.append(float(loss))` only notes a number, `x * float(scale)` computes with it: that shows in the graph.
    """

    dtype = np.dtype(float)  # np.dtype(float)

    def __new__(cls, *args: Any) -> Any:
        """As `float`."""
        if cls is not TracingFloat:
            return float.__new__(cls, *args)
        item, tracer = args[0] if args else 0, current()
        asked = tracer or next(reversed(under_way), None)  # also while it records nothing
        if asked is not None and isinstance(item, Traced | np.ndarray):
            item = asked.single(item)
            args = (item,)
        if not isinstance(item, StandIn) or tracer is None or goes_into_text(sys._getframe(1)):
            return float(*map(plain, args))
        return tracer.emit(PRIMITIVES["float"], (item,), {})


TracingFloat.__name__ = TracingFloat.__qualname__ = "float"
TracingFloat.__module__ = "builtins"


def identity(item: Any) -> int:
    """`id` in the user's modules while a trace runs: of a stand-in, the id of the object that it stands for."""
    tracer = current()
    if isinstance(item, Traced) and tracer is not None:
        tracer.identified.append(item)
    return id(untraced(plain(item)))


identity.__recorded__ = id  # type: ignore[attr-defined]

BUILTINS: dict[str, Any] = {  # the meaning of these names while a trace runs
    "type": TracingType,
    "float": TracingFloat,
    "id": identity,
}


class _GeneratorType(type):
    """Real generators, and their stand-ins, are instances of the tracing RandomState and Generator."""

    real: Callable[[], type]

    def __instancecheck__(cls, item: Any) -> bool:
        return isinstance(item, cls.real())

    def __subclasscheck__(cls, other: type) -> bool:
        return other is cls or issubclass(other, cls.real())

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        tracer, generator = current(), cls.real()(*args, **kwargs)
        if tracer is None:
            return generator
        tracer.as_text()  # its state begins anew each time
        return tracer.generator(generator)


_GENERATORS = {  # while a trace runs, generators of these classes record their draws; numpy.random is loaded late
    "RandomState": _GeneratorType("RandomState", (), {"real": staticmethod(lambda: np.random.RandomState)}),
    "Generator": _GeneratorType("Generator", (), {"real": staticmethod(lambda: np.random.Generator)}),
}


class TracingIndex:
    """`np.r_`, `np.c_`, `np.mgrid` and `np.ogrid` while a trace runs: their arrays belong to the trace."""

    def __init__(self, original: Any) -> None:
        self.__wrapped__ = original

    def __getitem__(self, key: Any) -> Any:
        tracer = current()
        if tracer is None:
            return self.__wrapped__[plain_deep(key)]
        if self.__wrapped__ is np.r_ or self.__wrapped__ is np.c_:
            return tracer.attempt(rebound(type(self.__wrapped__).__getitem__), self.__wrapped__, key)
        return tracer.call(self.__wrapped__.__getitem__, (key,), {})


class TracingIterator:
    """`np.nditer` while a trace runs: it may iterate over places; a value read from it has left the trace."""

    _PLACES = frozenset({"multi_index", "index", "iterindex", "finished", "iternext", "reset", "shape", "ndim", "nop",
                         "itersize", "has_index", "has_multi_index", "remove_multi_index", "close"})  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.__wrapped__ = plainly(np.nditer, args, kwargs)
        self._traced = holds_traced(args)
        if (tracer := current()) is not None:
            tracer.look(args)

    def _read(self) -> Any:
        tracer = current()
        if tracer is not None and self._traced:
            tracer.note("escape", "np.nditer gave out the numbers of a traced array: index the array instead")
        return self.__wrapped__

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__wrapped__ if name in self._PLACES else self._read(), name)

    def __enter__(self) -> TracingIterator:
        self.__wrapped__.__enter__()
        return self


def _of_iterator(name: str, *, reads: bool = True) -> Callable[..., Any]:
    return lambda self, *args: getattr(self._read() if reads else self.__wrapped__, name)(*map(plain, args))


for _name in ("__getitem__", "__setitem__", "__iter__", "__next__"):
    setattr(TracingIterator, _name, _of_iterator(_name))
for _name in ("__exit__", "__len__"):
    setattr(TracingIterator, _name, _of_iterator(_name, reads=False))


class TracingVectorize(np.vectorize):
    """`np.vectorize` while a trace runs: the function is called with traced numbers, one by one."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As `np.vectorize`."""
        tracer = current()
        return self._each(args, kwargs) if tracer is None else tracer.attempt(self._each, args, kwargs)

    def _each(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        tracer = current()
        if tracer is None or not (holds_traced(args) or holds_traced(kwargs)):
            return plainly(super().__call__, args, kwargs)
        if kwargs or self.excluded or self.signature is not None:
            raise tracer.unsupported("np.vectorize with excluded=, signature= or arguments by name")
        arrays = tracer.call(np.broadcast_arrays, args, {})
        lines = [array.ravel() for array in arrays]
        asked = [] if self.otypes or self.cache or not lines[0].size else [self.pyfunc(*(plain(x)[0] for x in lines))]
        found = [self.pyfunc(*(line[i].item() for line in lines)) for i in range(lines[0].size)]
        return tracer.attempt(self._together, tracer, asked, found, [plain(array) for array in arrays])

    def _together(self, tracer: Tracer, asked: list[Any], found: list[Any], arrays: list[Any]) -> Any:
        """The results in one array; `asked` is the result of NumPy's first call, which tells the dtype."""
        if not tracer.live:
            given = iter(plain_deep([*asked, *found]))  # the user's function must not run twice
            return np.vectorize(lambda _: next(given), self.otypes, cache=self.cache)(np.empty(arrays[0].shape))
        if not found or any(isinstance(item, tuple) for item in found):
            raise tracer.unsupported("np.vectorize of nothing, or of a function with several results")
        dtype = np.dtype(self.otypes[0] if self.otypes else np.asarray(plain([*asked, *found][0])).dtype.char)
        whole = tracer.call(np.array, (found,), {})
        if whole.dtype != dtype and (dtype.kind in "iu" or whole.dtype.kind == "c"):
            tracer.note("escape", f"np.vectorize took traced numbers as {dtype}")  # for which they may be too large
            return np.array(plain_deep(found), dtype).reshape(arrays[0].shape)
        like = np.asarray(np.frompyfunc(lambda *_: 0, len(arrays), 1)(*arrays))  # it lies in memory as the result does
        whole, order = whole.astype(dtype).reshape(like.shape), memory_order(like)
        if order == "C":
            return whole
        axes = tuple(range(like.ndim))[::-1] if order == "F" else order
        return tracer.call(np.ascontiguousarray, (whole.transpose(axes),), {}).transpose(np.argsort(axes).tolist())


class TracingConversion:
    """`np.int64`, called while a trace runs: of an array it makes an array, which would lose its edge."""

    def __init__(self, kind: type[np.generic]) -> None:
        self.__wrapped__ = kind

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As `np.int64`, or as `np.asarray` with that dtype."""
        tracer, item = current(), args[0] if args else None
        if tracer is not None and isinstance(item, TracedArray) and item.ndim and len(args) == 1 and not kwargs:
            return tracer.call(np.asarray, (item, self.__wrapped__), {})
        return self.__wrapped__(*args, **kwargs)


class TracingModule(ModuleType):
    """A module whose functions record while a trace runs."""

    def __init__(self, module: ModuleType) -> None:
        super().__init__(module.__name__, module.__doc__)
        self.__dict__["__wrapped__"] = module

    def __getattr__(self, name: str) -> Any:
        if name == "__all__" and not hasattr(self.__dict__["__wrapped__"], name):
            return [key for key in dir(self) if not key.startswith("_")]  # from math import *
        item = getattr(self.__dict__["__wrapped__"], name)
        if isinstance(item, type) and issubclass(item, np.generic):
            return TracingConversion(item) if user_source.is_called(sys._getframe(1)) else item
        if inspect.isfunction(item) and user_source.is_user_code(item.__code__.co_filename):
            return item  # the user's own, put there by them
        if isinstance(item, ModuleType):
            item = tracing_version(item)
        elif is_function(item):  # the same as its name alone gives: code may ask whether they are
            item = _functions.setdefault(id(item), tracing_function(item))
        elif name in _GENERATORS and item is _GENERATORS[name].real():
            item = _GENERATORS[name]
        elif item is np.vectorize:
            item = TracingVectorize
        elif item is np.nditer:
            item = TracingIterator
        elif any(item is one for one in (np.mgrid, np.ogrid, np.r_, np.c_)):
            item = TracingIndex(item)
        if name in vars(self.__dict__["__wrapped__"]):  # and is not made up for this program, as `np.float` is
            self.__dict__[name] = item
        return item

    def __setattr__(self, name: str, item: Any) -> None:
        self.__dict__.pop(name, None)
        setattr(self.__dict__["__wrapped__"], name, untraced(item))

    def __delattr__(self, name: str) -> None:
        self.__dict__.pop(name, None)
        delattr(self.__dict__["__wrapped__"], name)

    def forget(self) -> None:
        """Forget functions that the user's code has replaced in the module itself since."""
        real = vars(self.__dict__["__wrapped__"])
        for name, item in list(self.__dict__.items()):
            if isinstance(item, TracingFunction) and name in real and real[name] is not item.__wrapped__:
                del self.__dict__[name]

    def __dir__(self) -> list[str]:
        return dir(self.__dict__["__wrapped__"])


_SPACES = ("numpy", "numpy.random", "numpy.linalg", "numpy.fft", "math", "scipy", "scipy.special",
           "numpy.lib", "numpy.lib.stride_tricks", "numpy.ma", "json", "statistics", "struct", "random")  # fmt: skip
_modules: dict[int, TracingModule] = {}  # some load late
_functions: dict[int, TracingFunction] = {}


def learn() -> None:
    """Make tracing versions of all modules that are loaded by now."""
    for known in _modules.values():
        known.forget()
    for module in (untraced(sys.modules.get(name)) for name in _SPACES):  # it may be a tracing version
        if module is not None and id(module) not in _modules:
            _modules[id(module)] = TracingModule(module)
            if module.__name__ == "scipy.special":
                special.learn(module)
            functions = [item for item in list(vars(module).values()) if is_function(item)]
            _functions.update({id(item): tracing_function(item) for item in functions if id(item) not in _functions})


def traced_modules() -> list[ModuleType]:
    """The modules of numpy and math that have tracing versions."""
    return [vars(version)["__wrapped__"] for version in _modules.values()]


def tracing_version(item: Any) -> Any:
    """Return the tracing version of a module or function of numpy or math, and anything else as it is."""
    if issubclass(type(item), ModuleType):
        if names_of(item).get("__name__") in _SPACES and id(item) not in _modules:
            learn()
        return _modules.get(id(item), item)
    if is_jitted(item):
        return tracing_function(item)
    return _functions.get(id(item), item) if callable(item) else item


def untraced(item: Any) -> Any:
    """Return the real thing behind whatever stands for it while a trace runs, and anything else as it is."""
    kind = type(item)
    if issubclass(kind, TracingFunction):
        return item.__wrapped__
    if kind is TracingModule:
        return vars(item)["__wrapped__"]
    if kind is FunctionType:  # a method that records stands for the user's own, and `identity` for `id`
        return vars(item).get("__recorded__", item)
    if issubclass(kind, type):
        if type(item) is _GeneratorType:
            return item.real()
        return float if item is TracingFloat else type if item is TracingType else item
    return generator_of(item)
