"""`explain` beside numbers that the layer holds, local derivatives that are right, and arrays filled in later."""

import numpy as np
import pytest
from test_explain_beside import X, lines_of, said, verdicts

# --- what a layer holds -----------------------------------------------------------------------------------------------


class Scaled:
    def __init__(self, scale):
        self.scale = scale

    def forward(self, x):
        self.x = x
        return np.tanh(x) * self.scale

    def backward(self, dout):
        return dout * (1 - np.tanh(self.x) ** 2) * self.scale


class Unscaled(Scaled):
    def backward(self, dout):
        return dout * (1 - np.tanh(self.x) ** 2)


@pytest.mark.parametrize("scale", [1.0, 1, 0.8])
def test_a_factor_that_the_layer_holds_is_missed_also_where_it_is_one(scale):
    assert not any(line.wrong for line in lines_of(Scaled(scale), X))
    assert verdicts(Unscaled(scale), X) == ["✗ factor_missing"]


class Monomial:
    def __init__(self):
        self.n, self.k = 3, 3

    def forward(self, x):
        self.x = x
        return x**self.n * self.k

    def backward(self, dout):
        return dout * self.k * self.n * self.x ** (self.n - 1)


class FactorForExponent(Monomial):
    def backward(self, dout):
        return dout * self.k * self.k * self.x ** (self.n - 1)


def test_a_factor_does_not_stand_for_an_exponent_that_happens_to_be_the_same_number():
    assert verdicts(Monomial(), X) == ["✓ dx"]
    assert [line.wrong for line in lines_of(FactorForExponent(), X)] == [True]


class Square:
    def __init__(self):
        self.n, self.k = 2, 2.0

    def forward(self, x):
        self.x = x
        return x**self.n * self.k

    def backward(self, dout):
        return dout * self.k * self.n * self.x


class FactorTwice(Square):
    def backward(self, dout):
        return dout * self.k * self.k * self.x


def test_a_whole_exponent_stays_what_it_is_while_the_factors_beside_it_vary():
    assert verdicts(Square(), X) == ["✓ formula"]
    assert [line.wrong for line in lines_of(FactorTwice(), X)] == [True]


class Dropout:
    def __init__(self):
        self.rate, self.keep = 0.2, 0.8

    def forward(self, x):
        self.mask = np.random.default_rng(0).random(x.shape) < self.keep
        return x * self.mask / self.keep

    def backward(self, dout):
        return dout * self.mask / self.keep


class UnscaledDropout(Dropout):
    def backward(self, dout):
        mask = self.mask
        return dout * mask


class TwoNumbersOfOne(Dropout):
    def forward(self, x):
        self.mask = np.random.default_rng(0).random(x.shape) > self.rate
        return x * self.mask / (1 - self.rate)


@pytest.mark.parametrize("layer", [Dropout, TwoNumbersOfOne])
def test_dropout_that_divides_by_what_it_keeps_is_right(layer):
    assert not any(line.wrong for line in lines_of(layer(), X))


def test_the_number_that_dropout_does_not_divide_by_is_named():
    wrong = [line for line in lines_of(UnscaledDropout(), X) if line.wrong]
    assert [(line.reason.key, said(line)) for line in wrong] == [
        ("beside_factor_extra", "the factor keep is one too many")
    ]


class MeanOfWindows:
    def __init__(self):
        self.size = 3

    def forward(self, x):
        rows, columns = x.shape
        return x.reshape(rows, columns // self.size, self.size).sum(axis=2) / self.size

    def backward(self, dout):
        return np.repeat(dout, self.size, axis=1) / 3


class Doubled:
    def forward(self, x):
        return x * np.full(x.shape, 2.0)

    def backward(self, dout):
        return 2 * dout


class Chosen:
    def __init__(self):
        self.p = 2

    def forward(self, x):
        self.x = x
        return x * x * self.p if self.p == 2 else x * self.p

    def backward(self, dout):
        return dout * 4 * self.x


@pytest.mark.parametrize("layer", [MeanOfWindows, Doubled, Chosen])
def test_a_number_that_decides_a_shape_or_a_way_is_no_other_number_at_other_points(layer):
    assert not any(line.wrong for line in lines_of(layer(), X))


class Neighbours:
    def __init__(self):
        self.A = np.array([[0.5, 0.5, 0.0, 0.0], [0.5, 0.2, 0.3, 0.0], [0.0, 0.3, 0.3, 0.4], [0.0, 0.0, 0.4, 0.6]])

    def forward(self, x):
        return self.A @ x

    def backward(self, dout):
        return self.A @ dout


def test_a_matrix_that_the_layer_holds_stays_symmetric():
    assert not any(line.wrong for line in lines_of(Neighbours(), X))


# --- a local derivative that is right ---------------------------------------------------------------------------------


class DoubledSigmoid:
    def forward(self, x):
        self.y = 1 / (1 + np.exp(-x))
        return 2 * self.y

    def backward(self, dout):
        slope = self.y * (1 - self.y)
        return 2 * dout * slope


class HalfSigmoid(DoubledSigmoid):
    def backward(self, dout):
        slope = self.y * (1 - self.y)
        return dout * slope


class WrongSlope(DoubledSigmoid):
    def backward(self, dout):
        slope = 2 * self.y * (1 + self.y)
        return dout * slope


def test_the_line_that_uses_a_right_local_derivative_is_to_blame_for_a_missing_factor():
    assert [line.wrong for line in lines_of(DoubledSigmoid(), X)] == [False, False]
    assert [line.wrong for line in lines_of(HalfSigmoid(), X)] == [False, True]
    assert verdicts(HalfSigmoid(), X)[0] == "✓ local"


def test_a_wrong_local_derivative_is_to_blame():
    assert [line.wrong for line in lines_of(WrongSlope(), X)] == [True, False]


# --- arrays that are filled in later ----------------------------------------------------------------------------------


class IntoOut:
    def forward(self, x):
        self.x = x
        return np.sin(x)

    def backward(self, dout):
        dx = np.empty(self.x.shape)
        np.multiply(dout, np.cos(self.x), out=dx)
        return dx


class IntoView:
    def forward(self, x):
        self.shape = x.shape
        return x[1:]

    def backward(self, dout):
        dx = np.zeros(self.shape)
        view = dx[1:]
        view += dout
        return dx


class Replaced:
    def forward(self, x):
        return 3 * x

    def backward(self, dout):
        dx = np.zeros(dout.shape)
        dx = 3 * dout
        return dx


@pytest.mark.parametrize(("layer", "first"), [(IntoOut, "✓ start"), (IntoView, "✓ start"), (Replaced, "✓ number")])
def test_an_array_is_filled_in_by_a_line_that_writes_into_its_memory(layer, first):
    assert verdicts(layer(), X)[0] == first
