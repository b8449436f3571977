"""What a writer or a notebook asks of a picture; the picture itself stands above them."""

from __future__ import annotations

from typing import Protocol

from dout.draw.paint.display_list import Drawing
from dout.draw.scene.scene import Scene
from dout.draw.view_options import Look, View
from dout.trace.record.trace import Trace


class Pictured(Protocol):
    """A trace, what is shown of it, and how it looks."""

    @property
    def trace(self) -> Trace:
        """The recording it is drawn from."""

    @property
    def view(self) -> View:
        """What is shown."""

    @property
    def look(self) -> Look:
        """How it looks."""

    @property
    def scene(self) -> Scene:
        """What it holds, before anything has a place."""

    @property
    def drawing(self) -> Drawing:
        """The finished display list."""

    def svg(self) -> str:
        """One standalone SVG."""

    def text(self, width: int = 80, *, color: bool = False, unicode: bool = True) -> str:
        """The picture drawn with characters."""
