"""How far a training is, on stderr: a bar with the loss, the metrics and the time left, if a person watches."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

from dout.number_text import format_number

if TYPE_CHECKING:
    from rich.progress import Progress

_PER_SECOND = 10  # how often the bar is drawn anew


class TrainingBar:
    """One bar for the whole training, where stderr is a terminal. `shown` as True prints a line an epoch elsewhere."""

    def __init__(self, epochs: int, per_epoch: int | None, done: int = 0, shown: bool | None = None) -> None:
        self.epochs, self.total, self.done = epochs, epochs * per_epoch if per_epoch else None, done
        self.shown = sys.stderr.isatty() and shown is not False
        self.lines = bool(shown) and not self.shown
        self.bar: Progress | None = None

    def __enter__(self) -> Self:
        if self.shown:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (
                TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}"), TimeRemainingColumn(),
            )  # fmt: skip
            self.bar = Progress(*columns, console=Console(stderr=True), refresh_per_second=_PER_SECOND, transient=True)
            self.bar.start()
            self.task = self.bar.add_task("", total=self.total, completed=self.done, told="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar is not None:
            self.bar.stop()

    def step(self, epoch: int, means: Mapping[str, float]) -> None:
        """A batch is done; `means` are those of the epoch so far."""
        if self.bar is not None:
            self.done += 1
            told = "  ".join(f"{name} {format_number(value, 3)}" for name, value in means.items())
            self.bar.update(self.task, completed=self.done, description=f"epoch {epoch + 1}/{self.epochs}", told=told)

    def epoch(self, row: Mapping[str, float]) -> None:
        """An epoch has ended."""
        if self.lines:
            from rich.console import Console

            told = "  ".join(f"{name} {format_number(value, 3)}" for name, value in row.items())
            Console(stderr=True, highlight=False, soft_wrap=True).print(told, markup=False)
