"""What may be spent on a program before it is certain that there will be one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from dout.clock import spent
from dout.errors import UnsupportedError
from dout.graph import Node

MOST_OPERATIONS = 30_000  # of one run: more take too much memory
MOST_SECONDS = 2.0  # that are spent for nothing
MOST_TIMES = 20  # or so many times what the call takes by itself
_OF_RECORDING = 0.5  # the rest is left to the passes over what was recorded, and to the comparison
TOO_LONG = "it takes too many operations to be recorded, as a loop over single elements does"


def too_long(nodes: Iterable[Node]) -> str:
    """Say that a run has too many operations, and on which line most of them are."""
    lines = Counter(node.where for node in nodes if node.where is not None)
    return TOO_LONG + (f", at {lines.most_common(1)[0][0]}" if lines else "")


class Budget:
    """Seconds that a recording, the passes over it and the comparison take, and those that the call takes anyway.

    Machine code is no part of it: there is a program when it is made, and the next process finds it in the cache.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.plain = 0.0  # those of NumPy's own functions
        self.exceeded = False
        self._since: float | None = None  # while something is done that counts

    def is_over(self, share: float = 1.0) -> bool:
        """Whether more is spent than may be spent for nothing."""
        running = 0.0 if self._since is None else spent() - self._since
        self.exceeded = self.seconds + running - self.plain > share * max(MOST_SECONDS, MOST_TIMES * self.plain)
        return self.exceeded

    def ends_recording(self, operations: int) -> bool:
        """Whether a recording of so many operations is too long, or took what must be left for what comes after."""
        self.exceeded = operations >= MOST_OPERATIONS or self.is_over(_OF_RECORDING)
        return self.exceeded

    def check(self) -> None:
        """Raise UnsupportedError if too much is spent."""
        if self.is_over():
            raise UnsupportedError(TOO_LONG)

    @contextmanager
    def spending(self) -> Iterator[None]:
        """Count what is done inside."""
        self._since = spent()
        try:
            yield
        finally:
            self.seconds += spent() - self._since
            self._since = None
