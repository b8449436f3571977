"""A picture whose SVG is small enough to be opened anywhere: what does not fit is folded, and the picture says so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import inf

from dout.draw.paint.pictured import Pictured
from dout.draw.writers.svg import write_svg

MOST_BYTES = 3_000_000
_LEAST = 400  # bytes of an item with its edge and its label


def bounded(picture: Pictured) -> Pictured:
    """The picture; if its SVG has more than MOST_BYTES, the first smaller one that has not, or the last."""
    size = _size(picture)
    if size <= MOST_BYTES:
        return picture
    for smaller, what in _smaller(picture, size):
        much = f"{size / 1e6:.1f} MB" if size < inf else f"more than {MOST_BYTES // 1_000_000} MB"
        note = f"! {what}: else this picture has {much}; --open NAME opens what you want to see"
        found = replace(smaller, look=replace(smaller.look, note=note))
        if _size(found) <= MOST_BYTES:
            break
    return found


def _size(picture: Pictured) -> float:
    """The size of the picture in bytes; infinite if it has so many items that counting is needless."""
    if sum(1 for _ in picture.scene.level.everything()) > MOST_BYTES / _LEAST:
        return inf
    return len(write_svg(picture.drawing, picture.look.theme).encode())


def _smaller(picture: Pictured, size: float) -> Iterator[tuple[Pictured, str]]:
    """Smaller versions of a picture, each with a note on what it leaves out."""
    view, bare = picture.view, replace(picture, look=replace(picture.look, hover=False))
    if size < 3 * MOST_BYTES:
        yield bare, "the pointer tells nothing"
    folded = replace(view, unfold=False, open="auto" if view.open == "all" else view.open)
    if folded != view:
        yield replace(bare, view=folded), "steps that repeat are folded"
    yield replace(bare, view=replace(folded, open="none")), "layers are closed"
