"""The table of layers says what each of them costs; layers that repeat are one line, with all that they cost."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from layers_in_a_row import InARow

import dout
from dout.draw.scene.layer_summary import LayerCost, LayerCosts
from dout.draw.scene.selection import select
from dout.draw.terminal.layer_table import HEADS
from dout.draw.view_options import View
from dout.trace.record.trace import Trace


class Affine:
    """The book's layer."""

    def __init__(self, size: int, hidden: int) -> None:
        self.W, self.b = np.full((size, hidden), 0.5), np.zeros(hidden)

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.x = x
        return np.dot(x, self.W) + self.b

    def backward(self, dout: np.ndarray) -> np.ndarray:
        self.dW, self.db = np.dot(self.x.T, dout), np.sum(dout, axis=0)
        return np.dot(dout, self.W.T)


class Relu:
    """The book's layer."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout: np.ndarray) -> np.ndarray:
        dout = dout.copy()
        dout[self.mask] = 0
        return dout


class Net(InARow):
    """Affine, Relu, Affine, Relu … Affine."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        super().__init__(*(layer for pair in itertools.pairwise(sizes) for layer in (Affine(*pair), Relu())))
        self.layers.pop()


def costs(trace: Trace, *, unfold: bool = False) -> LayerCosts:
    return LayerCosts(select(trace, View(unfold=unfold)))


def net(depth: int) -> Trace:
    return dout.trace(Net((3, *[4] * depth, 2)), np.linspace(-1, 1, 15).reshape(5, 3))


def test_a_line_has_shape_parameters_bytes_kept_and_multiply_adds() -> None:
    whole, affine, relu, last = costs(net(1)).lines
    assert affine == LayerCost(1, "layers[0] (Affine)", ((5, 4),), 3 * 4 + 4, 5 * 3 * 8, 5 * 3 * 4)
    assert relu == LayerCost(1, "layers[1] (Relu)", ((5, 4),), 0, 5 * 4, 0)
    assert last == LayerCost(1, "layers[2] (Affine)", ((5, 2),), 4 * 2 + 2, 5 * 4 * 8, 5 * 4 * 2)
    assert (whole.depth, whole.name) == (0, "Net")
    assert (whole.parameters, whole.multiply_adds) == (16 + 10, 60 + 40)


def test_layers_that_repeat_are_one_line_with_all_of_them_and_one_turn_below() -> None:
    folded, whole = costs(net(50)), costs(net(50), unfold=True)
    fold = next(line for line in folded.lines if "×" in line.name)
    assert fold.name == "Affine, Relu ×49"
    assert fold.parameters == 49 * (4 * 4 + 4)
    assert fold.multiply_adds == 49 * 5 * 4 * 4
    assert [line.name for line in folded.lines if line.depth == 2] == ["layers[2] (Affine)", "layers[3] (Relu)"]
    assert folded.together == whole.together
    assert len(whole.lines) == 1 + 101


def test_without_a_backward_nobody_knows_what_is_kept() -> None:
    together = costs(dout.trace(lambda x: np.einsum("ij,kj->ik", x, x), np.ones((2, 3)))).together
    assert (together.kept, together.multiply_adds) == (None, 2 * 2 * 3)


@pytest.mark.parametrize("width", [20, 60, 100])
def test_the_table_has_every_line_and_cuts_names_alone(width: int) -> None:
    lines = net(3).draw().summary(width).splitlines()
    assert all(head in lines[0] for head in HEADS)
    assert len(lines) == len(costs(net(3)).lines) + 4
    assert lines[-1].split()[-1] == f"{costs(net(3)).together.multiply_adds:,}"
