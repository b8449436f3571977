"""The hand-written backward, drawn as its own graph: `dout` on the left, gradients on the right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from layers_in_a_row import InARow
from picture_problems import problems

import dout
from dout.draw.paint.display_list import Drawing, Text
from dout.draw.picture.picture import Picture
from dout.draw.scene.scene import Item


class Linear:
    def __init__(self, W: Any, b: Any, wrong: bool = False) -> None:
        self.W, self.b, self.wrong = W, b, wrong

    def forward(self, x: Any) -> Any:
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout: Any) -> Any:
        self.db = dout.sum(axis=0)
        self.dW = self.x.T @ dout
        if self.wrong:
            self.dW = self.dW / 2
        return dout @ self.W.T


class Switch:
    def forward(self, x: Any) -> Any:
        self.off = x <= 0
        out = x.copy()
        out[self.off] = 0
        return out

    def backward(self, dout: Any) -> Any:
        dout[self.off] = 0
        return dout


class Squash:
    def forward(self, x: Any) -> Any:
        self.out = 1 / (1 + np.exp(-x))
        return self.out

    def backward(self, dout: Any) -> Any:
        return dout * (1.0 - self.out)


class Both:
    """A sum hands the same gradient to both."""

    def forward(self, x: Any, y: Any) -> Any:
        return x + y

    def backward(self, dout: Any) -> Any:
        return dout, dout


X = np.array([[1.0, -2.0], [3.0, 4.0]])


def linear(wrong: bool = False) -> Linear:
    return Linear(np.array([[1.0, 2.0], [3.0, 5.0]]), np.zeros(2), wrong)


def backward_of(layer: Any, *inputs: Any, **options: Any) -> Picture:
    return dout.trace(layer, *inputs).draw(backward=True, **options)


def items(picture: Picture, kind: str) -> list[Item]:
    return [item for item in picture.scene.level.everything() if item.kind == kind]


def texts(drawing: Drawing, *styles: str) -> list[Text]:
    return [s for s in drawing.shapes if isinstance(s, Text) and s.style in styles]


def ends(picture: Picture) -> set[str]:
    return {text.text for text in texts(picture.drawing, "result")}


def test_from_dout_on_the_left_to_named_gradients_on_the_right() -> None:
    picture = backward_of(linear(), X)
    (dout_name,) = (t for t in texts(picture.drawing, "name") if t.text == "dout")
    assert ends(picture) == {"dx", "dW", "db"}
    assert all(dout_name.x < end.x for end in texts(picture.drawing, "result"))


def test_what_forward_kept_enters_on_dashed_edges_from_quiet_names() -> None:
    picture = backward_of(linear(), X)
    assert {t.text for t in texts(picture.drawing, "kept-name")} == {"x", "W"}
    assert any(s.style == "kept-thick" for s in picture.drawing.shapes)


def test_an_edge_shows_the_gradient_that_its_value_is_and_nothing_below() -> None:
    picture = backward_of(dout.layers.MulLayer(), 100, 2)
    shown = {t.text: t for t in texts(picture.drawing, "gradient")}
    assert set(shown) == {"1", "2", "100"}
    assert not any("◂" in t.text for t in texts(picture.drawing, "gradient", "value"))


def test_what_is_no_gradient_keeps_the_look_of_a_value() -> None:
    picture = backward_of(Squash(), 0.0)
    assert [t.text for t in texts(picture.drawing, "value")] == ["0.5", "0.5"]  # self.out, and 1 − self.out


def test_a_wrong_gradient_is_red_with_the_right_one_beside_it() -> None:
    picture = backward_of(Squash(), 0.0)
    assert [t.text for t in texts(picture.drawing, "wrong")] == ["✗ 0.5 (right: 0.25)"]
    assert len(texts(picture.drawing, "first")) == 1
    assert picture.scene.wrong == ("dx is 0.5, right: 0.25, the first wrong edge",)


def test_a_wrong_gradient_of_a_parameter_is_red_where_it_leaves() -> None:
    picture = backward_of(linear(wrong=True), X)
    assert len(picture.scene.wrong) == 1
    assert picture.scene.wrong[0].startswith("dW is")


def test_a_dout_that_is_handed_on_unchanged_leaves_under_the_names_of_the_gradients() -> None:
    assert "dx, dy" in ends(backward_of(Both(), 1.0, 2.0))


def test_a_dout_that_is_handed_on_where_it_should_not_be_is_wrong_under_the_name_of_the_gradient() -> None:
    class Square:
        def forward(self, x: Any) -> Any:
            return x * x

        def backward(self, dout: Any) -> Any:
            return dout

    picture = backward_of(Square(), 3.0)
    assert picture.scene.wrong == ("dx is 1, right: 6, the first wrong edge",)


def test_a_dout_that_is_kept_and_handed_on_is_both() -> None:
    class Shift:
        def __init__(self) -> None:
            self.b = np.zeros(2)

        def forward(self, x: Any) -> Any:
            return x + self.b

        def backward(self, dout: Any) -> Any:
            self.db = dout
            return dout

    assert ends(backward_of(Shift(), np.ones(2))) == {"dx, db"}


def test_a_write_in_place_is_drawn_as_it_was_recorded() -> None:
    picture = backward_of(Switch(), X)
    assert [item.text for item in items(picture, "operator")] == ["[ ]="]
    assert ends(picture) == {"dx"}


@pytest.mark.parametrize("opened", ["all", "none"])
def test_layers_stand_in_reverse_order_and_open_the_same_way(opened: str) -> None:
    picture = backward_of(InARow(linear(), Switch(), linear()), X, open=opened)
    boxes = [item.text for item in items(picture, "open" if opened == "all" else "layer")]
    assert boxes == (["InARow", "Linear", "Switch", "Linear"] if opened == "all" else ["InARow"])
    assert sorted(t.text for t in texts(picture.drawing, "result")) == ["dW", "dW", "db", "db", "dx"]


def test_what_was_kept_stands_beside_each_of_its_uses() -> None:
    class Cube:
        def forward(self, x: Any) -> Any:
            self.x = x
            return x * x * x

        def backward(self, dout: Any) -> Any:
            return 3 * (dout * self.x) * self.x

    picture = backward_of(Cube(), 2.0)
    assert [t.text for t in texts(picture.drawing, "kept-name")] == ["x", "x"]


def test_what_a_function_returned_is_called_as_the_layer_keeps_it() -> None:
    def squashed(x: Any) -> Any:
        return 1 / (1 + np.exp(-x))

    class Kept:
        def forward(self, x: Any) -> Any:
            self.y = squashed(x)
            return self.y * 2

        def backward(self, dout: Any) -> Any:
            return dout * 2 * self.y * (1 - self.y)

    assert {t.text for t in texts(backward_of(Kept(), 0.5).drawing, "kept-name")} == {"y"}


def test_a_recording_without_a_backward_says_so_in_one_line() -> None:
    picture = dout.trace(lambda x: x * 2, 3.0).draw(backward=True)
    said = "nothing to draw: no hand-written backward was recorded"
    assert [t.text for t in texts(picture.drawing, "note")] == [said]
    assert picture.text().strip() == said


def test_the_terminal_and_its_table_show_the_same() -> None:
    picture = backward_of(linear(), X)
    for width in (200, 40):
        told = picture.text(width)
        assert "dout" in told
        assert "dW" in told
        assert "◂" not in told
    assert "W ┄┄┄" in picture.text(200)
    assert picture.text(200, unicode=False).isascii()


def test_an_output_that_is_used_as_well_is_a_result_too() -> None:
    class Step:
        def forward(self, x: Any) -> Any:
            state = x * 2
            out = state * 3
            return out, state

        def backward(self, dout: Any, dstate: Any) -> Any:
            return (dout * 3 + dstate) * 2

    picture = dout.trace(Step(), 5.0).draw()
    assert {t.text for t in texts(picture.drawing, "result")} == {"out", "state"}


def test_what_layers_inside_a_closed_one_hand_to_each_other_is_no_result() -> None:
    picture = dout.trace(InARow(linear(), linear()), X).draw(open="none")
    assert len(texts(picture.drawing, "result")) == 1


def test_a_step_of_learning_is_no_part_of_the_backward(tmp_path: Any) -> None:
    file = tmp_path / "learn.py"
    file.write_text(
        "import numpy as np\n"
        "class Scale:\n"
        "    def __init__(self):\n"
        "        self.w = np.ones(2)\n"
        "    def forward(self, x):\n"
        "        self.x = x\n"
        "        return x * self.w\n"
        "    def backward(self, dout):\n"
        "        self.dw = dout * self.x\n"
        "        return dout * self.w\n"
        "one, two = Scale(), Scale()\n"
        "x = np.array([1.0, 2.0])\n"
        "y = one.forward(x) + two.forward(x)\n"
        "dx = one.backward(np.ones(2)) + two.backward(np.ones(2))\n"
        "one.w -= 0.1 * one.dw\n"
    )
    from recorded_scripts import record_script

    assert {"dw", "dx"} == ends(record_script(str(file)).draw(backward=True))


@pytest.mark.parametrize("opened", ["all", "none", "InARow"])
def test_nothing_overlaps_in_a_backward(opened: str) -> None:
    net = InARow(linear(wrong=True), Switch(), linear())
    assert problems(backward_of(net, X, open=opened).drawing) == []


@pytest.mark.parametrize("suffix", [".svg", ".html", ".txt", ".tex"])
def test_every_face_draws_a_backward(suffix: str, tmp_path: Any) -> None:
    (file,) = backward_of(InARow(linear(), Switch(), linear(wrong=True)), X).save(tmp_path / f"net{suffix}")
    assert "dW" in file.read_text()


def test_its_steps_are_those_of_the_backward() -> None:
    picture = backward_of(dout.layers.MulLayer(), 100, 2)
    steps = picture.scene.steps()
    assert [(step.phase, step.card.title) for step in steps] == [("backward", "× in backward")] * 2
    first, *_, last = picture.frames
    assert texts(first, "gradient")  # dout is given
    assert len(texts(last, "gradient")) == 3


def test_the_page_knows_how_each_gradient_is_computed() -> None:
    from dout.draw.page.page_data import page_data

    data = page_data(backward_of(dout.layers.MulLayer(), 100, 2))
    behind = [label["gradient"] for label in data["labels"].values() if label.get("gradient")]
    assert len(behind) == 3
    assert all(mark["along"] for mark in behind)


class OneTooMany:
    def forward(self, x: Any) -> Any:
        return x * 2

    def backward(self, dout: Any) -> Any:
        return dout * 2, dout * 3


def test_a_gradient_too_many_has_its_end_too() -> None:
    assert "3" in dout.trace(OneTooMany(), 2.0).draw(backward=True).text()
