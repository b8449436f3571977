"""Layers that work on objects with a value and a gradient, and whose backward fills the gradients in."""

from pathlib import Path

import pytest
from test_adapt_networks import loaded, words

import dout
from dout.judge.outcomes import Word

SLOTS = """
import numpy as np

class Cell:
    def __init__(self, v):
        self.v = v
        self.slope = None

class Bend:
    def forward(self, a, b):
        return Cell(np.tanh(a.v) * b.v)

    def pull(self, a, b, made):
        a.slope = made.slope * b.v * (1 - np.tanh(a.v) ** 2)
        b.slope = made.slope * np.tanh(a.v)

    backward = pull

class Scaled:
    def forward(self, a, by):
        return Cell(a.v * np.exp(by))

    def backward(self, made, a, by):
        a.slope = made.slope * RIGHT
"""


@pytest.mark.one_in(3)
@pytest.mark.parametrize(("right", "word"), [("np.exp(by)", Word.EXACT), ("by", Word.REFUTED)])
def test_gradients_stand_in_the_objects_that_backward_fills(tmp_path: Path, right: str, word: Word) -> None:
    module = loaded(tmp_path, SLOTS.replace("RIGHT", right))
    assert words(dout.check(module.Bend)) == {"a": Word.EXACT, "b": Word.EXACT}
    assert words(dout.check(module.Scaled))["a"] == word
