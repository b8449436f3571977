"""Choices by values, places, whole numbers and lengths: what a derived backward holds for, and what it names."""

import re

import numpy as np
import pytest
from explained_steps import said

from dout.errors import TargetError
from dout.explain.derive.class_writer import NotDerivedError
from dout.explain.loops.looped_class import derived


class OfRows:
    def __init__(self, gamma):
        self.gamma = gamma

    def forward(self, x):
        return x * self.gamma


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
    assert re.search(r"test_derive_values\.py:\d+ makes of values in the example: a shape or an index", note)


class Whole:
    def forward(self, x):
        return x.astype(int) * 2


class Windowless:
    def __init__(self, w):
        self.w = w

    def forward(self, x):
        return np.array([x[i : i + len(self.w)] @ self.w for i in range(len(x) - len(self.w) + 1)])


def test_whole_numbers_and_empty_outputs_are_the_reason_that_is_given():
    with pytest.raises(NotDerivedError, match=r"test_derive_values\.py:\d+, whole numbers do not change a little"):
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


@pytest.mark.one_in(2)
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
