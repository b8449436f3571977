"""Numerical differences: the slope lies within the estimate of the error, and a kink or a jump is no slope."""

import math

import numpy as np
import pytest

from dout.run import Line, central_difference, sure_difference

SMOOTH = {  # the function of a number near 0.7, and its slope there by calculus
    "sine": (np.sin, math.cos(0.7)),
    "cube": (lambda x: x**3, 3 * 0.7**2),
    "logarithm": (np.log, 1 / 0.7),
    "steep": (lambda x: 2 + np.tanh(300 * (x - 0.7)), 300.0),
}


def line(function, here=0.7):
    return Line(lambda step: function(here + step), here, max(abs(here), 1.0))


@pytest.mark.parametrize("name", SMOOTH)
def test_the_slope_of_a_smooth_function_is_that_of_calculus(name):
    function, slope = SMOOTH[name]
    found = line(function).slope(guess=slope)
    assert found.complex_step
    assert found.value == pytest.approx(slope, rel=1e-12)


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_without_complex_numbers_the_estimate_of_the_error_holds(name, factor):
    function, slope = SMOOTH[name]
    found = line(lambda x: float(function(x))).slope(guess=factor * slope)
    assert not found.complex_step
    assert abs(found.value - slope) <= 4 * found.error + 1e-6 * abs(slope)
    assert found.error <= 1e-5 * abs(slope)


def test_a_function_that_is_wrong_on_complex_numbers_is_not_believed():
    found = line(lambda x: np.abs(x) + 0 * x).slope(guess=1.0)
    assert not found.complex_step
    assert found.value == pytest.approx(1.0)


@pytest.mark.parametrize(("function", "here", "expected"), [(abs, 0.0, True), (abs, 0.5, False), (np.sin, 0.0, False)])
def test_a_kink_is_where_the_slopes_on_both_sides_differ(function, here, expected):
    assert line(function, here).is_kink() is expected


def test_a_function_that_jumps_from_one_float_to_the_next_has_no_slope():
    noise = line(lambda x: math.modf(float(x) * 1e15 * math.e)[0])
    assert noise.slope(guess=0.0).error == math.inf


def test_a_central_difference_of_a_square_is_exact():
    assert central_difference(lambda step: (3 + step) ** 2, 0.5) == 6.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_slope_is_found_through_the_rounding_of_float32(dtype):
    def loss(step):
        return float(dtype(np.sin(1 + step) + 3))

    slope, lost = sure_difference(loss, 1e-5)
    assert abs(slope - np.cos(1)) <= lost + 1e-6 < 2e-3
    assert (abs(central_difference(loss, 1e-5) - np.cos(1)) > 1e-3) == (dtype is np.float32)
