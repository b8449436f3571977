"""A picture as the recording it is drawn from: docs/trace-document.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dout.draw.paint.pictured import Pictured


def write(picture: Pictured) -> bytes:
    """The whole trace as a document, which `dout show` draws again."""
    from dout.trace.model.trace_writer import to_json

    return to_json(picture.trace)
