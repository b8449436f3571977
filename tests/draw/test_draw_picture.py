"""What a picture shows: each value and gradient of the slides, layers open or not, and where backward went wrong."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from draw_traces import HOSTILE, branch, buy_fruits, constant, given, hostile, made, one_layer, trace_of, user

import dout
from dout.draw import draw
from dout.draw.paint.display_list import Circle, Path, Rect, Text
from dout.draw.paint.scene_drawing import paint
from dout.draw.scene.scene_builder import build_scene
from dout.draw.view_options import View
from dout.errors import TargetError
from dout.graph import Where
from dout.trace.model.recorded import Event, LayerCall
from dout.trace.record.trace import Trace

SVG = "{http://www.w3.org/2000/svg}"


def texts(trace: Trace, style: str, opened: object = "auto", *, unfold: bool = False) -> list[str]:
    picture = paint(build_scene(trace, View(opened, unfold=unfold)))  # type: ignore[arg-type]
    return [s.text for s in picture.shapes if isinstance(s, Text) and s.style == style]


def place(trace: Trace, text: str) -> tuple[float, float]:
    shapes = paint(build_scene(trace)).shapes
    return next((s.x, s.y) for s in shapes if isinstance(s, Text) and s.text == text)


class Irregular:
    """A layer of so many steps, in an order without a pattern."""

    def __init__(self, steps: int) -> None:
        self.steps = np.random.default_rng(0).integers(0, 4, steps)

    def forward(self, x: float) -> float:
        for step in self.steps:
            x = (x * 0.5, x + 0.25, x * -2.0, x - 0.125)[step]
        return x

    def backward(self, dout: float) -> float:
        for step in reversed(self.steps):
            dout = (dout * 0.5, dout, dout * -2.0, dout)[step]
        return dout


def operators(trace: Trace, opened: str = "auto", *, backward: bool = False) -> int:
    shapes = paint(build_scene(trace, View(opened, backward=backward))).shapes  # type: ignore[arg-type]
    return sum(isinstance(shape, Circle) and shape.radius > 10 for shape in shapes)


def test_a_layer_that_is_alone_opens_by_itself_if_a_person_can_look_at_it() -> None:
    short, long = (dout.trace(Irregular(steps), 0.5) for steps in (12, 400))
    assert operators(short) == 12
    assert operators(long) == 0
    assert operators(long, "all") == 400


def test_a_backward_alone_stays_closed_by_the_same_rule() -> None:
    short, long = (dout.trace(Irregular(steps), 0.5) for steps in (12, 400))
    assert operators(short, backward=True) > 0
    assert operators(long, backward=True) == 0
    assert "Irregular" in long.draw(backward=True).text()
    assert operators(long, "all", backward=True) > 100


def test_buy_fruits_shows_every_value_and_gradient_of_the_slides() -> None:
    trace = buy_fruits()
    assert sorted(texts(trace, "value")) == sorted(["100", "2", "150", "3", "1.1", "200", "450", "650", "715"])
    shown = sorted(texts(trace, "gradient"))
    assert shown == sorted(f"◂ {g}" for g in ["2.2", "110", "3.3", "165", "650", "1.1", "1.1", "1.1", "1"])


def test_a_layer_of_one_operator_is_drawn_as_that_operator_with_its_variable() -> None:
    trace = buy_fruits()
    assert texts(trace, "symbol") == ["×", "×", "+", "×"]
    assert "mul_apple_layer" in texts(trace, "caption")
    assert sum(isinstance(s, Circle) for s in paint(build_scene(trace)).shapes) == 4


def test_the_result_stands_bold_at_the_right_end() -> None:
    trace = buy_fruits()
    assert texts(trace, "result") == ["price"]
    assert place(trace, "price")[0] > place(trace, "715")[0]


def test_arguments_stand_top_to_bottom_and_the_gradient_below_the_value() -> None:
    trace = buy_fruits()
    ys = [place(trace, name)[1] for name in ("apple", "apple_num", "orange", "orange_num")]
    assert ys == sorted(ys)
    assert place(trace, "◂ 2.2")[1] > place(trace, "100")[1]


def test_a_layer_that_is_alone_opens_with_a_gradient_on_each_inner_edge() -> None:
    trace = one_layer()
    assert texts(trace, "title") == ["▾ Sigmoid"]
    assert texts(trace, "symbol") + texts(trace, "word") == ["−", "+", "/", "exp"]
    assert texts(trace, "derived") == ["◂ −0.25"] * 3
    assert sorted(texts(trace, "gradient")) == ["◂ 0.25", "◂ 1"]


def test_a_closed_layer_is_a_double_edged_box_with_its_class() -> None:
    shapes = paint(build_scene(one_layer(), View("none"))).shapes
    assert [s.style for s in shapes if isinstance(s, Rect)] == ["layer", "layer-inner"]
    assert texts(one_layer(), "title", "none") == ["Sigmoid ▸"]


@pytest.mark.parametrize("name", ["sigmoid", "Sigmoid"])
def test_a_layer_is_opened_by_its_name_or_class(name: str) -> None:
    assert texts(one_layer(), "title", {name}) == ["▾ Sigmoid"]
    with pytest.raises(TargetError, match="there is no layer another to open; there are sigmoid, Sigmoid"):
        texts(one_layer(), "title", {"another"})


def test_constants_are_quiet_and_have_no_gradient() -> None:
    assert texts(one_layer(), "constant") == ["1", "1"]


def test_a_branch_has_a_dot_and_says_the_sum() -> None:
    trace = branch()
    assert "◂ 1.1 + 0.4 = 1.5" in texts(trace, "gradient")
    assert {"◂ 1.1", "◂ 0.4"} <= set(texts(trace, "gradient"))
    assert [s.style for s in paint(build_scene(trace)).shapes if isinstance(s, Circle)].count("dot") == 1


def test_a_wrong_gradient_shows_the_right_one_and_is_pointed_at() -> None:
    trace = branch(wrong=True)
    assert texts(trace, "wrong") == ["◂ ✗ 1.1 (right: 1.1 + 0.4 = 1.5)"]
    assert texts(trace, "first") == ["▲ first wrong edge"]
    assert texts(trace, "wrong-note") == ["✗ gradient of x is 1.1, right: 1.5, the first wrong edge"]


def test_the_first_wrong_edge_is_the_one_nearest_to_the_output() -> None:
    x = given()
    a, b, c = (first := made("exp", x)), (second := made("exp", first)), made("exp", second)
    nodes = [x, a, b, c]
    wrong = {x: user(5, expected=6), a: user(3, expected=4), b: user(1), c: user(1)}
    trace = trace_of(nodes, dict.fromkeys(nodes, 1.0), names={x: "x", a: "a"}, gradients=wrong)
    notes = texts(trace, "wrong-note")
    assert notes[0] == "✗ gradient of a is 3, right: 4, the first wrong edge"
    assert len(texts(trace, "first")) == 1


def test_a_gradient_that_nobody_computed_is_blank() -> None:
    x = given()
    y = made("exp", x)
    trace = trace_of([x, y], {x: 1.0, y: 2.718}, names={x: "x"})
    assert sorted(texts(trace, "value")) == ["1", "2.718"]
    assert texts(trace, "gradient") == []


def test_wrong_elements_of_a_small_array_are_marked_one_by_one() -> None:
    h = given((2,))
    y = made("exp", h, shape=(2,))
    value = np.array([3.0, -8.0])
    wrong = user(np.array([2.0, 0.0]), expected=np.array([2.0, 1.0]))
    shapes = paint(build_scene(trace_of([h, y], {h: value, y: value}, gradients={h: wrong}))).shapes
    assert [s.style for s in shapes if isinstance(s, Rect)].count("cell-wrong") == 1


def test_edges_that_carry_arrays_are_thicker() -> None:
    h = given((2,))
    shapes = paint(build_scene(trace_of([h], {h: np.ones(2)}, names={h: "h"}))).shapes
    assert {s.style for s in shapes if isinstance(s, Path)} == {"thick"}


def test_what_is_only_part_of_a_backward_is_not_drawn() -> None:
    trace = buy_fruits()
    dout = made("multiply", trace.graph.inputs["tax"], trace.graph.inputs["apple"])
    grown = trace_of(
        [*trace.graph.nodes, dout], trace.data, names=trace.names, calls=trace.calls, call_of=trace.call_of
    )
    object.__setattr__(grown, "backward", frozenset({dout}))
    assert texts(grown, "symbol") == ["×", "×", "+", "×"]


def test_events_stand_below() -> None:
    x = given()
    trace = trace_of([x], {x: 1.0}, events=(Event("write", "Relu.backward writes into its argument dout"),))
    assert texts(trace, "note") == ["! Relu.backward writes into its argument dout"]


# --- odd graphs -------------------------------------------------------------------------------------------------------


def test_an_empty_trace_says_that_there_is_nothing_to_draw() -> None:
    assert "nothing to draw" in draw(trace_of([], {})).svg()


def test_an_input_that_is_also_the_output_is_drawn_once() -> None:
    x = given()
    trace = trace_of([x], {x: 5.0}, names={x: "x"}, outputs={"x": x})
    assert texts(trace, "value") == ["5"]
    assert texts(trace, "name") + texts(trace, "result") == ["x"]


def test_a_layer_that_returns_its_input_stands_on_the_way_to_the_result() -> None:
    x = given()
    first, second = LayerCall("first", "Identity", (x,), (x,)), LayerCall("second", "Identity", (x,), (x,))
    trace = trace_of([x], {x: 5.0}, names={x: "x"}, calls=(first, second))
    assert texts(trace, "title", "none") == ["Identity ▸", "Identity ▸"]
    assert texts(trace, "value", "none") == ["5", "5", "5"]


def test_disconnected_parts_are_all_drawn() -> None:
    inputs = [given() for _ in range(3)]
    nodes = [made("exp", x) for x in inputs]
    assert texts(trace_of([*inputs, *nodes], dict.fromkeys([*inputs, *nodes], 1.0)), "word") == ["exp"] * 3


def test_three_hundred_inputs_of_one_node() -> None:
    inputs = [given() for _ in range(300)]
    node = made("array", *inputs, shape=(300,))
    trace = trace_of([*inputs, node], {**dict.fromkeys(inputs, 1.5), node: np.full(300, 1.5)})
    assert texts(trace, "value", unfold=True).count("1.5") == 300
    assert texts(trace, "value").count("1.5") == 2
    told = "! of 300 values alike that go into array the first and the last are drawn; --unfold draws all"
    assert told in texts(trace, "note")
    assert not texts(trace, "note", unfold=True)


def test_several_inputs_of_one_node_are_all_drawn() -> None:
    inputs = [given() for _ in range(8)]
    node = made("array", *inputs, shape=(8,))
    trace = trace_of([*inputs, node], {**dict.fromkeys(inputs, 1.5), node: np.full(8, 1.5)})
    assert texts(trace, "value").count("1.5") == 8
    assert not texts(trace, "note")


def test_of_many_notes_of_a_kind_at_one_line_the_first_is_told_and_how_many_more_there_are() -> None:
    x = given()
    node = made("exp", x)
    there = Where("data.py", 7)
    events = tuple(Event("data", f"stand-in data for {i}.png", there) for i in range(5))
    other = (Event("data", "stand-in data for a table", Where("data.py", 9)),)
    trace = trace_of([x, node], {x: 1.0, node: np.e})
    notes = texts(replace(trace, events=(*events, *other)), "note")
    assert notes == [
        "! stand-in data for 0.png, at data.py:7",
        "! and 4 more like it, at data.py:7",
        "! stand-in data for a table, at data.py:9",
    ]
    assert len(texts(replace(trace, events=events[:3]), "note")) == 3
    lost = tuple(Event("orphan", f"an array of shape ({i},) came from outside", Where("net.py", i)) for i in range(9))
    assert texts(replace(trace, events=lost), "note") == [
        "! an array of shape (0,) came from outside, at net.py:0",
        "! and 8 more like it",
    ]
    assert len(texts(replace(trace, events=lost[:3]), "note")) == 3


def test_a_value_used_twice_by_one_node_comes_in_at_both_ports() -> None:
    x = given()
    square = made("multiply", x, x)
    trace = trace_of([x, square], {x: 3.0, square: 9.0}, edges={(square, 0): user(3), (square, 1): user(3)})
    assert texts(trace, "gradient") == ["◂ 3", "◂ 3"]


def test_a_constant_that_a_layer_is_given_is_quiet_too() -> None:
    x, one = given(), constant(-1)
    y = made("multiply", x, one)
    call = LayerCall("mul_layer", "MulLayer", (x, one), (y,))
    trace = trace_of([x, one, y], {x: 2.0, one: -1, y: -2.0}, calls=(call,), call_of={y: call})
    assert texts(trace, "constant") == ["−1"]


def test_a_layer_of_one_operator_takes_its_arguments_in_the_operators_order() -> None:
    x, y = given(), given()
    difference = made("subtract", y, x)
    call = LayerCall("sub", "BackwardsSubtract", (x, y), (difference,))
    nodes = [x, y, difference]
    trace = trace_of(
        nodes,
        dict(zip(nodes, [1.0, 5.0, 4.0], strict=True)),
        names={x: "x", y: "y"},
        calls=(call,),
        call_of={difference: call},
    )
    assert place(trace, "y")[1] < place(trace, "x")[1]


def test_a_value_that_a_saved_trace_only_summarises_shows_its_shape() -> None:
    x = given((100, 100), np.dtype("f4"))
    trace = trace_of([x], {x: None}, names={x: "x"}, gradients={x: user(None)})
    assert texts(trace, "head") == ["(100, 100) f32"]
    assert texts(trace, "gradient") == ["◂ …"]


# --- SVG --------------------------------------------------------------------------------------------------------------


def test_svg_is_well_formed_and_has_every_number() -> None:
    root = ET.fromstring(draw(buy_fruits()).svg())
    assert root.tag == f"{SVG}svg"
    seen = {"".join(element.itertext()).split("\n")[-1] for element in root.iter(f"{SVG}text")}
    for number in ("100", "650", "715", "◂ 110", "◂ 3.3", "◂ 165"):
        assert any(text.endswith(number) for text in seen), number


def test_svg_tells_every_digit_to_the_pointer() -> None:
    titles = [t.text for t in ET.fromstring(draw(buy_fruits()).svg()).iter(f"{SVG}title")]
    assert any("price = 715.0000000000001" in (t or "") for t in titles)
    assert any("gradient 3.3000000000000003" in (t or "") for t in titles)


def test_svg_tells_a_screen_reader_what_each_node_does() -> None:
    svg = draw(buy_fruits()).svg()
    assert "multiply mul_tax_layer, inputs 650 and 1.1, output 715, gradient 1" in svg
    assert ET.fromstring(svg).find(f"{SVG}desc") is not None


def test_svg_is_light_dark_or_as_the_reader_prefers() -> None:
    light, dark, auto = (draw(buy_fruits(), theme=theme).svg() for theme in ("light", "dark", "auto"))
    assert "#ffffff" in light
    assert "#0f141a" not in light
    assert "#0f141a" in dark
    assert "#ffffff" not in dark
    assert "@media (prefers-color-scheme:dark)" in auto
    with pytest.raises(ValueError, match="light, dark, print or auto"):
        draw(buy_fruits(), theme="pink").svg()  # type: ignore[arg-type]


def test_a_width_is_the_width_of_the_svg_on_paper() -> None:
    root = ET.fromstring(draw(one_layer(), width=85).svg())
    left, top, right, bottom = map(float, root.attrib["viewBox"].split())
    assert (left, top, root.attrib["width"]) == (0, 0, "85mm")
    assert float(root.attrib["height"].removesuffix("mm")) == pytest.approx(85 * bottom / right, abs=0.01)


def test_svg_has_no_script_and_reaches_for_nothing() -> None:
    svg = draw(buy_fruits()).svg()
    assert "<script" not in svg
    assert "href" not in svg
    assert "url(" not in svg


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("opened", ["all", "none"])
def test_no_text_becomes_markup_or_breaks_the_svg(kind: str, opened: str) -> None:
    svg = draw(hostile(HOSTILE[kind]), open=opened).svg()
    root = ET.fromstring(svg)
    names = {"svg", "g", "title", "desc", "style", "rect", "circle", "path", "text"}
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= names
    assert not any(key.startswith("on") for element in root.iter() for key in element.attrib)
    assert "\x1b" not in svg
    assert len(svg) < 60_000


@pytest.mark.parametrize("options", [{"digits": 0}, {"digits": 18}, {"width": 0}, {"width": -85}, {"width": math.nan}])
def test_an_option_that_cannot_be_is_refused_at_once(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="not"):
        draw(buy_fruits(), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(("text", "wide"), [("85mm", 85), ("8.5 cm", 85), ("2in", 50.8), ("72pt", 25.4)])
def test_a_width_may_be_text_with_its_unit(text: str, wide: float) -> None:
    assert draw(one_layer(), width=text).look.width == pytest.approx(wide)


@pytest.mark.parametrize(("option", "wrong", "says"), [
    ("width", "85", "'85' is no length; write 85mm"),
    ("width", [85], r"\[85\] is no length; write 85mm"),
    ("digits", "4", "digits are 1 to 17, not '4'"),
    ("open", 5, 'open is "auto", "all", "none", or names of layers such as .*, not 5'),
    ("open", [5], r"not \[5\]"),
    ("open", None, "not None"),
])  # fmt: skip
def test_an_option_of_another_kind_is_refused_with_what_to_write(option: str, wrong: object, says: str) -> None:
    with pytest.raises((ValueError, TargetError), match=says):
        draw(one_layer(), **{option: wrong})  # type: ignore[arg-type]
