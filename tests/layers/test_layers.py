"""The ready-made layers compute the right numbers: the slides' digits, exact values and gradients, broadcasting.

Oracles are independent of NumPy's arithmetic: fractions for × + and /, python-flint's balls for exp and Sigmoid, and
plain loops over indices for broadcasting. Warnings are errors in all tests.
"""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from flint import arb, ctx
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from layer_calls import FLOATS, ONE_INPUT, TWO_INPUTS

from dout.layers import AddLayer, ExpLayer, MulLayer, ReciprocalLayer, Relu, Sigmoid

small_integers = st.integers(-9, 9)


def exact_sigmoid(x: float) -> arb:
    """Return the sigmoid of `x` as a ball of some 300 bits."""
    return 1 / (1 + (-arb(x)).exp())


def relative_error(got, exact: arb) -> float:
    """Return how far `got` is from `exact`, in units of `exact`."""
    return float(abs((arb(float(got)) - exact) / exact).upper())


@pytest.fixture(autouse=True)
def three_hundred_bits():
    before, ctx.prec = ctx.prec, 300
    yield
    ctx.prec = before


# The slides, to the digit


def test_buy_apples_gives_the_slides_numbers():
    apple, tax = MulLayer(), MulLayer()
    price = tax.forward(apple.forward(100, 2), 1.1)
    dapple_price, dtax = tax.backward(1)
    dapple, dapple_num = apple.backward(dapple_price)
    assert (price, dapple, dapple_num, dtax) == (220.00000000000003, 2.2, 110.00000000000001, 200)
    assert [type(number) for number in (price, dapple, dapple_num, dtax)] == [float, float, float, int]


def test_buy_apples_and_oranges_gives_the_slides_numbers():
    apple, orange, both, tax = MulLayer(), MulLayer(), AddLayer(), MulLayer()
    price = tax.forward(both.forward(apple.forward(100, 2), orange.forward(150, 3)), 1.1)
    dall_price, dtax = tax.backward(1)
    dapple_price, dorange_price = both.backward(dall_price)
    dorange, dorange_num = orange.backward(dorange_price)
    dapple, dapple_num = apple.backward(dapple_price)
    assert price == 715.0000000000001
    printed = f"{dapple_num} {dapple} {dorange} {dorange_num} {dtax}"
    assert printed == "110.00000000000001 2.2 3.3000000000000003 165.0 650"


def test_relu_is_a_switch_on_the_slides_array():
    layer = Relu()
    out = layer.forward(np.array([[1.0, -0.5], [-2.0, 3.0]]))
    np.testing.assert_array_equal(out, [[1, 0], [0, 3]])
    np.testing.assert_array_equal(layer.mask, [[False, True], [True, False]])
    np.testing.assert_array_equal(layer.backward(np.array([[1.0, 2.0], [3.0, 4.0]])), [[1, 0], [0, 4]])


def test_layers_keep_the_slides_attributes():
    x = np.array([1.0, -2.0])
    multiply, sigmoid, relu = MulLayer(), Sigmoid(), Relu()
    multiply.forward(x, 3)
    relu.forward(x)
    out = sigmoid.forward(x)
    assert multiply.x is x
    assert multiply.y == 3
    np.testing.assert_array_equal(relu.mask, [False, True])
    np.testing.assert_array_equal(sigmoid.out, out)


def test_sigmoid_wired_from_nodes_agrees_with_the_layer():
    minus, exp, plus, reciprocal, whole = MulLayer(), ExpLayer(), AddLayer(), ReciprocalLayer(), Sigmoid()
    x = np.array([-3.0, -0.5, 0.0, 0.25, 4.0])
    dout = np.array([1.0, -2.0, 3.0, 0.5, 1.5])
    y = reciprocal.forward(plus.forward(exp.forward(minus.forward(x, -1)), 1))
    dexp, _ = plus.backward(reciprocal.backward(dout))
    dx, _ = minus.backward(exp.backward(dexp))
    np.testing.assert_allclose(y, whole.forward(x), rtol=1e-15)
    np.testing.assert_allclose(dx, whole.backward(dout), rtol=1e-14)


# Values and gradients against exact arithmetic


@given(st.integers(), st.integers(), st.integers())
def test_python_integers_of_any_size_stay_exact(x, y, dout):
    multiply, add = MulLayer(), AddLayer()
    assert multiply.forward(x, y) == x * y
    assert multiply.backward(dout) == (dout * y, dout * x)
    assert add.forward(x, y) == x + y
    assert add.backward(dout) == (dout, dout)


@given(st.floats(0.015625, 64), st.floats(-64, 64))
def test_reciprocal_is_the_exact_one_rounded(x, dout):
    layer = ReciprocalLayer()
    assert layer.forward(x) == float(1 / Fraction(x))
    exact = -Fraction(dout) / Fraction(x) ** 2
    assert math.isclose(layer.backward(dout), exact, rel_tol=1e-15, abs_tol=1e-300)


@given(st.floats(-700, 700))
def test_exp_is_its_own_derivative(x):
    layer = ExpLayer()
    assert relative_error(layer.forward(x), arb(x).exp()) < 1e-15
    assert relative_error(layer.backward(1.0), arb(x).exp()) < 1e-15


@given(st.floats(-700, 1000))
@example(0.0)
@example(-0.0)
@example(-700.0)
def test_sigmoid_keeps_every_digit_on_both_tails(x):
    layer = Sigmoid()
    assert relative_error(layer.forward(x), exact_sigmoid(x)) < 1e-15


@given(st.floats(-700, 700), st.floats(-4, 4))
def test_sigmoid_backward_is_the_derivative(x, dout):
    layer = Sigmoid()
    layer.forward(x)
    exact = arb(dout) * exact_sigmoid(x) * (1 - exact_sigmoid(x))
    assert abs(arb(float(layer.backward(dout))) - exact) < 1e-15


@pytest.mark.parametrize("x", [-80.0, -20.0, -0.5])
def test_sigmoid_backward_keeps_every_digit_on_the_negative_tail(x):
    layer = Sigmoid()
    layer.forward(x)
    assert relative_error(layer.backward(1.0), exact_sigmoid(x) * (1 - exact_sigmoid(x))) < 1e-15


@given(hnp.arrays(np.float64, hnp.array_shapes(min_dims=0, min_side=0), elements=small_integers))
def test_relu_keeps_what_is_above_zero(x):
    layer = Relu()
    out, dx = layer.forward(x), layer.backward(np.full(x.shape, 2.0))
    assert np.shape(out) == np.shape(dx) == x.shape
    assert np.ravel(out).tolist() == [max(element, 0) for element in x.ravel().tolist()]
    assert np.ravel(dx).tolist() == [2 if element > 0 else 0 for element in x.ravel().tolist()]


# Broadcasting


def summed_back_by_loops(dout, local, shape):
    """Add dout * local at each output index into the one input element that was used there, index by index."""
    total = np.zeros(shape, dtype=object)
    for index in itertools.product(*map(range, dout.shape)):
        used = tuple(0 if size == 1 else at for size, at in zip(shape, index[dout.ndim - len(shape) :], strict=True))
        total[used] += int(dout[index]) * int(local[index])
    return total.tolist()


@st.composite
def broadcast_inputs(draw):
    """Two integer-valued float arrays that broadcast (empty and 0-d ones included), and a dout for their result."""
    shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, min_side=0, max_side=3, max_dims=3))
    return [
        draw(hnp.arrays(np.float64, shape, elements=small_integers))
        for shape in (*shapes.input_shapes, shapes.result_shape)
    ]


@given(broadcast_inputs())
def test_multiply_sums_each_gradient_back_to_its_input(arrays):
    x, y, dout = arrays
    layer = MulLayer()
    layer.forward(x, y)
    dx, dy = layer.backward(dout)
    assert (np.shape(dx), np.shape(dy)) == (x.shape, y.shape)
    assert np.asarray(dx).tolist() == summed_back_by_loops(dout, np.broadcast_to(y, dout.shape), x.shape)
    assert np.asarray(dy).tolist() == summed_back_by_loops(dout, np.broadcast_to(x, dout.shape), y.shape)


@given(broadcast_inputs())
def test_add_sums_each_gradient_back_to_its_input(arrays):
    x, y, dout = arrays
    layer = AddLayer()
    layer.forward(x, y)
    dx, dy = layer.backward(dout)
    ones = np.ones(dout.shape)
    assert (np.shape(dx), np.shape(dy)) == (x.shape, y.shape)
    assert np.asarray(dx).tolist() == summed_back_by_loops(dout, ones, x.shape)
    assert np.asarray(dy).tolist() == summed_back_by_loops(dout, ones, y.shape)


def test_a_python_number_times_an_array_gets_one_number_back():
    layer = MulLayer()
    layer.forward(2, np.array([3.0, 4.0]))
    dx, dy = layer.backward(np.array([1.0, 10.0]))
    assert dx == 43
    assert np.shape(dx) == ()
    np.testing.assert_array_equal(dy, [2, 20])


@pytest.mark.parametrize("cls", TWO_INPUTS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_one_number_as_dout_counts_for_every_element(cls, dtype):
    number, full = cls(), cls()
    x, y = np.array([[2], [3]], dtype), np.array([5, 7, 11], dtype)
    number.forward(x, y)
    full.forward(x, y)
    for got, expected in zip(number.backward(1.0), full.backward(np.ones((2, 3), dtype)), strict=True):
        np.testing.assert_array_equal(got, expected)
        assert got.dtype == dtype


@pytest.mark.parametrize("cls", ONE_INPUT)
@pytest.mark.parametrize("dtype", FLOATS)
def test_one_number_as_dout_counts_for_every_element_of_one_input(cls, dtype):
    layer = cls()
    x = np.array([[1, -2], [3, 4]], dtype)
    layer.forward(x)
    got, expected = layer.backward(1.0), layer.backward(np.ones((2, 2), dtype))
    np.testing.assert_array_equal(got, expected)
    assert got.dtype == dtype
