"""The parts of a function that is not compiled as a whole: each is compiled by itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any, Protocol

import numpy as np

from dout.trace.model import user_source

_NOT_COMPUTED = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


class CompiledPart(Protocol):
    """What is asked of a compiled function: what to call, whether it is of use, and whether no program will come."""

    stub: Callable[..., Any]

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

    def turn(self, function: FunctionType) -> Any:
        """What to call in the place of a function that was taken out of a turn."""
        part = self.parts[function] = _Part(self.compile, function, waits=True)
        return part

    def made(self) -> list[Any]:
        """The compiled functions."""
        return [part.compiled for part in self.parts.values() if part.compiled is not None]

    def pay(self) -> bool:
        """Whether something compiled answers calls of a part."""
        return any(part.used for part in self.made())


class _Part:
    """A function, compiled if its first call gives it an array, or nothing but an object that may hold some."""

    def __init__(self, compile: Callable[[FunctionType], CompiledPart], function: FunctionType, *, waits: bool) -> None:
        self.compile, self.function = compile, function
        self.compiled: CompiledPart | None = None
        self.waits = waits

    @property
    def run(self) -> Any:
        """What to call."""
        if self.compiled is None:
            return self if self.waits else self.function
        return self.function if self.compiled.vain else self.compiled.stub

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function, or compile it and call that."""
        if self.waits:
            self.waits = False
            given = (*args, *kwargs.values())
            if any(map(_is_large, given)) or (len(given) == 1 and hasattr(args[0], "__dict__")):
                self.compiled = self.compile(self.function)
        return self.run(*args, **kwargs)


def _is_large(item: Any) -> bool:
    """Whether it takes longer to compute with it than to call a program: it is not a single number."""
    return isinstance(item, np.ndarray) and item.ndim > 0


def _may_be_compiled(plain: FunctionType) -> bool:
    """Whether it is a function of the user's that computes, and stands in a module or class."""
    code = plain.__code__
    own = user_source.is_user_code(code.co_filename) and not hasattr(plain, "__wrapped__")
    return own and not plain.__closure__ and not code.co_flags & _NOT_COMPUTED
