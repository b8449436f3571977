"""A step in; the same step compiled out, or compiled once that pays with the same bits."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

_PLAINLY = 3.0  # seconds that plain steps take before anything is compiled: as long as that may take, about
_FIRST, _TIMED = 5, 20  # compiled calls that are not timed, and that are
_GAIN = 0.95  # of a plain step's time, what a compiled one may take


def compiled_step(
    run: Callable[..., Any], *, strict: bool, worth: Callable[[int], bool] | None = None
) -> Callable[..., Any]:
    """Calls that are compiled at the first one of each size: never by the time that they take.

    With `worth`, only if that says so of the number of operations on numbers that the first call takes.
    """
    from dout.engine.compile.compiled import at_once, compile
    from dout.engine.ir.cost_model import flops

    call = compile(run, strict=strict)
    if worth is not None:
        call.compiled.worth = lambda graph: worth(sum(map(flops, graph.nodes)))

    def step(*given: Any) -> Any:
        token = at_once.set(True)
        try:
            return call(*given)
        finally:
            at_once.reset(token)

    step.plan = call.plan  # type: ignore[attr-defined]
    return step


class PayingCompilation:
    """Calls that run plainly until they have taken some seconds; then compiled, unless that is not faster.

    `strict=True` gives NumPy's bits, so that results do not depend on when the one takes the other's place.
    """

    def __init__(self, run: Callable[..., Any]) -> None:
        self.run, self.call = run, run
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
        if self.call is self.run:
            if self.seconds > _PLAINLY:
                self.plain, self.call, self.count = self.seconds / self.count, compiled_step(self.run, strict=True), 0
        elif self.count == _FIRST:
            self.seconds = 0.0
        elif self.count == _FIRST + _TIMED:
            self.settled = True
            if self.seconds / _TIMED > _GAIN * self.plain:
                self.call = self.run
