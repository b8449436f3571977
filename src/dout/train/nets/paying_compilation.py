"""A step in; the same step, compiled once that pays, with the same bits, out."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

_PLAINLY = 3.0  # seconds that plain steps take before anything is compiled: as long as that may take, about
_AHEAD = 10.0  # seconds of plain steps that have to be left
_FIRST, _TIMED = 5, 20  # compiled calls that are not timed, and that are
_GAIN = 0.95  # of a plain step's time, what a compiled one may take


class PayingCompilation:
    """Calls that run plainly until they have taken some seconds; then compiled, unless that is not faster.

    `strict=True` gives NumPy's bits, so that results do not depend on when the one takes the other's place.
    """

    def __init__(self, run: Callable[..., Any], calls: int | None) -> None:
        self.run, self.call, self.left = run, run, calls
        self.plain, self.seconds, self.count = 0.0, 0.0, 0
        self.settled = False

    def __call__(self, *given: Any) -> Any:
        """What `run` returns."""
        if self.settled:
            return self.call(*given)
        start = perf_counter()
        result = self.call(*given)
        self._took(perf_counter() - start)
        return result

    def _took(self, seconds: float) -> None:
        self.seconds, self.count = self.seconds + seconds, self.count + 1
        if self.left is not None:
            self.left -= 1
        if self.call is self.run:
            mean = self.seconds / self.count
            if self.seconds > _PLAINLY and (self.left is None or self.left * mean > _AHEAD):
                from dout.engine.compile.compiled import compile

                self.plain, self.call, self.count = mean, compile(self.run, strict=True), 0
        elif self.count == _FIRST:
            self.seconds = 0.0
        elif self.count == _FIRST + _TIMED:
            self.settled = True
            if self.seconds / _TIMED > _GAIN * self.plain:
                self.call = self.run
