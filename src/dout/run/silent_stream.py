"""A stream that drops what the user's layer prints, and lets the other threads of a program print."""

from __future__ import annotations

import io
import threading
from typing import Any


class SilentStream(io.StringIO):
    """Stands for stdout or stderr while one thread runs a layer: the layer, and threads that it starts, are not heard.

    The stream is the whole process's. Threads that ran before it was put there write to the stream before it.
    """

    def __init__(self, before: Any) -> None:
        super().__init__()
        self.is_over: bool = False  # silences of two threads may end in any order, and leave this stream behind
        while isinstance(before, SilentStream) and before.is_over:
            before = before._before  # type: ignore[has-type]
        self._before = before
        self._heard = frozenset(threading.enumerate()) - {threading.current_thread()}

    def write(self, text: str) -> int:
        """Write for another thread; drop what the layer prints."""
        written = self._before.write(text) if self._is_heard() else len(text)
        return int(written)

    def flush(self) -> None:
        """Flush for another thread."""
        if self._is_heard():
            self._before.flush()

    def isatty(self) -> bool:
        """Whether another thread writes to a terminal; for the layer it is none."""
        return self._is_heard() and bool(self._before.isatty())

    def fileno(self) -> int:
        """The descriptor, for another thread. Raises UnsupportedOperation for the layer."""
        return int(self._before.fileno()) if self._is_heard() else super().fileno()

    def __getattr__(self, name: str) -> Any:
        """What a text in memory lacks, such as `buffer`, for another thread."""
        if name.startswith("_") or not self._is_heard():
            raise AttributeError(name)
        return getattr(self._before, name)

    def _is_heard(self) -> bool:
        return self.is_over or threading.current_thread() in self._heard
