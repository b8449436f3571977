"""A wide picture is cut into rows: nothing is lost or overlaps, and an edge has one number on both sides of a cut."""

from __future__ import annotations

import re
from collections import Counter
from itertools import groupby
from pathlib import Path as File
from typing import Any

import numpy as np
import pytest
from draw_traces import buy_fruits, given, made, random_trace, trace_of
from picture_problems import problems

import dout
from dout.draw import draw
from dout.draw.layout.arrangement import arrange
from dout.draw.paint.display_list import Drawing, Path, Rect, Text
from dout.draw.paint.paint import Painter, PaintSizes
from dout.draw.paint.rows import PAGE, WIDEST
from dout.draw.paint.scene_drawing import MARGIN, paint
from dout.draw.paint.style import TEXTS
from dout.draw.scene.scene_builder import build_scene
from dout.draw.view_options import View
from dout.trace.record.script import run_script
from dout.trace.record.trace import Trace

EXAMPLES = File(__file__).parents[2] / "examples"
NUMBER = re.compile(r"[①-⑳]|\(\d+\)")


def whole(trace: Trace, opened: str) -> list[str]:
    """The texts of a picture in one row."""
    scene, sizes = build_scene(trace, View(opened)), PaintSizes()
    shapes = Painter(sizes).level(arrange(scene.level, sizes), MARGIN, MARGIN, 0)
    return [shape.text for shape in shapes if isinstance(shape, Text)]


def texts(drawing: Drawing) -> list[str]:
    return [shape.text for shape in drawing.shapes if isinstance(shape, Text)]


@pytest.mark.one_in(6)
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


def chain(length: int) -> Trace:
    nodes = [given()]
    for _ in range(length):
        nodes.append(made("exp", nodes[-1]))
    return trace_of(nodes, {n: float(i) for i, n in enumerate(nodes)})


def smallest(drawing: Drawing) -> float:
    """The size of the smallest numbers, in pixels."""
    styles = {shape.style for shape in drawing.shapes if isinstance(shape, Text)}
    return min(TEXTS[style].size for style in styles - {"caption", "constant"})


def test_a_long_chain_is_about_as_wide_as_a_page_is() -> None:
    drawing = paint(build_scene(chain(100), View(unfold=True)))
    assert WIDEST < 100 * 60
    pixels_on = [max(drawing.width / wide, drawing.height / high) for wide, high in (PAGE, PAGE[::-1])]
    assert 1.2 < min(pixels_on) < 1.5


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    ("example", "points"), [("attention_block", 6), ("lstm_step", 7), ("convolution", 7), ("two_layer_net", 7)]
)
def test_an_open_program_on_one_page_has_numbers_that_one_can_read(example: str, points: float) -> None:
    drawing = run_script(str(EXAMPLES / f"{example}.py")).trace().draw(open="all").drawing
    points_on = [min(wide / drawing.width, high / drawing.height) for wide, high in (PAGE, PAGE[::-1])]
    assert smallest(drawing) * max(points_on) >= points


@pytest.mark.parametrize("millimetres", [100, 180])
def test_paper_of_a_given_width_has_rows_whose_numbers_one_can_read(millimetres: int) -> None:
    drawing = draw(chain(40), unfold=True, width=millimetres).drawing
    assert millimetres / 25.4 * 72 / drawing.width * smallest(drawing) >= 6
    assert drawing.width >= 0.6 * millimetres / 25.4 * 72 / 6 * smallest(drawing)


def test_paper_that_is_wide_enough_takes_one_row() -> None:
    whole = draw(buy_fruits())
    assert draw(buy_fruits(), width=170).drawing == whole.drawing
    assert draw(buy_fruits(), width=85).drawing.width < whole.drawing.width


class Uneven:
    """A layer that climbs: what comes late stands far below what came first."""

    def forward(self, x: Any) -> Any:
        parts = [x * float(i) for i in range(2, 8)]
        while parts[1:]:
            parts[:2] = [parts[0] + parts[1]]
        return np.exp(-np.sqrt(np.sqrt(np.sqrt(parts[0] + 1.5) + 1.5) + 1.5))

    def backward(self, dout: Any) -> Any:
        return dout


def test_no_row_has_room_that_nothing_stands_in() -> None:
    drawing = dout.trace(Uneven(), 1.5).draw(open="all").drawing
    bands = sorted((shape.box[1], shape.box[3]) for shape in drawing.shapes if shape.style != "open")
    below = 0.0
    for top, low in bands:
        assert top - below < 50
        below = max(below, low)


class Skip:
    """A chain beside which its input goes on to the end."""

    def forward(self, x: Any) -> Any:
        y = x
        for _ in range(20):
            y = np.exp(-y)
        return x + y

    def backward(self, dout: Any) -> Any:
        return dout


def test_a_row_that_an_edge_only_passes_has_no_trace_of_it() -> None:
    drawing = dout.trace(Skip(), 1.5).draw(open="all").drawing
    numbers = Counter(text for text in texts(drawing) if NUMBER.fullmatch(text))
    assert len(numbers) >= 4
    assert set(numbers.values()) == {2}
    ends = {text: [s.y for s in drawing.shapes if isinstance(s, Text) and s.text == text] for text in numbers}
    assert max(abs(a - b) for a, b in ends.values()) > 2 * min(abs(a - b) for a, b in ends.values())


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


@pytest.mark.long
def test_no_row_has_only_the_name_of_a_result() -> None:
    trace = run_script(str(EXAMPLES / "lstm_step.py")).trace()
    for millimetres in range(120, 220, 4):
        drawing = draw(trace, open="all", width=millimetres).drawing
        names = [shape.box for shape in drawing.shapes if shape.style == "result"]
        others = [s.box for s in drawing.shapes if isinstance(s, Text | Rect) and s.style in ("cell-box", "word")]
        assert len(names) == 2
        for _, top, _, low in names:
            assert any(box[1] < low + 30 and top - 30 < box[3] for box in others), millimetres


class Again:
    """A parameter that is used twice."""

    def __init__(self) -> None:
        self.weight = np.ones((2, 3))

    def forward(self, x: Any) -> Any:
        return x * self.weight + self.weight

    def backward(self, dout: Any) -> Any:
        return dout


def test_a_name_is_one_thing_with_the_number_after_it_so_that_no_cut_parts_them() -> None:
    shapes = dout.trace(Again(), np.ones((2, 3))).draw(open="all").drawing.shapes
    things = [list(run) for _, run in groupby(shapes, lambda shape: shape.title or shape)]
    (thing,) = [run for run in things if any(isinstance(s, Text) and s.text == "weight" for s in run)]
    assert sum(shape.style == "cell" for shape in thing) == 6


def test_a_column_of_numbers_is_as_wide_as_its_longest_one() -> None:
    x = given()
    y = made("exp", x)
    drawing = draw(trace_of([x, y], {x: np.array([[1.0, 1234567.0], [2.0, 3.0]]), y: 0.5})).drawing
    (first, second, third, fourth) = [s.width for s in drawing.shapes if isinstance(s, Rect) and s.style == "cell-box"]
    assert first == third == 22
    assert second == fourth > 55
