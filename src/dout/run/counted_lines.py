"""The lines of Python that a run takes: they hang on the code and its sizes, and not on the machine."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import FrameType
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")


class EndlessError(Exception):
    """The code ran for too long."""


class LineCount:
    """So many lines were passed."""

    def __init__(self, most: float) -> None:
        self.most, self.number = most, 0

    def passed(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Count what Python's tracing tells of: a line, or a call or its end. Raises EndlessError."""
        if frame.f_code.co_filename == __file__:
            return None
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


def uncounted(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """The function, whose lines are not counted: what it returns is kept, and is not computed where it is known."""

    @wraps(function)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        counting = sys.gettrace()
        sys.settrace(None)
        try:
            return function(*args, **kwargs)
        finally:
            sys.settrace(counting)

    return run
