"""Two lines that change one array in the wrong order are exchanged, if all is exact then."""

import numpy as np
import pytest
from written import written

pytest.importorskip("flint")

from mended_layers import added

from dout.check import check

LOSS = """
import numpy as np

class CrossEntropy:
    def forward(self, x, y):
        self.y = y
        self.p = np.exp(x - x.max(axis=1, keepdims=True))
        self.p = self.p / self.p.sum(axis=1, keepdims=True)
        return -np.mean(np.log(self.p[range(len(y)), y]))

    def backward(self, dout=1):
        grad = self.p.copy()
        {first}
        {second}
        return grad * dout
"""
X, Y = np.random.default_rng(5).normal(size=(3, 4)), np.array([3, 1, 3])


@pytest.mark.parametrize("division", ["grad = grad / len(self.y)", "grad /= len(self.y)"])
def test_a_division_comes_behind_what_is_divided(division):
    def errors(**lines):
        made = vars(written(LOSS.format(**lines)))["CrossEntropy"]
        return [f for f in check(made, X, Y).findings if f.severity == "error"]

    ones = "grad[range(len(self.y)), self.y] -= 1"
    assert not errors(first=ones, second=division)
    (found,) = errors(first=division, second=ones)
    assert found.cause == "order"
    assert added(found) == [ones]
