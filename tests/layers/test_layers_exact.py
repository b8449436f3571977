"""The elementwise layers against mpmath with 50 digits: values and slopes to 1e-12, also far out on both sides."""

import numpy as np
import pytest
from exact_functions import EXACT
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_calls import ALL, FLOATS

from dout import layers


def is_near(got, exact):
    return abs(float(got) - float(exact)) <= 1e-12 * max(1.0, abs(float(exact)))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("exact", EXACT, ids=lambda exact: exact.name)
def test_values_and_slopes_are_exact_to_12_digits(exact):
    x, dout = np.array(exact.points), np.linspace(-2.0, 3.0, len(exact.points))
    out = exact.layer.forward(x)
    dx = exact.layer.backward(dout)
    for at, got, slope, factor in zip(exact.points, out, dx, dout, strict=True):
        assert is_near(got, exact.value(at)), at
        assert is_near(slope, factor * exact.slope(at)), at


@pytest.mark.one_in(2)
@pytest.mark.parametrize("exact", EXACT, ids=lambda exact: exact.name)
@settings(max_examples=20)
@given(scale=st.floats(0.3, 3.0))
def test_values_and_slopes_are_exact_at_numbers_in_between(exact, scale):
    x = scale * exact.points[len(exact.points) // 2 + 1]
    out = exact.layer.forward(np.array([x]))
    dx = exact.layer.backward(np.array([1.0]))
    assert is_near(out[0], exact.value(x))
    assert is_near(dx[0], exact.slope(x))


def test_every_layer_of_one_input_and_element_has_its_exact_function():
    elementwise = {cls for cls in ALL if cls.forward.__code__.co_argcount == 2}
    assert elementwise <= {type(exact.layer) for exact in EXACT}


# Two inputs


@pytest.mark.parametrize(
    ("cls", "x", "y", "expected"),
    [
        (layers.SubLayer, 7.0, 2.0, (5.0, 1.0, -1.0)),
        (layers.DivLayer, 7.0, 2.0, (3.5, 0.5, -1.75)),
        (layers.MaximumLayer, 7.0, 2.0, (7.0, 1.0, 0.0)),
        (layers.MinimumLayer, 7.0, 2.0, (2.0, 0.0, 1.0)),
        (layers.MinimumLayer, 2.0, 2.0, (2.0, 0.5, 0.5)),
    ],
)
def test_two_inputs_have_the_values_of_a_pocket_calculator(cls, x, y, expected):
    layer = cls()
    out = layer.forward(np.array([x]), np.array([y]))
    dx, dy = layer.backward(np.array([4.0]))
    assert (out[0], dx[0] / 4, dy[0] / 4) == expected


@pytest.mark.parametrize("cls", [layers.SubLayer, layers.DivLayer, layers.MaximumLayer, layers.MinimumLayer])
def test_gradients_of_repeated_inputs_are_sums_over_their_uses(cls):
    generator = np.random.default_rng(1)
    x, y, dout = generator.normal(size=(2, 3, 4)), generator.normal(size=(3, 1)), generator.normal(size=(2, 3, 4))
    small, wide = cls(), cls()
    small.forward(x, y)
    wide.forward(x, np.broadcast_to(y, x.shape))
    dx, dy = small.backward(dout)
    whole_dx, whole_dy = wide.backward(dout)
    np.testing.assert_array_equal(dx, whole_dx)
    np.testing.assert_allclose(dy, whole_dy.sum(axis=(0, 2))[:, None], rtol=1e-13)


# Slopes that are parameters, or drawn


def test_a_prelu_learns_one_slope_a_channel_from_what_was_negative():
    layer = layers.PRelu(2)
    layer.a[:] = [0.5, 2.0]
    x = np.array([[[1.0, -2.0], [-3.0, 4.0]]])  # a sample, two channels, two places
    np.testing.assert_array_equal(layer.forward(x), [[[1.0, -1.0], [-6.0, 4.0]]])
    np.testing.assert_array_equal(layer.backward(np.array([[[1.0, 10.0], [100.0, 1000.0]]])), [[[1, 5], [200, 1000]]])
    np.testing.assert_array_equal(layer.da, [-20.0, -300.0])


def test_a_prelu_says_how_many_slopes_fit():
    with pytest.raises(ValueError, match=r"x has shape \(4, 3\), and the layer 2 slopes: write PRelu\(3\)"):
        layers.PRelu(2).forward(np.ones((4, 3)))


@pytest.mark.parametrize("dtype", FLOATS)
def test_an_rrelu_draws_a_slope_for_each_negative_number_and_takes_the_middle_afterwards(dtype):
    layer = layers.RRelu(0.25, 0.75, seed=1)
    x = np.full((50, 40), -1, dtype)
    out = layer.forward(x)
    assert (out.dtype, layer.backward(np.ones_like(x)).dtype) == (dtype, dtype)
    assert -0.75 <= out.min() < -0.7 < -0.3 < out.max() <= -0.25
    np.testing.assert_array_equal(layer.backward(np.ones_like(x)), -out)
    layer.training = False
    assert set(layer.forward(x).flat) == {-0.5}
    assert layer.forward(np.array([3.0]))[0] == 3.0


# Along an axis


SCORES = np.array([[0.0, 1.0, -2.0], [1000.0, 1000.0, -1000.0]])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("axis", [-1, 0, 1])
@pytest.mark.parametrize("cls", [layers.Softmax, layers.Softmin, layers.LogSoftmax])
def test_shares_are_those_of_exact_arithmetic_at_any_size_of_the_scores(cls, axis):
    import mpmath as mp

    rows = SCORES if axis % 2 else SCORES.T
    sign = -1 if cls is layers.Softmin else 1
    given = np.ascontiguousarray(rows if axis % 2 else rows.T)
    out = cls(axis).forward(given)
    for row, got in zip(rows, out if axis % 2 else out.T, strict=True):
        powers = [mp.exp(sign * mp.mpf(x)) for x in row]
        shares = [p / sum(powers) for p in powers]
        exact = [mp.log(share) for share in shares] if cls is layers.LogSoftmax else shares
        assert all(is_near(a, b) for a, b in zip(got, exact, strict=True))


def test_a_gate_wants_two_halves():
    with pytest.raises(ValueError, match="3 along axis -1 is odd"):
        layers.Glu().forward(np.ones((2, 3)))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: layers.Hardtanh(1, -1), "low must be below high"),
        (lambda: layers.Softshrink(-1), "must not be negative"),
        (lambda: layers.Softplus(0), "must be positive"),
        (lambda: layers.Celu(0), "must be positive"),
        (lambda: layers.RRelu(1, 0), "low must not be above high"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_gelu_without_scipy_is_the_same_in_the_same_dtype(dtype, monkeypatch):
    x = np.linspace(-5, 5, 31, dtype=dtype).reshape(31, 1)
    expected = layers.Gelu().forward(x)
    monkeypatch.setattr("dout.layers.form._scipys", lambda: None)
    found = layers.Gelu().forward(x)
    assert found.dtype == expected.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=8 * np.finfo(dtype).eps, atol=8 * np.finfo(dtype).eps)
    assert layers.Gelu().forward(1.0) == pytest.approx(0.8413447460685429, rel=1e-15)


def test_gelu_has_the_two_forms_of_pytorch_and_no_other():
    with pytest.raises(ValueError, match='approximate is \'erf\'; write "none" or "tanh"'):
        layers.Gelu("erf")
