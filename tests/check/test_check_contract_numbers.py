import math

import numpy as np
import pytest
from contract_findings import X, Y, alarming, found, line


class Leaky:
    def forward(self, x):
        self.slope = np.where(x > 0, 1.0, 0.1).astype(x.dtype)
        return x * self.slope

    def backward(self, dout):
        return dout * self.slope


class LeakyWide(Leaky):
    def backward(self, dout):
        dx = np.zeros(dout.shape)
        dx += dout * self.slope
        return dx


def test_float32_stays_float32():
    finding = found(LeakyWide, X)["D301"]
    assert (finding.severity, finding.cause) == ("warning", "dtype")
    assert "the gradient of x is float64" in finding.message
    assert line(finding) == "dx = np.zeros(dout.shape)"
    assert not {"D301", "D302"} & set(found(Leaky, X))


class Affine:
    def __init__(self):
        self.params = [np.array([[1.0, 2.0, 0.5], [0.5, -1.0, 3.0]])]
        self.grads = [np.zeros((2, 3))]

    def forward(self, x):
        self.x = x
        return x @ self.params[0]

    def backward(self, dout):
        self.grads[0] = self.x.T @ dout
        return dout @ self.params[0].T


class AffineWide(Affine):
    def backward(self, dout):
        self.grads[0] = np.zeros((2, 3)) + self.x.T @ dout
        return dout @ self.params[0].T


def test_the_gradient_of_a_parameter_counts_too():
    assert "the gradient of params[0] is float64" in found(AffineWide, X)["D301"].message
    assert "D301" not in found(Affine, X)


class Loss:
    """Its loss is a Python float, its gradient an array."""

    def forward(self, x, t):
        self.d = x - t
        return float(np.sum(self.d**2))

    def backward(self, dout=1):
        return 2 * self.d * dout


class WideLoss(Loss):
    """Its loss is np.float64."""

    def forward(self, x, t):
        super().forward(x, t)
        return np.float64(np.sum(self.d**2))

    def backward(self, dout=1):
        return self.d * np.float32(2) * np.float32(dout)


def test_a_loss_may_be_a_float_and_one_of_numpys_is_noted():
    assert "D301" not in found(Loss, X, Y)
    assert found(WideLoss, X, Y)["D301"].severity == "note"


class Narrow(Leaky):
    def backward(self, dout):
        return (dout * self.slope).astype(np.float32)


def test_a_gradient_has_the_dtype_of_its_input():
    finding = found(Narrow, X)["D302"]
    assert (finding.severity, finding.expected, finding.got) == ("warning", "float64", "float32")
    assert "D302" not in found(Leaky, X)


class Power:
    def forward(self, x):
        self.x = x
        return 0.3 * x

    def backward(self, dout):
        dx = np.zeros_like(self.x)
        dx += 0.3 * dout
        return dx


class Filled(Power):
    def backward(self, dout):
        dx = np.zeros_like(self.x)
        dx[...] = 0.3 * dout
        return dx


class FilledRight(Power):
    def backward(self, dout):
        dx = np.zeros_like(self.x, dtype=dout.dtype)
        dx[...] = 0.3 * dout
        return dx


def test_whole_numbers_are_numbers():
    assert "it raises UFuncTypeError" in found(Power, X)["D303"].message
    finding = found(Filled, X)["D303"]
    assert finding.severity == "warning"
    assert "the gradient of x is 0 at [0, 0]" in finding.message
    assert not found(FilledRight, X).keys() - {"D504", "D208"}


class Refusing(FilledRight):
    def forward(self, x):
        if x.dtype.kind != "f":
            raise TypeError("floats, please")
        return super().forward(x)


def test_to_refuse_whole_numbers_is_right():
    assert "D303" not in found(Refusing, X)


class NaiveSoftmax:
    def forward(self, x):
        e = np.exp(x)
        self.y = e / e.sum(axis=1, keepdims=True)
        return self.y.copy()

    def backward(self, dout):
        dx = self.y * dout
        return dx - self.y * dx.sum(axis=1, keepdims=True)


class Softmax(NaiveSoftmax):
    def forward(self, x):
        return super().forward(x - x.max(axis=1, keepdims=True))


def test_a_naive_softmax_overflows():
    finding = found(NaiveSoftmax, X)["D401"]
    assert finding.severity == "warning"
    assert "at inputs × 1000 the output is nan" in finding.message
    assert finding.expected == 1.0
    assert set(found(Softmax, X)) == {"D208"}


class Log1pExp:
    def forward(self, x):
        self.x = x
        return np.log(1 + np.exp(x))

    def backward(self, dout):
        return dout / (1 + np.exp(-self.x))


class Softplus:
    def forward(self, x):
        self.gate = np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))
        return np.logaddexp(0, x)

    def backward(self, dout):
        return dout * self.gate


def test_the_exact_value_says_that_an_overflow_is_wrong():
    finding = found(Log1pExp, X)["D401"]
    assert "the output is inf at [0, 0], exactly 1000" in finding.message
    assert set(found(Softplus, X)) == {"D208"}


class PythonSigmoid:
    def forward(self, x):
        self.y = 1 / (1 + math.exp(-x))
        return self.y

    def backward(self, dout):
        return dout * self.y * (1 - self.y)


def test_python_numbers_overflow_with_an_exception():
    finding = found(PythonSigmoid, -2.0)["D401"]
    assert "at inputs × 1000 it raises OverflowError" in finding.message
    assert "at inputs − 1000.7 it raises OverflowError" in found(PythonSigmoid, 2.0)["D401"].message


class Exp:
    """What is beyond every float64 is no fault of the layer's."""

    def forward(self, x):
        self.y = np.exp(x)
        return self.y.copy()

    def backward(self, dout):
        return dout * self.y


def test_an_overflow_of_the_exact_value_is_right():
    assert set(found(Exp, X)) == {"D208"}


class NaiveVariance:
    def forward(self, x):
        self.x = x
        return (x**2).mean(axis=0) - x.mean(axis=0) ** 2

    def backward(self, dout):
        return 2 * dout * (self.x - self.x.mean(axis=0)) / len(self.x)


class Variance(NaiveVariance):
    def forward(self, x):
        self.x = x
        return ((x - x.mean(axis=0)) ** 2).mean(axis=0)


def test_digits_are_lost_in_a_difference():
    finding = found(NaiveVariance, X)["D402"]
    assert (finding.severity, finding.cause) == ("warning", "cancellation")
    assert "at inputs + 654321.9 the output is" in finding.message
    assert set(found(Variance, X)) == {"D208"}


class BareNorm:
    def forward(self, x):
        self.x = x
        return np.abs(x)

    def backward(self, dout):
        return dout * self.x / np.abs(self.x)


class SignNorm(BareNorm):
    def backward(self, dout):
        return dout * np.sign(self.x)


def test_zero_is_an_input_too():
    finding = found(BareNorm, X)["D403"]
    assert finding.severity == "warning"
    assert "at inputs 0 the gradient of x is nan at [0, 0], exactly 0" in finding.message
    assert line(finding) == "return dout * self.x / np.abs(self.x)"
    assert set(found(SignNorm, X)) == {"D208"}


class Masked(BareNorm):
    def backward(self, dout):
        return np.where(self.x == 0, 0, dout * self.x / np.abs(self.x))


class Quiet(Masked):
    def backward(self, dout):
        with np.errstate(invalid="ignore"):
            return super().backward(dout)


def test_a_warning_that_the_layer_silences_is_none():
    assert "although the result is right" in found(Masked, X)["D403"].message
    assert set(found(Quiet, X)) == {"D208"}


class Log:
    def forward(self, x):
        self.x = x
        return np.log(x)

    def backward(self, dout):
        return dout / self.x


def test_a_pole_is_no_finding():
    assert set(found(Log, np.abs(X))) == {"D208"}


class Wrong(Exp):
    def backward(self, dout):
        return dout * self.y * 2


def test_a_wrong_formula_is_no_lost_digits():
    assert set(found(Wrong, X)) == {"D208"}


class Branching:
    """An `if` on a value: a recording at one point does not hold at another."""

    def forward(self, x):
        self.x, self.positive = x, bool(np.sum(x) > 0)
        return x * 2 if self.positive else x * 3

    def backward(self, dout):
        return dout * 2 if self.positive else dout * 3


@pytest.mark.parametrize("sign", [1, -1])
def test_a_layer_that_branches_is_right(sign):
    assert not alarming(found(Branching, sign * np.abs(X)))


class Deviation:
    eps = 0.0

    def forward(self, x):
        self.centred = x - np.mean(x, axis=1, keepdims=True)
        self.std = np.sqrt(np.mean(self.centred**2, axis=1, keepdims=True) + self.eps)
        return self.std.copy()

    def backward(self, dout):
        return dout * self.centred / (self.centred.shape[1] * self.std)


class Steady(Deviation):
    eps = 1e-8


class Length:
    """A norm: there is no derivative at 0, and who wrote it may know."""

    def forward(self, x):
        self.x, self.norm = x, np.sqrt(np.sum(x**2, axis=1, keepdims=True))
        return self.norm.copy()

    def backward(self, dout):
        return dout * self.x / self.norm


def test_a_gradient_that_is_lost_at_equal_numbers_is_told():
    finding = found(Deviation, X)["D403"]
    assert (finding.severity, finding.argument) == ("warning", "x")
    assert "at inputs that are all the same the gradient of x is nan" in finding.message
    assert found(Length, X)["D403"].severity == "note"
    assert "D403" not in found(Steady, X)


class RootOfSquare(BareNorm):
    def forward(self, x):
        self.x = x
        return np.sqrt(x**2)

    def backward(self, dout):
        return dout * np.sign(self.x)


def test_the_root_of_a_square_has_half_the_range_of_an_absolute_value():
    finding = found(RootOfSquare, X)["D401"]
    assert finding.severity == "note"
    assert "the root of a square overflows" in finding.message
    assert "D401" not in found(Length, X)


class LateTanh:
    """Near 0 its digits are lost, where nobody needs them."""

    def forward(self, x):
        self.y = 1 - 2 / (np.exp(np.minimum(2 * x, 700)) + 1)
        return self.y.copy()

    def backward(self, dout):
        return dout * (1 - self.y**2)


def test_digits_lost_near_0_are_a_note():
    assert found(LateTanh, X)["D402"].severity == "note"
