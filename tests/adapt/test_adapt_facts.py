"""What the code does decides, not its names: what an argument is, what prepares a layer, what its parts are."""

import ast
from itertools import pairwise

import numpy as np
import pytest

from dout.adapt import example
from dout.adapt.interface.function_pairs import pair_class
from dout.adapt.interface.method_pairs import pairs_of
from dout.adapt.search.example_repair import alike
from dout.adapt.source.returned_names import returns_gradients
from dout.check.verb.check_layer import check
from dout.judge.outcomes import Word


class Steps:
    """As many layers as there are numbers in a list: nothing but its use says that it is one."""

    def __init__(self, profile):
        self.tables = [np.random.default_rng(i).normal(size=pair) for i, pair in enumerate(pairwise(profile))]

    def forward(self, x):
        self.seen = [x]
        for table in self.tables:
            self.seen.append(self.seen[-1] @ table)
        return self.seen[-1]

    def backward(self, dout):
        for table in reversed(self.tables):
            dout = dout @ table.T
        return dout


class Gates:
    """Four gates of a cell over the steps of a sequence."""

    def __init__(self, Wx, Wh, b):
        self.Wx, self.Wh, self.b = Wx, Wh, b

    def forward(self, xs):
        samples, steps, _ = xs.shape
        width = self.Wh.shape[0]
        h, out = np.zeros((samples, width)), []
        for t in range(steps):
            a = xs[:, t] @ self.Wx + h @ self.Wh + self.b
            h = a[:, :width] * a[:, width : 2 * width] + a[:, 2 * width : 3 * width] * a[:, 3 * width :]
            out.append(h)
        return np.stack(out, axis=1)


class BothWays:
    def __init__(self, Wx1, Wh1, b1, Wx2, Wh2, b2):
        self.there, self.back = Gates(Wx1, Wh1, b1), Gates(Wx2, Wh2, b2)

    def forward(self, xs):
        return np.concatenate([self.there.forward(xs), self.back.forward(xs[:, ::-1])[:, ::-1]], axis=2)


def test_arrays_that_are_handed_on_to_parts_are_those_that_the_parts_take():
    found = example(BothWays, {}, {})
    width = found.init["Wh1"].shape[0]
    assert found.init["b2"].shape == (4 * width,)
    assert np.ndim(found.inputs["xs"]) == 3


class Cursor:
    def go(self):
        return 1

    def go_back(self):
        return 2


def test_methods_that_take_nothing_are_no_pair():
    assert pairs_of(Cursor) == []


class ScaleAndShift:
    def __init__(self, g, b):
        self.g, self.b = g, b

    def forward(self, x):
        return self.g * (x - x.mean(-1, keepdims=True)) + self.b


def test_a_scale_and_a_shift_are_as_long_as_a_row():
    found = example(ScaleAndShift, {}, {})
    assert found.init["g"].shape == found.init["b"].shape == found.inputs["x"].shape[-1:]


class Double:
    def transform(self, x):
        return 2 * x


class Wrapping:
    def __init__(self, other):
        self.other = other

    def forward(self, x):
        return self.other.transform(x) * x

    def backward(self, dout):
        raise NotImplementedError


class PreparedByWhatItWrites:
    def frobnicate(self, shape):
        self.table = np.random.default_rng(0).normal(size=(shape[-1], 3))

    def forward(self, x):
        self.x = x
        return x @ self.table

    def backward(self, dout):
        return dout @ self.table.T


class MadeWithItsArguments:
    """Its parts are made with the argument: they are not it."""

    def __init__(self, width):
        self.parts = [Scaling(width) for _ in range(width)]

    def forward(self, x):
        for part in self.parts:
            x = part.forward(x)
        return x

    def backward(self, dout):
        for part in reversed(self.parts):
            dout = part.backward(dout)
        return dout


class Scaling:
    def __init__(self, factor):
        self.factor = factor

    def forward(self, x):
        return x * self.factor

    def backward(self, dout):
        return dout * self.factor


class TellsOfItsSteps:
    def forward(self, x):
        return 3 * x

    def backward(self, dout):
        return {"steps": 1.0, "largest": 2.0}


def product(z, W, b):
    return z @ W + b


def product_back(arriving, W, z):
    return z.T @ arriving, arriving.sum(axis=0), arriving @ W.T


def test_a_list_is_given_where_one_is_taken_apart():
    chosen = example(Steps, {}, {})
    assert len(chosen.init["profile"]) > 1
    assert {v.word for v in check(Steps).verdicts if v.argument == "x"} == {Word.EXACT}


def test_an_object_is_given_that_has_what_is_asked_of_it():
    assert isinstance(example(Wrapping, {}, {}).init["other"], Double)


def test_what_writes_what_forward_reads_prepares_a_layer():
    assert [name for name, _ in example(PreparedByWhatItWrites, {}, {}).interface.setup] == ["frobnicate"]


def test_what_parts_are_made_with_is_a_number():
    assert isinstance(example(MadeWithItsArguments, {}, {}).init["width"], int)
    assert check(MadeWithItsArguments).ok


def test_numbers_in_a_dict_are_nobodys_gradients():
    assert not [f for f in check(TellsOfItsSteps).findings if f.code == "D501"]


def test_what_forward_is_not_given_is_the_upstream_gradient_and_shapes_say_whose_each_gradient_is():
    report = check(pair_class(product, product_back))
    assert {v.argument: v.word for v in report.verdicts} == dict.fromkeys(("z", "W", "b"), Word.EXACT)


def test_a_function_may_return_an_empty_tuple():
    assert not returns_gradients(ast.parse("def f(x):\n    return ()"))
    assert not returns_gradients(ast.parse("def f(d_y, x, W):\n    return x.T @ d_y, d_x"))
    assert not returns_gradients(ast.parse("def f(params, grads):\n    grads = grads[:]\n    return params, grads"))


def test_an_array_that_is_too_large_to_be_made_is_not_tried():
    x = np.ones((2, 3))
    assert alike(x, (10**6, 10**6), "x") is x


def test_a_part_of_a_backward_that_returns_the_object_it_writes_into_is_no_loss():
    assert not returns_gradients(ast.parse("def f(cell, di):\n    cell.W.grad += di\n    return cell, di"))
    assert returns_gradients(ast.parse("def f(loss, x):\n    loss += x.sum()\n    return loss, dx"))


class Turns:
    """Its weights are handed over, and it takes one step of a sequence at a time."""

    def __init__(self, W, U, b):
        self.W, self.U, self.b = W, U, b

    def forward(self, x, h0):
        self.x, states = x, [h0]
        for t in range(x.shape[1]):
            states.append(np.tanh(x[:, t] @ self.W + states[-1] @ self.U + self.b))
        self.states = states
        return np.stack(states[1:], axis=1)

    def backward(self, dout):
        dh, dx = 0.0, np.zeros(self.x.shape)
        self.dW, self.dU, self.db = np.zeros_like(self.W), np.zeros_like(self.U), np.zeros_like(self.b)
        for t in reversed(range(self.x.shape[1])):
            dz = (dout[:, t] + dh) * (1 - self.states[t + 1] ** 2)
            self.dW += self.x[:, t].T @ dz
            self.dU += self.states[t].T @ dz
            self.db += dz.sum(axis=0)
            dx[:, t], dh = dz @ self.W.T, dz @ self.U.T
        return dx, dh


def test_what_is_multiplied_step_by_step_is_a_sequence():
    assert {v.argument: v.word for v in check(Turns).verdicts} == dict.fromkeys(("x", "h0", "W", "U", "b"), Word.EXACT)


class Pool:
    """Its sizes are unpacked from what prepares it, into attributes: that is no object."""

    def __init__(self, size):
        self.size = size
        self.h, self.w, self.c = None, None, None

    def init(self, input_dim):
        self.h, self.w, self.c = input_dim

    def forward(self, x):
        self.x = x
        return np.stack([x[:, i : i + self.size].sum(axis=(1, 2)) for i in range(self.h - self.size + 1)], axis=1)

    def backward(self, dout):
        dx = np.zeros((len(dout), self.h, self.w, self.c))
        for i in range(self.h - self.size + 1):
            dx[:, i : i + self.size] += dout[:, i, None, None, :]
        return dx


@pytest.mark.long
def test_what_is_unpacked_into_attributes_is_a_shape_and_no_object():
    assert [str(verdict.word) for verdict in check(Pool).verdicts] == [Word.EXACT]
