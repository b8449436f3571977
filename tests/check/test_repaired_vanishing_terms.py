"""A term that is 0 up to rounding takes the place of the sum that it belongs to."""

import numpy as np
import pytest
from written import written

pytest.importorskip("flint")

from mended_layers import added

from dout.check import check

NORM = """
import numpy as np

class Norm:
    def forward(self, x):
        self.x, self.mean = x, x.mean(axis=0)
        self.var = ((x - self.mean) ** 2).mean(axis=0)
        return (x - self.mean) / np.sqrt(self.var + 1e-5)

    def backward(self, dout):
        n, centred = len(self.x), self.x - self.mean
        dvar = (dout * centred * -0.5 * (self.var + 1e-5) ** -1.5).sum(axis=0)
        dmean = (-dout / np.sqrt(self.var + 1e-5)).sum(axis=0)
        dmean {sign} dvar * (-2 * centred).sum(axis=0) / n
        return dout / np.sqrt(self.var + 1e-5) + dvar * 2 * centred / n + dmean / n
"""
X = np.random.default_rng(5).normal(size=(4, 3))


def test_a_sum_that_is_overwritten_by_a_term_of_rounding_is_mended():
    (found,) = [f for f in check(vars(written(NORM.format(sign="=")))["Norm"], X).findings if f.severity == "error"]
    assert added(found) == ["dmean += dvar * (-2 * centred).sum(axis=0) / n"]
    assert not [f for f in check(vars(written(NORM.format(sign="+=")))["Norm"], X).findings if f.severity == "error"]
