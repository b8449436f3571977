"""`dout.compile`: the same numbers, attributes and effects as the plain code, call after call."""

import itertools
from math import sqrt

import numpy as np
import pytest
from numpy import exp

import dout


class Relu:
    """The slides' own: it writes into its caller's gradient."""

    def __init__(self):
        self.mask = None

    def forward(self, x):
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout):
        dout[self.mask] = 0
        dx = dout
        return dx


class Sigmoid:
    def __init__(self):
        self.out = None

    def forward(self, x):
        out = 1 / (1 + np.exp(-x))
        self.out = out
        return out

    def backward(self, dout):
        return dout * (1.0 - self.out) * self.out


class Net:
    def __init__(self, rng):
        self.params = {"W": rng.normal(size=(3, 2)), "b": np.zeros(2)}
        self.calls = 0

    def gradient(self, x):
        self.calls += 1
        y = x @ self.params["W"] + self.params["b"]
        return {"W": x.T @ y, "b": y.sum(axis=0)}


def inputs(count=4, shape=(5, 3), dtype=float):
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype(dtype) for _ in range(count)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_compiled_layer_gives_what_the_layer_gives(dtype):
    plain, fast = Sigmoid(), dout.compile(Sigmoid())
    for x in inputs(dtype=dtype):
        np.testing.assert_allclose(fast.forward(x), plain.forward(x), rtol=1e-6)
        np.testing.assert_allclose(fast.backward(x), plain.backward(x), rtol=1e-6, atol=1e-7)
        assert fast.forward(x).dtype == dtype


def test_attributes_are_what_a_plain_run_leaves():
    fast = dout.compile(Sigmoid())
    for x in inputs():
        y = fast.forward(x)
        assert fast.out is y
        assert fast.layer.out is y


def test_a_write_into_an_argument_is_still_made():
    plain, fast = Relu(), dout.compile(Relu())
    for x in inputs():
        ours, theirs = np.ones_like(x), np.ones_like(x)
        np.testing.assert_array_equal(fast.forward(x), plain.forward(x))
        assert fast.backward(ours) is ours
        plain.backward(theirs)
        np.testing.assert_array_equal(ours, theirs)
        np.testing.assert_array_equal(fast.mask, plain.mask)


def test_a_view_that_comes_back_lies_in_the_array_it_looks_into():
    class Kept:
        def __init__(self):
            self.buffer = np.zeros((2, 3))

        def row(self, x):
            self.buffer[0] = x
            self.last = self.buffer[1:]
            return self.buffer.T, self.buffer[0]

    layer = Kept()
    fast = dout.compile(layer.row)
    for x in (np.ones(3), np.arange(3.0)):
        turned, row = fast(x)
        assert np.shares_memory(turned, layer.buffer)
        assert np.shares_memory(layer.last, layer.buffer)
        assert row.base is layer.buffer
        np.testing.assert_array_equal(turned[:, 0], x)


def test_an_array_of_no_axes_stays_an_array():
    fast = dout.compile(lambda x: ((x.sum() > 0)[...], np.asarray(x.sum() * 2)))
    for x in (np.ones(2), np.arange(2.0), -np.ones(2)):
        for item, expected in zip(fast(x), (x.sum() > 0, x.sum() * 2), strict=True):
            assert type(item) is np.ndarray
            assert item.shape == ()
            assert item == expected
    assert len(fast.plan().programs) == 1


def test_a_result_may_be_written_into():
    fast = dout.compile(lambda x: (np.reshape(x, (1, 2, 3)) > 0.3, np.broadcast_to(x.sum(axis=1), (2, 2)) * 2))
    for _ in range(3):
        for item in fast(np.ones((2, 3))):
            item[:] = 0


def test_results_lie_in_memory_of_their_own_as_in_a_plain_run():
    def run(x):
        y = x * 2
        return np.ravel(x), y, y.copy(), y[0], x.reshape(6).copy()

    fast = dout.compile(run)
    for values in (np.ones((2, 6))[:, ::2], np.zeros((2, 6))[:, ::2]):
        *results, row, flat = fast(values)
        arrays = [values, *results, flat]
        assert not any(np.shares_memory(a, b) for a, b in itertools.combinations(arrays, 2))
        assert np.shares_memory(row, results[1])


def test_numbers_in_a_tuple_are_computed_anew():
    fast = dout.compile(lambda x: (x.sum(), None, x.max() * 2))
    for x in (np.ones(2), np.arange(3.0), np.zeros(2)):
        assert fast(x) == (x.sum(), None, x.max() * 2)
        assert type(fast(x)[0]) is np.float64


def test_a_training_step_changes_parameters_in_place():
    rate = 0.1

    def trained(compiled):
        net = Net(np.random.default_rng(1))
        weights = net.params["W"]

        def step(x):
            grads = net.gradient(x)
            for key in net.params:
                net.params[key] -= rate * grads[key]
            return grads

        run = dout.compile(step) if compiled else step
        results = [run(x)["W"] for x in inputs()]
        assert net.params["W"] is weights
        return [*results, *net.params.values(), net.calls]

    for ours, theirs in zip(trained(True), trained(False), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_shapes_and_dtypes_may_change_between_calls():
    plain, fast, rng = Sigmoid(), dout.compile(Sigmoid()), np.random.default_rng(0)
    for shape in [(3,), (2, 3), (3,), (), (0,), (2, 3), (0,), ()]:
        for dtype in (np.float32, float):
            x = np.asarray(rng.normal(size=shape), dtype)
            y = fast.forward(x)
            np.testing.assert_allclose(y, plain.forward(x), rtol=1e-6)
            assert y.dtype == dtype


def test_a_branch_on_a_value_is_taken_anew():
    def clipped(x):
        if x.sum() > 0:
            return x * 2
        return x - 1

    fast = dout.compile(clipped)
    for x in (np.ones(3), -np.ones(3), np.ones(3), -np.ones(3)):
        np.testing.assert_array_equal(fast(x), clipped(x))


def test_a_number_in_an_attribute_is_read_at_each_call():
    class Scale:
        factor = 1.0

        def apply(self, x):
            return x * self.factor

    scale = Scale()
    fast = dout.compile(scale.apply)
    for factor in (2.0, 3.0, 4.0):
        scale.factor = factor
        np.testing.assert_array_equal(fast(np.ones(2)), factor * np.ones(2))


def test_a_flag_in_an_attribute_is_watched():
    class Dropout:
        train = True

        def apply(self, x):
            return x * 0.5 if self.train else x * 1.0

    layer = Dropout()
    fast = dout.compile(layer.apply)
    for train in (True, True, False, True, False):
        layer.train = train
        np.testing.assert_array_equal(fast(np.ones(2)), (0.5 if train else 1.0) * np.ones(2))


def test_a_layer_that_may_read_any_attribute_is_compiled_once():
    class Scale:
        def forward(self, x):
            return x * getattr(self, "factor", 2.0)

        def backward(self, dout):
            return dout * getattr(self, "factor", 2.0)

    fast = dout.compile(Scale())
    for _ in range(3):
        np.testing.assert_array_equal(fast.forward(np.ones(2)), [2, 2])
        np.testing.assert_array_equal(fast.backward(np.ones(2)), [2, 2])
    assert len(fast.plan().programs) == 2


def test_names_that_lead_elsewhere_while_a_run_is_recorded_are_watched_as_they_are():
    def scaled(x):
        return exp(x) * sqrt(float(4)) if type(x) is np.ndarray else x

    fast = dout.compile(scaled)
    for _ in range(3):
        np.testing.assert_allclose(fast(np.ones(2)), 2 * np.e)
    assert len(fast.plan().programs) == 1


def test_random_numbers_are_drawn_from_the_users_own_generator():
    rng = np.random.default_rng(5)

    def noisy(x):
        return x + rng.normal(size=x.shape)

    fast = dout.compile(noisy)
    ours = [fast(np.zeros(3)) for _ in range(4)]
    rng = np.random.default_rng(5)
    np.testing.assert_array_equal(ours, [noisy(np.zeros(3)) for _ in range(4)])


def test_a_generator_may_be_given_as_an_argument():
    def noisy(x, rng):
        return x + rng.normal(size=x.shape)

    fast = dout.compile(noisy)
    ours, theirs = np.random.default_rng(5), np.random.default_rng(5)
    for _ in range(3):
        np.testing.assert_array_equal(fast(np.zeros(3), ours), noisy(np.zeros(3), theirs))
    assert not fast.compiled.why_not


def test_an_optimizer_updates_the_dict_that_it_is_given():
    class Momentum:
        def __init__(self):
            self.v = None

        def update(self, params, grads):
            if self.v is None:
                self.v = {key: np.zeros_like(value) for key, value in params.items()}
            for key in params:
                self.v[key] = 0.9 * self.v[key] - 0.1 * grads[key]
                params[key] += self.v[key]

    plain, ours = Momentum(), Momentum()
    fast = dout.compile(ours.update)
    theirs_params, our_params = {"W": np.ones((2, 3))}, {"W": np.ones((2, 3))}
    for x in inputs(shape=(2, 3)):
        plain.update(theirs_params, {"W": x})
        fast(our_params, {"W": x})
        np.testing.assert_allclose(our_params["W"], theirs_params["W"], rtol=1e-12)
    assert len(fast.compiled.runs) == 2  # with velocities and without


def test_a_cache_dict_that_is_new_at_each_call_is_no_new_kind_of_call():
    class Layer:
        def forward(self, x):
            self.cache = {"x": x, "shape": x.shape}
            return np.exp(x)

        def backward(self, dout):
            return dout * np.exp(self.cache["x"]).reshape(self.cache["shape"])

    plain, fast = Layer(), dout.compile(Layer())
    for x in inputs():
        np.testing.assert_allclose(fast.forward(x), plain.forward(x))
        np.testing.assert_allclose(fast.backward(x), plain.backward(x))
    assert len(fast.backward.compiled.runs) == 1


def test_arguments_may_have_the_names_of_functions():
    def function(len, np, ndarray):
        return len * ndarray[0] + np

    fast = dout.compile(function)
    for number in (1.0, 2.0, 3.0):
        np.testing.assert_array_equal(fast(np.ones(2), number, [2 * number, 3.0]), [3 * number, 3 * number])


def test_what_prints_runs_plainly_and_prints_each_time(capsys):
    def talking(x):
        print("sum", x.sum())  # noqa: T201 - that is the point
        return x + 1

    fast = dout.compile(talking)
    for _ in range(3):
        fast(np.ones(2))
    assert capsys.readouterr().out == "sum 2.0\n" * 3


def test_what_is_neither_layer_nor_function_is_refused():
    with pytest.raises(dout.DoutError, match=r"neither a layer .* nor a function"):
        dout.compile(3)
