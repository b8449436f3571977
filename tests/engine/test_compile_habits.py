"""`dout.compile` on habits of people who write layers by hand: what they keep, hand on and write into."""
# ruff: noqa: NPY002, T201 - as people write it

import gc
import os
from functools import partial

import numpy as np
import pytest
from compiled_alike import alike

import dout


class Averaging:
    """Its second call is another than the first, and keeps the same numbers and arrays as that one."""

    def __init__(self):
        self.rows = None
        self.x = None
        self.kind = None
        self.total = None

    def forward(self, x):
        self.rows = x.shape[0]
        self.x = x
        self.kind = "odd" if len(x) % 2 else "even"
        if self.total is None:
            self.total = np.zeros(x.shape[1])
        self.total = self.total + x.sum(axis=0)
        return x * 2.0

    def backward(self, dout):
        return dout * self.x


def test_what_a_call_keeps_again_is_kept_by_every_later_call():
    small, large = np.ones((3, 2)), np.ones((4, 2))
    calls = [("forward", x) for x in (small, small, small, large, large, small, np.zeros((3, 2)), large, small)]
    fast = alike(Averaging, calls)
    x = np.full((3, 2), 7.0)
    fast.forward(x)
    assert fast.x is x
    assert fast.rows == 3
    np.testing.assert_array_equal(fast.backward(np.ones((3, 2))), x)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.put([0, 1], [5.0, 6.0]) or x,
        lambda x: [float(number) for number in x.flat],
        lambda x: np.frombuffer(x.tobytes()) * x.real.ravel(),
        lambda x: (x.conj(), x.view(np.int64), x.mT),
        lambda x: 2.5 in x,
        lambda x: np.array2string(x),
    ],
)
def test_what_no_row_stands_for_is_done_plainly(function):
    fast = dout.compile(function)
    for start in (1.0, 2.0, 3.0):
        x = np.arange(6.0).reshape(2, 3) + start
        np.testing.assert_equal(fast(x.copy()), function(x.copy()))


def test_an_array_that_gets_another_shape_is_compiled():
    def rows(x):
        columns = x * 2
        columns.shape = (columns.shape[0], -1)
        columns[0] += 1
        return columns

    fast = dout.compile(rows)
    for x in (np.ones((2, 3, 4)), np.full((2, 3, 4), 5.0)):
        np.testing.assert_array_equal(fast(x), rows(x))
    assert not fast.plan().functions[0].plainly


def test_an_array_of_the_callers_gets_another_shape():
    def flatten(x):
        x.shape = -1
        return x + 1

    fast = dout.compile(flatten)
    for _ in range(3):
        x = np.ones((2, 3))
        assert fast(x).shape == x.shape == (6,)


def test_elements_that_where_leaves_out_stay_what_they_were():
    def inverse(x):
        return np.divide(1.0, x, out=np.zeros_like(x), where=x != 0)

    def raised(x):
        return np.add(x, 1, out=x, where=x > 1)

    for function in (inverse, raised):
        fast = dout.compile(function)
        for x in (np.array([0.0, 2.0, 4.0]), np.array([1.0, 0.0, 0.0]), np.array([-2.0, 8.0, 0.0])):
            ours, theirs = x.copy(), x.copy()
            np.testing.assert_array_equal(fast(ours), function(theirs))
            np.testing.assert_array_equal(ours, theirs)
        assert len(fast.plan().programs) == 1


class Counted:
    """Its numbers are arrays without axes, which it updates in place."""

    def __init__(self):
        self.scale, self.calls = np.array(2.0), np.array(0)

    def forward(self, x):
        self.calls += 1
        return x * self.scale + self.calls

    def backward(self, dout):
        self.scale -= 0.5 * dout.sum()
        return dout * self.scale


def test_arrays_without_axes_are_updated_in_place():
    calls = [(name, np.full(2, float(number))) for number in range(4) for name in ("forward", "backward")]
    fast = alike(Counted, calls)
    assert type(fast.scale) is type(fast.calls) is np.ndarray
    assert len(fast.plan().programs) == 2


def test_a_generator_that_is_made_in_a_call_begins_anew_in_each():
    def noisy(x):
        return x + np.random.default_rng(7).normal(size=x.shape)

    fast = dout.compile(noisy)
    for x in (np.zeros(3), np.ones(3), np.full(3, 2.0)):
        np.testing.assert_array_equal(fast(x), noisy(x))


class Mask:
    def __init__(self):
        self.keep = 0.5

    def forward(self, x):
        chosen = np.random.choice(3, p=x / x.sum())
        return np.random.binomial(1, self.keep, size=x.shape) * x + chosen

    def backward(self, dout):
        return dout


def test_what_is_drawn_is_drawn_with_the_numbers_of_this_call():
    plain, layer = Mask(), Mask()
    fast = dout.compile(layer)
    for seed, x in enumerate([np.array([1.0, 1.0, 1.0]), np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0])] * 3):
        plain.keep = layer.keep = (0.5, 1.0, 0.0)[seed // 3]
        np.random.seed(seed)
        expected = plain.forward(x)
        np.random.seed(seed)
        np.testing.assert_array_equal(fast.forward(x), expected)


def test_a_dict_that_comes_back_is_the_one_that_was_given():
    def scaled(x, settings):
        settings["calls"] = settings.get("calls", 0) + 1
        return x * settings["scale"], settings

    fast, settings = dout.compile(scaled), {"scale": 2.0}
    for calls in (1, 2, 3, 4):
        _, given = fast(np.ones(2), settings)
        assert given is settings
        assert settings["calls"] == calls


def test_parameters_in_a_cache_are_those_of_the_call():
    def forward(x, parameters):
        out = np.tanh(x @ parameters["W"])
        return out, (x, out, parameters)

    def backward(dout, cache):
        x, out, parameters = cache
        through = dout * (1 - out**2)
        parameters["steps"] = parameters["steps"] + 1
        return through @ parameters["W"].T, {"W": x.T @ through}

    ahead, back = dout.compile(forward), dout.compile(backward)
    ours, theirs = {"W": np.ones((3, 2)), "steps": 0}, {"W": np.ones((3, 2)), "steps": 0}
    for x in (np.ones((4, 3)), np.full((4, 3), 0.5), np.full((4, 3), 0.25)):
        out, cache = ahead(x, ours)
        expected, remembered = forward(x, theirs)
        np.testing.assert_allclose(out, expected)
        (dx, gradients), (expected, wanted) = back(out, cache), backward(out, remembered)
        np.testing.assert_allclose(dx, expected)
        ours["W"] -= gradients["W"]
        theirs["W"] -= wanted["W"]
        np.testing.assert_allclose(ours["W"], theirs["W"])
        assert ours["steps"] == theirs["steps"]
    assert not ahead.plan().functions[0].plainly
    assert not back.plan().functions[0].plainly
    assert len(back.plan().programs) == 1


def test_a_first_call_that_prepares_the_others_does_not_keep_them_from_being_compiled(capsys):
    class Lazy:
        def __init__(self):
            self.W = None

        def forward(self, x):
            if self.W is None:
                self.W = np.ones((x.shape[1], 2))
                print("made W")
            return x @ self.W

        def backward(self, dout):
            return dout @ self.W.T

    fast = dout.compile(Lazy())
    for x in (np.ones((2, 3)), np.full((2, 3), 2.0), np.full((2, 3), 3.0)):
        np.testing.assert_array_equal(fast.forward(x), x @ np.ones((3, 2)))
    assert capsys.readouterr().out == "made W\n"
    ahead, _ = fast.plan().functions
    assert not ahead.plainly
    assert len(ahead.programs) == 1


def test_a_convolution_by_strides_is_compiled():
    def convolved(x, w):
        rows, columns = x.shape[0] - w.shape[0] + 1, x.shape[1] - w.shape[1] + 1
        windows = np.lib.stride_tricks.as_strided(x, (rows, columns, *w.shape), x.strides * 2)
        out = np.ascontiguousarray(windows).reshape(rows * columns, -1) @ w.ravel()
        out.shape = rows, columns
        return out

    fast = dout.compile(convolved)
    for scale in (1.0, 2.0, 3.0):
        x, w = np.arange(20.0).reshape(4, 5) * scale, np.array([[1.0, -1.0], [0.5, scale]])
        np.testing.assert_allclose(fast(x, w), convolved(x, w))
    assert not fast.plan().functions[0].plainly


def test_windows_that_overlap_are_written_plainly():
    def spread(x):
        windows = np.lib.stride_tricks.as_strided(x, (3, 2), x.strides * 2)
        windows[1] *= 3
        return x

    fast = dout.compile(spread)
    for scale in (1.0, 2.0, 3.0):
        x = np.arange(4.0) + scale
        np.testing.assert_array_equal(fast(x.copy()), spread(x.copy()))


class Numbered:
    """Numbers of its own that choose what is done: an axis, a length, a name, a tolerance, an index in a list."""

    def __init__(self, what):
        self.what, self.n, self.f = what, 1, 0.5

    def forward(self, x):
        return self.what(self, x)

    def backward(self, dout):
        return dout


@pytest.mark.parametrize(
    "what",
    [
        lambda self, x: np.max(x, axis=self.n, keepdims=True),
        lambda self, x: np.pad(x, self.n, mode="edge"),
        lambda self, x: np.pad(x, self.n, constant_values=(self.f, 2)),
        lambda self, x: x[[0, self.n - 1]],
        lambda self, x: np.isclose(x, 1.0, atol=self.f),
        lambda self, x: np.bincount([0, 1], minlength=self.n + 3) * x.sum(),
        lambda self, x: np.bincount((np.abs(x.ravel()) * self.n).astype(int)),
        lambda self, x: np.array([self.f] * self.n).sum() * x,
        lambda self, x: np.unravel_index(((x * 10).astype(int) * self.n % 7).argmax(axis=0), (1, 2)),
        lambda self, x: np.unravel_index(((x * 10).astype(int) * self.n % 7).argmax(), x.shape),
        lambda self, x: x * {1: 5, 2: 6}[self.n],
        lambda self, x: x * {"W1": 5, "W2": 6}[f"W{self.n}"],
        lambda self, x: np.rot90(x, self.n),
        lambda self, x: np.take_along_axis(x, np.argsort(x, axis=self.n), axis=self.n),
    ],
)
def test_numbers_that_choose_are_watched(what):
    plain, layer = Numbered(what), Numbered(what)
    fast = dout.compile(layer, strict=True)
    for step, (n, f) in enumerate([(1, 0.5), (1, 0.5), (2, 0.5), (2, 1.75), (1, 1.75), (2, 0.5)]):
        x = np.linspace(0.1, 2.3, 8).reshape(2, 2, 2) * (1 + step / 10)
        plain.n, plain.f, layer.n, layer.f = n, f, n, f
        np.testing.assert_equal(fast.forward(x), plain.forward(x))


def test_what_the_garbage_collector_calls_is_not_the_functions_doing():
    def told(phase, info):
        os.getpid()  # which dout would not see into

    def many(x):
        return x + len([[] for _ in range(1000)])

    fast, thresholds = dout.compile(many), gc.get_threshold()
    gc.callbacks.append(told)
    gc.set_threshold(100)
    try:
        fast(np.ones(3))
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(told)
    assert len(fast.plan().programs) == 1
    assert gc.isenabled()


@pytest.mark.parametrize("strict", [False, True])
def test_an_array_of_plain_numbers_is_made_anew_whatever_becomes_of_the_last(strict):
    def made(x):
        return np.eye(3), np.tri(3), np.linspace(0, 1, 3), np.array([1.0, 2.0, 3.0])

    fast = dout.compile(made, strict=strict)
    for _ in range(3):
        for item, expected in zip(fast(np.ones(3)), made(np.ones(3)), strict=True):
            np.testing.assert_array_equal(item, expected)
            item[...] = 7


class Attention:
    """Queries that are the keys get one gradient together."""

    def forward(self, q, k):
        self.q, self.k = q, k
        return q @ k.T

    def backward(self, dout):
        if np.array_equal(self.q, self.k):
            return dout @ self.k + dout.T @ self.q
        return dout @ self.k, dout.T @ self.q


def test_what_arrays_decide_by_being_equal_they_decide_at_each_call():
    q, k = np.random.default_rng(0).normal(size=(2, 3, 4))
    square, flat = np.eye(3), np.ones((3, 2))
    cases = [(q, q, square), (q, k, square), (k, k.copy(), square), (q, k[:2], flat), (q + np.nan,) * 2 + (square,)]
    fast = alike(Attention, [call for q, k, d in cases * 2 for call in (("forward", q, k), ("backward", d))])
    assert not any(function.plainly for function in fast.plan().functions)


class Recurrent:
    """Keeps what backward needs of each step in a list."""

    def __init__(self):
        self.W = np.eye(4) * 0.5

    def forward(self, x):
        self.steps, h = [], np.zeros((3, 4))
        for t in range(x.shape[1]):
            before, h = h, np.tanh(x[:, t] + h @ self.W)
            self.steps.append((before, h))
        return h

    def backward(self, dh):
        self.dW = np.zeros_like(self.W)
        for before, h in reversed(self.steps):
            da = dh * (1 - h**2)
            self.dW += before.T @ da
            dh = da @ self.W.T
        return dh


def test_the_steps_of_a_recurrent_layer_share_their_kernels():
    plain, fast = Recurrent(), dout.compile(Recurrent())
    for seed in range(2):
        x = np.random.default_rng(seed).normal(size=(3, 30, 4))
        np.testing.assert_allclose(fast.forward(x), plain.forward(x), rtol=1e-12)
        np.testing.assert_allclose(fast.backward(np.ones((3, 4))), plain.backward(np.ones((3, 4))), rtol=1e-12)
        np.testing.assert_allclose(fast.dW, plain.dW, rtol=1e-12)
    assert not any(function.plainly for function in fast.plan().functions)
    assert len(fast.plan().kernels) < 10  # and not one for each of the 30


def test_numbers_and_names_are_never_equal():
    names = np.array(["a", "b"])
    fast = dout.compile(lambda x: x * (2 if np.array_equal(x, names) else 3))
    for _ in range(3):
        np.testing.assert_array_equal(fast(np.ones(2)), [3, 3])


def test_a_partial_function_is_compiled():
    fast = dout.compile(partial(lambda x, y: x * y, y=3))
    for number in (1.0, 2.0):
        np.testing.assert_array_equal(fast(np.full(2, number)), [3 * number, 3 * number])
    assert not fast.plan().functions[0].plainly


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4"])
@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.exp(x, dtype=None),
        lambda x: np.exp(x, dtype=np.float32),
        lambda x: np.add(x, 1, dtype=np.float32),
        lambda x: np.multiply(x, x.astype("f4"), dtype=np.float64),
        lambda x: np.divide(1, x.sum(), dtype="f8"),
    ],
)
def test_the_dtype_in_which_a_function_is_to_compute_is_that_of_the_program(function, dtype):
    x, fast = np.arange(1, 4).astype(dtype), dout.compile(function, strict=True)
    for _ in range(2):
        np.testing.assert_array_equal(fast(x), function(x), strict=True)
    assert not fast.plan().functions[0].plainly


def test_a_list_beside_an_array_has_the_dtype_that_is_asked_for():
    def function(x):
        return np.add(x, [1, 2, 3, 4], dtype="f4")

    x, fast = np.ones(4, "f4"), dout.compile(function)
    for _ in range(2):
        np.testing.assert_array_equal(fast(x), function(x), strict=True)


class EpochsOfTotals:
    def __init__(self):
        self.totals = [[]]

    def forward(self, x):
        self.y = np.tanh(x)
        self.totals[-1].append(float(self.y.sum()))
        return self.y

    def backward(self, dout):
        return dout * (1 - self.y**2)


def test_a_list_in_a_list_is_appended_to_where_it_stands_at_the_call():
    layer, x = EpochsOfTotals(), np.linspace(-1, 1, 64).reshape(8, 8)
    compiled = dout.compile(layer)
    for _ in range(3):
        for _ in range(4):
            compiled.forward(x)
        layer.totals.append([])
    assert [len(epoch) for epoch in layer.totals] == [4, 4, 4, 0]
