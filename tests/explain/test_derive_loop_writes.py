"""What a derived loop does at each turn, and what stands outside it; the oracle is a sum by hand."""

import numpy as np
import pytest

from dout.explain.derive.class_writer import NotDerivedError
from dout.explain.loops.looped_class import derived


class Patches:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        count, channels, high, wide = self.W.shape  # noqa: RUF059 - backward reads the name
        n, _, height, width = x.shape
        out = np.zeros((n, count, height - high + 1, width - wide + 1), dtype=x.dtype)
        for i in range(out.shape[2]):
            for j in range(out.shape[3]):
                patch = x[:, :, i : i + high, j : j + wide].reshape(n, -1)
                out[:, :, i, j] = patch @ self.W.reshape(count, -1).T + self.b
        return out


@pytest.mark.long
def test_a_loop_does_what_changes_at_each_turn_alone():
    rng = np.random.default_rng(0)
    layer = derived(
        Patches, {"W": rng.normal(size=(4, 2, 3, 2)), "b": rng.normal(size=4)}, {"x": rng.normal(size=(2, 2, 5, 6))}
    )
    before, _, loop = layer.source.partition("def backward")[2].partition("for i in")
    assert "count, channels, high, wide = self.W.shape" in before
    assert "self.db = dout.sum(axis=(0, 2, 3))" in before
    assert "self.W.reshape(" in before
    assert "self.W.reshape(" not in loop
    assert "self.W.shape[" not in loop


class FirstRows:
    """Its loop leaves a row out, so that the sum over all of dout would be another one."""

    def __init__(self, b):
        self.b = b

    def forward(self, x):
        out = np.zeros(x.shape)
        for t in range(1, len(x)):
            out[t] = x[t] + self.b
        return out


def test_a_sum_over_all_is_none_where_a_loop_leaves_some_out():
    layer = derived(FirstRows, {"b": np.array([0.5, -1.0, 2.0])}, {"x": np.arange(12.0).reshape(4, 3) - 5.5}).layer
    held = layer(np.array([0.5, -1.0, 2.0]))
    held.forward(np.ones((4, 3)))
    held.backward(np.arange(12.0).reshape(4, 3))
    np.testing.assert_array_equal(held.db, [18.0, 21.0, 24.0])  # rows 1, 2 and 3


def two_loops(x):
    a = np.zeros(len(x))
    for t in range(x.shape[1]):
        a = a * 0.5 + np.sin(x[:, t])
    b = np.zeros(len(x))
    for t in range(x.shape[1]):
        b = b * 0.5 + np.cos(x[:, t])
    return a * b


def test_a_place_that_two_loops_reach_is_added_to():
    made = derived(two_loops, {}, [np.arange(6.0).reshape(2, 3) / 4])
    layer, x = made.layer(), np.array([[0.25, -0.5, 1.0, 0.75]])
    layer.forward(x)
    weights = 0.5 ** np.arange(3, -1, -1)
    a, b = weights @ np.sin(x[0]), weights @ np.cos(x[0])
    np.testing.assert_allclose(
        layer.backward(np.ones(1)), [weights * (b * np.cos(x[0]) - a * np.sin(x[0]))], rtol=1e-12
    )


class UpToALength:
    """Its loop leaves out what comes after so many steps, and no example has as many."""

    def __init__(self, b, most=50):
        self.b, self.most = b, most

    def forward(self, x):
        out = np.zeros(x.shape)
        for t in range(min(x.shape[1], self.most)):
            out[:, t] = x[:, t] ** 2 + self.b
        return out


def test_a_sum_stays_in_a_loop_that_may_end_before_dout_does():
    held = derived(UpToALength, {"b": np.array([0.5, -1.0])}, [np.arange(6.0).reshape(2, 3)]).layer(np.zeros(2), 2)
    held.forward(np.ones((2, 5)))
    held.backward(np.ones((2, 5)))
    np.testing.assert_array_equal(held.db, [2.0, 2.0])


def around(x):
    out = np.zeros((len(x), 40))
    for t in range(x.shape[1]):
        out[:, t % 40] = x[:, t] ** 2
    return out


def test_a_loop_that_counts_further_than_any_example_is_refused():
    with pytest.raises(NotDerivedError, match="too few for t % 40"):
        derived(around, {}, [np.arange(6.0).reshape(2, 3)])
