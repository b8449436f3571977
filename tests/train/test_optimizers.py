"""Optimizers are what their formulas say: closed forms for a constant slope, powers of a matrix for a parabola."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dout import train
from dout.run import deep_copy
from dout.train import SGD, AdaGrad, Adam, AdamW, Lion, Momentum, Nesterov, RMSprop

ALL = [SGD, Momentum, Nesterov, AdaGrad, RMSprop, Adam, AdamW, Lion]
rates = st.floats(1e-4, 0.5)
shares = st.floats(0, 0.99)
slopes = st.floats(0.01, 100) | st.floats(-100, -0.01)
turns = st.integers(1, 30)


def after(optimizer, slope, turns, start=1.0):
    """Where a parameter is after updates, `slope` a number or a function of the parameter."""
    W = np.array([start])
    for _ in range(turns):
        optimizer.update([W], [np.array(slope(W)) if callable(slope) else np.array([slope])])
    return float(W[0])


@given(rates, slopes, turns)
def test_sgd_goes_the_same_way_in_each_step(lr, g, n):
    assert after(SGD(lr), g, n) == pytest.approx(1 - n * lr * g, rel=1e-12, abs=1e-12)


@given(rates, shares, slopes, turns)
def test_momentum_on_a_constant_slope_adds_up_a_geometric_series(lr, mu, g, n):
    speeds = [-lr * g * (1 - mu**k) / (1 - mu) for k in range(1, n + 1)]
    assert after(Momentum(lr, mu), g, n) == pytest.approx(1 + sum(speeds), rel=1e-10, abs=1e-10)


@given(rates, shares, slopes, turns)
def test_nesterov_is_one_step_of_momentum_ahead(lr, mu, g, n):
    speeds = [-lr * g * (1 - mu**k) / (1 - mu) for k in range(1, n + 1)]
    ahead = sum(mu * v - lr * g for v in speeds)
    assert after(Nesterov(lr, mu), g, n) == pytest.approx(1 + ahead, rel=1e-10, abs=1e-10)


@given(st.floats(0.01, 0.3), shares, st.floats(0.1, 2), turns)
def test_momentum_on_a_parabola_is_a_power_of_a_matrix(lr, mu, a, n):
    step = np.array([[1 - lr * a, mu], [-lr * a, mu]])  # of (W, v), for the slope a·W
    W, _ = np.linalg.matrix_power(step, n) @ [1.0, 0.0]
    assert after(Momentum(lr, mu), lambda W: a * W, n) == pytest.approx(W, rel=1e-9, abs=1e-9)


@given(rates, slopes, turns)
def test_adagrad_steps_shrink_as_roots(lr, g, n):
    way = sum(lr * np.sign(g) / np.sqrt(k) for k in range(1, n + 1))
    assert after(AdaGrad(lr, eps=0), g, n) == pytest.approx(1 - way, rel=1e-10, abs=1e-10)


@given(rates, shares, slopes, turns)
def test_rmsprop_divides_by_the_root_of_a_moving_mean(lr, decay, g, n):
    way = sum(lr * np.sign(g) / np.sqrt(1 - decay**k) for k in range(1, n + 1))
    assert after(RMSprop(lr, decay, eps=0), g, n) == pytest.approx(1 - way, rel=1e-8, abs=1e-8)


@given(rates, st.floats(0, 0.99), st.floats(0, 0.999), slopes, turns)
def test_adam_steps_by_its_rate_on_a_constant_slope_from_the_first_step_on(lr, beta1, beta2, g, n):
    moved = after(Adam(lr, beta1, beta2, eps=1e-3), g, n)
    assert moved == pytest.approx(1 - n * lr * g / (abs(g) + 1e-3), rel=1e-8, abs=1e-8)


def test_adam_by_hand_in_two_steps():
    # m = 0.1·2, v = 0.001·4: corrected 2 and 4. Then m = 0.9·0.2 - 0.1·4 = -0.22, v = 0.999·0.004 + 0.001·16 = 0.019996
    W, adam = np.array([1.0]), Adam(0.1)
    adam.update([W], [np.array([2.0])])
    assert W[0] == pytest.approx(1 - 0.1 * 2 / (2 + 1e-8), abs=1e-15)
    adam.update([W], [np.array([-4.0])])
    step = 0.1 * (-0.22 / 0.19) / (np.sqrt(0.019996 / 0.001999) + 1e-8)
    assert W[0] == pytest.approx(0.9 + 0.1 * 1e-8 / 2 - step, abs=1e-8)


@given(rates, st.floats(0, 0.5), slopes, turns)
def test_adamw_shrinks_the_parameter_and_not_the_gradient(lr, decay, g, n):
    keep, step = 1 - lr * decay, lr * np.sign(g)
    expected = keep**n - step * sum(keep**k for k in range(n))
    assert after(AdamW(lr, eps=0, weight_decay=decay), g, n) == pytest.approx(expected, rel=1e-8, abs=1e-8)


@given(rates, st.floats(0, 0.5), slopes, turns)
def test_lion_goes_by_the_sign_alone(lr, decay, g, n):
    keep, step = 1 - lr * decay, lr * np.sign(g)
    expected = keep**n - step * sum(keep**k for k in range(n))
    assert after(Lion(lr, weight_decay=decay), g, n) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_lion_looks_at_a_mean_that_moves_by_beta2():
    W, lion = np.array([0.0]), Lion(1.0, beta1=0.9, beta2=0.99)
    lion.update([W], [np.array([1.0])])  # m = 0.01
    lion.update([W], [np.array([-0.05])])  # 0.9·0.01 - 0.1·0.05 is still positive
    assert W[0] == -2


@pytest.mark.parametrize("kind", [SGD, Momentum, Nesterov, AdaGrad, RMSprop, Adam])
def test_weight_decay_is_the_slope_of_a_penalty(kind):
    W, V = np.array([3.0, -2.0]), np.array([3.0, -2.0])
    one, other = kind(0.01, weight_decay=0.1), kind(0.01)
    for g in (np.array([1.0, 1.0]), np.array([-2.0, 0.5])):
        one.update({"W": W}, {"W": g})
        other.update({"W": V}, {"W": g + 0.1 * V})
    np.testing.assert_allclose(W, V, rtol=1e-14)


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parameters_change_in_place_and_keep_their_dtype(kind, dtype):
    W = np.ones((2, 3), dtype, order="F")
    g = np.full((2, 3), 0.5, dtype)
    held = W.T
    kind().update({"W": W, "b": np.zeros(2)}, {"W": g})  # and what has no gradient stays
    assert W.dtype == dtype
    assert W.flags.f_contiguous
    assert np.all(held < 1)
    assert np.all(g == 0.5)


@pytest.mark.parametrize("kind", ALL)
def test_lists_and_dicts_are_the_same(kind):
    first, second = kind(0.01), kind(0.01)
    W, V = np.array([1.0, 2.0]), np.array([1.0, 2.0])
    for turn in range(3):
        first.update([W], [W * turn])
        second.update({"W": V}, {"W": V * turn})
    assert np.array_equal(W, V)


def test_a_rate_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="Adam: lr is 0: a learning rate is larger than 0"):
        Adam(lr=0)


@pytest.mark.parametrize(
    ("schedule", "at", "is_"),
    [
        (train.cosine(), (0, 0.5, 1), (1, 0.5, 0)),
        (train.cosine(end=0.1), (0, 1), (1, 0.1)),
        (train.linear(warmup=0.2), (0.1, 0.2, 0.6, 1), (0.5, 1, 0.5, 0)),
        (train.steps(0.5, by=0.2), (0.49, 0.5), (1, 0.2)),
        (train.exponential(0.01), (0, 0.5, 1), (1, 0.1, 0.01)),
    ],
)
def test_schedules(schedule, at, is_):
    assert [schedule(share) for share in at] == pytest.approx(list(is_))


def test_he_and_xavier_keep_the_size_of_what_goes_through():
    generator = np.random.default_rng(0)
    x = generator.standard_normal((200, 400))
    y = np.maximum(x @ train.he(400, 300, generator=generator), 0)
    assert np.mean(y * y) == pytest.approx(1, rel=0.1)
    z = x @ train.xavier(400, 400, generator=generator)
    assert np.var(z) == pytest.approx(1, rel=0.1)
    filters = train.he(16, 3, 5, 5, generator=generator, dtype=np.float32)
    assert filters.dtype == np.float32
    assert filters.std() == pytest.approx(np.sqrt(2 / 75), rel=0.1)


@pytest.mark.parametrize("shape", [(5, 5), (3, 7), (7, 3), (4, 2, 3, 3)])
def test_orthogonal_is_at_right_angles(shape):
    W = train.orthogonal(*shape, gain=2.0, generator=np.random.default_rng(0)).reshape(shape[0], -1)
    small = W @ W.T if W.shape[0] <= W.shape[1] else W.T @ W
    np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-12)


def test_initialisers_draw_from_numpys_global_generator_as_the_book_does():
    np.random.seed(5)
    first = train.he(3, 4)
    np.random.seed(5)
    assert np.array_equal(first, np.sqrt(2 / 3) * np.random.randn(3, 4))


def in_turn(kind, arrays, slopes, step=lambda optimizer, number: None):
    """The arrays after five updates, each with a new slope, by one optimizer."""
    optimizer, arrays = kind(lr=0.01, weight_decay=0.02), {name: array.copy() for name, array in arrays.items()}
    for number in range(5):
        optimizer = step(optimizer, number) or optimizer
        given = {name: slopes[name] * (number + 1) for name in arrays if not (name == "late" and number < 2)}
        optimizer.update(arrays, given)
    return arrays


@pytest.mark.parametrize("step", [lambda optimizer, number: None, lambda optimizer, number: deep_copy(optimizer)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ALL)
def test_small_parameters_together_get_the_bits_that_each_gets_alone(kind, dtype, step):
    generator = np.random.default_rng(3)
    shapes = {"W": (7, 5), "b": (5,), "one": (), "turned": (3, 4), "large": (200, 100), "late": (3,)}
    arrays = {name: generator.normal(size=shape).astype(dtype) for name, shape in shapes.items()}
    arrays["turned"] = arrays["turned"].T
    slopes = {name: np.asarray(generator.normal(size=a.shape), dtype) for name, a in arrays.items()}
    together = in_turn(kind, arrays, slopes, step)
    for name, array in arrays.items():
        alone = in_turn(kind, {name: array}, slopes)[name]
        assert together[name].dtype == dtype
        assert np.array_equal(together[name], alone), name


class Scaled(Momentum):
    """A step that depends on the whole parameter, as that of LARS does."""

    def step(self, param, grad, *state):
        super().step(param, grad * np.linalg.norm(param), *state)


def test_a_step_of_the_users_own_class_gets_each_parameter_alone():
    arrays = {"W": np.full((2, 3), 2.0), "b": np.ones(3)}
    slopes = {"W": np.ones((2, 3)), "b": np.ones(3)}
    together = in_turn(Scaled, arrays, slopes)
    assert all(np.array_equal(together[name], in_turn(Scaled, {name: arrays[name]}, slopes)[name]) for name in arrays)
