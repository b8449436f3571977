"""The ready-made layers keep their promises: exact gradients, fresh arrays, no warnings, dtypes kept.

Oracles are independent of NumPy's arithmetic: fractions for × + and /, python-flint's balls for exp and Sigmoid, and
plain loops over indices for broadcasting. Warnings are errors in all tests.
"""

import itertools
import math
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from flint import arb, ctx
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dout.layers import AddLayer, ExpLayer, MulLayer, ReciprocalLayer, Relu, Sigmoid

ONE_INPUT = [Relu, Sigmoid, ExpLayer, ReciprocalLayer]
TWO_INPUTS = [MulLayer, AddLayer]
ALL = ONE_INPUT + TWO_INPUTS
FLOATS = [np.float16, np.float32, np.float64]

small_integers = st.integers(-9, 9)


def forward(layer, x):
    """Call `forward` on as many copies of `x` as the layer takes."""
    return layer.forward(x, x.copy()) if type(layer) in TWO_INPUTS else layer.forward(x)


def gradients(layer, dout):
    """Return the gradients of `backward` as a tuple, also where there is one."""
    result = layer.backward(dout)
    return result if isinstance(result, tuple) else (result,)


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


# Nothing is written into, nothing is shared


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("shape", [(2, 3), (4,), (), (0,)], ids=str)
def test_inputs_and_dout_are_left_as_they_were(cls, shape):
    x, dout = np.full(shape, -1.5), np.full(shape, 2.5)
    x.flags.writeable = dout.flags.writeable = False
    layer = cls()
    forward(layer, x)
    layer.backward(dout)
    assert (x == -1.5).all()
    assert (dout == 2.5).all()


def arrays_of(layer):
    return [value for value in vars(layer).values() if isinstance(value, np.ndarray)]


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("shape", [(2, 3), (1, 1), ()], ids=str)
def test_what_goes_out_shares_no_memory_with_anything(cls, shape):
    x, dout = np.full(shape, 1.5), np.full(shape, 2.5)
    layer = cls()
    results = [forward(layer, x), *gradients(layer, dout)]
    others = [x, dout, *arrays_of(layer)]
    for result, other in itertools.product(results, others):
        assert not np.shares_memory(result, other)
    for one, another in itertools.combinations(results, 2):
        assert not np.shares_memory(one, another)


@pytest.mark.parametrize("cls", ALL)
def test_writing_into_the_result_does_not_change_the_gradient(cls):
    x, dout = np.array([1.5, -0.5]), np.array([1.0, 2.0])
    layer, untouched = cls(), cls()
    out = forward(layer, x)
    forward(untouched, x)
    out[:] = 99
    for gradient in gradients(layer, dout):
        gradient[:] = 99
    for got, expected in zip(gradients(layer, dout), gradients(untouched, dout), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_two_instances_share_no_state():
    one, another = Relu(), Relu()
    one.forward(np.array([1.0, -1.0]))
    another.forward(np.array([-1.0, 1.0]))
    np.testing.assert_array_equal(one.backward(np.array([1.0, 1.0])), [1, 0])


# Dtypes, shapes, memory order


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(2, 3), (), (0, 2)], ids=str)
def test_floats_keep_their_precision(cls, dtype, shape):
    x = np.full(shape, 0.5, dtype)
    layer = cls()
    results = [forward(layer, x), *gradients(layer, np.ones(shape, dtype))]
    assert {result.dtype for result in results} == {np.dtype(dtype)}
    assert {result.shape for result in results} == {shape}


@pytest.mark.parametrize("cls", TWO_INPUTS)
def test_float32_stays_float32_beside_a_python_number_and_when_summed_back(cls):
    layer = cls()
    out = layer.forward(np.ones((2, 3), np.float32), 2.0)
    dx, dy = layer.backward(np.ones((2, 3), np.float32))
    assert {out.dtype, dx.dtype, dy.dtype} == {np.dtype(np.float32)}


@pytest.mark.parametrize("cls", ALL)
def test_numpy_scalars_are_as_good_as_arrays(cls):
    layer = cls()
    results = [forward(layer, np.float32(0.5)), *gradients(layer, np.float32(1))]
    assert {type(result) for result in results} == {np.float32}


@pytest.mark.parametrize("cls", ONE_INPUT)
@pytest.mark.parametrize("x", [2, -2, 0.5], ids=str)
def test_a_python_number_gives_a_number_back(cls, x):
    layer = cls()
    assert isinstance(layer.forward(x), int | float | np.number)
    assert isinstance(layer.backward(1), int | float | np.number)


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0)], ids=str)
def test_empty_arrays_go_through(cls, shape):
    layer = cls()
    assert forward(layer, np.empty(shape)).shape == shape
    assert all(gradient.shape == shape for gradient in gradients(layer, np.empty(shape)))


@pytest.mark.parametrize("cls", ALL)
def test_memory_order_does_not_matter(cls):
    x, dout = np.arange(6.0).reshape(2, 3) + 1, np.arange(6.0).reshape(2, 3) - 2
    plain, other = cls(), cls()
    expected = [forward(plain, x), *gradients(plain, dout)]
    strided = np.repeat(dout, 2, axis=1)[:, ::2]
    got = [forward(other, np.asfortranarray(x)), *gradients(other, strided)]
    for one, another in zip(got, expected, strict=True):
        np.testing.assert_array_equal(one, another)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64, np.bool_])
def test_sigmoid_of_integers_is_that_of_the_same_real_numbers(dtype):
    x = np.array([0, 1, 100, 200, -128], np.int64).astype(dtype)
    np.testing.assert_array_equal(Sigmoid().forward(x), Sigmoid().forward(x.astype(np.float64)))


# Extremes


@pytest.mark.parametrize("dtype", FLOATS)
def test_sigmoid_meets_both_ends_without_a_warning(dtype):
    layer = Sigmoid()
    out = layer.forward(np.array([-np.inf, -1000, 1000, np.inf], dtype))
    np.testing.assert_array_equal(out, [0, 0, 1, 1])
    np.testing.assert_array_equal(layer.backward(np.ones(4, dtype)), [0, 0, 0, 0])


def test_sigmoid_of_a_python_number_meets_both_ends_without_a_warning():
    assert Sigmoid().forward(-1000) == 0
    assert Sigmoid().forward(1000.0) == 1


def test_exp_far_below_is_zero_without_a_warning():
    assert ExpLayer().forward(-1000.0) == 0


def test_exp_and_reciprocal_leave_their_domain_as_numpy_and_python_do():
    with pytest.warns(RuntimeWarning, match="overflow"):
        assert ExpLayer().forward(1000.0) == math.inf
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        assert ReciprocalLayer().forward(np.array([0.0])) == [math.inf]
    with pytest.raises(ZeroDivisionError):
        ReciprocalLayer().forward(0)


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("nan", [np.array([np.nan, 1.0]), np.array(np.nan), math.nan], ids=["array", "0-d", "number"])
def test_nan_passes_through(cls, nan):
    layer = cls()
    out = layer.forward(nan, 2.0) if cls in TWO_INPUTS else layer.forward(nan)
    assert np.isnan(np.ravel(out)[0])


def test_relu_passes_the_gradient_where_the_input_was_nan():
    layer = Relu()
    layer.forward(np.array([np.nan, -1.0, 1.0]))
    np.testing.assert_array_equal(layer.backward(np.array([5.0, 6.0, 7.0])), [5, 0, 7])


def test_relu_blocks_infinities_too():
    layer = Relu()
    np.testing.assert_array_equal(layer.forward(np.array([-np.inf, np.inf, -0.0, 0.0])), [0, np.inf, 0, 0])
    np.testing.assert_array_equal(layer.backward(np.full(4, np.inf)), [0, np.inf, 0, 0])


# Errors


@pytest.mark.parametrize("cls", ALL)
def test_backward_before_forward_says_so(cls):
    message = f"^{cls.__name__}.backward was called before forward: call forward first$"
    with pytest.raises(RuntimeError, match=message):
        cls().backward(1)


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("shape", [(3,), (1, 2), (2, 2)], ids=str)
def test_a_dout_of_another_shape_is_refused(cls, shape):
    layer = cls()
    forward(layer, np.ones(2))
    with pytest.raises(
        ValueError, match=rf"^{cls.__name__}.backward: dout has shape \(.*\), forward returned shape \(2,\)"
    ):
        layer.backward(np.ones(shape))


def test_a_forward_that_fails_leaves_the_layer_as_it_was():
    layer = MulLayer()
    layer.forward(2, 3)
    with pytest.raises(ValueError, match="could not be broadcast"):
        layer.forward(np.ones(2), np.ones(3))
    assert layer.backward(1) == (3, 2)


def test_layers_need_nothing_of_dout_but_their_own_folder():
    code = "import sys, dout; before = set(sys.modules); import dout.layers; print(*sorted(set(sys.modules) - before))"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    added = [name for name in finished.stdout.split() if name.startswith("dout")]
    assert added == ["dout.layers", "dout.layers.basic"]
