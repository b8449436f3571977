"""A recorded run with its verbs: look at it, save it, draw its random numbers anew."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from dout.trace.model.annotated import AnnotatedRun
from dout.trace.model.trace_writer import save
from dout.trace.record.redraw import redrawn


@dataclass(frozen=True, eq=False, repr=False)
class Trace(AnnotatedRun):
    """One recorded run: what `dout.trace` returns."""

    drawn: ClassVar[Callable[..., Any]]  # `dout.draw` fills it in: a reader stands above what it reads

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write the whole recording as a document (a .json file), which `dout.load` reads back.

        Another file that is there is replaced only with `force`. Raises TargetError where it cannot be written.
        """
        save(self, path, force=force)

    def draw(self, **options: Any) -> Any:
        """The picture of this recording, to look at or to save: `trace.draw(open="all", theme="dark").save("net.pdf")`.

        The options are those of `dout.draw.draw`, and the result is a `dout.Picture`.
        """
        return type(self).drawn(self, **options)

    def __rich__(self) -> Any:
        return self.draw()

    def _repr_svg_(self) -> Any:
        return self.draw()._repr_svg_()

    def _repr_html_(self) -> Any:
        return self.draw()._repr_html_()

    def _repr_mimebundle_(self, include: Collection[str] | None = None, exclude: Collection[str] | None = None) -> Any:
        return self.draw()._repr_mimebundle_(include, exclude)

    def redrawn(self, seed: int | None = None) -> Trace:
        """The same recording with other random numbers in it: each is drawn anew, and the rest computed from them.

        Raises UnsupportedError where other numbers would make another recording: another branch, another shape.
        """
        return redrawn(self, seed)
