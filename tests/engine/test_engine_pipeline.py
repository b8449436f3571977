"""Every pass earns its place: without it a named case is wrong, or does more work."""

import numpy as np
import pytest

import dout
from dout.engine.passes import pipeline

X = np.random.default_rng(0).normal(size=(64, 100)).astype(np.float32)
LABELS = np.arange(64) % 10


def masked_exponential(x):
    y = np.zeros_like(x)
    y[x > 0] = np.exp(x[x > 0])
    return y


def relu(x):
    out = x.copy()
    out[x <= 0] = 0
    return out


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def normalised(x):
    return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5)


def spread(x):
    return np.std(x, axis=1) + np.var(x, axis=1) + np.mean(x, axis=1)


def softmax_backward(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    dx = e / e.sum(axis=1, keepdims=True)
    dx[np.arange(len(LABELS)), LABELS] -= 1
    return dx / len(LABELS)


def work(function):
    """The bytes that a program moves, its steps, and the statements in its kernels."""
    fast = dout.compile(function)
    fast(X)
    (program,) = fast.plan().programs
    lines = sum(text.count("\n") for text in program.kernels.values())
    return program.nbytes, len(program.steps), lines


def without(monkeypatch, place):
    monkeypatch.setattr(pipeline, "PASSES", pipeline.PASSES[:place] + pipeline.PASSES[place + 1 :])


# The place of each pass in the pipeline, and a function that takes more work without it.
WORTH = [(0, masked_exponential), (1, relu), (3, normalised), (4, softmax_backward), (5, spread)]


@pytest.mark.parametrize(("place", "function"), WORTH)
def test_without_a_pass_there_is_more_to_do(place, function, monkeypatch):
    whole = work(function)
    without(monkeypatch, place)
    assert work(function) > whole


def test_without_stable_forms_a_sigmoid_overflows(monkeypatch):
    def is_stable():
        fast = dout.compile(sigmoid)
        fast(X)
        return "sigmoid(x)" in str(fast.plan())

    assert is_stable()
    without(monkeypatch, 2)
    assert not is_stable()


def test_every_pass_has_its_case():
    assert {place for place, _ in WORTH} | {2} == set(range(len(pipeline.PASSES)))


def test_strict_programs_need_a_mask_that_is_one():
    assert [one.__name__ for one in pipeline.STRICT] == [
        "merge_equal_nodes",
        "masked_write_to_select",
        "merge_equal_nodes",
    ]
