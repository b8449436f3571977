"""Picture → what a notebook shows: the page in a frame of its own; an SVG, or text, where a notebook has no pages.

The frame holds the whole page, so it needs no file beside the notebook and no network, and its styles and scripts touch
nothing outside of it. Jupyter, VS Code and nbconvert show it as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from html import escape
from typing import TYPE_CHECKING

from dout.errors import TargetError

if TYPE_CHECKING:
    from dout.draw.paint.pictured import Pictured

_CONTROLS = 110.0  # height of what the page has above and below its picture
_LEAST, _MOST = 320.0, 720.0


def framed(picture: Pictured) -> str:
    """The page of a picture, as HTML that can stand in another page."""
    from dout.draw import page

    height = min(_MOST, max(_LEAST, picture.drawing.height + _CONTROLS))
    style = f"width: 100%; height: {height:.0f}px; border: 0"
    content = escape(page.write(picture).decode())
    return (
        f'<iframe title="{escape(picture.drawing.title)}" style="{style}"'
        f' sandbox="allow-scripts allow-modals allow-downloads" srcdoc="{content}"></iframe>'
    )


def bundle(
    picture: Pictured, include: Collection[str] | None = None, exclude: Collection[str] | None = None
) -> dict[str, str]:
    """The picture in each kind that is asked for; only those are made. Of what is too large, a line says so."""
    kinds: dict[str, Callable[[], str]] = {
        "text/plain": picture.text,
        "image/svg+xml": picture.svg,
        "text/html": lambda: framed(picture),
    }
    wanted = set(kinds if include is None else include) - set(exclude or ())
    try:
        return {kind: made() for kind, made in kinds.items() if kind in wanted}
    except TargetError as error:
        return {"text/plain": str(error)}


def shown(make: Callable[[], str]) -> str | None:
    """What a notebook asks for; None, which makes it ask for something else, where there is no picture."""
    try:
        return make()
    except TargetError:
        return None
