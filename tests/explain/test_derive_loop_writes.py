"""What a derived loop does at each turn, and what stands outside it; the oracle is a sum by hand."""

import numpy as np

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
