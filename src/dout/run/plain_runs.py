"""Plain runs of a layer: each on a fresh one, in silence, from the same random state."""

from __future__ import annotations

import inspect
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property, lru_cache, wraps
from math import prod
from typing import Any, ParamSpec, TypeVar

import numpy as np

from dout.errors import TargetError
from dout.run.held_objects import closures, generators, generators_of_target
from dout.run.nested_values import anew, copied, deep_copy, flat
from dout.run.random_states import global_states, kept_generators, put_state, seed_global, state_of
from dout.run.silent_stream import SilentStream

Rest = ParamSpec("Rest")
Found = TypeVar("Found")
Other = TypeVar("Other")

REFUSALS = (Exception, SystemExit)  # what the user's code raises when it does not take what it is given
_MOST_KEPT = 4096  # numbers of upstream gradients that are drawn once

_keeping: ContextVar[bool] = ContextVar("keeping", default=False)  # whether the states are put back further out


class EndedError(RuntimeError):
    """The user's code raised SystemExit, `end`: it does not take what it is given, `exit(1)`."""

    def __init__(self, end: SystemExit) -> None:
        super().__init__(f"it ends the interpreter: SystemExit({end.code!r})")
        self.end = end


def as_exception(error: Exception | SystemExit) -> Exception:
    """The error; for a SystemExit an EndedError that was raised in the same place."""
    return error if isinstance(error, Exception) else EndedError(error).with_traceback(error.__traceback__)


@contextmanager
def ending_as_error() -> Iterator[None]:
    """Raise an EndedError for a SystemExit of the user's code."""
    try:
        yield
    except SystemExit as end:
        raise as_exception(end) from None


@contextmanager
def keeping_random_states() -> Iterator[None]:
    """Put the global random states back once, at the end, where many runs in `quiet` would each do so.

    That took a fifth of a check: NumPy and Python read and write a state number by number.
    """
    put_back, token = global_states(), _keeping.set(True)
    try:
        yield
    finally:
        _keeping.reset(token)
        put_back()


_drawing: ContextVar[tuple[Any, ...]] = ContextVar("drawing", default=())  # generators that each run puts back


@contextmanager
def drawing_alike(target: Any) -> Iterator[None]:
    """Each run in `quiet` draws the same numbers from the generators that a layer, a class or a function uses.

    `rng = np.random.default_rng(0)` at the head of a module goes on otherwise: two layers built alike would differ.
    They are put back at the end, too.
    """
    drawn = tuple(generators_of_target(target))
    put_back, token = kept_generators(drawn), _drawing.set(drawn)
    try:
        yield
    finally:
        _drawing.reset(token)
        put_back()


@contextmanager
def quiet(seed: int = 0, generators: Iterable[Any] = ()) -> Iterator[None]:
    """Run the user's code from the random state of a seed, silently.

    Nothing is printed but by threads that were there before. No warning is given, and afterwards the global random
    states and those of `generators`, NumPy's error state, the filters of warnings and the working directory are as
    before; within `keeping_random_states` the global ones at the end of that.
    """
    keep = kept_generators if _keeping.get() else global_states
    put_back, folder = keep([*generators, *_drawing.get()]), _folder()
    token = _keeping.set(False)  # code that is in silence itself goes on drawing where it was
    out, error = SilentStream(sys.stdout), SilentStream(sys.stderr)
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings(), redirect_stdout(out), redirect_stderr(error):
            warnings.simplefilter("ignore")
            seed_global(seed)
            yield
    finally:
        out.is_over = error.is_over = True
        _keeping.reset(token)
        put_back()
        if folder is not None and folder != _folder():
            with suppress(OSError):
                os.chdir(folder)


def _folder() -> str | None:
    with suppress(OSError):
        return os.getcwd()  # noqa: PTH109 - a path object is not needed to come back
    return None  # it has been deleted


@dataclass(frozen=True, eq=False)
class PlainRun:
    """One plain run: the outputs of forward, and the gradients that backward returned, as flat lists."""

    layer: Any
    inputs: tuple[Any, ...]
    douts: tuple[Any, ...]
    outputs: list[Any]
    gradients: list[Any]


class Runner:
    """Runs a layer plainly, over and over; `make` gives it in its first state.

    It is made once where it can be copied, since a constructor may draw other numbers each time.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make

    @cached_property
    def layer(self) -> Any:
        """The layer in its first state; nothing ever runs on it."""
        with quiet():
            return self.make()

    @cached_property
    def generators(self) -> list[tuple[Any, Any]]:
        """The random generators that the layer draws from, also those of its module, each with its first state."""
        return [(generator, state_of(generator)) for generator in generators(self.layer)]

    @cached_property
    def copyable(self) -> bool:
        """Whether a copy of the layer shares nothing with it: neither does it fail, nor is there a closure in it."""
        try:
            return not closures(self.layer) and deep_copy(self.layer) is not None
        except TargetError:
            return False

    def fresh(self) -> Any:
        """Another layer in the first state."""
        if self.copyable:
            return deep_copy(self.layer)
        with quiet():
            self.rewind()
            return self.make()

    def rewind(self, seed: int = 0) -> None:
        """Put back every random state that is not a fresh layer's own; to be called in silence."""
        seed_global(seed)
        for generator, state in self.generators:
            put_state(generator, state)

    def forward(self, layer: Any, inputs: Sequence[Any], **keywords: Any) -> list[Any]:
        """The outputs of forward, flat, from the first random state; to be called in silence."""
        self.rewind()
        with ending_as_error():
            return list(flat(layer.forward(*inputs, **keywords)))

    def backward(self, layer: Any, douts: Sequence[Any], seed: int) -> list[Any]:
        """The gradients that backward returns, flat, from the random state of a seed; to be called in silence."""
        self.rewind(seed)
        with ending_as_error():
            return list(flat(run_backward(layer, tuple(douts))))

    def run(self, inputs: tuple[Any, ...], douts: tuple[Any, ...] | None = None) -> PlainRun:
        """Run a fresh layer's forward and backward once, in silence; `douts` are random where none are given."""
        layer = self.fresh()
        with quiet(generators=[generator for generator, _ in self.generators]):
            outputs = self.forward(layer, inputs)
            douts = upstream(outputs) if douts is None else douts
            with ending_as_error():
                gradients = list(flat(run_backward(layer, tuple(map(copied, douts)))))  # it may write into them
        return PlainRun(layer, inputs, douts, outputs, gradients)


def fresh(target: Any, init: Mapping[str, Any]) -> Any:
    """A layer that may be changed: an instance of a class, or a copy; a function, or what has no copy, is itself."""
    if inspect.isclass(target):
        return target(**{name: anew(item) for name, item in init.items()})
    return target if inspect.isroutine(target) else anew(target)


def run_backward(layer: Any, douts: tuple[Any, ...]) -> Any:
    """What backward returns for the upstream gradients of all outputs; nothing where it says `NotImplemented`."""
    result = layer.backward(*douts_taken(layer.backward, one_or_all(douts)))
    return None if result is NotImplemented else result


def otherwise(other: Other) -> Callable[[Callable[Rest, Found]], Callable[Rest, Found | Other]]:
    """Make a function that runs the user's code on what it may not take one that gives `other` where that raises."""

    def decorate(made: Callable[Rest, Found]) -> Callable[Rest, Found | Other]:
        @wraps(made)
        def run(*given: Rest.args, **more: Rest.kwargs) -> Found | Other:
            try:
                return made(*given, **more)
            except REFUSALS:
                return other

        return run

    return decorate


def one_or_all(douts: tuple[Any, ...]) -> Any:
    """The upstream gradient of the only output, or those of all, as a recording takes them."""
    return douts[0] if len(douts) == 1 else douts


def douts_taken(backward: Callable[..., Any], dout: Any) -> tuple[Any, ...]:
    """The arguments of a backward: the gradients of several outputs one by one, (dh_next, dc_next), or as a tuple."""
    if not isinstance(dout, tuple) or len(dout) < 2:
        return (dout,)
    try:
        inspect.signature(backward).bind(*dout)
    except (TypeError, ValueError):
        return (dout,)
    return dout


def upstream(outputs: Sequence[Any], seed: int = 0) -> tuple[Any, ...]:
    """An upstream gradient for each output: random dyadic numbers, none of them 0 or 1, in the output's dtype."""
    shapes = tuple(map(np.shape, outputs))
    draw = _drawn if sum(map(prod, shapes)) <= _MOST_KEPT else _drawn.__wrapped__
    return tuple(map(_like, draw(seed, shapes), outputs))


@lru_cache(maxsize=512)
def _drawn(seed: int, shapes: tuple[tuple[int, ...], ...]) -> list[np.ndarray[Any, Any]]:
    generator = np.random.default_rng(seed)
    sign = np.array([-1.0, 1.0])
    numbers = (generator.integers(33, 127, size=shape) / 64 * generator.choice(sign, size=shape) for shape in shapes)
    return [*map(np.asarray, numbers)]


def _like(numbers: np.ndarray[Any, Any], output: Any) -> Any:
    """These numbers in the dtype of an output, in memory of their own."""
    if isinstance(output, np.ndarray | np.generic):
        dtype = output.dtype if output.dtype.kind == "f" else np.dtype(float)
        return numbers.astype(dtype) if isinstance(output, np.ndarray) else dtype.type(numbers)
    return float(numbers)
