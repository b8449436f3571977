"""The tracer: every operation on a stand-in runs on the real values and becomes a node."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any, TypeVar

import numpy as np

from dout.errors import DoutError
from dout.graph import NUMPY_VALUES, PYTHON_NUMBERS, Primitive
from dout.ops import CALLS, METHODS, PRIMITIVES, special
from dout.ops.operators import numpy_name
from dout.run import flat, is_generator
from dout.trace.model.replay import same_bits_deep
from dout.trace.tracer.composed import BY_SOURCE, SAME_STEPS, ufunc_method
from dout.trace.tracer.composed_numeric import COMPOSED, INSTEAD
from dout.trace.tracer.numpy_calls import (
    ASK,
    BUILD,
    LOOK,
    SIZES,
    TEXT,
    WRITES,
    as_indices,
    as_operand,
    is_literal,
    only_whole,
)
from dout.trace.tracer.random_draws import Draws, draw, is_draw
from dout.trace.tracer.recorder import Recording
from dout.trace.tracer.traced import Traced, TracedArray, holds_traced, plain, plain_deep, plainly

LARGE = 1 << 16  # bytes of one array
_numbers = frozenset(PYTHON_NUMBERS)
_T = TypeVar("_T", bound=type)
_ERRORS = (TypeError, ValueError, IndexError, ArithmeticError)
# These must not run again after a failure: they write, or call the user's functions.
_ONCE = frozenset({*WRITES, *BY_SOURCE})


def _by_place(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments, with traced ones that go by NumPy's names for them in their places: `np.pad(array=x, …)`."""
    if not kwargs or isinstance(function, np.ufunc) or not holds_traced(kwargs):
        return args, kwargs
    named = dict(kwargs)
    for name in _names(function)[len(args) :]:
        if name not in named or name == "out" or not holds_traced([named[name]]):
            break
        args += (named.pop(name),)
    return args, named


_signature = cache(inspect.signature)


@cache
def _names(function: Any) -> tuple[str, ...]:
    """What a function calls its arguments; nothing if it does not say."""
    try:
        return tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return ()


class Tracer(Recording):
    """Records one run: answers operators, NumPy's functions and the methods of arrays."""

    composing = False  # whether a composed function runs

    def operator(self, primitive: Primitive, operands: tuple[Any, ...]) -> Any:
        """Answer one of Python's operators; operands that are no numbers are left to Python."""
        for operand in operands:
            kind = type(operand)
            repeats = kind in (list, tuple) and any(type(o) is Traced for o in operands)  # [0] * n
            if repeats or operand is None or kind in (str, bytes, dict, set):
                assert primitive.python is not None
                return primitive.python(*(as_indices(o) if isinstance(o, Traced) else o for o in operands))
        return self.emit(primitive, operands, {})

    def call(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer a call of a NumPy function."""
        if not self.live:
            return plainly(function, args, kwargs)
        args, kwargs = _by_place(function, args, kwargs)
        try:
            return self._answered(function, args, kwargs)
        except _ERRORS as error:
            if function in CALLS or function in BUILD or function in COMPOSED:
                raise self._raised(error, function, args, kwargs) from None
            raise

    def _raised(
        self, error: Exception, function: Any, args: Any, kwargs: dict[str, Any], what: str | None = None
    ) -> Exception:
        """NumPy's own error, in the place of an error in our steps; if NumPy raises none, the refusal of `what`."""
        if isinstance(error, DoutError) or not self.live or function in _ONCE or "out" in kwargs:
            return error
        try:
            plainly(function, args, kwargs)
        except Exception as own:
            self.fails()
            return own
        return self.unsupported(what or f"{numpy_name(function)} with these arguments")

    def _answered(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if isinstance(function, np.ufunc) and len(args) == function.nin + 1:  # np.maximum(x, 0, x)
            args, kwargs = args[:-1], {**kwargs, "out": args[-1]}
        if function in BUILD and args and is_literal(args[0]) and kwargs.keys() <= {"dtype"}:
            return BUILD[function](self, *args, **kwargs)
        out, kwargs = _without_out(kwargs)
        if out is not None:
            out = out[0] if isinstance(out, tuple) else out
            options = self._drawn_into(out, function, kwargs) if is_draw(function) else dict(kwargs)
            where = options.pop("where", True) if isinstance(function, np.ufunc) else True
            return self._into(out, self._chosen(where, out, function, args, options), function, args, kwargs)
        traced = holds_traced(args) or holds_traced(kwargs)
        if traced and isinstance(function, np.ufunc) and function not in CALLS:
            special.learn(sys.modules.get("scipy.special"))  # forward itself may have imported it
        if function in CALLS:
            return self._row(function, args, kwargs)
        if function in BUILD or (traced and function in COMPOSED):
            return self._composed(function, args, kwargs)
        asserts = (getattr(function, "__module__", "") or "").startswith("numpy.testing")
        if function in LOOK or asserts:
            self.look([args, kwargs])
            if asserts or function in TEXT:
                self.as_text()
            answer = plainly(function, args, kwargs)
            for part in flat([args, kwargs]) if function in (np.shape, np.size) else ():
                if isinstance(part, TracedArray):
                    self.size_taken(part, answer)
            return answer
        if function in ASK:
            answer = plainly(function, args, kwargs)
            asked = [item.resolve() for item in args if isinstance(item, Traced)]
            self.steered.update(dict.fromkeys(asked))
            self.outcomes.update({(node, numpy_name(function)): answer for node in asked})
            if traced:
                self.note("branch", f"{numpy_name(function)} was {answer}")
            return answer
        if is_draw(function):
            return draw(self, function, args, kwargs)
        if traced and not (_takes_sizes(function) and only_whole(args) and only_whole(kwargs)):
            raise self.unsupported(numpy_name(function), INSTEAD.get(function))
        return self._from_outside(function, args, kwargs)

    def _drawn_into(self, out: Any, function: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
        """The options with which a generator draws the numbers to write into `out`."""
        if np.dtype(kwargs.get("dtype", float)) != out.dtype:
            raise self.unsupported(f"{numpy_name(function)} into an array of {out.dtype}")
        return {**kwargs, "size": out.shape, "dtype": out.dtype}

    def _chosen(self, where: Any, out: Any, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The function's result where `where` holds, and the content of `out` elsewhere."""
        if where is True:
            return self.call(function, args, kwargs)
        with np.errstate(all="ignore"):  # NumPy does not compute elsewhere
            return self.call(np.where, (where, self.call(function, args, kwargs), out), {})

    def _row(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A function with a row. On plain numbers NumPy's functions give NumPy's numbers, unlike Python's operators."""
        row, bind = CALLS[function]
        try:
            operands, static = bind(*args, **kwargs)
        except TypeError as error:
            options = ", ".join(f"{key}=" for key in kwargs) or f"{len(args)} arguments"
            if not holds_traced(args):
                return self._from_outside(function, args, kwargs)
            if function in COMPOSED:
                return self._composed(function, args, kwargs)
            if isinstance(function, np.ufunc) and set(kwargs) == {"dtype"}:
                computed = _in_dtype(function, kwargs["dtype"], args)
                if computed is not None:
                    return self.call(function, computed, {})
            raise self._raised(error, function, args, kwargs, f"{numpy_name(function)} with {options}") from None
        if np.dtype(static.get("dtype", float)).hasobject:  # as a list of arrays: they stay traced
            return plainly(function, args, kwargs)
        if _is_kept(function.__name__, operands, static):
            return operands[0]
        if operands and all(type(plain(o)) in _numbers or isinstance(o, np.generic) for o in operands):
            if not holds_traced(args) and not holds_traced(operands):
                return self._from_outside(function, args, kwargs)
            if row.python and isinstance(function, np.ufunc) and all(type(plain(o)) in _numbers for o in operands):
                operands = (self.emit(PRIMITIVES["asarray"], operands[:1], {}), *operands[1:])
        return self.emit(row, operands, static)

    def _composed(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], method: Any = None) -> Any:
        """A function composed of others, with the result, or the error, of NumPy's own function.

        NumPy's own runs as well, on all the numbers: which routine it takes, and so the last bit,
        the order in memory and the error, may depend on values, lengths and strides. Smaller arrays would not tell.
        Only functions that take NumPy's very steps are known to agree, as those that run by its source.
        """
        compose = BUILD.get(function) or COMPOSED[function]
        inside, self.composing = self.composing, True
        try:
            same = function in BY_SOURCE or (function in SAME_STEPS and _holds_large(args))
            known = inside or same or _runs_code(function, args)
            own = () if known else _numpys_own(method or function, args, kwargs)
            try:
                _signature(compose).bind(self, *args, **kwargs)
            except TypeError as error:
                what = f"{numpy_name(function)} with {', '.join(kwargs)}"
                if own or function in _ONCE:
                    raise self.unsupported(what) from None
                raise self._raised(error, function, args, kwargs, what) from None
            result = compose(self, *args, **kwargs)
        finally:
            self.composing = inside
        if not own or not self.live:
            return result
        if not same_bits_deep(own[0], plain_deep(result)):
            raise self.unsupported(f"{numpy_name(function)} of such arguments")
        return self._ordered(result, own[0])

    def _ordered(self, result: Any, own: Any) -> Any:
        """A result, in the order in memory that NumPy's own has, if it is no view."""
        if type(result) is not TracedArray or result.base is not None or not isinstance(own, np.ndarray):
            return result
        flags, wanted = result.value.flags, "F" if own.flags.fnc else "C"
        if own.flags.forc and not (flags.f_contiguous if wanted == "F" else flags.c_contiguous):
            return self.emit(PRIMITIVES["copy"], (result,), {"order": wanted})
        return result

    def method(self, name: str, owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer an ndarray method by its row, or by the function of its name."""
        if not self.live:
            return plainly(getattr(plain(owner), name), args, kwargs)
        out, kwargs = _without_out(kwargs)
        if out is not None:
            result = self.method(name, owner, args, kwargs)
            return self._into(out, result, getattr(plain(owner), name), args, kwargs)
        try:
            return self._method(name, owner, args, kwargs)
        except _ERRORS as error:
            what = f"ndarray.{name} with these arguments"
            raise self._raised(error, getattr(plain(owner), name), args, kwargs, what) from None

    def _method(self, name: str, owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if name in METHODS:
            row, bind = METHODS[name]
            try:
                operands, static = bind(owner, *args, **kwargs)
            except TypeError:
                if getattr(np, name, None) not in COMPOSED:
                    raise
            else:
                return operands[0] if _is_kept(name, operands, static) else self.emit(row, operands, static)
        return self._composed(getattr(np, name), (owner, *args), kwargs, getattr(type(plain(owner)), name))

    def ufunc_method(self, ufunc: Any, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer np.add.at, np.add.reduce and their kin."""
        if not self.live:
            return plainly(getattr(ufunc, method), args, kwargs)
        try:
            return ufunc_method(self, ufunc, method, *args, **kwargs)
        except _ERRORS as error:
            if method == "at":  # it has written
                raise
            what = f"np.{ufunc.__name__}.{method} with these arguments"
            raise self._raised(error, getattr(ufunc, method), args, kwargs, what) from None

    def array(self, item: Any) -> Any:
        """An operand as a traced array: lists become arrays, plain arrays enter the trace."""
        item = as_operand(self, item)
        if type(item) is np.ndarray:
            return self._bare(item)
        return item if isinstance(item, TracedArray) else BUILD[np.asarray](self, item)

    def _from_outside(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A function that met no traced value: its arrays enter the trace as inputs."""
        result = function(*as_indices(list(args)), **as_indices(kwargs))
        if is_generator(result):
            self.as_text()  # its state begins anew each time
            return self.generator(result)
        if type(result) in (tuple, list):  # np.ix_, np.triu_indices
            return type(result)(self._made(part) for part in result)
        return self._made(result)

    def _made(self, result: Any) -> Any:
        known = type(result) is np.ndarray and result.dtype.kind in "biufc"
        return self.source(result, made=True) if known else result

    def generator(self, generator: Any) -> Any:
        """Return the stand-in of a random generator."""
        return Draws(generator, lambda method: lambda *args, **kwargs: self.call(method, args, kwargs))

    def _into(
        self, out: Any, result: Any, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Write a result into `out=`. Sums and the like must be computed in the dtype of `out`."""
        target, value = self.wrap(out), plain(result)
        if not self.live and not is_draw(function):  # it stepped aside on the way
            plainly(function, args, {**kwargs, "out": plain(out)})
            return out
        rounds_twice = value.dtype == np.float16  # NumPy does, in means that are made in an array of halves
        if not isinstance(function, np.ufunc) and (value.dtype != target.dtype or rounds_twice):
            raise self.unsupported(f"{numpy_name(function)} into an array of {target.dtype}")
        np.broadcast_to(value, target.shape)  # NumPy's own error
        if not np.can_cast(value.dtype, target.dtype, "same_kind"):
            plainly(function, args, {**kwargs, "out": target.value})  # NumPy's own error
        target[...] = result
        return out


def _runs_code(function: Any, args: tuple[Any, ...]) -> bool:
    """Whether a function calls the user's code, or uses up its arguments: then it must not run twice."""
    each = {id(type(item)): item for item in flat(list(args))}.values()  # one of a kind: a data set has many numbers
    return function is math.prod or any(
        (callable(item) and not isinstance(item, type)) or hasattr(type(item), "__next__") for item in each
    )


def _takes_sizes(function: Any) -> bool:
    """Whether whole numbers that a function takes are sizes or a seed, through which no gradient goes."""
    return function in SIZES or numpy_name(function) == "np.random.seed"


def _holds_large(args: tuple[Any, ...]) -> bool:
    return any(np.asarray(plain(item)).nbytes > LARGE for item in flat(list(args)) if hasattr(item, "dtype"))


def _numpys_own(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any]:
    """The result, or the error, of NumPy's own function; it writes into a copy."""
    given = plain_deep(list(args))
    if function in WRITES:
        given = [np.array(given[0], order="K"), *given[1:]]
    with np.errstate(all="ignore"):
        return (function(*given, **plain_deep(kwargs)),)


def _in_dtype(function: np.ufunc, wanted: Any, operands: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """The operands with which a plain call gives the result of `dtype=`; None if NumPy uses another loop.

    Those of floats are known, over real numbers with an array among them.
    """
    if wanted is None:
        return operands
    dtype = np.dtype(wanted)
    loop = f"{dtype.char * len(operands)}->{dtype.char}"
    values = [plain(item) for item in operands]
    arrays = [isinstance(value, NUMPY_VALUES) for value in values]
    known = (v.dtype.kind in "biuf" if isinstance(v, NUMPY_VALUES) else type(v) in _numbers for v in values)
    if not (dtype.kind == "f" and dtype.isnative and loop in function.types and any(arrays) and all(known)):
        return None
    given = zip(operands, arrays, strict=True)
    return tuple(item.astype(dtype) if array and item.dtype != dtype else item for item, array in given)


def _without_out(kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The array of `out=`, and the other options in a new dict: the caller's is needed again if the call is refused.

    No stand-in is of a subclass of arrays, so `subok=` says nothing; nor does an option that NumPy says is not given.
    """
    return kwargs.get("out"), {
        key: item for key, item in kwargs.items() if key not in ("out", "subok") and item is not np._NoValue
    }


def _is_kept(name: str, operands: tuple[Any, ...], static: dict[str, Any]) -> bool:
    """Whether nothing is squeezed: then NumPy gives the very array."""
    return name == "squeeze" and isinstance(operands[0], TracedArray) and static["shape"] == operands[0].shape


def attempting(cls: _T) -> _T:
    """Let a class of tracers be asked by its `attempt` for every answer that can be refused, as `call`."""
    for name in ("call", "method", "ufunc_method", "emit", "escape", "attribute"):
        if name not in vars(cls):  # it may attempt by itself
            setattr(cls, name, _attempted(getattr(cls, name)))
    return cls


def _attempted(answer: Callable[..., Any]) -> Callable[..., Any]:
    def attempted(self: Any, *given: Any) -> Any:
        return self.attempt(partial(answer, self), *given) if self.live else answer(self, *given)

    return attempted


@contextmanager
def trusting(tracer: Tracer | None) -> Iterator[None]:
    """While a graph of ours runs over stand-ins, a bare array is one that its constants made: nothing is lost."""
    before = tracer is not None and tracer.trusted
    if tracer is not None:
        tracer.trusted = True
    try:
        yield
    finally:
        if tracer is not None:
            tracer.trusted = before
