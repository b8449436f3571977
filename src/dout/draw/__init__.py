"""Trace → picture: in the terminal, as SVG, on paper, in the browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dout.draw.words.readable_numbers import format_number

if TYPE_CHECKING:
    from dout.draw.picture.picture import Picture as Picture
    from dout.draw.picture.picture import draw as draw

__all__ = ["Picture", "draw", "format_number"]


def __getattr__(name: str) -> Any:
    if name in ("Picture", "draw"):
        from dout.draw.picture import picture

        return getattr(picture, name)
    raise AttributeError(f"module 'dout.draw' has no attribute {name!r}")
