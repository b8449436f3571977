"""A progress bar for work of more than a second, on stderr, if a person watches."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

PATIENCE = 1.0  # seconds


class Progress:
    """Counts steps; without a thread of its own, because a process that is forked would inherit it."""

    def __init__(self, what: str, total: int) -> None:
        self.what, self.total, self.done = what, total, 0
        self.bar: Bar | None = None
        self.since = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar is not None:
            self.bar.stop()

    def advance(self) -> None:
        """One step is done."""
        self.done += 1
        self.look()

    def look(self) -> None:
        """Draw the bar anew, once there is one."""
        if self.bar is None:
            if self.total < 2 or not sys.stderr.isatty() or time.monotonic() - self.since < PATIENCE:
                return
            from rich.console import Console
            from rich.progress import Progress as Bar

            self.bar = Bar(console=Console(stderr=True), auto_refresh=False, transient=True)
            self.bar.start()
            self.task = self.bar.add_task(self.what, total=self.total)
        self.bar.update(self.task, completed=self.done, refresh=True)
