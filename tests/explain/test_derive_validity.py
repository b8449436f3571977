"""What a derived backward holds for is said: sides of conditions, settings, axes; state is refused; sizes are free."""

import re

import numpy as np
import pytest

from dout.errors import TargetError
from dout.explain.derive.class_writer import NotDerivedError, derived
from dout.explain.model.reasons import REASONS


class Squared:
    def forward(self, x):
        return x * x


def said(made):
    return [REASONS[note.key].format(**note.fields) for note in made.notes]


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


class TwoSlopes:
    def forward(self, x):
        return np.maximum(0, x) + 0.25 * np.minimum(0, x)


def test_where_a_maximum_and_a_minimum_meet_one_of_them_passes_dout_on():
    made = derived(TwoSlopes).layer()
    made.forward(np.array([-1.0, 0.0, 1.0]))
    assert made.backward(np.ones(3)).tolist() == [0.25, 0.25, 1.0]


class OneWay:
    def forward(self, x):
        if x.sum() > 0:
            return x * x
        return np.exp(x)


def test_a_condition_on_values_is_named_and_the_other_side_is_not_judged():
    (note,) = said(derived(OneWay))
    assert "`x.sum() > 0`" in note


class FirstOnes:
    def forward(self, x):
        y = x * x
        return y[: int(np.sum(x > 0))]


def test_a_shape_that_values_decide_on_is_named():
    (note,) = [one for one in said(derived(FirstOnes, {}, {"x": np.array([1.0, 2.0, 3.0])})) if "makes of" in one]
    assert re.search(r"test_derive_validity\.py:\d+ makes of values in the example: a shape or an index", note)


class Whole:
    def forward(self, x):
        return x.astype(int) * 2


class Windowless:
    def __init__(self, w):
        self.w = w

    def forward(self, x):
        return np.array([x[i : i + len(self.w)] @ self.w for i in range(len(x) - len(self.w) + 1)])


def test_whole_numbers_and_empty_outputs_are_the_reason_that_is_given():
    with pytest.raises(NotDerivedError, match=r"test_derive_validity\.py:\d+, whole numbers do not change a little"):
        derived(Whole)
    with pytest.raises(NotDerivedError, match="an array without elements"):
        derived(Windowless, {"w": ramp(4)}, {"x": ramp(3)})


class LogOfPositive:
    def forward(self, x):
        return np.log(x[np.where(x > 0)[0]])


class SumOfDistinct:
    def forward(self, x):
        return np.unique(x).sum()


@pytest.mark.parametrize(
    ("layer", "x", "dout", "right"),
    [
        (LogOfPositive, [2.0, -1.0, 4.0, -3.0], [1.0, 2.0], [0.5, 0.0, 0.5, 0.0]),
        (SumOfDistinct, [2.0, 1.0, 2.0], 3.0, [3.0, 3.0, 0.0]),
    ],
)
def test_places_that_values_decide_on_are_found_again(layer, x, dout, right):
    made = derived(layer, {}, {"x": np.array(x)}).layer()
    made.forward(np.array(x))
    assert made.backward(np.array(dout)).tolist() == right


class Added:
    def forward(self, a, b):
        return a + b


class Joined:
    def forward(self, a, b):
        return np.concatenate([a, b]) ** 2


class Batches:
    def forward(self, a, b):
        return a @ b


class Chain:
    def __init__(self, Ws):
        self.params = Ws

    def forward(self, x):
        for W in self.params:
            x = np.tanh(x * W)
        return x


class Chosen:
    def __init__(self, act=np.tanh, axis=None, config=None):
        self.act, self.axis, self.config = act, axis, config

    def forward(self, x):
        return self.act(x).sum(axis=self.axis)


def ramp(*shape):
    return np.sin(np.arange(1.0, np.prod(shape) + 1)).reshape(shape)


@pytest.mark.parametrize(
    ("layer", "init", "inputs", "note"),
    [
        (Added, {}, {"a": ramp(3, 4), "b": ramp(3, 4)}, "derived for a, b without broadcasting"),
        (Added, {}, {"a": ramp(3, 4), "b": 2.0}, "derived for b as a single number"),
        (Batches, {}, {"a": ramp(2, 3, 4), "b": ramp(2, 4, 5)}, "derived for a, b without broadcasting"),
        (Chain, {"Ws": [ramp(4)]}, {"x": ramp(3, 4)}, "derived with len(Ws) = 1"),
        (Chosen, {}, {"x": ramp(3, 4)}, "derived with act=tanh"),
        (Chosen, {}, {"x": ramp(3, 4)}, "derived with axis=None"),
        (Chosen, {"config": {"a": 1}}, {"x": ramp(3, 4)}, "derived with config={'a': 1}"),
    ],
)
def test_what_was_so_in_the_example_alone_is_named(layer, init, inputs, note):
    assert any(note in one for one in said(derived(layer, init, inputs)))


def test_arrays_that_forward_does_not_broadcast_need_no_note():
    assert said(derived(Joined, {}, {"a": ramp(3, 4), "b": ramp(3, 4)})) == []


class Attention:
    def forward(self, q, k, v):
        scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
        e = np.exp(scores - scores.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True) @ v


def test_lengths_that_two_arguments_had_in_common_are_told_apart():
    made = derived(Attention, {}, {name: ramp(2, 3, 4) for name in "qkv"})
    q, k, v = 3 * ramp(2, 5, 4), ramp(2, 3, 4), ramp(2, 3, 6)
    layer, step = made.layer(), 1e-6
    dout = np.cos(layer.forward(q, k, v))
    dq, _, _ = layer.backward(dout)
    q[1, 2, 3] += step
    more = layer.forward(q, k, v)
    q[1, 2, 3] -= 2 * step
    assert dq[1, 2, 3] == pytest.approx(np.sum(dout * (more - layer.forward(q, k, v))) / (2 * step), rel=1e-7)


class Base:
    def __init__(self, c=2.0):
        self.c = c

    def forward(self, x):
        return self.c * x


class Inheriting(Base):
    pass


class Holding:
    def __init__(self, W):
        self.inner = OfRows(W)

    def forward(self, x):
        return self.inner.forward(x) ** 2


class Several:
    def forward(self, x):
        y = np.tanh(x)
        return y, np.argmax(x, axis=1), y.sum(axis=0)


def test_an_inherited_forward_is_written_into_the_class():
    layer = derived(Inheriting).layer(3.0)
    layer.forward(np.array([1.0, 2.0]))
    assert np.array_equal(layer.backward(np.array([1.0, 10.0])), [3.0, 30.0])


def test_parameters_of_a_layer_inside_are_that_layers_own_matter():
    with pytest.raises(NotDerivedError, match=r"self\.inner\.gamma and has no backward: derive OfRows"):
        derived(Holding, {"W": ramp(4)})


def test_backward_takes_a_gradient_for_each_output_also_of_whole_numbers():
    layer = derived(Several, {}, {"x": ramp(2, 3)}).layer()
    x = ramp(2, 3)
    layer.forward(x)
    dx = layer.backward(np.full((2, 3), 2.0), None, np.array([1.0, 0.0, 3.0]))
    assert np.allclose(dx, [3.0, 2.0, 5.0] * (1 - np.tanh(x) ** 2), rtol=1e-15)


class Gates:
    def __init__(self, W):
        self.W = W

    def forward(self, x, h):
        H = h.shape[1]
        return h * (x @ self.W[:, :H]) + x @ self.W[:, 2 * H :]


def test_a_length_that_was_twice_another_is_no_multiple_of_it():
    layer = derived(Gates, {"W": ramp(4, 6)}, {"x": ramp(3, 4), "h": ramp(3, 2)}).layer(ramp(5, 6))
    layer.forward(ramp(3, 5), ramp(3, 2))
    dx, _ = layer.backward(np.ones((3, 2)))
    assert dx.shape == (3, 5)


class OfLabels:
    def forward(self, x, t):
        z = x - x.max(axis=1, keepdims=True)
        log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        return -log_p[np.arange(len(t)), t].mean()


def test_the_gradient_at_labels_is_added_in_place_and_rows_without_a_label_are_named():
    made = derived(OfLabels, {}, {"x": ramp(3, 4), "t": np.array([2, 0, 3])})
    assert "zeros" not in made.source
    assert said(made) == ["derived for x, t of one length: of a longer one, forward leaves out the rest"]
    layer = made.layer()
    layer.forward(ramp(2, 3), np.array([1, 1]))
    assert np.allclose(layer.backward(3.0).sum(axis=1), 0, atol=1e-15)


class WithoutForward:
    def fprop(self, x):
        raise NotImplementedError


def test_a_class_without_a_forward_is_refused_in_a_line():
    with pytest.raises(TargetError, match=r"^WithoutForward has no method forward"):
        derived(WithoutForward)


class Trace:
    def forward(self, x):
        return np.trace(x)


def test_a_diagonal_is_as_long_as_the_shorter_axis():
    layer = derived(Trace, {}, {"x": ramp(3, 5)}).layer()
    for shape in ((4, 2), (2, 4), (3, 3)):
        layer.forward(ramp(*shape))
        assert np.array_equal(layer.backward(1.0), np.eye(*shape))
