"""Derived backwards of layers that hold others: the backward of each part is called, once, with what arrives at it."""

from itertools import pairwise

import numpy as np
import pytest

from dout.explain.derive.class_writer import NotDerivedError
from dout.explain.loops.looped_class import derived


class Linear:
    def __init__(self, rows, columns):
        self.W = 0.1 * np.random.randn(rows, columns)
        self.b = np.zeros(columns)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


class Relu:  # overwrites what it is given, as that of the slides does
    def forward(self, x):
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout):
        dout[self.mask] = 0
        return dout


class Residual:
    def __init__(self, size=4):
        self.first = Linear(size, size)
        self.relu = Relu()
        self.second = Linear(size, size)

    def forward(self, x):
        return x + self.second.forward(self.relu.forward(self.first.forward(x)))


class Gated:
    def __init__(self, size=4):
        self.gate = Linear(size, size)
        self.g = Linear(size, size)

    def forward(self, x):
        g = np.tanh(self.g.forward(x))
        return g * self.gate.forward(x)


class Stack:
    def __init__(self, sizes=(4, 5, 3)):
        self.layers = []
        for rows, columns in pairwise(sizes):
            self.layers += [Linear(rows, columns), Relu()]

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x


class Named:
    def __init__(self, size=4):
        self.layers = {"in": Linear(size, 5), "relu": Relu(), "out": Linear(5, 3)}

    def forward(self, x):
        first, *rest = self.layers.values()
        h = np.sin(first.forward(x))
        for layer in rest:
            h = layer.forward(h)
        return h


class Embedding:
    def __init__(self, rows, columns):
        self.W = np.random.randn(rows, columns)

    def forward(self, index):
        self.index = index
        return self.W[index]

    def backward(self, dout):
        self.dW = np.zeros_like(self.W)
        np.add.at(self.dW, self.index, dout)


class Words:
    def __init__(self, rows=6, columns=4):
        self.embed = Embedding(rows, columns)
        self.out = Linear(columns, 3)

    def forward(self, index):
        return self.out.forward(np.tanh(self.embed.forward(index)))


class Cell:
    def __init__(self, size):
        self.W = np.random.randn(size, size)

    def forward(self, x, h):
        self.h, self.out = h, np.tanh(x * 2 + h @ self.W)
        return self.out

    def backward(self, dout):
        dz = dout * (1 - self.out**2)
        self.dW = self.h.T @ dz
        return 2 * dz, dz @ self.W.T


class TwoSteps:
    def __init__(self, size=4):
        self.one, self.two = Cell(size), Cell(size)

    def forward(self, x, h):
        return self.two.forward(x, self.one.forward(x, h))


class Loss:  # does not read what arrives at it
    def forward(self, x, t):
        self.x, self.t = x, t
        return ((x - t) ** 2).sum()

    def backward(self, dout=1):
        return 2 * (self.x - self.t), -2 * (self.x - self.t)


class WithLoss:
    def __init__(self, size=4):
        self.layer, self.loss = Linear(size, 3), Loss()

    def forward(self, x, t):
        return self.loss.forward(self.layer.forward(x), t)


class Twice:
    def __init__(self, size=4):
        self.layer = Linear(size, size)

    def forward(self, x):
        return self.layer.forward(np.tanh(self.layer.forward(x)))


class OnlyForward:
    def __init__(self, size):
        self.W = np.random.randn(size, size)

    def forward(self, x):
        return x @ self.W


class Unready:
    def __init__(self, size=4):
        self.part = OnlyForward(size)

    def forward(self, x):
        return self.part.forward(x)


class Scaled:
    def __init__(self, size=4):
        self.W = np.random.randn(size, size)

    def forward(self, x):
        return x @ self.W / np.sqrt(self.W.shape[1])


def backward_of(made):
    """The statements of the derived backward."""
    lines = made.source.partition("def backward(self, dout")[2].splitlines()[1:]
    return [line[8:] for line in lines if line.strip() and not line.strip().startswith("#")]


def by_differences(layer, x, weights, step=1e-6):
    """The gradient of the weighed sum of the outputs by x, by central differences."""
    found = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        more, less = x.copy(), x.copy()
        more[i] += step
        less[i] -= step
        found[i] = (weights * (layer.forward(more) - layer.forward(less))).sum() / (2 * step)
    return found


@pytest.mark.one_in(2)
@pytest.mark.parametrize("cls", [Residual, Gated, Stack, Named, Scaled])
def test_the_gradient_is_that_of_differences_at_the_size_of_the_example_and_at_another(cls):
    made = derived(cls).layer
    for size in (4, 5):
        np.random.seed(3)
        layer = made((size, 3, 2) if cls is Stack else size)
        x = np.random.randn(3, size)
        weights = np.random.randn(*layer.forward(x).shape)
        expected = by_differences(layer, x, weights)
        layer.forward(x)
        assert np.allclose(layer.backward(weights.copy()), expected, rtol=1e-6, atol=1e-8)


def test_each_part_gets_what_arrives_at_it_and_a_copy_where_it_overwrites_that():
    assert backward_of(derived(Residual)) == [
        "drelu = self.second.backward(dout)",
        "dfirst = self.relu.backward(drelu)",
        "from_first = self.first.backward(dfirst)",
        "dx = from_first + dout",
        "return dx",
    ]


def test_parts_keep_the_gradients_of_their_parameters():
    layer = derived(Residual).layer()
    x, dout = np.random.randn(3, 4), np.random.randn(3, 4)
    layer.forward(x)
    layer.backward(dout)
    assert np.allclose(layer.second.db, dout.sum(axis=0), rtol=1e-14)
    assert np.allclose(layer.first.db, (dout @ layer.second.W.T * ~layer.relu.mask).sum(axis=0), rtol=1e-14)


def test_no_value_is_kept_under_the_name_of_a_part():
    layer = derived(Gated).layer()
    part = layer.g
    layer.forward(np.ones((2, 4)))
    assert layer.g is part


def test_layers_in_a_list_run_backwards_in_a_loop():
    assert backward_of(derived(Stack)) == [
        "dx = dout.copy()",
        "for layer in reversed(self.layers):",
        "    dx = layer.backward(dx)",
        "return dx",
    ]


def test_some_items_of_a_container_are_called_by_their_keys_and_their_number_is_told():
    made = derived(Named)
    lines = "\n".join(backward_of(made))
    assert all(f'self.layers["{key}"].backward(' in lines for key in ("in", "relu", "out"))
    assert ("self.layers", 3) in [(note.fields.get("name"), note.fields.get("count")) for note in made.notes]


def test_a_part_whose_inputs_have_no_gradient_is_called_for_its_parameters():
    made = derived(Words, None, {"index": np.array([0, 2, 2, 5])})
    assert "self.embed.backward(" in "\n".join(backward_of(made))
    layer = made.layer()
    layer.forward(np.array([1, 1, 3]))
    layer.backward(np.ones((3, 3)))
    assert np.count_nonzero(np.abs(layer.embed.dW).sum(axis=1)) == 2


def test_the_gradients_of_several_inputs_come_of_one_call():
    made = derived(TwoSteps)
    assert "\n".join(backward_of(made)).count(".backward(") == 2
    assert set(made.verdict.values()) == {"exact"}


def test_a_loss_that_does_not_read_dout_is_said_to_hold_for_one():
    made = derived(WithLoss, None, {"x": np.random.randn(3, 4), "t": np.random.randn(3, 3)})
    notes = [(note.key, note.fields.get("part")) for note in made.notes]
    assert ("part_at_one", "self.loss") in notes
    layer = made.layer()
    x, t = np.ones((2, 4)), np.zeros((2, 3))
    layer.forward(x, t)
    dx, dt = layer.backward()
    assert np.allclose(dx, 2 * (x @ layer.layer.W) @ layer.layer.W.T)
    assert np.allclose(dt, -2 * x @ layer.layer.W)


def test_a_part_that_is_called_twice_is_refused():
    with pytest.raises(NotDerivedError, match=r"self\.layer is called 2 times, and its backward knows the last call"):
        derived(Twice)


def test_a_part_without_a_backward_is_named_with_its_class():
    with pytest.raises(NotDerivedError, match=r"self\.part\.W and has no backward: derive OnlyForward"):
        derived(Unready)


class Doubled(Linear):
    def backward(self, dout):
        return 2 * super().backward(dout)


class OnWrong:
    def __init__(self, size=4):
        self.layer = Doubled(size, size)

    def forward(self, x):
        return np.tanh(self.layer.forward(x))


def test_a_part_whose_backward_is_wrong_is_named():
    with pytest.raises(NotDerivedError, match=r"does not hold: .* whether the backward of self\.layer is right"):
        derived(OnWrong)


SHARED = Relu()


class WithShared:
    def __init__(self, size=4):
        self.first, self.relu = Linear(size, size), SHARED

    def forward(self, x):
        return self.relu.forward(self.first.forward(x))


def test_an_object_of_the_module_is_left_as_it_was():
    derived(WithShared)
    assert "forward" not in vars(SHARED)


class Skip:
    def __init__(self, layers):
        self.layers = layers

    def forward(self, x):
        out = x
        for layer in self.layers:
            out = layer.forward(out)
        return out + x


def test_a_container_that_is_given_its_layers_runs_them_backwards():
    made = derived(Skip)
    assert not made.notes
    layers = [Linear(3, 3), Relu(), Linear(3, 3)]
    container, x, dout = made.layer(layers), np.random.default_rng(2).normal(size=(2, 3)), np.ones((2, 3))
    container.forward(x)
    dx = container.backward(dout.copy())
    expected = dout
    for layer in reversed(layers):
        expected = layer.backward(expected.copy())
    np.testing.assert_array_equal(dx, expected + dout)


class Weight:
    def __init__(self, data):
        self.data, self.grad = data, None


class Slot:
    def __init__(self):
        self.param = self.gradient = None


class Scale:
    def __init__(self, size=3):
        self.gamma, self.params = Weight(np.full(size, 2.0)), {"beta": Slot()}
        self.params["beta"].param = np.zeros(size)

    def forward(self, x):
        return x * self.gamma.data + self.params["beta"].param


def test_a_parameter_in_an_object_of_its_own_gets_its_gradient_there():
    layer = derived(Scale).layer()
    x = np.arange(6.0).reshape(2, 3)
    layer.forward(x)
    layer.backward(np.ones((2, 3)))
    np.testing.assert_array_equal(layer.gamma.grad, x.sum(axis=0))
    np.testing.assert_array_equal(layer.params["beta"].gradient, [2.0, 2.0, 2.0])
