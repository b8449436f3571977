"""Derivations of functions as courses write them: a cache beside the output, numbers by default or in a dict."""

import inspect

import numpy as np
import pytest

from dout.check.verb.check_layer import check
from dout.explain.derivation.derivation import explained
from dout.explain.loops.looped_class import derived

X = np.array([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]])
DOUT = np.array([[1.0, 2.0, -1.0], [0.5, -3.0, 2.0]])


def layer_of(function):
    return derived(function).layer()


def scale_forward(x, w):
    cache = (x, w)
    return x * w, cache


def scale_backward(dout, cache):
    x, w = cache
    return dout * w, dout * x


def squared(x):
    out = x * x
    return out, x


def halved_twice(x):
    out = x / 4
    again = out
    return out, again


@pytest.mark.parametrize("function", [squared, halved_twice])
def test_what_is_returned_for_a_backward_is_no_output(function):
    layer = layer_of(function)
    assert isinstance(layer.forward(X), np.ndarray)
    slope = 2 * X if function is squared else 0.25
    np.testing.assert_array_equal(layer.backward(DOUT), DOUT * slope)


def test_a_tuple_for_backward_is_left_out_with_the_line_that_makes_it():
    made = derived(scale_forward)
    assert "cache" not in made.source
    layer = made.layer()
    layer.forward(X, np.array([2.0, 3.0, 4.0]) + 0 * X)
    dx, dw = layer.backward(DOUT)
    np.testing.assert_array_equal(dx, DOUT * [2.0, 3.0, 4.0])
    np.testing.assert_array_equal(dw, DOUT * X)


def both_ways(x):
    mean = x.mean()
    return x - mean, mean


def test_two_arrays_that_are_computed_are_two_outputs():
    layer = layer_of(both_ways)
    out, mean = layer.forward(X)
    np.testing.assert_array_equal(out, X - mean)
    np.testing.assert_allclose(layer.backward(DOUT, 6.0), DOUT - DOUT.sum() / 6 + 1.0)


def test_a_function_is_explained_with_the_backward_beside_it():
    made = explained(scale_forward, {}, {})
    assert [quantity.name for quantity in made.forward if quantity.name not in ("x", "w")] == ["y"]
    assert [line.source.strip() for line in made.backward] == ["return dout * w, dout * x"]


def given_first(x, w):
    return x, x * w


def reads_its_cache(x):
    cache = (x * 2, x + 1)
    return cache[0] * cache[1], cache


def read_in_a_closure(x):
    cache = (x * 2, x + 1)

    def product():
        return cache[0] * cache[1]

    return product(), cache


def test_an_input_before_an_output_is_an_output():
    layer = layer_of(given_first)
    layer.forward(X, X + 1)
    dx, dw = layer.backward(DOUT, 2 * DOUT)
    np.testing.assert_array_equal(dx, DOUT + 2 * DOUT * (X + 1))
    np.testing.assert_array_equal(dw, 2 * DOUT * X)


@pytest.mark.parametrize("function", [reads_its_cache, read_in_a_closure])
def test_a_cache_that_something_else_reads_stays(function):
    layer = layer_of(function)
    layer.forward(X)
    np.testing.assert_allclose(layer.backward(DOUT), DOUT * (4 * X + 2))


def leaky(x, slope=0.25):
    return np.where(x > 0, x, slope * x)


def times(x, constant=1):
    return constant * x


@pytest.mark.parametrize(("function", "name", "number"), [(leaky, "slope", 0.5), (times, "constant", 3)])
def test_a_number_that_forward_has_by_default_may_be_another_one(function, name, number):
    layer = layer_of(function)
    layer.forward(X, **{name: number})
    slopes = np.where(X > 0, 1.0, number) if function is leaky else number
    np.testing.assert_array_equal(layer.backward(DOUT), DOUT * slopes)
    assert check(type(layer)).ok


def rows_added(x, axis=-1):
    return x.sum(axis=axis)


def test_a_whole_number_by_which_the_steps_differ_is_named():
    made = derived(rows_added)
    assert [note.fields for note in made.notes if note.key == "one_side"] == [{"flag": "axis", "value": "-1"}]
    assert made.settings == ({}, {"axis": -1})


def seeded(x, param):
    if "seed" in param:
        np.random.seed(param["seed"])
    mask = (np.random.rand(*x.shape) < param["p"]) / param["p"]
    return x * mask, (param, mask)


def test_a_seed_from_a_dict_is_no_number_of_the_derivation():
    layer = derived(seeded, inputs={"x": X, "param": {"seed": 3, "p": 0.5}}).layer()
    out = layer.forward(X, {"seed": 3, "p": 0.5})
    np.testing.assert_array_equal(layer.backward(np.ones_like(X)), np.where(out == 0, 0.0, 2.0))


def strided(x, w, conv_param):
    pad, stride = conv_param["pad"], conv_param["stride"]
    padded = np.pad(x, (pad, pad))
    out = np.zeros(1 + (len(x) + 2 * pad - len(w)) // stride)
    for i in range(len(out)):
        total = 0
        for j in range(len(w)):
            total += padded[i * stride + j] * w[j]
        out[i] = total
    return out, (x, w, conv_param)


def by_place(x, w, dout, pad, stride):
    """∂L/∂x and ∂L/∂w, each product that is added in forward by itself."""
    dx, dw = np.zeros(len(x)), np.zeros(len(w))
    for i, upstream in enumerate(dout):
        for j in range(len(w)):
            at = i * stride + j - pad
            if 0 <= at < len(x):
                dx[at] += upstream * w[j]
                dw[j] += upstream * x[at]
    return dx, dw


@pytest.mark.long
def test_loops_that_add_up_from_0_take_other_numbers_of_a_dict():
    x, w = np.array([1.0, -2.0, 4.0, 0.5, 3.0]), np.array([2.0, -1.0, 0.25])
    made = derived(strided, inputs={"x": x, "w": w, "conv_param": {"pad": 1, "stride": 1}})
    assert "dout * 1" not in made.source
    layer = made.layer()
    for pad, stride in [(1, 1), (0, 1), (2, 3)]:
        out = layer.forward(x, w, {"pad": pad, "stride": stride})
        dout = np.arange(1.0, 1 + len(out))
        for mine, right in zip(layer.backward(dout), by_place(x, w, dout, pad, stride), strict=False):
            np.testing.assert_array_equal(mine, right)


def pooled(x, size=2, stride=2):
    count = (len(x) - size) // stride + 1
    out = np.zeros(count)
    for i in range(count):
        out[i] = x[i * stride : i * stride + size].max()
    return out


def test_a_loop_reads_numbers_that_a_function_has_by_default():
    layer = layer_of(pooled)
    layer.forward(np.array([1.0, 3.0, 2.0, 5.0, 4.0]), size=3, stride=1)
    np.testing.assert_array_equal(layer.backward(np.array([1.0, 10.0, 100.0])), [0.0, 1.0, 0.0, 110.0, 0.0])


def test_the_lines_of_a_function_stay_where_they_were():
    made = derived(scale_forward)
    first = inspect.getsourcelines(scale_forward)[1]
    assert made.subject is not None
    assert made.subject.target.named.__code__.co_firstlineno == first


def apart(x):
    return 3 * x


def apart_backward(dout, cache):
    raise ValueError("nobody knows this cache")


def test_a_function_whose_backward_does_not_run_is_explained_alone():
    made = explained(apart, {}, {})
    assert [quantity.name for quantity in made.forward][-1] == "y"
    assert [step.operator for step in made.steps] == ["×"]


class WithCache:
    def __init__(self, n=4, m=3):
        self.params = {"W": np.random.randn(n, m)}

    def forward(self, x):
        z = x @ self.params["W"]
        a = np.tanh(z)
        cache = (x, z, a)
        return a, cache

    def backward(self, labels, cache):
        return {"W": cache[0].T @ (cache[2] - labels)}


def test_a_class_that_returns_a_cache_returns_its_output_alone():
    made = derived(WithCache)
    assert "output_alone" in [note.key for note in made.notes]
    layer = made.layer()
    x = np.arange(8.0).reshape(2, 4) / 10
    out = layer.forward(x)
    np.testing.assert_array_equal(out, np.tanh(x @ layer.params["W"]))
    dx = layer.backward(np.ones((2, 3)))
    np.testing.assert_allclose(dx, (1 - out**2) @ layer.params["W"].T, rtol=1e-12)


class Wide:
    """Its sizes by default are those of images in colour: exact arithmetic would take minutes."""

    def __init__(self, inputs=3072, hidden=256, classes=10, activation="tanh"):
        self.activation = activation
        self.W1, self.W2 = np.random.randn(inputs, hidden), np.random.randn(hidden, classes)

    def forward(self, x):
        z = x @ self.W1
        h = np.tanh(z) if self.activation == "tanh" else np.maximum(z, 0)
        return h @ self.W2


@pytest.mark.long
def test_a_layer_that_is_large_by_default_is_derived_at_small_sizes():
    made = derived(Wide)
    assert made.subject.init["inputs"] < 100
    assert made.settings == ({"activation": "tanh"}, {})  # the other one has another backward
