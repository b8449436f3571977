"""The lines of Python that a run takes: they hang on the code and its sizes, and not on the machine."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class EndlessError(Exception):
    """The code ran for too long."""


class LineCount:
    """So many lines were passed."""

    def __init__(self, most: float, counts: Callable[[str], bool]) -> None:
        self.most, self.counts, self.number = most, counts, 0

    def passed(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Count what Python's tracing tells of: a line, or a call or its end. Raises EndlessError."""
        if event == "call" and not self.counts(frame.f_code.co_filename):
            return None
        self.number += 1
        if self.number > self.most:
            raise EndlessError
        return self.passed


@contextmanager
def counted_lines(most: float = math.inf, counts: Callable[[str], bool] = lambda _: True) -> Iterator[LineCount]:
    """Count the lines of the code that runs inside, and end it after `most`; of the files that `counts` says yes to.

    Nothing is counted where a debugger is at work, or a measurement of coverage.
    """
    lines = LineCount(most, counts)
    is_free = sys.gettrace() is None
    if is_free:
        sys.settrace(lines.passed)
    try:
        yield lines
    finally:
        if is_free:
            sys.settrace(None)
