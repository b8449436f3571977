"""Steps that repeat are one box: turns of a loop, layers called in turn, and what goes in and comes out of them."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest
from layers_in_a_row import InARow

import dout
from dout.draw.scene.scene import Item
from dout.trace.record.script import run_script
from dout.trace.record.trace import Trace


class Cell:
    """The book's RNN; `sign` makes its backward wrong."""

    def __init__(self, Wx: np.ndarray, Wh: np.ndarray, sign: float = 1) -> None:
        self.Wx, self.Wh, self.sign = Wx, Wh, sign

    def forward(self, x: np.ndarray, h: np.ndarray) -> np.ndarray:
        self.x, self.h = x, h
        self.out = np.tanh(np.dot(x, self.Wx) + np.dot(h, self.Wh))
        return self.out

    def backward(self, dout: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        dt = dout * (1 - self.out**2)
        self.dWx, self.dWh = np.dot(self.x.T, dt), np.dot(self.h.T, dt)
        return np.dot(dt, self.Wx.T) * self.sign, np.dot(dt, self.Wh.T)


class Recurrent:
    """Many cells in turn, on slices of x."""

    def __init__(self, sign: float = 1) -> None:
        self.Wx, self.Wh, self.sign = np.eye(3, 4) * 0.5, np.eye(4) * 0.5, sign

    def forward(self, xs: np.ndarray) -> np.ndarray:
        size, many, _ = xs.shape
        h, hs, self.cells = np.zeros((size, 4)), np.empty((size, many, 4)), []
        for t in range(many):
            cell = Cell(self.Wx, self.Wh, self.sign)
            h = cell.forward(xs[:, t, :], h)
            hs[:, t, :] = h
            self.cells.append(cell)
        return hs

    def backward(self, dhs: np.ndarray) -> np.ndarray:
        dxs, dh = np.zeros((dhs.shape[0], dhs.shape[1], 3)), np.zeros((dhs.shape[0], 4))
        for t in reversed(range(dhs.shape[1])):
            dx, dh = self.cells[t].backward(dhs[:, t, :] + dh)
            dxs[:, t, :] = dx
        return dxs


def recurrent(turns: int, sign: float = 1) -> Trace:
    return dout.trace(Recurrent(sign), np.linspace(-1, 1, 2 * turns * 3).reshape(2, turns, 3))


def layers(trace: Trace, **view: object) -> list[Item]:
    return [item for item in trace.draw(**view).scene.level.everything() if item.kind == "layer"]


def test_a_loop_is_one_box_with_its_head_and_how_often_it_turned() -> None:
    (box,) = layers(recurrent(40))
    assert (box.text, box.caption) == ("for t in range(many) ×40", "Cell ×40")


@pytest.mark.parametrize("turns", [12, 13, 120])
def test_the_picture_of_a_loop_is_as_large_however_often_it_turned(turns: int) -> None:
    picture = recurrent(turns).draw()
    assert len([*picture.scene.level.everything()]) == 7
    assert len(picture.text(100).splitlines()) <= 60


def test_a_loop_of_a_few_turns_is_drawn_turn_by_turn() -> None:
    assert [item.text for item in layers(recurrent(3))] == ["Cell"] * 3


@pytest.mark.long
def test_everything_is_drawn_where_that_is_asked_for() -> None:
    assert [item.text for item in layers(recurrent(40), unfold=True)] == ["Cell"] * 40
    assert len(layers(recurrent(40), open="all")) == 0


def test_a_loop_opens_to_its_first_turn_and_the_rest() -> None:
    opened = layers(recurrent(40), open=["Cell ×40"])
    assert [(item.text, item.caption) for item in opened] == [("Cell", ""), ("for t in range(many) ×39", "Cell ×39")]


def test_wrong_gradients_in_a_loop_are_said_at_its_box() -> None:
    (box,) = layers(recurrent(40, sign=-1))
    assert box.wrong.startswith("✗ gradient of")


def test_of_a_series_of_values_both_ends_are_drawn() -> None:
    class Apart:
        """Gives the result of every turn."""

        def forward(self, x: np.ndarray) -> list[np.ndarray]:
            found = []
            for _ in range(30):
                x = np.tanh(x) * 2
                found.append(x)
            return found

        def backward(self, *douts: np.ndarray) -> np.ndarray:
            return douts[0]

    scene = dout.trace(Apart(), np.ones(3)).draw().scene
    (box,) = [item for item in scene.level.everything() if item.text == "for _ in range(30)"]
    assert len(box.stems) == 2


class Words:
    """A recurrence over a list of arrays."""

    def __init__(self) -> None:
        self.W = np.eye(3) * 0.5

    def forward(self, words: list[np.ndarray]) -> np.ndarray:
        h = np.zeros(3)
        for x in words:
            h = np.tanh(np.dot(h, self.W) + x)
        return h

    def backward(self, dout: np.ndarray) -> np.ndarray:
        return dout


@pytest.mark.long
@pytest.mark.one_in(2)
@pytest.mark.parametrize("turns", [30, 300])
def test_of_a_list_of_inputs_a_loop_shows_both_ends(turns: int) -> None:
    trace = dout.trace(Words(), [np.full(3, 0.1 * i) for i in range(turns)])
    for opened in ("auto", "none"):
        items = trace.draw(open=opened).scene.level.items
        assert sum(item.kind == "input" for item in items) == 2
    assert sum(item.kind == "input" for item in trace.draw(unfold=True).scene.level.items) == turns


def test_values_that_are_made_before_a_loop_arrive_at_its_box(tmp_path: Path) -> None:
    turns = 10
    program = (
        "import numpy as np\n"
        + inspect.getsource(Words)
        + f"""
layer = Words()
words = [np.exp(np.full(3, 0.1 * i)) for i in range({turns})]
h = layer.forward(words)
layer.backward(np.ones(3))
"""
    )
    (tmp_path / "words.py").write_text(program)
    level = run_script(str(tmp_path / "words.py")).trace().draw(open="Words").scene.level
    (box,) = [item for item in level.items if item.kind == "open"]
    assert box.inside is not None
    (loop,) = [i for i, item in enumerate(box.inside.items) if item.kind == "layer"]
    entries = {i for i, item in enumerate(box.inside.items) if item.kind == "entry"}
    assert len(entries) >= turns
    assert entries == {edge.source for edge in box.inside.edges if edge.source in entries}  # none ends at nothing
    ports = [edge.port for edge in box.inside.edges if edge.target == loop and edge.source in entries]
    assert max(map(ports.count, ports)) == turns - 2  # one for all between the first and the last


def test_layers_called_in_turn_are_one_box_named_by_their_classes() -> None:
    class Double:
        """y = 2 x."""

        def forward(self, x: np.ndarray) -> np.ndarray:
            return x + x

        def backward(self, dout: np.ndarray) -> np.ndarray:
            return dout + dout

    class Square:
        """y = x²."""

        def forward(self, x: np.ndarray) -> np.ndarray:
            self.x = x
            return x * x

        def backward(self, dout: np.ndarray) -> np.ndarray:
            return dout * 2 * self.x

    trace = dout.trace(InARow(*(layer() for _ in range(20) for layer in (Double, Square))), np.full(3, 0.25))
    assert [item.text for item in layers(trace)] == ["Double, Square ×20"]
    assert [item.text for item in layers(trace, backward=True)] == ["Square, Double ×20"]


class Windows:
    """Cuts windows out and writes them side by side; `scaled`: computes something on the way."""

    def __init__(self, side: int, scaled: bool = False) -> None:
        self.side, self.scaled = side, scaled

    def forward(self, x: np.ndarray) -> np.ndarray:
        many = len(x) - self.side + 1
        out = np.zeros((self.side, self.side, many, many))
        for i in range(self.side):
            for j in range(self.side):
                part = x[i : i + many, j : j + many]
                out[i, j] = part * 2 if self.scaled else part
        return out

    def backward(self, dout: np.ndarray) -> np.ndarray:
        return np.zeros((len(dout[0, 0]) + self.side - 1,) * 2)


@pytest.mark.parametrize(("side", "scaled", "boxes"), [(3, False, 1), (2, False, 0), (2, True, 0)])
def test_a_loop_that_only_moves_numbers_is_one_box_sooner(side: int, scaled: bool, boxes: int) -> None:
    trace = dout.trace(Windows(side, scaled), np.arange(25.0).reshape(5, 5))
    assert len(layers(trace)) == boxes
