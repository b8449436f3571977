"""A line for the person who waits while kernels are compiled: what, and how many of how many; gone when it is done."""

from __future__ import annotations

import sys
from importlib import import_module
from threading import Lock, Timer
from types import TracebackType
from typing import Any, Self

from dout.errors import visible

PATIENCE = 1.0  # seconds
_CLEAR = "\r\x1b[2K"
_WIDTH = 72  # characters: a line that wraps could not be taken back


class CompileProgress:
    """Counts kernels. Says nothing for a second, nor where nobody watches: no terminal, no notebook.

    A thread waits for that second, because one kernel may take many: there is none where nobody watches.
    """

    def __init__(self, what: str, total: int) -> None:
        self.what, self.total, self.done = visible(what), total, 0
        self._lock = Lock()
        self._shows = False
        self._cell: Any = None  # of a notebook: what can be written anew
        self._timer: Timer | None = None

    def __enter__(self) -> Self:
        if self.total and (_is_notebook() or _is_terminal()):
            self._timer = Timer(PATIENCE, self._begin)
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
            with self._lock:
                if self._shows:
                    self._say("")
                self._timer = None

    def advance(self) -> None:
        """One kernel more is there."""
        self.done += 1
        with self._lock:
            if self._shows:
                self._say(self._text())

    def _begin(self) -> None:
        with self._lock:
            if self._timer is not None:
                self._shows = True
                self._say(self._text())

    def _text(self) -> str:
        of = f", kernel {min(self.done + 1, self.total)} of {self.total}" if self.total > 1 else ""
        room = _WIDTH - len(of) - len("dout: compiling ")
        what = self.what if len(self.what) <= room else f"{self.what[: room - 3]}..."
        return f"dout: compiling {what}{of}"

    def _say(self, text: str) -> None:
        try:
            if _is_notebook():
                self._cell = _displayed(text, self._cell)
            else:
                sys.stderr.write(_CLEAR + text)
                sys.stderr.flush()
        except (OSError, ValueError):  # the terminal has gone
            self._shows = False


def _is_terminal() -> bool:
    try:
        return sys.stderr is not None and sys.stderr.isatty()
    except ValueError:  # it is closed
        return False


def _is_notebook() -> bool:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


def _displayed(text: str, cell: Any) -> Any:
    """The text in a place of the cell's output that is written anew each time."""
    if cell is None:
        display = import_module("IPython.display").display
        return display({"text/plain": text}, raw=True, display_id=True)
    cell.update({"text/plain": text}, raw=True)
    return cell
