"""A graph wider than the terminal is cut into bands: nothing is lost at a cut, and nothing is there twice."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

import pytest
from draw_traces import buy_fruits, given, made, one_layer, random_trace, trace_of

from dout.draw import draw
from dout.draw.layout.arrangement import arrange
from dout.draw.scene.scene_builder import build_scene
from dout.draw.terminal.bands import bands
from dout.draw.terminal.character_grid import Grid, Line
from dout.draw.terminal.terminal import picture_on_grid
from dout.draw.terminal.terminal_sizes import TerminalSizes
from dout.draw.view_options import View

FOLDED = """\
             100     mul_apple_layer
     apple ────────╮ ┌───┐
            ◂ 2.2  ╰─┤   │    200
              2      │ × ├────────────╮
 apple_num ──────────┤   │   ◂ 1.1    │
            ◂ 110    └───┘            ╰╌▶ ①
             150     mul_orange_layer
    orange ────────╮ ┌───┐            ╭╌▶ ②
            ◂ 3.3  ╰─┤   │    450     │
              3      │ × ├────────────╯
orange_num ──────────┤   │   ◂ 1.1
            ◂ 165    └───┘

    add_apple_orange_layer
    ┌───┐
① ╌─┤   │       650          mul_tax_layer
    │ + ├──────────────────╮ ┌───┐
② ╌─┤   │      ◂ 1.1       ╰─┤   │ 715
    └───┘                    │ × ├───── price
                     1.1   ╭─┤   │ ◂ 1
               tax ────────╯ └───┘
                    ◂ 650
"""


NUMBER = r"[①-⑳]|\(\d+\)"


@cache
def whole(seed: int, opened: str) -> Grid:
    sizes = TerminalSizes()
    trace = random_trace(seed, 6 + seed % 20)
    return picture_on_grid(sizes, arrange(build_scene(trace, View(opened)).level, sizes))


def written(line: Line) -> str:
    return "".join(text for text, _ in line)


def rejoined(found: list[list[Line]]) -> tuple[list[str], list[str]]:
    """What is in the bands without the marks, and the numbers at their right and left ends."""
    leaving, entering, texts = [], [], []
    for band in found:
        for line in band:
            text = written(line)
            if right := re.search(rf"╌▶ ({NUMBER})$", text):
                leaving.append(right[1])
                text = text[: right.start()]
            if left := re.match(rf" *({NUMBER}) ╌", text):
                entering.append(left[1])
                text = text[left.end() :]
            texts.append(text)
    return texts, [*leaving, "|", *entering]


def letters(texts: Iterable[str]) -> list[str]:
    """All that is written but blanks and lines, of which bands show as many as they need."""
    return sorted(c for c in "".join(texts) if c not in " │╎║─┼")


def test_its_edges_are_numbered_on_both_sides() -> None:
    assert draw(buy_fruits()).text(width=55) == FOLDED


def test_the_border_of_an_open_layer_goes_on_below() -> None:
    above, below = draw(one_layer()).text(width=50).split("\n\n")
    assert above.splitlines()[0].endswith("╌╌")
    assert below.splitlines()[0].endswith("╌┐")


@pytest.mark.one_in(8)
@pytest.mark.parametrize("width", [40, 60, 80])
@pytest.mark.parametrize("opened", ["none", "all"])
def test_every_label_and_every_edge_of_the_whole_is_in_the_bands_once(width: int, opened: str) -> None:
    folded = 0
    for seed in range(40):
        grid = whole(seed, opened)
        found = bands(grid, width)
        if not found:
            continue
        folded += len(found) > 1
        texts, numbers = rejoined(found)
        middle = numbers.index("|")
        assert sorted(numbers[:middle]) == sorted(numbers[middle + 1 :])
        assert len(set(numbers[:middle])) == middle
        assert letters(texts) == letters(map(written, grid.lines())), seed
    assert folded > 5


def test_an_edge_that_only_passes_a_band_is_not_drawn_there_and_keeps_its_number() -> None:
    nodes = [x := given()]
    for _ in range(8):
        nodes.append(made("exp", nodes[-1]))
    nodes.append(made("multiply", nodes[-1], x))
    first, *between, last = draw(trace_of(nodes, dict.fromkeys(nodes, 0.5))).text(width=40).split("\n\n")
    (number,) = [line[-1] for line in first.splitlines() if re.search(r"──╌▶ .$", line) and "exp" not in line]
    assert between
    assert not any(number in band for band in between)
    assert all(len(band.splitlines()) <= 4 for band in between)
    assert f"{number} ╌──" in last


def test_no_cut_parts_a_name_from_the_number_after_it() -> None:
    grid = Grid(12, 2)
    grid.level(1, 1, 12)
    assert grid.crossing(4) == grid.crossing(8) == [1]
    grid.hold(1, 6)
    assert grid.crossing(4) is None
    assert grid.crossing(8) == [1]


@pytest.mark.one_in(2)
@pytest.mark.parametrize("unicode", [True, False])
def test_no_line_of_a_band_is_wider_than_the_terminal(unicode: bool) -> None:
    for seed in range(0, 24, 3):
        for width in (30, 60):
            text = draw(random_trace(seed, 6 + seed), open="all").text(width=width, unicode=unicode)
            assert max(map(len, text.splitlines())) <= width
            assert unicode or text.isascii()
