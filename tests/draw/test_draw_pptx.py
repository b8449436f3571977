"""The picture as slides: what PowerPoint reads back is native, named, and text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any

import pytest
from draw_traces import HOSTILE, branch, buy_fruits, hostile, one_layer, random_trace
from picture_examples import arrays

from dout.draw import draw
from dout.draw.paint.display_list import Circle, Drawing, Path, Rect, Text
from dout.draw.view_options import Look
from dout.draw.writers.pptx import write

pptx = pytest.importorskip("pptx")
MM, INCH = 36_000, 914_400


def deck(drawings: Sequence[Drawing], look: Look = Look()) -> Any:
    return pptx.Presentation(BytesIO(write(drawings, look)))


def shapes(holder: Any) -> Iterator[Any]:
    """Every shape but the slide's title, those in groups too."""
    for shape in holder.shapes:
        if shape.shape_type == 6:  # a group
            yield from shapes(shape)
        elif not shape.is_placeholder:
            yield shape


def texts(slide: Any) -> list[str]:
    return sorted(shape.text_frame.text for shape in shapes(slide) if shape.has_text_frame and shape.text_frame.text)


def kinds(slide: Any) -> Counter[str]:
    """How many shapes there are of each geometry."""
    found = (shape._element.find(".//{*}prstGeom") for shape in shapes(slide))
    return Counter("freeform" if geometry is None else geometry.get("prst") for geometry in found)


@pytest.mark.parametrize("trace", [buy_fruits(), one_layer(), branch(wrong=True), random_trace(3)])
def test_every_text_of_the_picture_is_text_on_the_slide(trace: Any) -> None:
    drawing = draw(trace, open="all").drawing
    (slide,) = deck([drawing]).slides
    assert texts(slide) == sorted(shape.text for shape in drawing.shapes if isinstance(shape, Text))


def test_circles_boxes_curves_and_straight_lines_are_native_shapes() -> None:
    drawing = draw(branch()).drawing
    (slide,) = deck([drawing]).slides
    paths = [[command for command, _ in shape.commands] for shape in drawing.shapes if isinstance(shape, Path)]
    assert kinds(slide)["ellipse"] == sum(isinstance(shape, Circle) for shape in drawing.shapes)
    assert kinds(slide)["line"] == paths.count(["M", "L"])
    assert kinds(slide)["freeform"] == len(paths) - paths.count(["M", "L"])
    curves = slide._element.findall(".//{*}cubicBezTo")
    assert len(curves) == sum(path.count("C") for path in paths)
    assert all(len(curve) == 3 for curve in curves)


def test_a_symbol_is_written_on_its_circle_and_a_class_on_its_box() -> None:
    (slide,) = deck([draw(buy_fruits()).drawing]).slides
    circles = [s for s in shapes(slide) if s.shape_type == 1 and s.auto_shape_type == 9]
    assert [circle.text_frame.text for circle in circles] == ["×", "×", "+", "×"]
    (slide,) = deck([draw(one_layer(), open="none").drawing]).slides
    assert "Sigmoid ▸" in [s.text_frame.text for s in shapes(slide) if s.shape_type == 1]


def test_the_text_of_a_hatched_cell_stays_above_its_hatch() -> None:
    (slide,) = deck([draw(arrays()).drawing]).slides
    groups = [list(shapes(shape)) for shape in slide.shapes if shape.shape_type == 6]
    (array,) = [group for group in groups if "−5" in [shape.text_frame.text for shape in group]]
    texts_and_hatches = ["hatch" if shape.shape_type == 5 else shape.text_frame.text for shape in array]  # 5: freeform
    assert "hatch" in texts_and_hatches
    assert texts_and_hatches.index("−5") > texts_and_hatches.index("hatch")


def test_the_selection_pane_names_operators_and_says_what_they_do() -> None:
    (slide,) = deck([draw(buy_fruits()).drawing]).slides
    found = {
        s._element.find(".//{*}cNvPr").get("name"): s._element.find(".//{*}cNvPr").get("descr") for s in shapes(slide)
    }
    assert found["multiply mul_tax_layer"].startswith(
        "multiply mul_tax_layer, inputs 650 and 1.1, output 715, gradient 1"
    )
    assert {"apple", "100", "edge"} <= set(found)
    ids = [element.get("id") for element in slide._element.findall(".//{*}cNvPr")]
    assert len(set(ids)) == len(ids)


def test_edges_are_passed_over_by_screen_readers() -> None:
    (slide,) = deck([draw(buy_fruits()).drawing]).slides
    decorative = [e for e in slide._element.iter("{*}cNvPr") if e.find(".//{*}decorative") is not None]
    assert {e.get("name") for e in decorative} == {"edge"}


def test_a_layer_and_its_inner_edge_move_as_one() -> None:
    (slide,) = deck([draw(one_layer(), open="none").drawing]).slides
    groups = [shape for shape in slide.shapes if shape.shape_type == 6]
    layer = next(group for group in groups if group.name == "layer Sigmoid sigmoid")
    assert [shape.auto_shape_type for shape in layer.shapes] == [5, 5]  # rounded rectangles


def test_a_slide_a_step_in_the_same_places_with_the_card_in_the_notes() -> None:
    picture = draw(buy_fruits())
    slides = list(deck(picture.frames).slides)
    assert len(slides) == 9
    assert slides[8].shapes.title.text.endswith("step 8 of 8")
    assert "swap the inputs" in slides[8].notes_slide.notes_text_frame.text
    places = [{s.name: (s.left, s.top) for s in shapes(slide) if s.name == "apple"} for slide in slides]
    assert all(place == places[0] for place in places)
    assert "715" not in texts(slides[0])
    assert "715" in texts(slides[4])


def test_the_drawing_fills_the_usual_slide_and_stays_on_it() -> None:
    made = deck([draw(buy_fruits()).drawing])
    assert (made.slide_width, made.slide_height) == (12_192_000, 6_858_000)
    for shape in shapes(made.slides[0]):
        assert 0 <= shape.left <= shape.left + shape.width <= made.slide_width
        assert 0 <= shape.top <= shape.top + shape.height <= made.slide_height


def test_a_large_drawing_gets_a_larger_slide_rather_than_smaller_text() -> None:
    made = deck([Drawing(8000, 300, (Text(0, 20, "100", "value"),))])
    assert made.slide_width > 12_192_000
    assert next(shapes(made.slides[0])).text_frame.paragraphs[0].runs[0].font.size.pt >= 5
    huge = deck([Drawing(90_000, 80_000, (Rect(0, 0, 90_000, 80_000, "open"), Text(0, 20, "100", "value")))])
    assert max(huge.slide_width, huge.slide_height) <= 56 * INCH
    assert next(shapes(huge.slides[0])).width <= huge.slide_width


def test_a_width_is_that_of_the_drawing_on_the_slide() -> None:
    (slide,) = deck([Drawing(200, 50, (Rect(0, 0, 200, 50, "open"),))], Look(width=85)).slides
    assert next(shapes(slide)).width == pytest.approx(85 * MM, abs=1)


def test_a_theme_colours_the_slide_and_what_is_on_it() -> None:
    (slide,) = deck([draw(buy_fruits()).drawing], Look("dark")).slides
    assert str(slide.background.fill.fore_color.rgb) == "0F141A"
    value = next(s for s in shapes(slide) if s.has_text_frame and s.text_frame.text == "715")
    assert str(value.text_frame.paragraphs[0].runs[0].font.color.rgb) == "6DB7FF"


@pytest.mark.one_in(6)
@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("opened", ["all", "none"])
def test_no_text_becomes_markup(kind: str, opened: str) -> None:
    drawing = draw(hostile(HOSTILE[kind]), open=opened).drawing
    (slide,) = deck([drawing]).slides
    assert len(texts(slide)) == sum(isinstance(shape, Text) for shape in drawing.shapes)
    assert "\x1b" not in "".join(texts(slide))
