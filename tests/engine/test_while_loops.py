"""`while` loops, loops over listed numbers, and sums in attributes: kernels and products do what the loop does."""

import numpy as np
import pytest

import dout
from dout.trace.capture import budget


def rng():
    return np.random.default_rng(0)


def loops(fast):
    return [loop for function in fast.plan().functions for loop in function.loops]


def agree(function, *given, times=3):
    """The compiled function, which does what the plain one does: to the bit, or within rounding for products."""
    fast = dout.compile(function)
    for _ in range(times):
        ours, theirs = fast(*given), function(*given)
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)
        assert np.asarray(ours).dtype == np.asarray(theirs).dtype
    return fast


def test_a_convolution_whose_corner_moves_by_while_is_a_product_of_matrices():
    def convolved(x, w, step):
        size = w.shape[1]
        out = np.zeros((len(w), (x.shape[0] - size) // step + 1, (x.shape[1] - size) // step + 1))
        for f in range(len(w)):
            y = row = 0
            while y + size <= x.shape[0]:
                z = column = 0
                while z + size <= x.shape[1]:
                    out[f, row, column] = np.sum(w[f] * x[y : y + size, z : z + size])
                    z += step
                    column += 1
                y += step
                row += 1
        return out

    for step in (1, 2):
        fast = agree(convolved, rng().normal(size=(20, 17)), rng().normal(size=(3, 3, 3)), step)
        assert loops(fast)[0].kernel.startswith("out[f, ")


def test_a_loop_that_stops_at_a_value_is_a_kernel():
    def first_above(x, limit):
        found = np.zeros(len(x), dtype=int)
        for i in range(len(x)):
            j = 0
            while j < x.shape[1] and x[i, j] < limit:
                j += 1
            found[i] = j
        return found

    assert loops(agree(first_above, rng().normal(size=(60, 40)), 1.5))[0].kernel


def roots(x):
    out = np.zeros_like(x)
    for i in range(len(x)):
        root = 1.0
        while abs(root * root - x[i]) > 1e-9 * x[i]:
            root = 0.5 * (root + x[i] / root)
        out[i] = root
    return out


def logarithms(x):
    out = np.zeros_like(x)
    for i in range(len(x)):
        root = x[i]
        while abs(np.exp(root) - x[i]) > 1e-9 * x[i]:
            root += x[i] / np.exp(root) - 1
        out[i] = root
    return out


def logarithms_by_a_flag(x):
    out = np.zeros_like(x)
    for i in range(len(x)):
        root, goes_on = x[i], True
        while goes_on:
            step = x[i] / np.exp(root) - 1
            root += step
            goes_on = abs(step) > 1e-9
        out[i] = root
    return out


def logarithms_by_break(x):
    out = np.zeros_like(x)
    for i in range(len(x)):
        root = x[i]
        for _ in range(200):
            step = x[i] / np.exp(root) - 1
            root += step
            if abs(step) <= 1e-9:
                break
        out[i] = root
    return out


@pytest.mark.parametrize("rounded", [logarithms, logarithms_by_a_flag, logarithms_by_break])
def test_numbers_may_end_a_loop_if_they_are_numpys_to_the_bit(monkeypatch, rounded):
    monkeypatch.setattr(budget, "MOST_SECONDS", 0.01)
    monkeypatch.setattr(budget, "MOST_TIMES", 0)
    x = rng().uniform(0.5, 2, 100)
    assert loops(agree(roots, x))[0].kernel
    fast = agree(rounded, x)
    assert not any(loop.kernel for loop in loops(fast))
    assert any("rounding may change how many turns" in why for why in fast.plan().functions[0].plainly)


def test_a_long_while_loop_is_confirmed_by_its_first_turns():
    def smoothed(x):
        last, i = 0.0, 0
        while i < len(x):
            last = 0.9 * last + x[i]
            i += 1
        return last, i

    x, fast = rng().normal(size=20_000), dout.compile(smoothed)
    assert [fast(x) for _ in range(3)] == [smoothed(x)] * 3
    assert loops(fast)[0].turns == 20_000


def test_a_loop_over_numbers_that_stand_in_the_code_is_one_of_a_kernel():
    def neighbours(x):
        out = np.zeros_like(x)
        for i in range(len(x)):
            for j in range(x.shape[1]):
                for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0)):
                    for weight in (0.5, 0.25):
                        out[i, j] += weight * x[(i + down) % len(x), (j + right) % x.shape[1]]
        return out

    fast = agree(neighbours, rng().normal(size=(9, 7)))
    assert loops(fast)[0].kernel


def test_matrices_times_windows_are_products():
    def convolved(x, w, b):
        out = np.zeros((len(x), len(w), x.shape[2] - 2, x.shape[3] - 2))
        for i in range(out.shape[2]):
            for j in range(out.shape[3]):
                window = x[:, :, i : i + 3, j : j + 3]
                out[:, :, i, j] = np.tensordot(window, w, axes=([1, 2, 3], [1, 2, 3])) + b
        return out

    def gradients(x, w, dout):
        dw, dx = np.zeros_like(w), np.zeros_like(x)
        for i in range(dout.shape[2]):
            for j in range(dout.shape[3]):
                dw += np.tensordot(dout[:, :, i, j], x[:, :, i : i + 3, j : j + 3], axes=(0, 0))
                dx[:, :, i : i + 3, j : j + 3] += np.tensordot(dout[:, :, i, j], w, 1)
        return np.concatenate([dw.ravel(), dx.ravel()])

    x, w = rng().normal(size=(2, 3, 12, 11)), rng().normal(size=(4, 3, 3, 3))
    for fast in (
        agree(convolved, x, w, rng().normal(size=4)),
        agree(gradients, x, w, rng().normal(size=(2, 4, 10, 9))),
    ):
        assert "Σ" in loops(fast)[0].kernel


class Summed:
    total = np.zeros(3)

    def __init__(self):
        self.total = np.zeros(3)

    def add(self, x):
        for row in x:
            self.total += row * 2.0
        return self.total


class OfTheClass(Summed):
    def __init__(self):
        Summed.total = np.zeros(3)


class Watched(Summed):
    def __setattr__(self, name, value):
        self.__dict__.setdefault("seen", []).append(name)
        object.__setattr__(self, name, value)


@pytest.mark.parametrize("kind", [Summed, OfTheClass, Watched])
def test_what_is_added_to_an_array_in_an_attribute_is_added_in_place(kind, monkeypatch):
    monkeypatch.setattr(budget, "MOST_SECONDS", 0.01)
    monkeypatch.setattr(budget, "MOST_TIMES", 0)
    x = rng().normal(size=(80, 3))
    layer, plain = kind(), kind()
    fast = dout.compile(layer.add)
    for turn in range(1, 4):
        if kind is OfTheClass:
            Summed.total = np.zeros(3)
            del (layer.__dict__ if "total" in layer.__dict__ else {"total": 0})["total"]
        kept = layer.total
        result = fast(x)
        assert result is layer.total is kept
        np.testing.assert_allclose(result, 2 * x.sum(axis=0) * (1 if kind is OfTheClass else turn), rtol=1e-12)
        plain.add(x)
    if kind is Watched:
        assert len(layer.seen) == len(plain.seen)
    assert any(loop.kernel for loop in loops(fast)) is (kind is Summed)
