"""Trace → picture: in the terminal, as SVG, on paper, in the browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dout.trace.record.trace import Trace

if TYPE_CHECKING:
    from dout.draw.picture.picture import Picture as Picture
    from dout.draw.picture.picture import draw as draw
    from dout.draw.words.readable_numbers import format_number as format_number

__all__ = ["Picture", "draw", "format_number"]


def __getattr__(name: str) -> Any:
    from dout.draw.picture import picture
    from dout.draw.words import readable_numbers

    if name in __all__:
        return getattr(readable_numbers if name == "format_number" else picture, name)
    raise AttributeError(f"module 'dout.draw' has no attribute {name!r}")


Trace.drawn = lambda trace, **options: __getattr__("draw")(trace, **options)
