"""The parts of a function that is not compiled as a whole: each is compiled by itself."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from time import perf_counter
from types import CellType, FunctionType, MethodType
from typing import Any, Protocol

import numpy as np

from dout.trace.model import user_source

TRIALS = 8  # calls of each side by which a part shows that a program is faster than the code that it stands for
_CLEARLY = 4  # times as long as a program's is a plain call that needs no second one
_SLOWER = 1.2  # times as long as a plain call takes a program that is dropped
_NOT_COMPUTED = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


class CompiledPart(Protocol):
    """What is asked of a compiled function: what to call, whether it is of use, and whether no program will come."""

    stub: Callable[..., Any]
    unanswered: int  # calls that no program has answered

    @property
    def used(self) -> bool:
        """Whether something compiled answers calls."""

    @property
    def vain(self) -> bool:
        """Whether all calls run plainly, now and later."""


class CompiledParts:
    """The functions that a function calls, and those taken out of its turns; `compile` compiles one."""

    def __init__(self, compile: Callable[[FunctionType], CompiledPart]) -> None:
        self.compile = compile
        self.awake = True  # whether functions that are called are parts
        self.parts: dict[FunctionType, _Part] = {}

    def called(self, function: Any) -> Any:
        """What to call in the place of a function."""
        plain = function.__func__ if type(function) is MethodType else function
        if not self.awake or type(plain) is not FunctionType:
            return function
        part = self.parts.get(plain)
        if part is None:
            part = self.parts[plain] = _Part(self.compile, plain, waits=_may_be_compiled(plain))
        run = part.run
        return run if plain is function else MethodType(run, function.__self__)

    def turn(self, function: FunctionType) -> CellType:
        """What to call in the place of a function that was taken out of a turn, in a cell."""
        part = self.parts[function] = _Part(self.compile, function, waits=True)
        part.cell.cell_contents = part
        return part.cell

    def made(self) -> list[Any]:
        """The compiled functions."""
        return [p.compiled for p in self.parts.values() if p.compiled is not None and p.faster is not p.function]

    def pay(self) -> bool:
        """Whether something compiled answers calls of a part."""
        return any(part.used for part in self.made())


class _Part:
    """A function, compiled if its first call gives it an array, or nothing but an object that may hold some.

    Its first calls are plain and compiled in turns: the faster of the two stays.
    """

    def __init__(self, compile: Callable[[FunctionType], CompiledPart], function: FunctionType, *, waits: bool) -> None:
        self.compile, self.function = compile, function
        self.compiled: CompiledPart | None = None
        self.waits = waits
        self.cell = CellType()
        self.faster: Callable[..., Any] | None = None
        self.least = [math.inf, math.inf]  # seconds of a plain call, and of a program's
        self.tried = [0, 0]

    @property
    def run(self) -> Any:
        """What to call."""
        if self.compiled is None:
            return self if self.waits else self.function
        return self.function if self.compiled.vain else self.faster or self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function, or compile it and call that."""
        if self.waits:
            self.waits = False
            given = (*args, *kwargs.values())
            if any(map(_is_large, given)) or (len(given) == 1 and hasattr(args[0], "__dict__")):
                self.compiled = self.compile(self.function)
        run = self.run
        return run(*args, **kwargs) if run is not self else self._tried(args, kwargs)

    def _tried(self, args: Any, kwargs: Any) -> Any:
        """Call the side that has fewer calls, and time it; a call that no program answers does not count."""
        assert self.compiled is not None
        which = int(self.tried[1] <= self.tried[0])
        side, unanswered = (self.function, self.compiled.stub)[which], self.compiled.unanswered
        start = perf_counter()
        result = side(*args, **kwargs)
        took = perf_counter() - start
        if self.compiled.unanswered == unanswered:
            self.tried[which] += 1
            self.least[which] = min(self.least[which], took)
            clear = self.least[0] > _CLEARLY * self.least[1] and all(self.tried)
            if clear or min(self.tried) == TRIALS:
                slower = self.least[1] > _SLOWER * self.least[0]
                self.faster = self.function if slower else self.compiled.stub
                self.cell.cell_contents = self.faster
        return result


def _is_large(item: Any) -> bool:
    """Whether it takes longer to compute with it than to call a program: it is not a single number."""
    return isinstance(item, np.ndarray) and item.ndim > 0


def _may_be_compiled(plain: FunctionType) -> bool:
    """Whether it is a function of the user's that computes, and stands in a module or class."""
    code = plain.__code__
    own = user_source.is_user_code(code.co_filename) and not hasattr(plain, "__wrapped__")
    return own and not plain.__closure__ and not code.co_flags & _NOT_COMPUTED
