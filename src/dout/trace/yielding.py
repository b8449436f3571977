"""A tracer for runs that must go on: where another would refuse, it records no more and the code runs plainly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dout.errors import EscapeError, UnsupportedError
from dout.graph import Primitive
from dout.trace.standin import Traced, TracedArray
from dout.trace.tracer import Tracer

_FILES = {"load", "loadtxt", "genfromtxt", "fromfile", "fromregex", "save", "savez", "savez_compressed", "savetxt"}


class Yielding(Tracer):
    """A tracer that steps aside where it would refuse: it records no more, and the user's code runs on plainly."""

    def __init__(self) -> None:
        super().__init__()
        self.overlaps: list[TracedArray] = []  # arrays that share memory with one that was written into

    def call(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer a call of a NumPy function, plainly where it cannot be recorded."""
        if getattr(function, "__name__", "") in _FILES and self.live:
            self.as_text()
        return self._or_plainly(super().call, function, args, dict(kwargs))

    def method(self, name: str, owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """As `call`."""
        return self._or_plainly(super().method, name, owner, args, dict(kwargs))

    def ufunc_method(self, ufunc: Any, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """As `call`."""
        return self._or_plainly(super().ufunc_method, ufunc, method, args, dict(kwargs))

    def emit(self, primitive: Primitive, operands: tuple[Any, ...], static: dict[str, Any]) -> Any:
        """As `call`."""
        return self._or_plainly(super().emit, primitive, operands, static)

    def escape(self, name: str, item: Traced, convert: Callable[[Any], Any]) -> Any:
        """A value leaves as a plain number."""
        return self._or_plainly(super().escape, name, item, convert)

    def overlapped(self, item: TracedArray) -> None:
        """It matters only where something is computed with that array."""
        self.overlaps.append(item)

    def taken_as_is(self, item: Traced) -> None:
        """The program holds where the value is the same; of an array nothing of the kind is watched."""
        if isinstance(item.value, np.ndarray) and item.value.ndim:
            self.as_text()
        else:
            self.outcome("index", item, item.value)

    def as_text(self, item: Traced | None = None) -> None:
        """A whole number is a part of names and keys: then the program holds for this number."""
        if item is not None and type(item.value) is int:
            self.outcome("index", item, item.value)
        else:
            super().as_text(item)

    def attribute(self, item: Traced, name: str) -> Any:
        """As `call`."""
        return self._or_plainly(super().attribute, item, name)

    def wrap(self, item: Any, name: str | None = None) -> Any:
        """The stand-in of an argument; what cannot be traced stays what it is."""
        return self._or_plainly(super().wrap, item, name) if self.recording else item

    def _or_plainly(self, answer: Callable[..., Any], *given: Any) -> Any:
        try:
            return answer(*given)
        except (UnsupportedError, EscapeError):
            if not self.recording:
                raise
            self.recording = False
            return answer(*given)
