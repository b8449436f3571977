"""An SVG is small enough to be opened anywhere; a picture runs from top to bottom where that is asked for."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path as File

import numpy as np
import pytest
from draw_traces import buy_fruits, given, made, random_trace, trace_of, user
from recorded_scripts import record_script
from test_draw_repeats import recurrent

from dout.draw.paint.display_list import Circle, Path, Rect, Text
from dout.draw.picture import bounded
from dout.trace.record.trace import Trace


def written(trace: Trace, **options: object) -> str:
    return str(trace.draw(**options).svg())


def test_a_small_picture_is_whole() -> None:
    assert "MB" not in written(buy_fruits())


def test_what_is_too_large_first_loses_what_the_pointer_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.arange(100.0).reshape(10, 10)
    nodes = [given((10, 10))]
    for _ in range(5):
        nodes.append(made("exp", nodes[-1], shape=(10, 10)))
    trace = trace_of(nodes, dict.fromkeys(nodes, x), gradients={n: user(x) for n in nodes})
    whole = written(trace)
    monkeypatch.setattr(bounded, "MOST_BYTES", len(whole) * 4 // 5)
    smaller = written(trace)
    assert len(smaller.encode()) <= len(whole) * 4 // 5
    assert smaller.count("<circle") == whole.count("<circle")
    assert "the pointer tells nothing: else this picture has 0.0 MB" in smaller


@pytest.mark.long
def test_what_is_too_large_unfolded_is_folded_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = recurrent(60)
    monkeypatch.setattr(bounded, "MOST_BYTES", 60_000)
    for view in ({"unfold": True}, {"open": "all"}):
        svg = written(trace, **view)
        assert len(svg.encode()) <= 60_000
        assert "×60" in svg or "range(" in svg
        assert "! steps that repeat are folded: else this picture has " in svg


LOOP = """
import numpy as np

class Cell:
    def forward(self, x, h):
        self.cache = (x, h)
        return x * h

    def backward(self, dout):
        x, h = self.cache
        return dout * h, dout * x

xs, h, cells = np.ones((40, 2, 3)) * np.arange(3), np.ones((2, 3)), []
for x in xs:
    cells.append(Cell())
    h = cells[-1].forward(x, h)
dh = np.ones_like(h)
for cell in cells[::-1]:
    dx, dh = cell.backward(dh)
"""


def test_what_goes_into_a_folded_loop_has_the_name_of_the_argument(tmp_path: File) -> None:
    file = tmp_path / "loop.py"
    file.write_text(LOOP)
    names = set(record_script(file).names.values())
    assert {"x", "h"} <= names
    assert not any(name.startswith("cache") for name in names)


def test_from_top_to_bottom_every_edge_runs_down_and_arguments_stand_from_left_to_right() -> None:
    drawing = buy_fruits().draw(direction="down").drawing
    ends = [
        [point[-2:] for _, point in s.commands] for s in drawing.shapes if isinstance(s, Path) and s.style == "edge"
    ]
    assert all(above[1] <= below[1] for points in ends for above, below in pairwise(points))
    at = {s.text: s.x for s in drawing.shapes if isinstance(s, Text) and s.style == "name"}
    assert at["apple"] < at["apple_num"] < at["orange"] < at["orange_num"] < at["tax"]


def test_values_stand_left_of_their_edge_and_gradients_right_of_it() -> None:
    drawing = buy_fruits().draw(direction="down").drawing
    middle = {s.text: (s.box[0] + s.box[2]) / 2 for s in drawing.shapes if isinstance(s, Text)}
    assert middle["150"] < next(s.x for s in drawing.shapes if isinstance(s, Text) and s.text == "orange")
    assert middle["150"] < middle["▴ 3.3"]
    assert not any("◂" in text for text in middle)


@pytest.mark.parametrize("way", ["right", "down"])
def test_every_direction_draws_the_same_things(way: str) -> None:
    trace = random_trace(5, 30)
    drawn = [trace.draw(direction=one, open="all").drawing.shapes for one in (way, "right")]
    one, other = ([s.title for s in shapes if isinstance(s, Circle | Rect) and s.title] for shapes in drawn)
    assert sorted(one) == sorted(other)
    assert len(one) > 30


def test_another_direction_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no direction 'up'; try right or down"):
        buy_fruits().draw(direction="up")
