"""A trace, and how to draw it: looked at in the terminal or a notebook, or saved in any of the formats."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dout.draw.paint.pictured import Pictured
from dout.draw.picture.formats import format_of, kind_for, names
from dout.draw.scene.selection import select
from dout.draw.view_options import Direction, Look, Theme, View, millimetres
from dout.errors import TargetError
from dout.files import write
from dout.number_text import DIGITS

if TYPE_CHECKING:
    from dout.trace.record.trace import Trace

SVG, HTML = "image/svg+xml", "text/html"
_CONTROLS = 110.0  # height of what a page has above and below its picture
_LEAST, _MOST = 320.0, 720.0  # heights of the frame of a page


def draw(
    trace: Trace, *, open: str | Collection[str] = "auto", depth: int | None = None, digits: int = DIGITS,
    values: bool = True, gradients: bool = True, backward: bool = False, unfold: bool = False, theme: Theme = "auto",
    width: float | str | None = None, direction: Direction = "right",
) -> Picture:  # fmt: skip
    """Return the picture of a trace: every value above its edge, its gradient below.

    `open` says which layers show their inside: "auto" (one that is alone), "all", "none", or the names or classes of
    layers; `depth` how deep at most. `digits` are significant ones; `values` and `gradients` can be left out;
    `backward` draws the hand-written backward instead; `unfold` draws steps that repeat one by one. `theme` is "light",
    "dark", "print", or "auto" (as the reader prefers); `width` is for paper, in millimetres or as "8.5cm"; `direction`,
    "right" or "down", is the way that edges run on paper.

    >>> import dout
    >>> from dout.layers import MulLayer
    >>> dout.trace(MulLayer(), 100, 2).draw()
    <picture of MulLayer: 1 operator>
    """
    view = View(open, depth, digits, values, gradients, backward, unfold)
    return Picture(trace, view, Look(theme, millimetres(width), direction))


@dataclass(frozen=True, eq=False, repr=False)
class Picture(Pictured):
    """A trace and how to draw it. Nothing is computed before it is looked at."""

    def svg(self) -> str:
        """One standalone SVG."""
        from dout.draw.picture.bounded import bounded
        from dout.draw.writers.svg import write_svg

        return write_svg(bounded(self).drawing, self.look.theme, paper=self.look.width)

    def text(self, width: int = 80, *, color: bool = False, unicode: bool = True) -> str:
        """The picture drawn with characters, no line longer than `width` columns.

        What is wider is cut into bands that stand one below the other; a table takes its place where they do not fit.

        Below stand wrong gradients and the trace's events, one a line. `color` adds ANSI colours; without `unicode`
        everything is ASCII.
        """
        from dout.draw.terminal.terminal import render

        return render(self.scene, width=width, color=color, unicode=unicode)

    def summary(self, width: int = 80, *, unicode: bool = True) -> str:
        """A table of the layers: shapes, parameters, bytes that are kept for the backward, and multiply-adds."""
        from dout.draw.terminal.layer_table import layer_table

        return layer_table(select(self.trace, self.view), width, unicode=unicode)

    def save(self, path: str | Path, *, steps: bool = False, force: bool = False) -> tuple[Path, ...]:
        """Write it in the format that the path's suffix names, and return the files written.

        With `steps`, a page or slide for each step of the run, or, where the format has no pages, a file for each.
        A file that dout wrote in this format is replaced, once all is made; another one only with `force`. Raises
        TargetError for an unknown suffix, for a format that needs a package that is missing or has no steps, and where
        the path cannot be written. Warns with a MissingFontWarning where no font has a character that a PNG or a PDF
        needs.
        """
        path = Path(path)
        kind, form = kind_for(path, steps=steps, force=force), format_of(path.suffix, str(path))
        contents = form.write(self, steps=steps)
        written = names(path, len(contents))
        write(written, contents, kind, force=force)
        return written

    def __repr__(self) -> str:
        count = sum(item.kind in ("operator", "layer") for item in self.scene.level.everything())
        many = "" if count == 1 else "s"
        return f"<picture of {self.scene.title}: {count} operator{many}>"

    def __rich_console__(self, console: Any, options: Any) -> Any:
        from rich.text import Text

        color = console.color_system is not None and not console.no_color
        unicode = "utf" in (options.encoding or "").lower()
        text = self.text(options.max_width, color=color, unicode=unicode)
        yield Text.from_ansi(text.rstrip("\n"), no_wrap=True)

    def _repr_svg_(self) -> str | None:
        return self._repr_mimebundle_({SVG}).get(SVG)

    def _repr_html_(self) -> str | None:
        return self._repr_mimebundle_({HTML}).get(HTML)

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> dict[str, str]:
        """The picture in each kind that is asked for; only those are made. If it is too large, a line says so."""
        kinds: dict[str, Callable[[], str]] = {"text/plain": self.text, SVG: self.svg, HTML: self._framed}
        wanted = set(kinds if include is None else include) - set(exclude or ())
        try:
            return {kind: made() for kind, made in kinds.items() if kind in wanted}
        except TargetError as error:
            return {"text/plain": str(error)}

    def _framed(self) -> str:
        """The page in a frame that holds all of it: it needs no file beside a notebook, and touches nothing outside."""
        from dout.draw import page

        height = min(_MOST, max(_LEAST, self.drawing.height + _CONTROLS))
        style = f"width: 100%; height: {height:.0f}px; border: 0"
        content = escape(page.write(self).decode())
        return (
            f'<iframe title="{escape(self.drawing.title)}" style="{style}"'
            f' sandbox="allow-scripts allow-modals allow-downloads" srcdoc="{content}"></iframe>'
        )
