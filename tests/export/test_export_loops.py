"""Loops as ONNX's Loop: onnxruntime gives what NumPy gives, and a model does not grow with the number of turns."""

import numpy as np
import onnx
import pytest
from onnx_runs import ran
from test_export_nets import FilledStates, Net, plainly
from turn_programs import turn_program

import dout
from dout import layers
from dout.errors import TargetError
from dout.run import flat

RANDOM = np.random.default_rng(5)


def weights(*shape):
    return RANDOM.normal(size=shape) / np.sqrt(shape[0])


class BookRnn:
    def __init__(self, Wx, Wh, b):
        self.params, self.cache = [Wx, Wh, b], None

    def forward(self, x, h_prev):
        Wx, Wh, b = self.params
        h_next = np.tanh(np.dot(h_prev, Wh) + np.dot(x, Wx) + b)
        self.cache = (x, h_prev, h_next)
        return h_next


class BookTimeRnn:
    """Cells in a list and states in an array, in the manner of the book."""

    def __init__(self, Wx, Wh, b):
        self.params, self.layers, self.h = [Wx, Wh, b], None, None

    def forward(self, xs):
        N, T, _ = xs.shape
        H = self.params[0].shape[1]
        self.layers = []
        hs = np.empty((N, T, H), dtype="f")
        self.h = np.zeros((N, H), dtype="f")
        for t in range(T):
            layer = BookRnn(*self.params)
            self.h = layer.forward(xs[:, t, :], self.h)
            hs[:, t, :] = self.h
            self.layers.append(layer)
        return hs


class BookLstm:
    """The gates of one product, cut by their columns, in the manner of the book."""

    def __init__(self, Wx, Wh, b):
        self.Wx, self.Wh, self.b = Wx, Wh, b

    def forward(self, xs):
        N, T, H = len(xs), xs.shape[1], len(self.Wh)
        hs, h, c = np.empty((N, T, H)), np.zeros((N, H)), np.zeros((N, H))
        for t in range(T):
            A = np.dot(xs[:, t], self.Wx) + np.dot(h, self.Wh) + self.b
            f, g, i, o = A[:, :H], A[:, H : 2 * H], A[:, 2 * H : 3 * H], A[:, 3 * H :]
            f, g, i, o = 1 / (1 + np.exp(-f)), np.tanh(g), 1 / (1 + np.exp(-i)), 1 / (1 + np.exp(-o))
            c = f * c + g * i
            h = o * np.tanh(c)
            hs[:, t] = h
        return hs


class Samples:
    """A loop over samples, and over outputs inside it."""

    def __init__(self, W):
        self.W = W

    def forward(self, x):
        out = np.zeros((len(x), 3, x.shape[2]))
        for i in range(len(x)):
            for j in range(3):
                out[i, j] = np.tanh(self.W[:, j] @ x[i])
        return out


class TwoBack:
    """A state that follows from the two before it, from the last step to the first."""

    def forward(self, x):
        found = [x[:, -1], x[:, -2]]
        for t in range(x.shape[1] - 3, -1, -1):
            found.append(0.5 * found[-1] - 0.3 * found[-2] + x[:, t] * t)
        return np.stack(found, axis=1), found[-1]


NETS = {
    "Rnn": layers.Rnn(weights(5, 3), weights(3, 3), weights(3)),
    "Lstm, then Gru": Net(layers.Lstm(weights(5, 12), weights(3, 12), weights(12)),
                          layers.Gru(weights(3, 6), weights(2, 6), weights(6), weights(6))),
    "cells of the book": BookTimeRnn(*(w.astype("f4") for w in (weights(5, 3), weights(3, 3), weights(3)))),
    "gates of the book": BookLstm(weights(5, 12), weights(3, 12), weights(12)),
    "states in an array": FilledStates(weights(5, 3), weights(3, 3)),
    "samples": Samples(weights(9, 3)),
    "two back": TwoBack(),
}  # fmt: skip


@pytest.mark.parametrize("name", NETS)
def test_a_loop_agrees_with_numpy_at_any_size_of_the_batch(name):
    net, x = NETS[name], RANDOM.normal(size=(4, 9, 5)).astype("f4" if "cells" in name else "f8")
    model = dout.export(net, None, x, loops="loop")
    onnx.checker.check_model(model.content, full_check=True)
    assert "Loop" in [node.op_type for node in model.model.graph]
    assert model.lines[0].endswith("[batch, 9, 5]"), model.notes
    for rows in (4, 1, 7):
        given = np.take(x, np.arange(rows) % 4, axis=0)
        for got, wanted in zip(ran(model.content, given), plainly(net, [given]), strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5 if "cells" in name else 1e-12)


@pytest.mark.parametrize("name", ["Rnn", "gates of the book", "two back"])
def test_a_model_does_not_grow_with_the_number_of_turns(name):
    short, long = (dout.export(NETS[name], None, np.ones((2, steps, 5)), loops="loop") for steps in (8, 32))
    assert abs(len(long.content) - len(short.content)) < 300  # the numbers of turns that "two back" multiplies with
    assert len(dout.export(NETS[name], None, np.ones((2, 32, 5))).content) > 2 * len(long.content)


def columns_of_states(x):
    h, outs = np.zeros((len(x), 4)), []
    for t in range(9):
        h = np.tanh(x[:, t] + h)
        h = h * 0.5
        outs.append(h[:, 0])
    return np.concatenate(outs)


def rows_of_the_last_state(x):
    h = np.zeros((len(x), 4))
    for t in range(9):
        h = np.tanh(x[:, t] + h)
        h = h * 0.5
    return np.concatenate([h[0], h[1], h[2]])


def states_from_both_ends(x):
    h, outs = np.zeros((len(x), 4)), []
    for t in range(9):
        h = np.tanh(x[:, t] + h)
        outs.append(h)
    h = np.array(outs)
    return np.concatenate([h[0], h[-1], h[-2]])


def list_of_samples(x):
    out = []
    for row in x:
        h = np.zeros(4)
        for t in range(9):
            h = np.tanh(np.roll(h, 1) + row[t])
        out.append(h)
    return np.array(out)


def list_of_states(x):
    out, h = [], np.zeros(4)
    for row in x:
        h = np.tanh(row.sum(axis=0) + h)
        out.append(h)
    return np.array(out)


def sum_over_samples(x):
    total = 0.0
    for row in x:
        total = total + np.sum(row**2)
    return total / len(x)


@pytest.mark.parametrize("program", [columns_of_states, rows_of_the_last_state, states_from_both_ends,
                                     list_of_samples, list_of_states, sum_over_samples])  # fmt: skip
def test_what_a_program_does_with_the_results_of_its_turns(program):
    model = dout.export(program, None, RANDOM.normal(size=(3, 9, 4)), loops="loop")
    assert "Loop" in [node.op_type for node in model.model.graph]
    for rows in (3, 4, 9) if program is rows_of_the_last_state else (1, 3, 9):
        x = RANDOM.normal(size=(rows, 9, 4))
        np.testing.assert_allclose(ran(model.content, x)[0], program(x), rtol=1e-12, atol=1e-12)


def divided_by_its_number(x):
    total = 0.0
    for i in range(len(x)):
        total = total + np.sum(x[i] ** 2) / (i + 1)
    return total


def backwards_into_rows(x):
    out, h = np.zeros((len(x), 4)), np.zeros(4)
    for i in reversed(range(len(x))):
        h = np.tanh(x[i].sum(axis=0) + h)
        out[i] = h
    return out


@pytest.mark.parametrize("program", [divided_by_its_number, backwards_into_rows])
def test_a_loop_over_samples_that_has_a_fixed_size_says_so(program):
    x = RANDOM.normal(size=(4, 9, 4))
    model = dout.export(program, None, x, loops="loop")
    assert any(note.startswith("the size of the batch is fixed") for note in model.notes)
    np.testing.assert_allclose(ran(model.content, x)[0], program(x), rtol=1e-12)


def test_a_net_without_a_loop_says_so():
    model = dout.export([layers.Affine(weights(3, 2), np.ones(2)), layers.Relu()], loops="loop")
    assert any(note.startswith("no Loop: ") for note in model.notes)
    with pytest.raises(TargetError, match="write 'unrolled' or 'loop'"):
        dout.export(layers.Relu(), loops="rolled")


def test_turns_with_parameters_of_their_own_keep_their_names():
    """A loop over layers is no loop over one body: each turn has another W."""
    net = [layer for _ in range(6) for layer in (layers.Affine(weights(3, 3), weights(3)), layers.Relu())]
    model = dout.export(net, loops="loop")
    assert "Loop" not in [node.op_type for node in model.model.graph]
    assert "W_6" in model.model.graph.initializers


@pytest.mark.parametrize("name", ["Rnn", "states in an array"])
def test_gradients_of_a_loop_are_those_of_its_turns(name):
    x = RANDOM.normal(size=(2, 6, 5))
    rolled, unrolled = (dout.export(NETS[name], None, x, backward=True, loops=how) for how in ("loop", "unrolled"))
    names = [value.name for value in rolled.model.graph.outputs]
    assert names == [value.name for value in unrolled.model.graph.outputs]
    for got, wanted in zip(ran(rolled.content, x), ran(unrolled.content, x), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-12)


def agrees(seed):
    names = {"np": np}
    exec(turn_program(seed), names)
    program, (x, w) = names["program"], (RANDOM.normal(size=(5, 9, 4)), weights(4, 4))
    model = dout.export(program, None, x, w, loops="loop")
    for rows in (5, 3) if "batch" in model.lines[0] else (5,):
        wanted = flat(program(x[:rows].copy(), w))
        for got, one in zip(ran(model.content, x[:rows], w), wanted, strict=True):
            np.testing.assert_allclose(got, one, rtol=1e-9, atol=1e-9, err_msg=turn_program(seed))


@pytest.mark.parametrize("seed", range(8))
def test_random_programs_with_loops_agree_with_onnxruntime(seed):
    agrees(seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(8, 200))
def test_more_random_programs_with_loops_agree_with_onnxruntime(seed):
    agrees(seed)
