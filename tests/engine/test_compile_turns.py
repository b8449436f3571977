"""Long loops that compute: the functions that they call, and what their turns compute, are compiled once."""

import time
from types import SimpleNamespace

import numpy as np
import pytest

import dout
from dout.engine.loops.compiled_parts import TRIALS, CompiledParts
from dout.trace.capture.budget import MOST_TURNS

LONG = MOST_TURNS + 8


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


class Cell:
    """One step of a recurrent layer."""

    def __init__(self, Wx, Wh, b):
        self.params = [Wx, Wh, b]
        self.grads = [np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)]
        self.cache = None

    def forward(self, x, before):
        Wx, Wh, b = self.params
        h = np.tanh(np.dot(x, Wx) + np.dot(before, Wh) + b)
        self.cache = (x, before, h)
        return h

    def backward(self, dh):
        Wx, Wh, _ = self.params
        x, before, h = self.cache
        dt = dh * (1 - h**2)
        self.grads[0][...] = np.dot(x.T, dt)
        self.grads[1][...] = np.dot(before.T, dt)
        self.grads[2][...] = dt.sum(axis=0)
        return np.dot(dt, Wx.T), np.dot(dt, Wh.T)


class Recurrent:
    """A new cell for each step."""

    def __init__(self):
        self.params = [drawn(5, 6), drawn(6, 6, seed=1) / 3, drawn(6, seed=2)]
        self.grads = [np.zeros_like(p) for p in self.params]

    def forward(self, xs):
        count, steps, _ = xs.shape
        self.layers, h = [], np.zeros((count, 6))
        hs = np.empty((count, steps, 6))
        for t in range(steps):
            layer = Cell(*self.params)
            h = layer.forward(xs[:, t], h)
            hs[:, t] = h
            self.layers.append(layer)
        return hs

    def backward(self, dhs):
        dxs, dh = np.empty((*dhs.shape[:2], 5)), 0
        for grad in self.grads:
            grad[...] = 0
        for t in reversed(range(dhs.shape[1])):
            dx, dh = self.layers[t].backward(dhs[:, t] + dh)
            dxs[:, t] = dx
            for i, grad in enumerate(self.layers[t].grads):
                self.grads[i] += grad
        return dxs


class InOnePiece:
    """The same without cells: all of a turn stands in the loop."""

    def __init__(self):
        self.Wx, self.Wh, self.b = drawn(5, 6), drawn(6, 6, seed=1) / 3, drawn(6, seed=2)

    def forward(self, xs):
        count, steps, _ = xs.shape
        h = np.zeros((count, 6))
        self.hs = np.empty((count, steps, 6))
        self.kept = []
        t = 0
        while t < steps:
            before = h
            h = np.tanh(np.dot(xs[:, t], self.Wx) + np.dot(h, self.Wh) + self.b)
            self.hs[:, t] = h
            self.kept.append((xs[:, t], before, h))
            t += 1
        return self.hs

    def backward(self, dhs):
        self.dWx, self.dWh, self.db = np.zeros_like(self.Wx), np.zeros_like(self.Wh), np.zeros_like(self.b)
        dxs, dh = np.empty((*dhs.shape[:2], 5)), np.zeros((len(dhs), 6))
        for t in reversed(range(dhs.shape[1])):
            x, before, h = self.kept[t]
            dt = (dhs[:, t] + dh) * (1 - h**2)
            self.dWx += np.dot(x.T, dt)
            self.dWh += np.dot(before.T, dt)
            self.db += dt.sum(axis=0)
            dxs[:, t], dh = np.dot(dt, self.Wx.T), np.dot(dt, self.Wh.T)
        return dxs


def gradients_of(layer):
    return layer.grads if hasattr(layer, "grads") else [layer.dWx, layer.dWh, layer.db]


@pytest.mark.one_in(3)
@pytest.mark.parametrize("kind", [Recurrent, InOnePiece])
@pytest.mark.parametrize("strict", [False, True])
def test_a_long_loop_gives_what_a_plain_one_gives(kind, strict):
    plain, layer = kind(), kind()
    fast = dout.compile(layer, strict=strict)
    for steps, batch in ((LONG, 3), (LONG, 3), (LONG + 5, 3), (4, 3), (LONG, 7)):
        xs, dhs = drawn(batch, steps, 5, seed=steps), drawn(batch, steps, 6, seed=batch)
        pairs = [(fast.forward(xs), plain.forward(xs)), (fast.backward(dhs), plain.backward(dhs))]
        for ours, theirs in [*pairs, *zip(gradients_of(layer), gradients_of(plain), strict=True)]:
            if strict:
                np.testing.assert_array_equal(ours, theirs)
            np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-13)
    if not strict:  # NumPy's functions one by one are no faster on a few numbers
        assert fast.plan().programs
        assert all(function.plainly == () for function in fast.plan().functions)


def test_more_turns_need_no_more_programs():
    fast = dout.compile(Recurrent())
    found = []
    for steps in (LONG, 3 * LONG):
        for _ in range(3):
            fast.forward(drawn(3, steps, 5))
        found.append(len(fast.plan().programs))
    assert found[0] == found[1] == 1


def test_the_plan_shows_the_parts():
    fast = dout.compile(InOnePiece())
    for _ in range(2):
        fast.forward(drawn(3, LONG, 5))
    whole, part, *_ = fast.plan().functions
    assert whole.parts == (part.name,)
    assert part.name.startswith("InOnePiece.forward, a turn at line ")
    assert f"compiled by themselves: {part.name}" in str(fast.plan())


def test_a_few_turns_are_one_program():
    fast = dout.compile(Recurrent())
    for _ in range(2):
        fast.forward(drawn(3, 3, 5))
    assert fast.plan().functions[0].parts == ()
    assert fast.plan().functions[0].programs


def summed(turns, inside):
    """Products that are added up: a loop of `inside` turns in one of so many `turns`."""

    def function(x, w):
        total = [np.zeros_like(x) for _ in range(inside)]
        for t in range(turns):
            h = np.tanh(x @ w + t)
            for i in range(inside):
                total[i] = total[i] + np.tanh(h @ w)
        return total

    return function


@pytest.mark.parametrize(
    ("turns", "inside", "whole"),
    [(MOST_TURNS - 2, 3, True), (MOST_TURNS + 2, 3, False), (4, MOST_TURNS + 2, False), (3, MOST_TURNS // 2, False)],
)
def test_short_loops_inside_turns_are_part_of_them(turns, inside, whole):
    plain = summed(turns, inside)
    fast = dout.compile(plain)
    for seed in range(3):
        x, w = drawn(4, 5, seed=seed), drawn(5, 5)
        np.testing.assert_allclose(fast(x, w), plain(x, w), rtol=1e-12)
    assert bool(fast.plan().functions[0].programs) == whole


def test_a_loop_behind_another_counts_alone():
    def function(x, w):
        for _ in range(MOST_TURNS // 2):
            x = np.tanh(x @ w)
        i = 0
        while i < MOST_TURNS + 2:
            x = np.tanh(x @ w) + 1
            i += 1
        return x

    fast = dout.compile(function)
    for _ in range(2):
        fast(drawn(4, 5), drawn(5, 5))
    assert not fast.plan().functions[0].programs


def test_loops_over_windows_are_one_program_however_many_turns():
    def columns(x):
        out = np.zeros((7, 7, *(np.array(x.shape) - 6)))
        for i in range(7):
            for j in range(7):
                out[i, j] = x[i : i + out.shape[2], j : j + out.shape[3]]
        return out.reshape(49, -1).sum(axis=1)

    fast, x = dout.compile(columns), drawn(30, 30)
    for _ in range(2):
        np.testing.assert_allclose(fast(x), columns(x))
    assert fast.plan().functions[0].programs


def test_an_error_in_a_turn_is_the_users_and_leaves_what_a_plain_run_leaves():
    def summed(parts, seen):
        total = np.zeros(4)
        for i in range(len(parts)):
            total = np.tanh(total * 0.5 + parts[i]) * 2 - 0.1
            seen[i] = 1
        return total

    fast = dout.compile(summed)
    good = [drawn(4, seed=i) for i in range(LONG)]
    for _ in range(3):
        seen = np.zeros(LONG)
        np.testing.assert_allclose(fast(good, seen), summed(good, np.zeros(LONG)))
        assert seen.all()
    bad, seen = [*good[:35], np.ones(3), *good[35:]], np.zeros(LONG + 1)
    with pytest.raises(ValueError, match="broadcast"):
        fast(bad, seen)
    assert seen.sum() == 35


def test_numbers_that_turn_are_left_to_python():
    def root(x):
        y = x
        for _ in range(10 * MOST_TURNS):
            y = (y + x / y) / 2 + 0.0 * (y - x)
        return y

    fast = dout.compile(root)
    assert [fast(2.0) for _ in range(3)] == [root(2.0)] * 3


@pytest.mark.parametrize("slower", ["plain", "compiled"])
def test_a_part_stays_what_is_faster(slower):
    calls: list[str] = []

    def side(name):
        def run(x):
            calls.append(name)
            time.sleep(0.002 if name == slower else 0)
            return x

        return run

    plain = side("plain")
    program = SimpleNamespace(stub=side("compiled"), unanswered=0, used=True, vain=False)
    parts = CompiledParts(lambda function: program)
    cell = parts.turn(plain)
    for _ in range(2 * TRIALS + 4):
        cell.cell_contents(np.ones(3))
    assert len(calls) == 2 * TRIALS + 4
    assert {*calls[2 * TRIALS :]} == {"plain", "compiled"} - {slower}
    assert calls.count("plain") <= TRIALS or slower == "compiled"
    assert parts.pay() == (slower == "plain")


def test_calls_that_no_program_answers_show_nothing():
    program = SimpleNamespace(unanswered=0, used=True, vain=False)

    def stub(x):
        program.unanswered += 1
        time.sleep(0.001)
        return x

    program.stub = stub
    parts = CompiledParts(lambda function: program)
    cell = parts.turn(lambda x: x)
    for _ in range(3 * TRIALS):
        cell.cell_contents(np.ones(3))
    assert parts.pay()
    assert program.unanswered == 3 * TRIALS
