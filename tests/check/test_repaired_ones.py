"""A mask of ones alone: dout takes its place as well as it is multiplied by it, and what is multiplied stays."""

import numpy as np
import pytest
from written import written

pytest.importorskip("flint")

from mended_layers import added

from dout.check import check

DROPOUT = """
import numpy as np

class Dropout:
    def forward(self, x):
        self.mask = np.ones_like(x)
        return x * self.mask

    def backward(self, dout):
        return {dx}
"""
X = np.random.default_rng(5).normal(size=(3, 4))


@pytest.mark.parametrize(
    ("wrong", "right"), [("self.mask", "self.mask * dout"), ("-dout * self.mask", "dout * self.mask")]
)
def test_a_factor_of_ones_is_kept(wrong, right):
    def errors(dx):
        return [f for f in check(vars(written(DROPOUT.format(dx=dx)))["Dropout"], X).findings if f.severity == "error"]

    assert not errors(right)
    assert added(errors(wrong)[0]) == [f"return {right}"]
