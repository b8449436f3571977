"""The ready-made layers keep their promises: fresh arrays, dtypes kept, no warnings, clear errors."""

import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
from layer_calls import ALL, FLOATS, ONE_INPUT, TWO_INPUTS, forward, gradients

from dout.layers import ExpLayer, MulLayer, ReciprocalLayer, Relu, Sigmoid

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
    added = {name for name in finished.stdout.split() if name.startswith("dout")}
    assert {name for name in added if not name.startswith("dout.layers")} == set()
    assert "dout.layers.basic" in added
