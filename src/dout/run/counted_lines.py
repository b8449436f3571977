"""The lines of Python that a run takes: they hang on the code and its sizes, and not on the machine."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class EndlessError(Exception):
    """The code ran for too long."""


class LineCount:
    """So many lines were passed."""

    def __init__(self, most: float) -> None:
        self.most, self.number = most, 0

    def passed(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Count what Python's tracing tells of: a line, or a call or its end. Raises EndlessError."""
        self.number += 1
        if self.number > self.most:
            raise EndlessError
        return self.passed


@contextmanager
def counted_lines(most: float = math.inf) -> Iterator[LineCount]:
    """Count the lines of the code that runs inside, and end it after `most`.

    Nothing is counted where a debugger is at work, or a measurement of coverage.
    """
    lines = LineCount(most)
    is_free = sys.gettrace() is None
    if is_free:
        sys.settrace(lines.passed)
    try:
        yield lines
    finally:
        if is_free:
            sys.settrace(None)
