"""A trace, its view and its look: the data that writers need. The verbs of a picture stand above the writers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from dout.draw.scene.scene_builder import build_scene
from dout.draw.view_options import Look, View
from dout.trace.model.bulk_objects import collection_paused

if TYPE_CHECKING:
    from dout.draw.paint.display_list import Drawing
    from dout.draw.scene.scene import Scene
    from dout.trace.record.trace import Trace


@dataclass(frozen=True, eq=False, repr=False)
class Pictured:
    """Nothing is computed before somebody asks for it."""

    trace: Trace
    view: View = View()
    look: Look = Look()

    @cached_property
    def scene(self) -> Scene:
        """The items, edges and labels, before anything has a place."""
        with collection_paused():
            return build_scene(self.trace, self.view)

    @cached_property
    def drawing(self) -> Drawing:
        """The finished display list."""
        from dout.draw.paint.scene_drawing import paint

        scene = self.scene
        with collection_paused():
            return paint(scene, self.look)

    @cached_property
    def frames(self) -> tuple[Drawing, ...]:
        """The display list at the start, and at every step forward and backward; all with the same coordinates."""
        from dout.draw.paint.stepping import stepped

        return stepped(self.drawing, self.scene.steps())
