"""What a derived backward holds for is said: sides of conditions, settings, axes; state is refused; sizes are free."""

import re

import numpy as np
import pytest
from explained_steps import said

from dout.explain.derive.class_writer import NotDerivedError
from dout.explain.loops.looped_class import derived


class Squared:
    def forward(self, x):
        return x * x


class OneSide:
    def __init__(self, c=1.0):
        self.c = c

    def forward(self, x):
        n = np.sqrt(np.sum(x**2))
        if n > self.c:
            return x * self.c / n
        return x


class Larger:
    def forward(self, x):
        return x / max(1.0, np.linalg.norm(x))


class Halved:
    def forward(self, x):
        while np.abs(x).max() > 1.0:
            x = x / 2
        return np.tanh(x)


class OneRow:
    def forward(self, x):
        if x.shape[0] == 1:
            return x * 2
        return x - x.mean(axis=0)


class OfKind:
    def __init__(self, kind="relu", limit=None):
        self.kind, self.limit = kind, limit

    def forward(self, x):
        return np.maximum(x, 0) if self.kind == "relu" else np.tanh(x)


class OfBounds:
    def __init__(self, bounds=(-1.0, 1.0)):
        self.bounds = bounds

    def forward(self, x):
        return np.clip(x, self.bounds[0], self.bounds[1])


class OfRows:
    def __init__(self, gamma):
        self.gamma = gamma

    def forward(self, x):
        return x * self.gamma


@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    ("layer", "note"),
    [
        (OneSide, "derived where `n > self.c` at {file} is True"),
        (Larger, "derived where `max(1.0, np.linalg.norm(x))` at {file} gives its second argument"),
        (Halved, "derived for the way that the example takes at {file}, where a value decides"),
        (OneRow, "derived where `x.shape[0] == 1` at {file} is False"),
        (OfKind, "derived with kind='relu'"),
        (OfBounds, "derived with bounds=(-1.0, 1.0)"),
    ],
)
def test_the_side_that_the_example_took_is_named(layer, note):
    notes = [re.sub(r" at \S+test_derive_validity\.py:\d+", " at {file}", one) for one in said(derived(layer))]
    assert note in notes


def test_arrays_with_more_axes_are_named_where_the_backward_does_not_hold_for_them():
    given = {"gamma": np.array([1.0, 2.0, 3.0])}
    assert "derived for x of 2 axes" in said(derived(OfRows, given, {"x": np.ones((2, 3))}))
    assert said(derived(Squared)) == []


class Counting:
    def __init__(self):
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return x * self.calls


class Remembering:
    def __init__(self, Wh):
        self.Wh, self.h = Wh, None

    def forward(self, x):
        if self.h is None:
            self.h = np.zeros((x.shape[0], self.Wh.shape[0]))
        self.h = np.tanh(x + self.h @ self.Wh)
        return self.h


@pytest.mark.parametrize(("layer", "init"), [(Counting, {}), (Remembering, {"Wh": np.eye(3) / 2})])
def test_a_layer_that_goes_on_from_the_call_before_is_refused(layer, init):
    with pytest.raises(NotDerivedError, match="goes on from what the call before left"):
        derived(layer, init)


class MadeByTheFirstCall:
    def __init__(self):
        self.W = None

    def forward(self, x):
        if self.W is None:
            self.W = np.random.randn(x.shape[1], 2)
        return x @ self.W


def test_weights_that_the_first_call_makes_get_a_gradient():
    made = derived(MadeByTheFirstCall)
    assert said(made) == ["derived for calls after the first, which makes arrays that the layer keeps"]
    layer, dout = made.layer(), np.array([[1.0, 2.0]])
    layer.forward(np.array([[3.0, 4.0, 5.0]]))
    assert np.array_equal(layer.backward(dout), dout @ layer.W.T)
    assert np.array_equal(layer.dW, [[3.0, 6.0], [4.0, 8.0], [5.0, 10.0]])


class Third:
    def forward(self, x):
        k = x.shape[1] // 3
        return np.concatenate([np.tanh(x[:, :k]), x[:, k:] ** 2], axis=1)


@pytest.mark.long
def test_a_part_of_a_length_is_that_part_at_every_size():
    layer = derived(Third).layer()
    x = np.arange(1.0, 10.0)[None, :]
    layer.forward(x)
    right = np.concatenate([1 - np.tanh(x[:, :3]) ** 2, 2 * x[:, 3:]], axis=1)
    assert np.allclose(layer.backward(np.ones((1, 9))), right, rtol=1e-15, atol=1e-15)


class InOneLine:
    def __init__(self, a=-1.0, b=1.0): self.a, self.b = a, b  # fmt: skip

    def forward(self, x): y = x * x; return np.clip(y, self.a, self.b)  # noqa: E702 # fmt: skip


def test_several_statements_in_a_line_are_taken_apart():
    made = derived(InOneLine)
    assert "    def forward(self, x):\n" in made.source
    layer = made.layer()
    layer.forward(np.array([0.5, 3.0]))
    assert np.array_equal(layer.backward(np.array([1.0, 1.0])), [1.0, 0.0])


def test_of_two_equal_ones_one_gets_the_gradient():
    class Steps:
        def __init__(self, alpha=0.25):
            self.alpha = alpha

        def forward(self, x):
            return np.maximum(x, self.alpha * x)

    layer = derived(Steps).layer()
    layer.forward(np.array([0.0, 1.0, -1.0]))
    assert np.array_equal(layer.backward(np.ones(3)), [0.25, 1.0, 0.25])


class AlongAxis:
    def __init__(self, axis=-1):
        self.axis = axis

    def forward(self, x):
        e = np.exp(x - x.max(axis=self.axis, keepdims=True))
        return e / e.sum(axis=self.axis, keepdims=True)


def test_an_axis_that_forward_is_given_is_named():
    assert "derived with axis=-1" in said(derived(AlongAxis))


class NotTooShort:
    def __init__(self, eps=1e-12):
        self.eps = eps

    def forward(self, x):
        return x / np.maximum(np.sqrt(np.sum(x**2, axis=1, keepdims=True)), self.eps)


def test_a_number_that_keeps_another_from_0_may_be_large():
    layer = derived(NotTooShort).layer(eps=10.0)
    layer.forward(np.array([[3.0, 4.0]]))
    assert np.allclose(layer.backward(np.array([[1.0, 2.0]])), [[0.1, 0.2]], rtol=1e-15, atol=0)


class KeptAtRandom:
    def forward(self, x):
        keep = np.random.rand() < 0.9
        return x + keep * np.tanh(x)


def test_a_number_that_forward_draws_is_named():
    (note,) = said(derived(KeptAtRandom))
    assert re.fullmatch(r"derived with the number that \S+test_derive_validity\.py:\d+ draws in the example", note)


class DroppedOut:
    def forward(self, x):
        self.mask = np.random.rand(*x.shape) > 0.5
        return x * self.mask


class Noisy:
    def forward(self, x):
        noise = np.random.randn(*x.shape)
        return np.exp(x) * noise


@pytest.mark.parametrize("layer", [DroppedOut, Noisy])
def test_arrays_that_forward_draws_are_kept_and_need_no_note(layer):
    found = derived(layer)
    assert said(found) == []
    made, (x, dout) = found.layer(), np.random.default_rng(3).normal(size=(2, 3, 4))
    slope = made.forward(x) / (x if layer is DroppedOut else 1)
    np.testing.assert_allclose(made.backward(dout), dout * slope, rtol=1e-12)


class Positive:
    def forward(self, x):
        return 2 * x[x > 0]


def test_a_choice_by_values_gives_back_an_array_of_floats():
    made, x = derived(Positive).layer(), np.array([[1.0, -2.0], [-3.0, 4.0]])
    assert made.forward(x).tolist() == [2.0, 8.0]
    assert made.backward(np.array([10.0, 20.0])).tolist() == [[20.0, 0.0], [0.0, 40.0]]
