"""Random generators under trace: what they draw enters as an input, and what they move stays traced."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from dout.graph import INPUT, topological
from dout.run import flat, is_generator
from dout.run.random_states import global_generator
from dout.trace.model.recorded import Draw
from dout.trace.tracer.traced import Traced, TracedArray, plain, plain_deep

if TYPE_CHECKING:
    from dout.trace.tracer.run_record import RunRecord


class Draws:
    """A random generator in the user's hands while a trace runs; its methods are called as functions that record."""

    __slots__ = ("__wrapped__", "_answer")

    def __init__(self, generator: Any, answer: Callable[..., Any]) -> None:
        self.__wrapped__ = generator
        self._answer = answer  # makes a recording function of a method

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self.__wrapped__)

    def __getattr__(self, name: str) -> Any:
        item = getattr(self.__wrapped__, name)
        return self._answer(item) if callable(item) else item

    def __repr__(self) -> str:
        return repr(self.__wrapped__)


# Methods that draw nothing; and names that are functions of their own, with the method that they call.
_NO_DRAWS = frozenset({"seed", "get_state", "set_state", "getstate", "setstate", "spawn", "jumped"})
_SAME = {"sample": "random_sample", "ranf": "random_sample"}
# What these draw is a whole number or an element: it does not move with the numbers given to them.
_WHOLE = frozenset({"choice", "integers", "randint", "random_integers", "binomial", "negative_binomial", "poisson",
                    "geometric", "multinomial", "hypergeometric", "multivariate_hypergeometric", "logseries", "zipf",
                    "permutation", "shuffle", "permuted", "bytes"})  # fmt: skip
ONE = "drew one random number, which stays as it is"  # the end of an event: the recording holds for this number


def is_draw(function: Any) -> bool:
    """Whether a function is a method of a random generator: NumPy's own global one, Python's, or the user's."""
    return is_generator(_owner(function)) or isinstance(_owner(function), random.Random)


def _owner(function: Any) -> Any:
    """The generator whose method a function is."""
    owner, name = getattr(function, "__self__", None), getattr(function, "__name__", None)
    if owner is None and name in _SAME and function is getattr(sys.modules.get("numpy.random"), name, None):
        return global_generator()  # np.random.sample, np.random.ranf
    return owner


def draw(tracer: RunRecord, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Draw. A drawn array is an input of the trace; elements of a traced array that are moved or chosen stay traced."""
    name, generator = function.__name__, _owner(function)
    if name in _NO_DRAWS:
        tracer.as_text()  # it moves a generator, which no node says
    if isinstance(generator, random.Random):
        if name not in _NO_DRAWS:
            tracer.note("draw", f"{name} {ONE}")
            tracer.as_text()
        return function(*args, **kwargs)  # plain Python, which works on traced values
    first = args[0] if args else None
    if name in ("shuffle", "permutation") and isinstance(first, TracedArray) and first.ndim:
        if len(args) > 1 or kwargs.get("axis", 0) != 0:
            raise tracer.unsupported(f"{name} along another axis")
        order = np.arange(len(first))
        generator.shuffle(order)  # the same steps as on the array itself
        moved = first[_drawn(tracer, order, generator, "permutation", (len(first),), {})]
        if name == "permutation":
            return moved
        first[...] = moved
        return None
    if name == "choice" and isinstance(first, TracedArray) and first.ndim:
        if len(args) > 4 or kwargs.get("axis", 0) != 0:
            raise tracer.unsupported("choice along another axis")
        given = (len(first), *plain_deep(list(args[1:])))
        for item in flat([args[1:], list(kwargs.values())]):
            if isinstance(item, Traced):
                tracer.drawn_with(item)
        chosen = function(*given, **plain_deep(kwargs))
        return first[_drawn(tracer, chosen, generator, name, given, plain_deep(kwargs))]
    if name not in _WHOLE and any(_moves(tracer, item) for item in flat([args, kwargs])):
        tracer.note(
            "escape", f"{name} drew around a traced value, and an edge is lost: draw first, then scale and shift"
        )
    for item in flat([args, list(kwargs.values())]):
        if isinstance(item, Traced):
            tracer.drawn_with(item)
    given, keywords = tuple(plain_deep(list(args))), plain_deep(kwargs)
    result = function(*given, **keywords)
    if is_generator(result):
        return tracer.generator(result)
    if name == "spawn":
        return [tracer.generator(child) for child in result]
    return result if name in _NO_DRAWS else _drawn(tracer, result, generator, name, given, keywords)


def _drawn(tracer: RunRecord, result: Any, generator: Any, name: str, args: Any, kwargs: Any) -> Any:
    """What was drawn: an array enters the trace, with how it was drawn; one number is what it is."""
    if type(result) is not np.ndarray or result.dtype.kind not in "biufc":
        tracer.note("draw", f"{name} {ONE}")
        tracer.as_text()
        return result
    tracer.note("draw", f"{name} drew random numbers")
    traced = tracer.source(result, made=True)
    kind: Any = "Generator" if isinstance(generator, sys.modules["numpy.random"].Generator) else "RandomState"
    tracer.generators[traced.node] = generator
    tracer.draws[traced.node] = Draw(kind, _SAME.get(name, name), *_set_apart((tuple(args), dict(kwargs))))
    return traced


def _set_apart(item: Any) -> Any:
    """The same, with each list and array copied, which may change later. Objects of the user's stay."""
    if type(item) in (list, tuple):
        return type(item)(map(_set_apart, item))
    if type(item) is dict:
        return {key: _set_apart(part) for key, part in item.items()}
    return item.copy() if isinstance(item, np.ndarray) else item


def _moves(tracer: RunRecord, item: Any) -> bool:
    """Whether a gradient should go through here: to an argument of what runs, or to an array that a layer holds."""
    outside = tracer.rounds is not None and not tracer.stack  # a script makes its data
    if outside or not isinstance(item, Traced) or np.asarray(plain(item)).dtype.kind not in "fc":
        return False
    inputs = [node for node in topological([item.resolve()]) if node.primitive is INPUT]
    held = [node for node in inputs if node.shape and (node.where is None or tracer.rounds is not None)]
    return bool(held) or not tracer.given.isdisjoint(inputs)


# The methods that draw arrays, by how many parameters they have before `size`; the others have none.
_BEFORE_SIZE = {
    0: "random random_sample standard_normal standard_exponential standard_cauchy tomaxint",
    1: "standard_gamma standard_t chisquare choice dirichlet exponential geometric logseries pareto poisson power "
       "rayleigh weibull zipf",
    2: "beta binomial f gamma gumbel integers laplace logistic lognormal multinomial multivariate_normal "
       "multivariate_hypergeometric negative_binomial noncentral_chisquare normal randint random_integers uniform "
       "vonmises wald",
    3: "hypergeometric noncentral_f triangular",
}  # fmt: skip
_SIZE_AT = {name: at for at, names in _BEFORE_SIZE.items() for name in names.split()}
_ROWS = frozenset({"dirichlet", "multinomial", "multivariate_normal", "multivariate_hypergeometric"})  # a row each time
_MOST_DRAWN = 1 << 30  # numbers of a range that are put in order to choose a few


def can_draw(draw: Draw, shape: tuple[int, ...]) -> bool:
    """Whether a method draws arrays, and with these arguments one of this shape: a saved trace may say anything."""
    given, named = draw.arguments, dict(draw.keywords)
    if draw.method in ("rand", "randn"):
        return given == shape and not named
    at = _SIZE_AT.get(draw.method, len(given))
    size = named.pop("size", given[at] if len(given) > at else None)
    others = [*given[:at], *named.values()]
    shapes = [np.shape(item) for item in others if isinstance(item, list | tuple | int | float)]
    if draw.method in ("permutation", "permuted"):
        return shape in (shapes[0], (others[0],))
    if draw.method == "choice" and type(others[0]) is int and others[0] > _MOST_DRAWN:
        few = draw.generator == "Generator" or named.get("replace", True) is not False
        if not few or given[at + 1 : at + 2] == (False,):
            return False
    of_rows = draw.method in _ROWS
    if size is None:
        size = () if of_rows else np.broadcast_shapes(*shapes)
    size = tuple(size) if isinstance(size, list | tuple) else (size,)
    row = shape[len(size) :]
    fits = row in [s[-1:] for s in shapes if s] if row else not of_rows
    return draw.method in _SIZE_AT and size == shape[: len(size)] and fits


def generator_of(item: Any) -> Any:
    """The real generator behind a stand-in, and anything else as `plain` gives it."""
    return object.__getattribute__(item, "__wrapped__") if type(item) is Draws else plain(item)
