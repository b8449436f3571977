"""A wide picture is cut into rows: nothing is lost or overlaps, and an edge has one number on both sides of a cut."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
import pytest
from draw_traces import buy_fruits, given, made, random_trace, trace_of
from picture_problems import problems

import dout
from dout.draw.layout.arrangement import arrange
from dout.draw.paint.display_list import Drawing, Path, Rect, Text
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


class Long:
    """A layer of one chain, which needs several rows."""

    def forward(self, x: Any) -> Any:
        for _ in range(5):
            x = np.exp(-np.sqrt(x * x + 1.5))
        return x.reshape(4, 6).T

    def backward(self, dout: Any) -> Any:
        return dout


def long_rows() -> Drawing:
    return dout.trace(Long(), np.ones((3, 8)) * np.arange(8)).draw(open="all").drawing


def test_an_open_layer_keeps_its_paper_in_rows_that_it_only_passes() -> None:
    shapes = long_rows().shapes
    passing = [shape for shape in shapes if isinstance(shape, Path) and shape.style == "open" and "M" in
               [letter for letter, _ in shape.commands[1:]]]  # fmt: skip
    papers = [shape.box for shape in shapes if isinstance(shape, Rect) and shape.style == "inside"]
    assert passing
    assert papers == [shape.box for shape in passing]


def test_no_row_has_only_the_border_of_an_open_layer() -> None:
    shapes = long_rows().shapes
    borders = [shape.box for shape in shapes if shape.style == "open"]
    things = [shape.box for shape in shapes if not isinstance(shape, Path) and shape.style not in ("open", "inside")]
    for left, top, right, low in borders:
        assert any(left <= box[0] and box[2] <= right and top <= box[1] and box[3] <= low for box in things)
