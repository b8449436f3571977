"""A wrong gradient is seen, also where the layer that it is in is closed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from layers_in_a_row import InARow

import dout
from dout.draw.paint.display_list import Text
from dout.draw.picture.picture import Picture

X = np.array([[1.0, -2.0], [3.0, 4.0]])


class Scale:
    def __init__(self, share: float) -> None:
        self.w = np.array([2.0, 3.0])
        self.share = share

    def forward(self, x: Any) -> Any:
        self.x = x
        return x * self.w

    def backward(self, dout: Any) -> Any:
        self.dw = self.share * (dout * self.x).sum(axis=0)
        return dout * self.w


class Twice:
    def __init__(self, one: Any, two: Any) -> None:
        self.one, self.two = one, two

    def forward(self, x: Any) -> Any:
        return self.two.forward(self.one.forward(x))

    def backward(self, dout: Any) -> Any:
        return self.one.backward(self.two.backward(dout))


def said(picture: Picture, style: str) -> list[str]:
    return [s.text for s in picture.drawing.shapes if isinstance(s, Text) and s.style == style]


@pytest.mark.parametrize("layer", [Scale(0.5), Twice(Scale(1.0), Scale(0.5))])
def test_a_closed_layer_says_which_gradient_inside_is_wrong(layer: Any) -> None:
    picture = dout.trace(layer, X).draw(open="none")
    assert said(picture, "wrong-inside") == ["✗ gradient of w", "▲ first wrong edge"]
    assert len(said(picture, "wrong-note")) == 1
    assert "✗ gradient of w ▲ first wrong" in picture.text(120)


@pytest.mark.parametrize(("shares", "part"), [((1.0, 0.5), "Scale two"), ((0.5, 1.0), "Scale one")])
def test_of_a_closed_network_the_layer_inside_is_named(shares: tuple[float, float], part: str) -> None:
    notes = dout.trace(Twice(*map(Scale, shares)), X).draw(open="none").scene.wrong
    assert [note.partition(" is ")[0] for note in notes] == [f"gradient of w in {part} of Twice"]


def test_an_open_layer_shows_it_on_the_edge_alone() -> None:
    picture = dout.trace(Scale(0.5), X).draw(open="all")
    assert said(picture, "wrong-inside") == []
    assert said(picture, "first") == ["▲ first wrong edge"]


def test_a_right_layer_says_nothing() -> None:
    picture = dout.trace(Twice(Scale(1.0), Scale(1.0)), X).draw(open="none")
    assert said(picture, "wrong") == said(picture, "wrong-inside") == said(picture, "first") == []


def test_the_layer_nearest_to_the_output_is_the_first_wrong_one() -> None:
    picture = dout.trace(Twice(Scale(0.5), Scale(0.5)), X).draw(open="Twice")
    assert said(picture, "wrong-inside") == ["✗ gradient of w", "✗ gradient of w", "▲ first wrong edge"]
    boxes = [item for item in picture.scene.level.everything() if item.kind == "layer"]
    assert [(bool(box.wrong), box.first) for box in boxes] == [(True, False), (True, True)]


def test_where_wrong_and_right_are_shown_alike_more_digits_are_shown() -> None:
    class Nearly:
        def forward(self, x: Any) -> Any:
            return x * 2.0

        def backward(self, dout: Any) -> Any:
            return dout * 2.00001

    assert said(dout.trace(Nearly(), 3.0).draw(), "wrong") == ["◂ ✗ 2.00001 (right: 2)"]


def test_of_very_many_wrong_gradients_the_first_ones_are_told_and_the_others_counted() -> None:
    notes = dout.trace(InARow(*(Scale(0.5) for _ in range(30))), X / 9).draw(open="none").scene.wrong
    assert notes[0].endswith("the first wrong edge")
    assert notes[-1] == "and 24 more wrong gradients"
