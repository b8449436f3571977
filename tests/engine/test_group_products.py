"""Small products that do not need each other are one step, which threads share."""

import numpy as np
import pytest

import dout
from dout.engine.passes import group_products


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr(group_products, "cores", lambda: 2)


def drawn(*shape, dtype=np.float32):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(dtype)


def steps_of(function, *given, strict=False):
    """The products of each step of the compiled function, which gives what the plain one gives."""
    plain, fast = function(*given), dout.compile(function, strict=strict)
    for _ in range(3):
        for one, other in zip(fast(*given), plain, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-3)
            assert not strict or (one == other).all()
    (program,) = fast.plan().programs
    return [step.text.count("dot(") for step in program.steps if "dot(" in step.text]


def cell_backward(gates, x, h, Wx, Wh):
    dWx, gates = np.zeros_like(Wx), gates * (1 - gates)
    dWx += np.dot(x.T, gates)
    return dWx, np.dot(h.T, gates), np.dot(gates, Wx.T), np.dot(gates, Wh.T)


CELL = (drawn(20, 400), drawn(20, 100), drawn(20, 100), drawn(100, 400), drawn(100, 400))


def test_the_products_of_a_cell_are_one_step():
    assert steps_of(cell_backward, *CELL) == [4]


def test_strict_programs_take_one_product_after_the_other():
    assert steps_of(cell_backward, *CELL, strict=True) == [1, 1, 1, 1]


def test_a_product_of_a_product_waits_for_it():
    x, W = drawn(60, 120), drawn(120, 120)
    assert steps_of(lambda x, W: (np.dot(np.dot(x, W), W), np.dot(x, W.T)), x, W) == [2, 1]


def test_products_that_are_soon_done_stay_alone():
    x, W = drawn(8, 10), drawn(10, 10)
    assert steps_of(lambda x, W: (np.dot(x, W), np.dot(x, W.T)), x, W) == [1, 1]


def test_products_of_two_dtypes_are_two_steps():
    def gram(x, y):
        return np.dot(x, x.T), np.dot(y, y.T)

    assert steps_of(gram, drawn(60, 300), drawn(60, 300, dtype=float)) == [1, 1]
    assert steps_of(gram, drawn(60, 300), drawn(60, 300)[::-1].copy()) == [2]
