"""Constants that stand in the source with a few digits: a formula that is right to these digits is right."""

import numpy as np
import pytest

from dout.check.verb.check_layer import check

X = np.random.default_rng(0).normal(size=(3, 4))


class Gate:
    """A gate whose backward has √(2/π) with six digits."""

    def forward(self, x):
        self.x = x
        return np.tanh(np.sqrt(2 / np.pi) * x)

    def backward(self, dout):
        return dout * 0.797885 * (1 - np.tanh(0.797885 * self.x) ** 2)


class WrongDigit(Gate):
    def backward(self, dout):
        return dout * 0.797985 * (1 - np.tanh(0.797885 * self.x) ** 2)


class FewDigits(Gate):
    def backward(self, dout):
        return dout * 0.798 * (1 - np.tanh(0.798 * self.x) ** 2)


class WrongFormula(Gate):
    def backward(self, dout):
        return dout * 0.797885 * (1 - np.tanh(0.797885 * self.x))


def test_constants_of_six_digits_are_taken_for_what_they_are_rounded_from():
    report = check(Gate(), X)
    assert [v.word for v in report.verdicts] == ["exact up to rounded constants"]
    assert report.ok


@pytest.mark.one_in(4)
@pytest.mark.parametrize("layer", [WrongDigit, FewDigits, WrongFormula])
def test_digits_excuse_no_more_than_they_round(layer):
    assert [f.code for f in check(layer(), X).findings if f.severity == "error"] == ["D101"]


class ManyDigits(Gate):
    """Ten digits, and one part in 10⁹ too much."""

    def forward(self, x):
        self.x = x
        return np.tanh(0.7978845608 * x)

    def backward(self, dout):
        return dout * 0.7978845608 * (1 - np.tanh(0.7978845608 * self.x) ** 2) * (1 + 1e-9)


def test_literals_of_many_digits_excuse_no_more_than_two_to_the_minus_46():
    assert [f.code for f in check(ManyDigits(), X).findings if f.severity == "error"] == ["D101"]


class Rounding:
    """Returns float64 that has the digits of another dtype."""

    dtype = np.float32

    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, dout):
        return (2 * self.x * dout).astype(self.dtype).astype(np.float64)


class Coarse(Rounding):
    dtype = np.float16


class CoarseAhead(Coarse):
    def forward(self, x):
        return super().forward(x.astype(np.float16).astype(np.float64))


class OwnPrecision:
    """Its parameter is float32, and so is the gradient of that."""

    def __init__(self):
        self.w, self.dw = np.float32([0.5, -1.5]), np.zeros(2, np.float32)

    def forward(self, x):
        self.x = x
        return x * self.w

    def backward(self, dout):
        self.dw[...] = dout * self.x
        return dout * self.w


def of_dtype(layer):
    return [one for one in check(layer, np.array([0.3, -1.7])).findings if one.code == "D302"]


@pytest.mark.parametrize(("layer", "severity"), [(Rounding, "warning"), (Coarse, "error")])
def test_a_gradient_is_not_rounded_on_the_way(layer, severity):
    (finding,) = of_dtype(layer)
    assert finding.severity == severity
    assert f"is rounded to {np.dtype(layer.dtype)} on the way" in finding.message


@pytest.mark.parametrize("layer", [CoarseAhead, OwnPrecision])
def test_a_gradient_in_the_precision_of_the_layer_is_not_rounded(layer):
    assert not of_dtype(layer)
