"""Functions that the user's code calls while a trace runs: those that record, and those that take plain values."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dout.run import mapped, module_of
from dout.trace.tracer.traced import plain, plainly

if TYPE_CHECKING:
    from dout.trace.tracer.tracer import Tracer

_PLAIN = ("json", "statistics", "_struct")
under_way: list[Tracer] = []  # the traces under way, the innermost last; all belong to the thread that holds the lock


def current() -> Tracer | None:
    """The trace that records here and now."""
    if under_way and under_way[-1].live:
        return under_way[-1]
    return None


def woken() -> Tracer | None:
    """The trace that had paused, and records from the call of a layer on that begins here and now."""
    return under_way[-1] if under_way and under_way[-1].wake() else None


class OldSpelling:
    """A library's function that also takes arguments by names that they had: it `renames` them, and makes the call."""

    def __init__(self, function: Callable[..., Any], renames: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self.__wrapped__, self.renames = function, renames

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Make the call with the names of today."""
        return self.__wrapped__(*args, **self.renames(kwargs))


class TracingFunction:
    """A function of numpy or math that records while a trace runs, and is the plain function otherwise."""

    __slots__ = ("__wrapped__",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self.__wrapped__ = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Record the call where a trace runs, else make it."""
        tracer, function = current(), self.__wrapped__
        while type(function) is OldSpelling:  # what records it knows NumPy's own
            function, kwargs = function.__wrapped__, function.renames(kwargs)  # type: ignore[attr-defined]
        if tracer is None and len(under_way) == 1:  # it has stepped aside: code in C may know no stand-in
            return plainly(function, args, kwargs)
        return function(*args, **kwargs) if tracer is None else tracer.call(function, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__wrapped__, name)

    def __repr__(self) -> str:
        return repr(self.__wrapped__)


class PlainFunction(TracingFunction):
    """A function that takes numbers out of its arguments in C, of the standard library or compiled by Numba."""

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Make the call with plain numbers. If they leave the trace, or its steps are not known, an event says so."""
        given, tracer = (args, kwargs), current()
        bare, name = mapped(given, _bare), getattr(self.__wrapped__, "__name__", "a function")
        if tracer is not None and is_jitted(self.__wrapped__):
            tracer.note("escape", f"it calls {name}, compiled by Numba, which dout does not see into")
        elif tracer is not None and bare is not given:
            module = self.__wrapped__.__module__.lstrip("_")
            if not module.startswith("json"):  # it turns them into text
                tracer.note("escape", f"{module}.{name} took a traced value as a plain number")
        return self.__wrapped__(*bare[0], **bare[1])


def is_jitted(item: Any) -> bool:
    """Whether something is a function that Numba compiles: its C code takes no stand-in."""
    kind = type(item)
    return module_of(kind).startswith("numba.") and callable(item) and not issubclass(kind, type)


def _bare(item: Any) -> Any:
    """The original of a stand-in or a tracing function, and anything else as it is."""
    return item.__wrapped__ if isinstance(item, TracingFunction) else plain(item)


def tracing_function(function: Any) -> TracingFunction:
    """The version of a library's function that the user's modules see while a trace runs."""
    in_c = (getattr(function, "__module__", None) or "").partition(".")[0] in _PLAIN or is_jitted(function)
    return PlainFunction(function) if in_c else TracingFunction(function)


def is_function(item: Any) -> bool:
    """Whether something is to be called and is no class: classes and constants stay as they are."""
    return callable(item) and not isinstance(item, type)
