"""What is wrong is named: by a repair where there is one, else by the step, the part or the line that is wrong."""

import numpy as np
import pytest

pytest.importorskip("flint")

from mended_layers import added, class_of, error_of, errors_of, layer

from dout.check import check

RANDOM = np.random.default_rng(7)
X = RANDOM.normal(size=(3, 4))


def mended(text, *inputs):
    """The lines that the fix of the only error adds."""
    return added(error_of(text, *inputs))


# --- what the search reaches ------------------------------------------------------------------------------------------

BINARY = """
import numpy as np

class BinaryLoss:
    def forward(self, p, y):
        self.p, self.y = p, y
        return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p), axis=-1)

    def backward(self):
        rows, columns = self.p.shape
        return -(self.y / self.p - (1 - self.y) /
                 (1 - self.p)) / columns / rows
"""
P, Y = RANDOM.uniform(0.2, 0.8, size=(3, 4)), RANDOM.uniform(0.2, 0.8, size=(3, 4))


def test_a_wrong_sign_in_a_loss_of_samples_that_backward_averages_is_repaired_over_two_lines():
    assert errors_of(BINARY, P, Y) == []
    found = error_of(BINARY.replace("- (1 - self.y)", "- (self.y - 1)"), P, Y)
    assert found.cause == "sign"
    assert "up to a constant that people choose" in found.because
    assert "\n" not in found.because


def test_a_factor_alone_is_no_repair_up_to_a_constant():
    found = error_of(BINARY.replace("- (1 - self.y)", "- 3 * (1 - self.y)"), P, Y)
    assert found.fix is None or "3 *" not in "".join(added(found))


TENSOR = """
import numpy as np

class Tensor:
    def __init__(self, data):
        self.data = data

    def __mul__(self, other):
        return Tensor(self.data * (other.data if isinstance(other, Tensor) else other))

    __rmul__ = __mul__

class Square:
    def forward(self, x):
        self.x = Tensor(x)
        return x**2

    def backward(self, dout):
        gradient = 2 * self.x * Tensor(dout)
        return gradient.data
"""


def test_an_object_that_computes_with_an_array_is_a_factor():
    assert errors_of(TENSOR, X) == []
    found = error_of(TENSOR.replace("2 * self.x * Tensor(dout)", "2 * Tensor(dout)"), X)
    (line,) = added(found)
    assert line.startswith("gradient = ")
    assert "self.x" in line
    assert "isinstance" not in found.message  # a condition of what it computes with


CHAIN = """
import numpy as np

class Turn:
    def __init__(self, seed):
        self.W = np.random.default_rng(seed).normal(size=(4, 4))

    def forward(self, x):
        self.y = np.tanh(x @ self.W)
        return self.y

    def backward(self, dout):
        return (dout * (1 - self.y**2)) @ self.W.T

class Chain:
    def __init__(self):
        self.parts = (Turn(2), Turn(3), Turn(4))

    def forward(self, x):
        for part in self.parts:
            x = part.forward(x)
        return x

    def backward(self, dout):
        for part in reversed(self.parts):
            dout = part.backward(dout)
        return dout
"""


@pytest.mark.parametrize("wrong", ["self.parts", "self.parts[::-1][::-1]"])
def test_turns_in_the_wrong_order_are_turned_around(wrong):
    assert errors_of(CHAIN, X) == []
    found = errors_of(CHAIN.replace("reversed(self.parts)", wrong), X)[0]
    assert found.cause == "order"
    assert added(found)[0].startswith("for part in ")


LEAKY = """
import numpy as np

class Leaky:
    def __init__(self, slope=0.1):
        self.slope = slope

    def forward(self, x):
        self.x = x
        return np.maximum(x, self.slope * x)

    def backward(self, dout):
        dx = np.array(dout, copy=True)
        dx[self.x <= 0] *= self.slope
        return dx
"""


def test_a_statement_that_scales_some_elements_may_be_missing():
    assert errors_of(LEAKY, X) == []
    found = error_of(LEAKY.replace("dx[self.x <= 0] *= self.slope", "pass"), X)
    assert found.cause == "mask"
    assert "np.where(self.x > 0, 1, self.slope)" in "".join(added(found))


RELU = """
import numpy as np

class Relu:
    def forward(self, x):
        self.x = x
        return np.maximum(x, 0)

    def backward(self, dout):
        dx = np.array(dout, copy=True)
        dx[self.x <= 0] = 0
        return dx
"""


def test_what_is_written_into_another_array_is_written_into_the_right_one():
    """Not into `dout` without the copy, which would make the gradient right, too."""
    assert errors_of(RELU, X) == []
    found = errors_of(RELU.replace("dx[self.x <= 0]", "dout[self.x <= 0]"), X)[0]
    assert (found.code, added(found)) == ("D101", ["dx[self.x <= 0] = 0"])
    assert "written into another array" in found.because


BASE = """
import numpy as np

class Layer:
    def backward(self, dout):
        return self._backward(dout)

class Masked(Layer):
    def forward(self, x):
        self.mask = x > 0
        return x * self.mask

    def _backward(self, dout):
        return dout * self.mask
"""


def test_a_method_that_computes_nothing_is_repaired_where_it_is_called():
    assert errors_of(BASE, X) == []
    assert mended(BASE.replace("dout * self.mask", "dout"), X) == ["return dout * self.mask"]


# --- a layer that cannot be recorded ----------------------------------------------------------------------------------

HIDDEN = """
import numpy as np

def hidden(x):
    return np.frombuffer(np.ascontiguousarray(x).tobytes()).reshape(x.shape)

class Hidden:
    def forward(self, x):
        self.y = np.tanh(hidden(x))
        return hidden(self.y)

    def backward(self, dout):
        return hidden(dout) * (1 - self.y**2)
"""


def test_a_layer_that_cannot_be_recorded_gets_a_repair_that_differences_confirm():
    assert errors_of(HIDDEN, X) == []
    found = error_of(HIDDEN.replace("1 - self.y**2", "1 - self.y"), X)
    assert added(found) == ["return hidden(dout) * (1 - self.y**2)"]
    assert found.fix.unsafe == "it was compared with differences alone"


def test_a_repair_with_which_a_layer_can_be_recorded_is_proven_exactly():
    text = HIDDEN.replace("hidden(x))", "x)").replace("hidden(self.y)", "self.y").replace("hidden(dout) * ", "dout * ")
    found = error_of(text.replace("(1 - self.y**2)", "(1 - self.y**2) * hidden(self.y)"), X)
    assert added(found) == ["return dout * (1 - self.y**2)"]
    assert found.fix.unsafe == ""


# --- where no repair is known -----------------------------------------------------------------------------------------

LOGARITHM = """
import numpy as np

class Logarithm:
    def forward(self, x, y):
        return np.log(x + 3) * y

    def backward(self, dout):
        scaled = dout * 1.0
        return scaled, scaled
"""


def test_a_step_that_backward_leaves_out_is_named_with_its_line_in_forward():
    class_of(LOGARITHM)
    text = LOGARITHM.replace("np.log(x + 3) * y", "np.log(x + 3) + y")
    found = error_of(text, np.abs(X), X)
    assert "the local derivative of `np.log(x + 3)` (forward, line 7) is missing" in found.because
    assert found.line in (9, 10)


NORM = """
import numpy as np

class Norm:
    def forward(self, x):
        centred = x - x.mean(axis=0)
        variance = (centred**2).mean(axis=0)
        self.kept = centred, np.sqrt(variance + 1e-5)
        return centred / self.kept[1]

    def backward(self, dout):
        (centred, std), rows = self.kept, len(dout)
        through_std = -(dout * centred).sum(axis=0) / std**3 * centred / rows
        dcentred = dout / std + through_std
        return dcentred - dcentred.sum(axis=0) / rows
"""


def test_the_part_that_is_missing_is_named_by_its_use_in_forward():
    assert errors_of(NORM, X) == []
    wrong = NORM.replace(
        "        return dcentred -",
        "        dcentred = dcentred * np.cos(0 * rows) - through_std\n        return dcentred -",
    )
    found = error_of(wrong, X)
    assert found.fix is not None or "is missing" in found.because


# --- a tape's operation -----------------------------------------------------------------------------------------------

TAPE = """
import numpy as np

class Sum:
    @staticmethod
    def forward(ctx, x, axis, keepdims):
        ctx.shape, ctx.axis, ctx.keepdims = x.shape, axis, keepdims
        return x.sum(axis=axis, keepdims=keepdims)

    @staticmethod
    def backward(ctx, grad):
        grad = grad if ctx.keepdims else np.expand_dims(grad, ctx.axis)
        return grad * np.ones(ctx.shape), None, None
"""


def test_a_gradient_at_the_place_of_another_argument_of_a_tape_is_told():
    right = check(class_of(TAPE))
    assert [found for found in right.findings if found.severity == "error"] == []
    moved = TAPE.replace("grad * np.ones(ctx.shape), None", "None, grad * np.ones(ctx.shape)")
    (found,) = [found for found in check(class_of(moved)).findings if found.severity == "error"]
    assert (found.code, found.argument) == ("D105", "x")
    assert "returns None for x, and a gradient in the place of axis" in found.message


# --- what fits by chance ----------------------------------------------------------------------------------------------

DROPOUT = """
import numpy as np

class Dropout:
    def __init__(self, p=0.5):
        self.p = p

    def forward(self, x):
        self.mask = np.random.binomial(1, self.p, size=x.shape[1:])
        return x * self.mask / (1 - self.p)

    def backward(self, dout):
        return dout * self.mask / (1 - self.p)
"""


def test_of_a_mask_of_one_element_two_draws_are_tried():
    assert errors_of(DROPOUT, X[:, :1]) == []
    wrong = DROPOUT.replace("dout * self.mask", "dout * self.p")
    assert mended(wrong, X[:, :1]) == ["return dout * self.mask / (1 - self.p)"]


SQUARES = """
import numpy as np

class Squares:
    def forward(self, y, t):
        self.y, self.t = y, t
        return np.sum((y - t) ** 2) / 2

    def backward(self):
        return self.y - self.t
"""


def test_ones_in_the_place_of_labels_are_no_missing_dout():
    assert errors_of(SQUARES, X, P) == []
    found = error_of(SQUARES.replace("return self.y - self.t", "return self.y - np.ones_like(self.t)"), X, P)
    assert (found.cause, added(found)) == ("formula", ["return self.y - self.t"])


def test_a_comparison_that_is_missing_is_named():
    found = error_of(BASE.replace("self.mask = x > 0", "self.mask = x").replace("x * self.mask", "np.maximum(x, 0)"), X)
    assert found.because.startswith("a comparison is missing")


SHIFTED = """
import numpy as np

class Shifted:
    def __init__(self):
        self.b = np.array([0.5, 0.25])

    def forward(self, x):
        self.x = x
        return x[:, :-1] * x[:, 1:]

    def backward(self, dout):
        dx = np.zeros(self.x.shape)
        for i in range(dout.shape[1]):
            dx[:, i] += dout[:, i] * self.x[:, i + 1]
            dx[:, i + 1] += dout[:, i] * self.x[:, i]
        self.db = dout.sum(axis=0)[:2]
        return dx
"""


def test_a_parameter_that_forward_ignores_hides_no_repair():
    wrong = SHIFTED.replace("dx[:, i] += dout", "dx[:, i] = dout")
    found = next(f for f in check(layer(wrong), X).findings if f.argument == "x" and f.severity == "error")
    assert added(found) == ["dx[:, i] += dout[:, i] * self.x[:, i + 1]"]
