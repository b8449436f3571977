"""Picture → its page in a frame, for notebooks.

The frame holds the whole page, so it needs no file beside the notebook and no network, and its styles and scripts touch
nothing outside it. Jupyter, VS Code and nbconvert show it as it is.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

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
