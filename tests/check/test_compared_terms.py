"""The cause is what was left out: a term, factors of a product, a step of backward; the right twin has no error."""

import numpy as np
import pytest

pytest.importorskip("flint")

from mended_layers import added, class_of, error_of, errors_of

from dout.check import check

RANDOM = np.random.default_rng(11)
X = RANDOM.normal(size=(3, 4))
ONE_HOT = np.eye(4)[[1, 3, 0]]
SHARES = RANDOM.dirichlet(np.ones(4), size=3)


def mended(text, *inputs):
    return added(error_of(text, *inputs))


# --- terms ------------------------------------------------------------------------------------------------------------

SPREAD = """
import numpy as np

class Spread:
    def forward(self, x):
        self.c = x - x.mean(axis=1, keepdims=True)
        return x.mean(axis=1, keepdims=True), np.mean(self.c**2, axis=1, keepdims=True)

    def backward(self, dm, dv):
        n = self.c.shape[1]
        return dm / n + 2 * dv * self.c / n
"""


@pytest.mark.parametrize(("kept", "lost"), [("dm / n", "2 * dv * self.c / n"), ("2 * dv * self.c / n", "dm / n")])
def test_the_term_of_an_output_whose_dout_is_not_used_is_missing_and_the_other_stays_as_it_is(kept, lost):
    assert errors_of(SPREAD, X) == []
    found = error_of(SPREAD.replace("dm / n + 2 * dv * self.c / n", kept), X)
    assert found.cause == "missing term"
    assert added(found)[0].startswith(f"return {kept} + ")


def test_an_output_that_is_constant_on_the_chosen_inputs_is_looked_at_on_others():
    assert not check(class_of(SPREAD.replace(" + 2 * dv * self.c / n", ""))).ok
    assert check(class_of(SPREAD)).ok


SUMMED = """
import numpy as np

class Centred:
    def forward(self, x):
        self.x, self.m = x, x.mean(axis=0)
        self.v = np.mean((x - self.m) ** 2, axis=0)
        return (x - self.m) / np.sqrt(self.v + 0.1)

    def backward(self, dout):
        n = len(self.x)
        dv = np.sum(dout * (self.x - self.m), axis=0) * -0.5 * (self.v + 0.1) ** -1.5
        dm = np.sum(-dout / np.sqrt(self.v + 0.1), axis=0)
        dm += dv * np.sum(-2 * (self.x - self.m), axis=0) / n
        return dout / np.sqrt(self.v + 0.1) + 2 * dv * (self.x - self.m) / n + dm / n
"""


def test_a_sum_that_is_assigned_anew_is_added_to_and_not_moved_where_it_is_lost():
    assert errors_of(SUMMED, X) == []
    assert mended(SUMMED.replace("dm += dv", "dm = dv"), X) == ["dm += dv * np.sum(-2 * (self.x - self.m), axis=0) / n"]


# --- factors ----------------------------------------------------------------------------------------------------------

JOINED = """
import numpy as np

class BinaryLoss:
    def forward(self, x, t):
        self.t = t
        self.y = 1 / (1 + np.exp(-x))
        return np.mean(-t * np.log(self.y) - (1 - t) * np.log(1 - self.y))

    def backward(self, dout=1):
        return dout * (self.y - self.t) / self.t.size
"""


def test_a_loss_that_multiplies_by_the_slope_of_its_activation_again_has_factors_too_many():
    assert errors_of(JOINED, X, ONE_HOT) == []
    found = error_of(JOINED.replace(" / self.t.size", " * self.y * (1 - self.y) / self.t.size"), X, ONE_HOT)
    assert "one factor too many" in found.because
    assert added(found) == ["return dout * (self.y - self.t) / self.t.size"]


BITS = """
import numpy as np

class Bits:
    def forward(self, y, t):
        self.y, self.t = y, t
        return -np.sum(t * np.log2(y)) / len(y)

    def backward(self, dout=1):
        return -dout * self.t / self.y / len(self.y) / np.log(2)
"""


@pytest.mark.parametrize("name", ["log2", "log10"])
def test_a_logarithm_to_another_base_has_the_factor_of_its_base(name):
    right = BITS.replace("log2", name).replace("np.log(2)", f"np.log({name[3:]})")
    assert errors_of(right, SHARES, ONE_HOT) == []
    found = error_of(right.replace(f" / np.log({name[3:]})", ""), SHARES, ONE_HOT)
    assert "a factor is missing" in found.because
    assert added(found)[0].endswith(f" / np.log({name[3:]})")


SLOPED = """
import numpy as np

class Gelu:
    def forward(self, x):
        self.x = x
        self.u = np.sqrt(2 / np.pi) * (x + 0.04 * x**3)
        self.t = np.tanh(self.u)
        return 0.5 * x * (1 + self.t)

    def backward(self, dout):
        du = np.sqrt(2 / np.pi) * (1 + 0.12 * self.x**2)
        return dout * (0.5 * (1 + self.t) + 0.5 * self.x * (1 - self.t**2) * du)
"""


def test_a_local_derivative_is_no_gradient_and_the_factor_is_missing_in_its_term():
    assert errors_of(SLOPED, X) == []
    wrong = SLOPED.replace("+ 0.5 * self.x", "+ self.x")
    assert mended(wrong, X) == ["return dout * (0.5 * (1 + self.t) + 0.5 * self.x * (1 - self.t**2) * du)"]


# --- steps ------------------------------------------------------------------------------------------------------------

MASKED = """
import numpy as np

class AffineRelu:
    def __init__(self):
        self.W = np.arange(20.0).reshape(4, 5) / 7 - 1.3

    def forward(self, x):
        self.x, self.z = x, x @ self.W
        return np.maximum(self.z, 0)

    def backward(self, dout):
        dz = dout * (self.z > 0)
        self.dW = self.x.T @ dz
        return dz @ self.W.T
"""


@pytest.mark.parametrize("line", ["self.dW = self.x.T @ dz", "return dz @ self.W.T"])
def test_a_line_that_passes_over_a_step_reads_what_the_step_made(line):
    assert errors_of(MASKED, X) == []
    assert mended(MASKED.replace(line, line.replace("dz", "dout")), X) == [line]


# --- sides of two conditions together ---------------------------------------------------------------------------------

HUBER = """
import numpy as np

class Huber:
    def forward(self, y, t):
        self.r = y - t
        a = np.abs(self.r)
        return np.mean(np.where(a <= 0.8, 0.5 * self.r**2, 0.8 * (a - 0.4)))

    def backward(self, dout=1):
        return dout * np.where(np.abs(self.r) <= 0.8, self.r, 0.8 * np.sign(self.r)) / self.r.size
"""


def test_beyond_a_limit_numbers_of_both_signs_are_looked_at():
    y = np.array([[0.1, 0.2, 0.3], [0.2, 0.1, 0.4]])
    t = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])  # beyond the limit the difference is negative
    assert errors_of(HUBER, y, t) == []
    assert errors_of(HUBER.replace("0.8 * np.sign(self.r)", "-0.8"), y, t) != []
