"""Trace → picture: in the terminal, and as SVG."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from dout.draw.shown import format_number

if TYPE_CHECKING:
    from dout.draw.svg import Theme
    from dout.trace.model import Trace

__all__ = ["format_number", "to_svg", "to_terminal"]


def to_svg(trace: Trace, *, theme: Theme = "auto", open: str | Collection[str] = "auto") -> str:
    """Return the forward part of a trace as a standalone SVG, each value above its edge and its gradient below.

    `theme` is "light", "dark" or "auto" (as the reader prefers). `open` says which layers show their inside: "auto"
    (one that is alone), "all", "none", or the names or classes of layers.
    """
    from dout.draw.build import build_scene
    from dout.draw.paint import paint
    from dout.draw.svg import write_svg

    return write_svg(paint(build_scene(trace, open)), theme)


def to_terminal(
    trace: Trace,
    *,
    width: int = 80,
    color: bool = False,
    unicode: bool = True,
    open: str | Collection[str] = "auto",
) -> str:
    """Return the forward part of a trace drawn with characters, no line longer than `width` columns.

    Where the graph is wider than that, a table says the same. Below stand wrong gradients and the trace's events, one
    a line. `color` adds ANSI colours; without `unicode` everything is ASCII.
    """
    from dout.draw.build import build_scene
    from dout.draw.terminal import render

    return render(build_scene(trace, open, table=True), width=width, color=color, unicode=unicode)
