"""A picture as the recording it is drawn from: docs/trace-document.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dout.draw.picture.picture import Picture


def write(picture: Picture) -> bytes:
    """The whole trace as a document, which `dout show` draws again."""
    from dout.trace.model.trace_writer import to_json

    return to_json(picture.trace)
