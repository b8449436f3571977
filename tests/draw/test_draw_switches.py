"""ReLU is a switch, and one sees it switch: what is off is hatched, in value and gradient alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dout
from dout.draw.paint.display_list import Path, Rect
from dout.draw.picture.picture import Picture
from dout.draw.scene.scene import Label, Stem

X = np.array([[1.0, -2.0], [-3.0, 4.0]])
OFF = ((False, True), (True, False))


class Written:
    def forward(self, x: Any) -> Any:
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout: Any) -> Any:
        dx = dout.copy()
        dx[self.mask] = 0
        return dx


class Larger:
    def forward(self, x: Any) -> Any:
        self.x = x
        return np.maximum(x, 0)

    def backward(self, dout: Any) -> Any:
        return dout * (self.x > 0)


class Chosen(Larger):
    def forward(self, x: Any) -> Any:
        self.x = x
        return np.where(x > 0, x, 0)


class Masked(Larger):
    def forward(self, x: Any) -> Any:
        self.x = x
        return x * ((x > 0) / 1.0)


def stems(picture: Picture) -> list[Stem]:
    return [stem for item in picture.scene.level.everything() for stem in item.stems if stem.label]


def label_of(layer: Any, name: str, x: Any = X, **options: Any) -> Label:
    picture = dout.trace(layer, x).draw(**options)
    ends = [s.label for s in stems(picture) if s.end == "result"]
    starts = [s.label for i in picture.scene.level.everything() if i.text == name for s in i.stems]
    return (starts or ends)[0]


@pytest.mark.parametrize("layer", [Written, Larger, Chosen, Masked])
@pytest.mark.parametrize("name", ["x", "out"])
def test_what_is_off_is_off_before_and_behind_the_switch_in_value_and_gradient(layer: Any, name: str) -> None:
    label = label_of(layer(), name, open="all")
    assert label.value is not None
    assert label.gradient is not None
    assert label.value.off == label.gradient.shown.off == OFF


@pytest.mark.parametrize("layer", [Written, Larger])
def test_the_backward_switches_in_the_same_places(layer: Any) -> None:
    label = label_of(layer(), "dout", backward=True)
    assert label.gradient is not None
    assert label.gradient.shown.off == OFF


def test_a_value_that_is_used_besides_is_not_off() -> None:
    class Skip(Larger):
        def forward(self, x: Any) -> Any:
            self.x = x
            return np.maximum(x, 0) + x

    label = label_of(Skip(), "x", open="all")
    assert label.value is not None
    assert label.value.off == ()


def test_of_a_larger_array_it_is_said_how_many_are_off() -> None:
    label = label_of(Larger(), "x", np.linspace(-1, 1, 30), open="all")
    assert label.value is not None
    assert label.value.note == "15 of 30 off"


def test_a_mask_is_seen_as_ticks() -> None:
    shapes = dout.trace(Written(), X).draw(open="all").drawing.shapes
    assert sum(isinstance(s, Path) and s.style == "tick" for s in shapes) == 2
    assert sum(isinstance(s, Rect) and s.style == "cell-on" for s in shapes) == 2


def test_hatching_stays_inside_its_cell() -> None:
    shapes = dout.trace(Larger(), X).draw(open="all").drawing.shapes
    cells = [s.box for s in shapes if isinstance(s, Rect) and s.style == "cell-zero"]
    hatches = [s.box for s in shapes if isinstance(s, Path) and s.style == "hatch"]
    assert len(hatches) == 8  # two cells of x and of its result, each in value and gradient
    for box in hatches:
        assert any(c[0] <= box[0] and c[1] <= box[1] and box[2] <= c[2] and box[3] <= c[3] for c in cells)


def test_a_mask_has_no_gradient() -> None:
    picture = dout.trace(Masked(), X).draw(open="all")
    assert not any(s.label.gradient for s in stems(picture) if s.label.value and s.label.value.mask)


def test_an_array_of_numbers_that_are_not_kept_has_no_switch(tmp_path: Any) -> None:
    dout.trace(Larger(), X).save(tmp_path / "trace.json")
    assert dout.load(tmp_path / "trace.json").draw(open="all").svg()


@pytest.mark.parametrize("shape", [(2, 1, 3), (2, 2), (1, 3)])
def test_a_value_that_is_broadcast_over_a_mask_is_drawn(shape: tuple[int, ...]) -> None:
    mask = np.arange(np.prod(shape)).reshape(shape) > 1
    for x in (np.array([[3.0]]), np.array([2.0]), np.ones(shape)):
        assert dout.trace(lambda x, mask: x * mask, x, mask).draw().text()
        assert dout.trace(lambda x, mask: np.where(mask, x, 0.0), x, mask).draw().text()
