"""What is spent on a program that never comes: bounded, and spent once."""

import math
import sys
from contextlib import contextmanager

import numpy as np
import pytest

import dout
from dout.engine.compile import compiled
from dout.engine.runtime import kernel_cache
from dout.engine.validate.error_bounds import bounds
from dout.graph import evaluate
from dout.trace.capture import budget
from dout.trace.capture.capture import capture

LONG = np.arange(4_000) / 4


@pytest.fixture
def little(monkeypatch):
    """Next to no time for what may come to nothing."""
    monkeypatch.setattr(budget, "MOST_SECONDS", 0.05)
    monkeypatch.setattr(budget, "MOST_TIMES", 0)


@pytest.fixture
def recorded(monkeypatch):
    """The functions whose calls are recorded."""
    functions = []

    def noting(function, *given, **options):
        functions.append(function)
        return capture(function, *given, **options)

    monkeypatch.setattr(compiled, "capture", noting)
    return functions


def same(x):
    while x is None:
        x = 0.0
    return x


def doubled(x, out):
    for _ in range(2):
        for i in range(len(x)):
            out[i] += same(x[i])  # with a call no kernel stands for the loop
    return out


def test_a_recording_that_takes_too_long_is_never_tried_again(little, recorded):
    fast = dout.compile(doubled)
    for _ in range(2):
        out = np.ones_like(LONG)
        assert fast(LONG, out) is out
        np.testing.assert_array_equal(out, 1 + 2 * LONG)
    assert recorded == [doubled]


def test_the_plan_names_the_outermost_loop(little):
    fast = dout.compile(doubled)
    fast(LONG, np.zeros_like(LONG))
    (why,) = fast.plan().functions[0].plainly
    line = doubled.__code__.co_firstlineno + 1
    assert why == f"{budget.TOO_LONG}, at {__file__}:{line}"


@pytest.mark.long
def test_a_recording_is_not_broken_off_where_the_code_would_notice(little, capsys):
    @contextmanager
    def noted():
        try:
            yield
        finally:
            sys.stdout.write("left\n")

    def function(x, out):
        with noted():
            return doubled(x, out)

    np.testing.assert_array_equal(dout.compile(function)(LONG, np.zeros_like(LONG)), 2 * LONG)
    assert capsys.readouterr().out == "left\n"


def test_what_takes_long_in_numpy_may_be_recorded_as_long(monkeypatch):
    monkeypatch.setattr(budget, "MOST_SECONDS", 0.05)

    def function(x):
        return np.sort(x) + 1.0

    fast = dout.compile(function)
    fast(np.random.default_rng(0).normal(size=1_000_000))
    assert fast.plan().functions[0].plainly == ()


def test_passes_end_when_the_time_is_over(monkeypatch):
    monkeypatch.setattr(budget, "MOST_SECONDS", 0)
    monkeypatch.setattr(budget, "MOST_TIMES", 0)
    monkeypatch.setattr(budget.Budget, "ends_recording", lambda self, operations: False)
    fast = dout.compile(lambda x: x + 1.0)
    np.testing.assert_array_equal(fast(LONG), LONG + 1)
    (why,) = fast.plan().functions[0].plainly
    assert why.startswith(f"{budget.TOO_LONG}, at {__file__}:")


def test_bounds_need_no_more_values_than_those_that_were_kept():
    def written(x, y):
        out = np.zeros_like(x)
        for i in range(5):
            out[i] = x[i] * y[i]
            out[i : i + 2] += np.sqrt(out[i])
        return np.exp(out)

    x, y = np.random.default_rng(1).uniform(1, 2, size=(2, 6, 3))
    trace = dout.trace(written, x, y)
    nodes = trace.graph.nodes
    values = evaluate(nodes, trace.data)
    kept = {node: value for node, value in values.items() if not node.inputs}
    expected, found = bounds(nodes, values), bounds(nodes, kept)
    for node in nodes:
        np.testing.assert_array_equal(found[node], expected[node])


def scaled(x):
    return np.tanh(np.tanh(x) * 0.5 + 1.0) / (1.0 + np.exp(x))


@pytest.mark.parametrize(("patience", "programs"), [(math.inf, 1), (0.0, 4)])
def test_another_size_waits_until_a_recording_pays(monkeypatch, patience, programs):
    monkeypatch.setattr(compiled, "PATIENCE", patience)
    fast = dout.compile(scaled)
    for length in (3, 4, 5, 6):
        x = np.linspace(-1, 1, length)
        np.testing.assert_allclose(fast(x), scaled(x), rtol=1e-14)
        assert fast.plan().functions[0].plainly == ()
    assert len(fast.plan().programs) == programs


def test_another_size_is_recorded_when_plain_calls_have_taken_as_long(monkeypatch):
    monkeypatch.setattr(compiled, "PATIENCE", 5)
    fast, x = dout.compile(scaled), np.ones((300, 300))
    fast(np.ones(3))
    for _ in range(3_000):
        np.testing.assert_allclose(fast(x), scaled(x), rtol=1e-14)
        if len(fast.plan().programs) == 2:
            return
    raise AssertionError("it runs plainly for ever")


class Classifier:
    """A layer and a loss that divide by the number of rows."""

    def __init__(self):
        self.W = np.random.default_rng(5).normal(size=(200, 30))

    def gradient(self, x, t):
        """The gradient of the mean cross-entropy with respect to the weights."""
        hidden = np.tanh(x @ self.W)
        e = np.exp(hidden - hidden.max(axis=1, keepdims=True))
        y = e / e.sum(axis=1, keepdims=True)
        self.loss = -np.sum(t * np.log(y + 1e-7)) / x.shape[0]
        dy = (y - t) / x.shape[0]
        return x.T @ (dy * (1 - hidden**2))


def test_another_number_of_rows_compiles_nothing(monkeypatch):
    layer, loaded = Classifier(), kernel_cache.load

    def given(rows):
        rng = np.random.default_rng(rows)
        return rng.normal(size=(rows, 200)), np.eye(30)[rng.integers(0, 30, rows)]

    def noting(name, *others, **options):
        names.add(options["meaning"])
        return loaded(name, *others, **options)

    names = set()
    monkeypatch.setattr(kernel_cache, "load", noting)
    fast = dout.compile(layer.gradient)
    for _ in range(2):
        fast(*given(2000))
    texts = set(names)
    for rows in (500, 37, 5):
        for _ in range(2):
            np.testing.assert_allclose(fast(*given(rows)), layer.gradient(*given(rows)), rtol=1e-12, atol=1e-14)
    assert len(fast.plan().programs) == 4
    assert names == texts
