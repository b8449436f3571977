"""A wide picture is cut into rows: nothing is lost or overlaps, and an edge has one number on both sides of a cut."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from draw_traces import buy_fruits, given, made, random_trace, trace_of
from picture_problems import problems

from dout.draw.layout.arrangement import arrange
from dout.draw.paint.display_list import Drawing, Text
from dout.draw.paint.paint import Painter, PaintSizes
from dout.draw.paint.rows import MOST, WIDEST
from dout.draw.paint.scene_drawing import MARGIN, paint
from dout.draw.scene.scene_builder import build_scene
from dout.draw.view_options import View
from dout.trace.record.trace import Trace

NUMBER = re.compile(r"[①-⑳]|\(\d+\)")


def whole(trace: Trace, opened: str) -> list[str]:
    """The texts of a picture in one row."""
    scene, sizes = build_scene(trace, View(opened)), PaintSizes()
    shapes = Painter(sizes).level(arrange(scene.level, sizes), MARGIN, MARGIN, 0)
    return [shape.text for shape in shapes if isinstance(shape, Text)]


def texts(drawing: Drawing) -> list[str]:
    return [shape.text for shape in drawing.shapes if isinstance(shape, Text)]


@pytest.mark.parametrize("opened", ["none", "all"])
@pytest.mark.parametrize("seed", range(6))
def test_rows_hold_every_text_once_and_nothing_overlaps(seed: int, opened: str) -> None:
    trace = random_trace(seed, 60, reach=3)
    drawing = paint(build_scene(trace, View(opened)))
    rest = Counter(texts(drawing)) - Counter(whole(trace, opened))
    assert not Counter(whole(trace, opened)) - Counter(texts(drawing))
    numbers = {text: count for text, count in rest.items() if NUMBER.fullmatch(text)}
    assert numbers
    assert set(numbers.values()) == {2}
    assert problems(drawing) == []


def test_a_long_chain_is_about_as_wide_as_a_page_is() -> None:
    nodes = [given()]
    for _ in range(100):
        nodes.append(made("exp", nodes[-1]))
    drawing = paint(build_scene(trace_of(nodes, {n: float(i) for i, n in enumerate(nodes)}), View(unfold=True)))
    assert WIDEST < 100 * 60
    assert 0.6 < drawing.width / (MOST * drawing.height) < 1.6


def test_every_step_of_the_run_has_its_place_in_a_row() -> None:
    drawing = paint(build_scene(random_trace(1, 60, reach=3), View("none")))
    for left, top, right, low in drawing.places.values():
        assert 0 <= left < right <= drawing.width
        assert 0 <= top < low <= drawing.height


def test_a_picture_that_is_not_wide_stays_one_row() -> None:
    drawing = paint(build_scene(buy_fruits()))
    assert not any(NUMBER.fullmatch(text) for text in texts(drawing))
