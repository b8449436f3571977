"""What a check has printed, kept: printed again as long as nothing has changed that was read for it.

That loads neither NumPy nor anything else that it takes to check.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dout.check.worker.kept_answers import Question
from dout.cli.output.printing import is_unicode

_SAYS_HOW = ("COLORTERM", "COLUMNS", "FORCE_COLOR", "GITHUB_ACTIONS", "NO_COLOR", "TERM")  # it is to be printed


def question(arguments: Sequence[str]) -> Question:
    """What decides the output of a command line besides files: where and how it is printed."""
    streams = [(stream.isatty(), stream.encoding) for stream in (sys.stdout, sys.stderr)]
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    return Question("run", Path.cwd(), list(arguments), streams, columns, [os.environ.get(name) for name in _SAYS_HOW])


def replayed(arguments: Sequence[str]) -> int | None:
    """Print what this command line has printed before; its exit code, or None where something has changed since."""
    found = question(arguments).answer()
    if found is None or not isinstance(found[1], list) or len(found[1]) != 2:
        return None
    code, parts = found[1]
    for is_error, text in parts:
        (sys.stderr if is_error else sys.stdout).write(text)
    return int(code)


class _Heard:
    """A stream that keeps what is written to it."""

    def __init__(self, stream: Any, is_error: bool, parts: list[tuple[bool, str]]) -> None:
        self.stream, self.is_error, self.parts = stream, is_error, parts

    def write(self, text: str) -> int:
        """Write it, and keep it."""
        number: int = self.stream.write(text)
        self.parts.append((self.is_error, text))
        return number

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def heard() -> Iterator[list[tuple[bool, str]]]:
    """Yield the texts that are printed inside, each with whether it went to stderr, in their order."""
    parts: list[tuple[bool, str]] = []
    streams = sys.stdout, sys.stderr
    if all(map(is_unicode, streams)):  # else click writes past them
        sys.stdout, sys.stderr = _Heard(streams[0], False, parts), _Heard(streams[1], True, parts)
    try:
        yield parts
    finally:
        sys.stdout, sys.stderr = streams
