"""The picture in the terminal: exact to the column, with a table where there is no room."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from draw_traces import HOSTILE, branch, buy_fruits, given, hostile, made, one_layer, random_trace, trace_of, user
from rich.cells import cell_len

import dout
from dout.draw import draw
from dout.draw.scene.scene import Label, Level
from dout.draw.scene.scene_builder import build_scene
from dout.draw.terminal.narrow_table import table
from dout.draw.terminal.terminal_sizes import TerminalSizes
from dout.draw.view_options import View
from dout.trace.model.recorded import Event
from dout.trace.record.trace import Trace

BUY_FRUITS = """\
             100    mul_apple_layer
     apple ───────╮ ┌───┐
            ◂ 2.2 ╰─┤   │    200
              2     │ × ├────────────╮ add_apple_orange_layer
 apple_num ─────────┤   │   ◂ 1.1    │ ┌───┐
            ◂ 110   └───┘            ╰─┤   │       650          mul_tax_layer
             150    mul_orange_layer   │ + ├──────────────────╮ ┌───┐
    orange ───────╮ ┌───┐            ╭─┤   │      ◂ 1.1       ╰─┤   │ 715
            ◂ 3.3 ╰─┤   │    450     │ └───┘                    │ × ├───── price
              3     │ × ├────────────╯                   1.1  ╭─┤   │ ◂ 1
orange_num ─────────┤   │   ◂ 1.1                  tax ───────╯ └───┘
            ◂ 165   └───┘                               ◂ 650
"""

SIGMOID = """\
           ┌╌ ▾ Sigmoid sigmoid ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌┐
      0    ╎   ┌───┐    −0    ┌─────┐    1     ┌───┐    2     ┌───┐   ╎ 0.5
x ─────────├───┤ − ├──────────┤ exp ├──────────┤ + ├──────────┤ / ├───┤───── y
   ◂ 0.25  ╎   └───┘ ◂ −0.25  └─────┘ ◂ −0.25  └───┘ ◂ −0.25  └───┘   ╎ ◂ 1
           ╎                                     1              1     ╎
           ╎                                                          ╎
           └╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌┘
"""


def test_buy_fruits_fits_eighty_columns() -> None:
    assert draw(buy_fruits()).text() == BUY_FRUITS


def test_a_layer_that_is_alone_opens() -> None:
    assert draw(one_layer()).text() == SIGMOID


def test_a_branch_has_a_dot_and_a_wrong_sum_is_said() -> None:
    picture = draw(branch(wrong=True)).text()
    assert "●" in picture
    assert "◂ ✗ 1.1" in picture
    assert "✓ 1.1 + 0.4 = 1.5" in picture
    assert "▲ first wrong" in picture
    assert picture.endswith("\n✗ gradient of x is 1.1, right: 1.5, the first wrong edge\n")


class Affine:
    """A layer of which a wrong backward can be asked for."""

    def __init__(self, wrong: float = 0.0) -> None:
        rng = np.random.default_rng(0)
        self.W, self.b, self.wrong = rng.normal(size=(5, 4)), rng.normal(size=4), wrong

    def forward(self, x: Any) -> Any:
        self.x = x
        return np.dot(x, self.W) + self.b

    def backward(self, dout: Any) -> Any:
        self.dW, self.db = np.dot(self.x.T, dout), np.sum(dout, axis=0) + self.wrong
        return np.dot(dout, self.W.T)


X = np.random.default_rng(1).normal(size=(3, 5))


def test_a_layer_alone_that_would_be_cut_often_is_one_band_of_narrow_labels() -> None:
    picture = dout.trace(Affine(), X).draw()
    lines = picture.text(80).splitlines()
    assert "①" not in picture.text(80)
    assert len(lines) < 24
    columns = int(re.fullmatch(r"arrays are cut \(…\); (\d+) columns show all of them", lines[-1]).group(1))  # type: ignore[union-attr]
    whole = picture.text(columns)
    assert "①" not in whole
    assert " …]" not in whole
    assert "①" in picture.text(columns - 1)
    assert "‖·‖" in picture.text(80)  # of a large array every number is still there, in more lines


def test_a_wrong_gradient_is_never_cut() -> None:
    text = dout.trace(Affine(wrong=1.0), X, dout=np.ones((3, 4))).draw().text(80)
    assert "✗ [4 4 4 4]" in text
    assert "✓ [3 3 3 3]" in text


def as_table(trace: Trace, width: int) -> str:
    lines = table(build_scene(trace), width, str)
    return "".join("".join(text for text, _ in line) + "\n" for line in lines)


def test_a_terminal_too_narrow_for_a_band_gets_a_table() -> None:
    assert draw(buy_fruits()).text(width=19) == as_table(buy_fruits(), 19)


def test_the_table_has_everything_in_it() -> None:
    table = as_table(buy_fruits(), 55)
    assert table.splitlines()[0].split() == ["name", "value", "gradient", "made", "by", "used", "by"]
    line = next(line for line in table.splitlines() if line.startswith("all_price"))
    assert line.split()[:4] == ["all_price", "650", "1.1", "+"]
    assert [line.split()[0] for line in table.splitlines()[2:]][:2] == ["apple", "apple_num"]


def test_the_table_says_what_is_right_where_a_gradient_is_wrong() -> None:
    assert "✗ 1.1 (right: 1.5)" in as_table(branch(wrong=True), 60)


@pytest.mark.one_in(6)
@pytest.mark.parametrize("width", [10, 20, 40, 80, 120])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    for seed in range(20):
        text = draw(random_trace(seed, 3 + seed % 8)).text(width=width)
        assert max(cell_len(line) for line in text.splitlines()) <= width


def labels(level: Level) -> list[Label]:
    found = [stem.label for item in level.items for stem in item.stems] + [edge.label for edge in level.edges]
    return found + [label for item in level.items if item.inside for label in labels(item.inside)]


@pytest.mark.long
@pytest.mark.one_in(3)
@pytest.mark.parametrize("opened", ["none", "all"])
def test_no_label_is_written_over(opened: str) -> None:
    for seed in range(60):
        trace = random_trace(seed, 4 + seed % 20, reach=4 + seed % 9)
        picture = draw(trace, open=opened).text(width=100_000)
        assert "made by" not in picture  # it is a picture, not a table
        for label in labels(build_scene(trace, View(opened)).level):
            for text, _ in [line for lines in TerminalSizes().label(label) for line in lines]:
                assert text.strip() in picture, seed


def test_an_array_is_written_row_by_row_and_a_large_one_in_short() -> None:
    x, w = given((2, 2)), given((5, 6))
    y, z = made("exp", x, shape=(2, 2)), made("exp", w, shape=(5, 6))
    small, large = np.array([[1.0, -0.5], [0.0, 3.0]]), np.arange(30.0).reshape(5, 6)
    large[0, 0] = np.nan
    picture = draw(trace_of([x, w, y, z], {x: small, y: small, w: large, z: large}, gradients={x: user(small)})).text()
    for text in ("[1 −0.5]", "[0    3]", "(5, 6) f64", "μ 15 [1, 29]", "█", "1 NaN"):
        assert text in picture


def test_colour_only_where_it_is_asked_for() -> None:
    assert "\x1b[" not in draw(branch(wrong=True)).text()
    coloured = draw(branch(wrong=True)).text(color=True)
    assert "\x1b[1;31m" in coloured
    assert "\x1b[1;36m" in coloured


@pytest.mark.parametrize("trace", [buy_fruits(), one_layer(), branch(), branch(wrong=True)], ids=["f", "s", "b", "w"])
@pytest.mark.parametrize("width", [40, 80])
def test_without_unicode_every_character_is_ascii(trace: object, width: int) -> None:
    text = draw(trace).text(width=width, unicode=False)  # type: ignore[arg-type]
    assert text.isascii()
    assert "715" in text or "0.5" in text or "1.1" in text


def test_events_and_long_messages_are_folded_below() -> None:
    x = given()
    message = "Relu.backward writes into its argument dout " * 4
    text = draw(trace_of([x], {x: 1.0}, names={x: "x"}, events=(Event("write", message),))).text(width=40)
    assert "! Relu.backward writes into its argument" in text
    assert max(len(line) for line in text.splitlines()) <= 40


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("width", [30, 80, 300])
def test_no_text_reaches_the_terminal_as_a_command_or_breaks_the_lines(kind: str, width: int) -> None:
    text = draw(hostile(HOSTILE[kind])).text(width=width)
    assert all(character.isprintable() or character == "\n" for character in text)
    assert max(cell_len(line) for line in text.splitlines()) <= width


def test_wide_characters_keep_the_boxes_aligned() -> None:
    x, y = given(), given()
    z = made("add", x, y)
    text = draw(trace_of([x, y, z], {x: 1, y: 2, z: 3}, names={x: "税金", y: "ab"})).text()
    left = [line for line in text.splitlines() if "┤" in line]
    assert len({cell_len(line[: line.index("┤")]) for line in left}) == 1


def test_an_empty_trace_says_so() -> None:
    assert "nothing to draw" in draw(trace_of([], {})).text()
