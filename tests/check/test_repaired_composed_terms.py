"""What forward computes of several values is a term that backward may lack; so is what is added to a literal factor."""

import numpy as np
import pytest
from written import written

pytest.importorskip("flint")

from mended_layers import added

from dout.check import check

LOSS = """
class Squares:
    @classmethod
    def forward(cls, y, t):
        return ((y - t) ** 2).sum() / 2

    @classmethod
    def backward(cls, y, t):
        return {dy}

class Logistic:
    def forward(self, x):
        self.y = 1 / (1 + np.exp(-x))
        return self.y

    def backward(self, dout):
        return dout * self.y * {slope}

class Distance:
    def forward(self, y, t):
        return np.sum((y - t) ** 2, axis=1)

    def backward(self, y, t):
        return {distance}
"""
RIGHT = {"dy": "y - t", "slope": "(1 - self.y)", "distance": "2 * (y - t)"}
Y, T = np.random.default_rng(5).normal(size=(2, 3, 4))


def errors_of(name, inputs, **wrong):
    made = vars(written("import numpy as np\n" + LOSS.format(**{**RIGHT, **wrong})))[name]
    return [f for f in check(made, *inputs).findings if f.severity == "error"]


@pytest.mark.parametrize(
    ("name", "inputs", "wrong", "repaired"),
    [
        ("Squares", (Y, T), {"dy": "y"}, "return y - t"),
        ("Logistic", (Y,), {"slope": "(1)"}, "return dout * self.y * (1 - self.y)"),
        ("Distance", (Y, T), {"distance": "2"}, "return 2 * (y - t)"),
    ],
)
def test_a_missing_part_is_the_repair(name, inputs, wrong, repaired):
    assert not errors_of(name, inputs)
    assert added(errors_of(name, inputs, **wrong)[0]) == [repaired]
