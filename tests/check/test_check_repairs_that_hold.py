"""A repair holds for other lengths too, keeps the labels' meaning, and is no comparison that always holds."""

import numpy as np
import pytest

pytest.importorskip("flint")

from mended_layers import added, class_of, error_of, errors_of

from dout.check import check

RANDOM = np.random.default_rng(9)
X = RANDOM.normal(size=(3, 4))
T = np.eye(4)[[2, 0, 3]]


# --- a layer that cannot be recorded ----------------------------------------------------------------------------------

HIDDEN_MEAN = """
import numpy as np

class HiddenMean:
    def forward(self, x):
        self.x = x
        return np.frombuffer(np.ascontiguousarray(x.mean(axis=1)).tobytes())

    def backward(self, dout):
        return np.ones_like(self.x) * dout[:, None] / self.x.shape[1]
"""


def test_a_number_that_is_right_for_4_columns_alone_is_no_repair():
    assert errors_of(HIDDEN_MEAN, X) == []
    assert error_of(HIDDEN_MEAN.replace("/ self.x.shape[1]", "* 0.5"), X).fix is None
    squares = HIDDEN_MEAN.replace("x.mean(", "(x**2).mean(").replace("np.ones_like(self.x)", "2 * self.x")
    assert errors_of(squares, X) == []
    assert error_of(squares.replace("/ self.x.shape[1]", ""), X).fix is None  # the root of 4 is 2


def test_the_length_of_another_axis_is_a_repair():
    found = error_of(HIDDEN_MEAN.replace("self.x.shape[1]", "self.x.shape[0]"), X)
    assert added(found) == ["return np.ones_like(self.x) * dout[:, None] / self.x.shape[1]"]


# --- comparisons ------------------------------------------------------------------------------------------------------

ELU = """
import numpy as np

class Elu:
    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, np.exp(x) - 1)

    def backward(self, dout):
        return dout * np.where(self.x > 0, 1, np.exp(self.x))
"""

BINARY_LOGITS = """
import numpy as np

class BinaryLogits:
    def forward(self, z, y):
        self.p, self.y = 1 / (1 + np.exp(-z)), y
        return -np.mean(y * np.log(self.p) + (1 - y) * np.log(1 - self.p))

    def backward(self):
        return self.p - self.y
"""


def test_a_term_too_many_is_left_out_before_a_mask_is_put_in_its_place():
    found = error_of(ELU.replace("np.exp(self.x))", "np.exp(self.x) - 1)"), X)
    assert (found.cause, added(found)) == ("extra term", ["return dout * np.where(self.x > 0, 1, np.exp(self.x))"])


def test_a_comparison_that_always_holds_is_no_repair():
    assert errors_of(BINARY_LOGITS.replace("self.p - self.y\n", "(self.p - self.y) / self.y.size\n"), X, T) == []
    found = error_of(BINARY_LOGITS.replace("self.p - self.y\n", "(self.p - self.y) * self.p\n"), X, T)
    assert added(found) == ["return self.p - self.y"]


# --- labels -----------------------------------------------------------------------------------------------------------

ENTROPY = """
import numpy as np

class Entropy:
    def forward(self, scores, t):
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        self.p, self.t = e / e.sum(axis=1, keepdims=True), t
        return -np.sum(t * np.log(self.p))

    def backward(self):
        return self.p - self.t
"""


def test_a_sample_without_a_class_is_no_second_example():
    assert errors_of(ENTROPY, X, T) == []
    found = error_of(ENTROPY.replace("self.p - self.t", "(self.p - self.t) * self.t"), X, T)
    assert added(found) == ["return self.p - self.t"]
    assert "on another example" not in found.because


def test_a_repair_of_a_loss_that_fails_on_a_second_example_says_so():
    wrong = ENTROPY.replace("self.p - self.t", "2 * self.p - self.t if self.t.shape[1] == 5 else self.p + self.t")
    found = error_of(wrong, X, T)
    assert "on another example" in found.because


# --- a tape's operation -----------------------------------------------------------------------------------------------

POWER = """
import numpy as np

class Power:
    @staticmethod
    def forward(ctx, x, n):
        ctx.kept = x, n
        return x**n

    @staticmethod
    def backward(ctx, grad):
        x, n = ctx.kept
        return grad * n * x ** (n - 1), None
"""


def test_a_gradient_at_another_place_of_a_tape_is_an_error_where_both_have_floats():
    assert [found for found in check(class_of(POWER)).findings if found.severity == "error"] == []
    moved = POWER.replace("return grad * n * x ** (n - 1), None", "return None, grad * n * x ** (n - 1)")
    (found,) = [found for found in check(class_of(moved)).findings if found.severity == "error"]
    assert found.argument == "n"
