"""A picture of one step: a ring around the item, its card, and a line between them that crosses no text."""

from __future__ import annotations

import pytest
from draw_traces import branch, buy_fruits, one_layer
from picture_examples import gates

from dout.draw import draw
from dout.draw.paint.display_list import Box, Drawing, Path, Rect, Text
from dout.draw.paint.pointer import pointer


def only(frame: Drawing, style: str) -> Path | Rect:
    (found,) = [s for s in frame.shapes if s.style.startswith(style) and isinstance(s, Path | Rect)]
    return found


def meets(path: Path, box: Box) -> bool:
    (x, y), (to_x, to_y) = (points for _, points in path.commands)
    points = [(x + (to_x - x) * i / 200, y + (to_y - y) * i / 200) for i in range(201)]
    return any(box[0] < x < box[2] and box[1] < y < box[3] for x, y in points)


@pytest.mark.parametrize("trace", [buy_fruits(), one_layer(), branch()])
def test_the_line_from_card_to_ring_crosses_no_text_and_no_other_item(trace: object) -> None:
    for frame in draw(trace).frames[1:]:  # type: ignore[arg-type]
        line = only(frame, "pointer")
        assert isinstance(line, Path)
        crossed = [s.text for s in frame.shapes if isinstance(s, Text) and meets(line, s.box)]
        assert crossed == []


def test_the_line_ends_on_the_ring_and_starts_on_the_card() -> None:
    for frame in draw(gates(), open="none").frames[1:]:
        line, ring, card = (only(frame, style) for style in ("pointer", "ring", "card"))
        assert isinstance(line, Path)
        (start, end) = (points for _, points in line.commands)
        assert start[1] == pytest.approx(card.box[3])
        assert card.box[0] < start[0] < card.box[2]
        assert ring.box[1] <= end[1] <= ring.box[3]
        assert ring.box[0] - 0.01 <= end[0] <= ring.box[2] + 0.01


def test_a_ring_follows_what_it_is_around() -> None:
    frame = draw(gates(), open="none").frames[1]
    ring, layer = only(frame, "ring"), next(s for s in frame.shapes if s.style == "layer")
    assert isinstance(ring, Rect)
    assert isinstance(layer, Rect)
    assert ring.radius > layer.radius
    assert ring.box[0] < layer.box[0] < layer.box[2] < ring.box[2]


def test_with_nothing_in_the_way_the_line_is_the_shortest() -> None:
    line = pointer((0, 0, 100, 20), Rect(30, 80, 40, 40, "ring", 20), [], "pointer")
    assert line.commands == (("M", (50.0, 20.0)), ("L", (50.0, 80.0)))
