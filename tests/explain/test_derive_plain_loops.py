"""Loops in other clothes are derived as the plain `for` that they are; the oracle is the formula on whole arrays."""

import numpy as np
import pytest

from dout.explain.derive.forward_source import ForwardSource
from dout.explain.loops.looped_class import derived
from dout.explain.loops.plain_loops import with_plain_loop

RNG = np.random.default_rng(5)


class Counted:
    def __init__(self, size=2):
        self.size = size

    def forward(self, x):
        n, h, w = x.shape
        k = self.size
        out = np.zeros((n, h // k, w // k))
        for b in range(n):
            row = 0
            for i in range(0, h, k):
                column = 0
                for j in range(0, w, k):
                    out[b, row, column] = np.sum(x[b, i : i + k, j : j + k] ** 2)
                    column += 1
                row = row + 1
        return out


class Twice:
    def forward(self, x):
        out = np.zeros(x.shape)
        for i in range(len(x)):
            for j in range(x.shape[1]):
                out[i][j] = np.sin(x[i][j])
        return out


class Waiting:
    def __init__(self, w):
        self.w = w

    def forward(self, x):
        h = np.zeros(x.shape[0])
        t = 0
        while t < x.shape[1]:
            h = h * self.w + x[:, t]
            t += 1
        return h


class Yielding:
    def __init__(self, filters):
        self.filters = filters

    def patches(self, image):
        """Every patch, with its place."""
        height, width = image.shape
        for i in range(height - 2):
            for j in range(width - 2):
                patch = image[i : i + 3, j : j + 3]
                yield patch, i, j

    def forward(self, x):
        height, width = x.shape
        out = np.zeros((height - 2, width - 2, len(self.filters)))
        for region, i, j in self.patches(x):
            out[i, j] = np.sum(region * self.filters, axis=(1, 2))
        return out


def shifted(image, size, step=1):
    rows = image.shape[0] - size + 1
    for r in range(0, rows, step):
        yield r, image[r : r + size]


class YieldingElsewhere:
    def __init__(self, w):
        self.w = w

    def forward(self, x):
        rows = 2.0  # something else there
        out = np.zeros((x.shape[0] - 2, x.shape[1]))
        for i, part in shifted(x, size=3):
            out[i] = rows * (part * self.w[:, np.newaxis]).sum(axis=0)
        return out


class Remembering:
    def __init__(self, Wx, Wh):
        self.params = [Wx, Wh]
        self.grads = [np.zeros_like(Wx), np.zeros_like(Wh)]
        self.h = None

    def forward(self, xs):
        Wx, Wh = self.params
        self.h = np.zeros((xs.shape[0], Wh.shape[0]))
        hs = np.empty((*xs.shape[:2], Wh.shape[0]))
        for t in range(xs.shape[1]):
            self.h = np.tanh(xs[:, t] @ Wx + self.h @ Wh)
            hs[:, t] = self.h
        return hs


class Cell:
    def __init__(self, Wx, Wh):
        self.params = [Wx, Wh]

    def forward(self, x, h):
        Wx, Wh = self.params
        self.out = np.tanh(x @ Wx + h @ Wh)
        return self.out

    def backward(self, dout):
        return dout  # never called: the cell is made in the loop


class OfCells(Remembering):
    def forward(self, xs):
        self.cells = []
        self.h = np.zeros((xs.shape[0], self.params[1].shape[0]))
        hs = np.empty((*xs.shape[:2], self.params[1].shape[0]))
        for t in range(xs.shape[1]):
            cell = Cell(*self.params)
            self.h = cell.forward(xs[:, t], self.h)
            hs[:, t] = self.h
            self.cells.append(cell)
        return hs


class Squash:
    def forward(self, x):
        self.out = np.tanh(x)
        return self.out

    def backward(self, dout):
        return dout * (1 - self.out**2)


class OfParts:
    def __init__(self, Wx, Wh):
        self.Wx, self.Wh = Wx, Wh

    def forward(self, xs):
        self.parts = [Squash() for _ in range(xs.shape[1])]
        h = np.zeros((xs.shape[0], self.Wh.shape[0]))
        hs = np.empty((*xs.shape[:2], self.Wh.shape[0]))
        for t in range(xs.shape[1]):
            h = self.parts[t].forward(xs[:, t] @ self.Wx + h @ self.Wh)
            hs[:, t] = h
        return hs


def through_time(xs, Wx, Wh, dout):
    """The gradients of a recurrent layer by hand, step by step."""
    h, hs = np.zeros((xs.shape[0], Wh.shape[0])), []
    for t in range(xs.shape[1]):
        hs.append(h)
        h = np.tanh(xs[:, t] @ Wx + h @ Wh)
    dxs, dWx, dWh, dh = np.zeros_like(xs), np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(h)
    for t in reversed(range(xs.shape[1])):
        dz = (dout[:, t] + dh) * (1 - np.tanh(xs[:, t] @ Wx + hs[t] @ Wh) ** 2)
        dxs[:, t], dh = dz @ Wx.T, dz @ Wh.T
        dWx += xs[:, t].T @ dz
        dWh += hs[t].T @ dz
    return dxs, dWx, dWh


def run(target, x, dout, *init, **given):
    layer = derived(target, **given).layer(*init)
    layer.forward(x)
    return layer, layer.backward(dout)


@pytest.mark.long
def test_a_counter_beside_a_loop_counts_its_turns_if_there_are_any():
    x, dout = RNG.normal(size=(2, 6, 9)), RNG.normal(size=(2, 2, 3))
    made = derived(Counted).layer
    layer = made(3)
    layer.forward(x)
    expected = 2 * x * np.repeat(np.repeat(dout, 3, axis=1), 3, axis=2)
    assert np.allclose(layer.backward(dout), expected, rtol=1e-13)
    layer = made()  # and keeps what it begins with where there are no turns
    assert layer.forward(np.zeros((2, 0, 4))).shape == (2, 0, 2)
    assert layer.backward(np.zeros((2, 0, 2))).shape == (2, 0, 4)


def test_two_indices_are_one_place():
    x, dout = RNG.normal(size=(4, 5)), RNG.normal(size=(4, 5))
    assert np.allclose(run(Twice, x, dout)[1], dout * np.cos(x), rtol=1e-13)


def test_a_while_that_counts_is_a_for():
    x, dout, w = RNG.normal(size=(3, 4)), RNG.normal(size=3), np.array([0.5])
    _, dx = run(Waiting, x, dout, w, init={"w": np.array([0.5])}, inputs=[RNG.normal(size=(2, 5))])
    assert np.allclose(dx, dout[:, None] * w ** np.arange(3, -1, -1), rtol=1e-13)


def test_a_method_that_yields_in_its_loops_is_written_out():
    x, filters = RNG.normal(size=(5, 6)), RNG.normal(size=(2, 3, 3))
    dout = RNG.normal(size=(3, 4, 2))
    layer, dx = run(Yielding, x, dout, filters, init={"filters": filters[:, ::-1]}, inputs=[x[1:]])
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3))
    assert np.allclose(layer.dfilters, np.einsum("ijf,ijkl->fkl", dout, windows), rtol=1e-12)
    right = np.zeros_like(x)
    for i, j in np.ndindex(3, 4):
        right[i : i + 3, j : j + 3] += np.einsum("f,fkl->kl", dout[i, j], filters)
    assert np.allclose(dx, right, rtol=1e-12)


def test_a_function_that_yields_keeps_its_names_to_itself():
    x, w, dout = RNG.normal(size=(6, 4)), RNG.normal(size=3), RNG.normal(size=(4, 4))
    layer, dx = run(YieldingElsewhere, x, dout, w, init={"w": w[::-1]}, inputs=[x[1:]])
    right = np.zeros_like(x)
    for i in range(4):
        right[i : i + 3] += 2 * w[:, np.newaxis] * dout[i]
    assert np.allclose(dx, right, rtol=1e-12)
    assert np.allclose(layer.dw, [2 * np.sum(dout * x[k : k + 4]) for k in range(3)], rtol=1e-12)


@pytest.mark.one_in(4)
@pytest.mark.parametrize("target", [Remembering, OfCells, OfParts])
def test_a_state_that_is_an_attribute_is_carried_from_turn_to_turn(target):
    Wx, Wh, xs = RNG.normal(size=(3, 4)), RNG.normal(size=(4, 4)), RNG.normal(size=(2, 5, 3))
    dout = RNG.normal(size=(2, 5, 4))
    layer, dxs = run(target, xs, dout, Wx, Wh, init={"Wx": Wx[1:], "Wh": Wh.T}, inputs=[RNG.normal(size=(3, 2, 2))])
    right = through_time(xs, Wx, Wh, dout)
    grads = [layer.dWx, layer.dWh] if target is OfParts else layer.grads
    for got, wanted in zip((dxs, *grads), right, strict=True):
        assert np.allclose(got, wanted, rtol=1e-11)
    if target is Remembering:
        assert np.array_equal(layer.h, layer.forward(xs)[:, -1])


def read_after(x):
    out = np.zeros(len(x) + 1)
    n = 0
    for i in range(len(x)):
        out[n] = x[i] ** 2
        n += 1
    return out[:n]


def bound_that_moves(x):
    out, n, t = np.zeros(len(x)), len(x), 0
    while t < n:
        out[t] = x[t] ** 2
        n = n - 1
        t += 1
    return out


@pytest.mark.parametrize("function", [read_after, bound_that_moves])
def test_what_is_another_loop_as_a_for_stays_as_it_is(function):
    assert with_plain_loop(ForwardSource(function), None) is None


class GoesOnOtherwise(Yielding):
    def patches(self, image):
        image = np.clip(image, -100, 100)
        for i in range(len(image) - 2):
            for j in range(image.shape[1] - 2):
                yield image[i : i + 3, j : j + 3], i, j


class Seen:
    """A method that the loop calls reads the state."""

    def __init__(self):
        self.h, self.history = np.zeros(3), []

    def note(self):
        self.history.append(self.h.sum())

    def forward(self, x):
        self.h = np.zeros(x.shape[1])
        for t in range(len(x)):
            self.h = np.tanh(x[t] + self.h)
            self.note()
        return self.h


class Limited:
    """What is written to the attribute is not what is read there."""

    @property
    def h(self):
        return self.kept

    @h.setter
    def h(self, value):
        self.kept = np.minimum(value, 100)

    def forward(self, x):
        self.h = np.ones(x.shape[1])
        for t in range(len(x)):
            self.h = self.h * x[t]
        return self.h


@pytest.mark.parametrize("cls", [GoesOnOtherwise, Seen, Limited])
def test_what_somebody_else_sees_or_changes_is_not_rewritten(cls):
    assert with_plain_loop(ForwardSource(cls.forward), cls) is None
