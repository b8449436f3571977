"""Compiled, random layers and functions do what they do plainly: results, attributes, effects, aliases and draws."""

import threading

import numpy as np
import pytest
from compile_programs import cases, check
from hypothesis import given, settings
from random_programs import ORDINARY

import dout

FEW = settings(ORDINARY, max_examples=125)
LONG = settings(ORDINARY, max_examples=5000, derandomize=False)


@pytest.mark.parametrize("edges", [False, True])
@pytest.mark.parametrize("strict", [True, False])
def test_a_compiled_case_is_as_its_plain_twin(strict, edges):
    FEW(given(cases(edges))(lambda case: check(case, strict=strict)))()


@pytest.mark.long
@pytest.mark.parametrize("edges", [False, True])
@pytest.mark.parametrize("strict", [True, False])
def test_many_compiled_cases_are_as_their_plain_twins(strict, edges):
    LONG(given(cases(edges))(lambda case: check(case, strict=strict)))()


# --- threads ----------------------------------------------------------------------------------------------------------

THREADS, CALLS = 8, 1000


def in_threads(work):
    """Run `work(number)` in all threads at once; what one raises is raised here."""
    failures, ready = [], threading.Barrier(THREADS)

    def run(number):
        try:
            ready.wait()
            work(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_one_compiled_function_is_right_in_many_threads():
    def smooth(x, a):
        e = np.exp(-np.abs(x * a))
        return e / (1 + e), e.sum(axis=0)

    fast = dout.compile(smooth)
    shapes = [(5, 3), (4,), (2, 2, 2), (50, 40)]

    def work(number):
        rng = np.random.default_rng(number)
        for i in range(CALLS):
            x = rng.normal(size=shapes[(number + i // 100) % len(shapes)]).astype([np.float32, float][number % 2])
            for ours, theirs in zip(fast(x, 0.5 + number), smooth(x, 0.5 + number), strict=True):
                assert ours.dtype == theirs.dtype
                np.testing.assert_allclose(ours, theirs, rtol=1e-5)

    in_threads(work)


class Affine:
    def __init__(self, rng):
        self.params = {"W": rng.normal(size=(3, 2)), "b": np.zeros(2)}
        self.grads = {}
        self.count = 0

    def forward(self, x):
        self.x = x
        self.count += 1
        return x @ self.params["W"] + self.params["b"]

    def backward(self, dout):
        self.grads["W"] = self.x.T @ dout
        self.grads["b"] = dout.sum(axis=0)
        for key in self.params:
            self.params[key] -= 0.01 * self.grads[key]
        return dout @ self.params["W"].T


def test_a_compiled_layer_in_each_thread_is_right():
    def work(number):
        plain, layer = (Affine(np.random.default_rng(number)) for _ in range(2))
        fast = dout.compile(layer)
        rng = np.random.default_rng(100 + number)
        for _ in range(CALLS):
            x, dy = rng.normal(size=(4, 3)), rng.normal(size=(4, 2))
            np.testing.assert_allclose(fast.forward(x), plain.forward(x), rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(fast.backward(dy), plain.backward(dy), rtol=1e-9, atol=1e-12)
        assert layer.count == plain.count
        for key, value in plain.params.items():
            np.testing.assert_allclose(layer.params[key], value, rtol=1e-9, atol=1e-12)

    in_threads(work)
