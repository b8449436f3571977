"""Trace → picture: in the terminal, as SVG, on paper, in the browser."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from dout.trace.record.trace import Trace

if TYPE_CHECKING:
    from dout.draw.picture.picture import Picture as Picture
    from dout.draw.picture.picture import draw as draw
    from dout.number_text import format_number as format_number

__all__ = ["Picture", "draw", "format_number", "view_options"]


_HOMES = {
    "Picture": "dout.draw.picture.picture",
    "draw": "dout.draw.picture.picture",
    "format_number": "dout.number_text",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dout.draw' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


Trace.drawn = lambda trace, **options: __getattr__("draw")(trace, **options)
