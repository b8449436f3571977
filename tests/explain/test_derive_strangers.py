"""Derived backwards of layers as strangers write them: other names, random weights, methods to call before forward."""

import ast
import functools
import importlib.util
import sys

import numpy as np
import pytest

from dout.errors import TargetError
from dout.explain.loops.looped_class import derived
from dout.explain.styles.style_writer import styled
from dout.explain.verb.in_place import replaced_source


class Linear:
    def __init__(self, rows, columns):
        self.params, self.grads = {}, {}
        self.params["w"] = np.random.randn(rows, columns)
        self.params["b"] = np.random.randn(columns)

    def forward(self, inputs):
        self.inputs = inputs
        return inputs @ self.params["w"] + self.params["b"]


def test_weights_that_the_constructor_draws_get_their_gradients():
    layer = derived(Linear).layer(2, 3)
    x, dout = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 0.0, -1.0], [0.5, 2.0, 0.0]])
    layer.forward(x)
    assert np.array_equal(layer.backward(dout), dout @ layer.params["w"].T)
    assert np.array_equal(layer.grads["w"], [[2.5, 6.0, -1.0], [4.0, 8.0, -2.0]])
    assert np.array_equal(layer.grads["b"], [1.5, 2.0, -1.0])


rng = np.random.default_rng(3)


class Weighed:
    def __init__(self, d):
        self.q = rng.normal(size=d)

    def forward(self, x):
        e = np.exp(x @ self.q)
        return e / e.sum() * (rng.random(len(x)) < 0.8)


def test_numbers_from_a_generator_of_the_module_are_the_same_at_each_run():
    layer = derived(Weighed).layer(3)
    x, q = np.linspace(-1.0, 1.0, 12).reshape(4, 3), layer.q
    kept = layer.forward(x) != 0
    p = np.exp(x @ q) / np.exp(x @ q).sum()
    dz = (np.diag(p) - np.outer(p, p)) @ (np.arange(4.0) * kept)  # through the softmax
    assert np.allclose(layer.backward(np.arange(4.0)), np.outer(dz, q), rtol=1e-12)
    assert np.allclose(layer.dq, x.T @ dz, rtol=1e-12)


class Dense:
    def __init__(self, w, b):
        self._w, self._b = w, b
        self._dw, self._db = None, None

    def forward_pass(self, a_prev, training):
        self._a_prev = np.array(a_prev, copy=True)
        return np.dot(a_prev, self._w.T) + self._b

    def backward_pass(self, da_curr):
        raise NotImplementedError

    @property
    def gradients(self):
        return self._dw, self._db


def test_methods_and_gradients_keep_the_names_that_the_class_has_for_them():
    made = derived(Dense)
    methods = [node.name for node in ast.walk(ast.parse(made.source)) if isinstance(node, ast.FunctionDef)]
    assert methods == ["__init__", "forward_pass", "backward_pass", "gradients"]
    layer = made.layer(np.array([[1.0, 2.0]]), np.array([0.5]))
    assert np.array_equal(layer.forward_pass(np.array([[3.0, 4.0], [0.0, 1.0]]), True), [[11.5], [2.5]])
    assert np.array_equal(layer.backward_pass(np.array([[1.0], [2.0]])), [[1.0, 2.0], [2.0, 4.0]])
    assert np.array_equal(layer.gradients[0], [[3.0, 6.0]])
    assert np.array_equal(layer.gradients[1], [3.0])


class Swish:
    def __init__(self, beta=1.5):
        self.beta = beta

    def __call__(self, x):
        return x / (1 + np.exp(-self.beta * x))

    def gradient(self, x):
        return 1 - x  # a local derivative, and a wrong one: it is no backward, and stays


@pytest.mark.one_in(3)
@pytest.mark.parametrize("style", ["pytorch", "jax"])
def test_a_class_that_is_called_is_written_in_other_styles_too(style):
    made = derived(Swish)
    assert "def __call__(self, x):" in made.source
    assert "def backward(self, dout):" in made.source
    assert "return 1 - x  # a local derivative" in made.source
    assert "__call__" not in styled(made, style).source


class ShapedLater:
    def __init__(self, columns):
        self.columns = columns

    def OutShape(self, shape):
        self.length = shape[1]
        self.weights = np.random.normal(size=(self.length, self.columns))
        self.w_gradient = np.zeros(self.weights.shape)
        return [shape[0], self.columns]

    def forward(self, x):
        self.x = x.reshape(-1, self.length)
        return np.dot(self.x, self.weights)

    def backward(self, eta):
        self.w_gradient = np.dot(self.x.T, eta)
        return np.dot(eta, self.weights.T)


def test_a_layer_is_set_up_by_its_own_method_before_its_first_forward():
    layer = derived(ShapedLater).layer(3)
    layer.OutShape((2, 2))
    dout = np.ones((2, 3))
    layer.forward(np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert np.array_equal(layer.backward(dout), dout @ layer.weights.T)
    assert np.array_equal(layer.w_gradient, [[4.0, 4.0, 4.0], [6.0, 6.0, 6.0]])


class InvertedDropout:
    def __init__(self, p=0.5):
        self.p = p

    def forward(self, x):
        self.mask = np.random.rand(*x.shape) > self.p
        return x * self.mask / (1 - self.p)


def test_two_numbers_that_are_equal_by_chance_are_not_taken_for_one():
    layer = derived(InvertedDropout).layer(p=0.75)
    layer.forward(np.ones((2, 3)))
    assert np.array_equal(layer.backward(np.ones((2, 3))), layer.mask * 4.0)


class Margin:
    def forward(self, a, b):
        d = np.sqrt(((a - b) ** 2).sum(axis=1))
        return np.mean(np.maximum(0, 3 - d) ** 2)


def test_a_batch_of_3_and_a_3_of_the_formula_are_two_things():
    layer = derived(Margin, inputs={"a": np.eye(3), "b": np.ones((3, 3)) / 4}).layer()
    assert layer.forward(np.array([[3.0, 4.0], [0.6, 0.8]]), np.zeros((2, 2))) == 2.0
    da, db = layer.backward(1.0)
    assert np.allclose(da, [[0.0, 0.0], [-1.2, -1.6]], rtol=1e-15, atol=0)  # 5 is more than 3: nothing is to be learned
    assert np.array_equal(db, -da)


class Every:
    def __init__(self, stride=1, scale=2):
        self.stride, self.scale = stride, scale

    def forward(self, x):
        return x[:, :: self.stride] * self.scale


@pytest.mark.long
def test_a_setting_that_is_tried_at_one_number_only_is_named():
    made = derived(Every)
    assert [dict(note.fields) for note in made.notes] == [{"flag": "stride", "value": "1"}]
    layer = made.layer(scale=5)
    layer.forward(np.ones((1, 2)))
    assert np.array_equal(layer.backward(np.ones((1, 2))), [[5.0, 5.0]])


class TakeAlong:
    def forward(self, x, t):
        return np.take_along_axis(x, t, axis=1)


def test_places_that_are_taken_twice_add_up():
    x, t = np.arange(6.0).reshape(2, 3), np.array([[1, 1], [0, 2]])
    layer = derived(TakeAlong, inputs={"x": x, "t": t}).layer()
    layer.forward(x, t)
    assert np.array_equal(layer.backward(np.array([[1.0, 2.0], [3.0, 4.0]])), [[0, 3, 0], [3, 0, 4]])


class FourParts:
    def __init__(self, Wx, Wh, b):
        self.params = [Wx, Wh, b]

    def forward(self, x, h_prev, c_prev):
        Wx, Wh, b = self.params
        H = h_prev.shape[1]
        A = np.dot(x, Wx) + np.dot(h_prev, Wh) + b
        f, g, i, o = np.tanh(A[:, :H]), np.tanh(A[:, H : 2 * H]), np.tanh(A[:, 2 * H : 3 * H]), np.tanh(A[:, 3 * H :])
        c_next = f * c_prev + g * i
        return o * np.tanh(c_next), c_next


def test_lengths_that_run_by_being_repeated_are_no_example():
    """16 columns in parts of 5 leave one, which NumPy repeats."""
    rng = np.random.default_rng(1)
    shapes = {"Wx": (3, 16), "Wh": (4, 16), "b": (16,), "x": (2, 3), "h_prev": (2, 4), "c_prev": (2, 4)}
    given = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    made = derived(
        FourParts, {n: given[n] for n in ("Wx", "Wh", "b")}, {n: given[n] for n in ("x", "h_prev", "c_prev")}
    )
    assert set(made.verdict.values()) == {"exact"}
    assert len(made.verdict) == 6
    assert "dA = np.concatenate((" in made.source
    assert "np.zeros" not in made.source.partition("def backward")[2]


class PrivateMethods:
    def __init__(self, gamma):
        self.gamma = gamma

    def forward(self, x):
        return self.__scaled(x - x.mean(axis=0))

    def __scaled(self, centred):
        self.centred = centred
        return self.gamma * centred


def test_private_methods_of_the_class_are_found():
    layer = derived(PrivateMethods).layer(np.array([2.0, 3.0]))
    layer.forward(np.array([[1.0, 2.0], [3.0, 6.0]]))
    assert np.array_equal(layer.backward(np.array([[1.0, 0.0], [0.0, 1.0]])), [[1.0, -1.5], [-1.0, 1.5]])
    assert np.array_equal(layer.dgamma, [-1.0, 2.0])


class Named:
    def forward(self, input):
        return input * input


def test_an_argument_may_be_called_input():
    assert set(derived(Named).verdict) == {"input"}


FILE = """import numpy as np


class Square:
    def feedforward(self, x):
        return x * x

    def backprop(self, grad):
        return grad

    def name(self):
        return "square"
"""


def loaded(text, folder, monkeypatch):
    """The module of a file with this text."""
    file = folder / "written.py"
    file.write_text(text)
    spec = importlib.util.spec_from_file_location("written", file)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "written", module)
    spec.loader.exec_module(module)
    return module


def test_in_a_file_the_methods_are_replaced_under_their_own_names(tmp_path, monkeypatch):
    module = loaded(FILE, tmp_path, monkeypatch)
    text = replaced_source(FILE, "Square", derived(module.Square, inputs={"x": np.array([1.0, 2.0])}))
    assert "def backprop(self, grad):\n" in text
    assert text.count("def ") == FILE.count("def ")
    assert text.endswith(FILE[FILE.index("    def name") :])


TWO_SPACES = """import numpy as np


class Tanh:
  def __init__(self, a=2.0):
    self.a = a

  def forward(self, x):
    return np.tanh(self.a * x)
"""


def test_a_class_that_is_indented_by_two_stays_so(tmp_path, monkeypatch):
    made = derived(loaded(TWO_SPACES, tmp_path, monkeypatch).Tanh)
    assert "\n  def backward(self, dout):\n    # " in made.source
    assert "\n    return dx" in made.source
    layer = made.layer()
    layer.forward(np.zeros(2))
    assert np.array_equal(layer.backward(np.ones(2)), [2.0, 2.0])


class LeavesOutput:
    def __init__(self, n_inputs, n_neurons):
        self.weights = 0.01 * np.random.randn(n_inputs, n_neurons)
        self.biases = np.zeros((1, n_neurons))

    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.dot(inputs, self.weights) + self.biases

    def backward(self, dvalues):
        self.dweights = np.dot(self.inputs.T, dvalues)
        self.dbiases = np.sum(dvalues, axis=0, keepdims=True)
        self.dinputs = np.dot(dvalues, self.weights.T)


def test_output_and_gradients_stay_in_the_attributes_in_which_the_class_leaves_them():
    layer = derived(LeavesOutput).layer(3, 2)
    x = np.arange(12.0).reshape(4, 3)
    assert layer.forward(x) is None
    layer.backward(np.ones_like(layer.output))
    np.testing.assert_allclose(layer.dinputs, np.ones((4, 2)) @ layer.weights.T)
    np.testing.assert_allclose(layer.dweights, x.T @ np.ones((4, 2)))


class ByRange:
    def forward(self, y, t):
        return -np.log(y[range(len(y)), t]).mean()


def test_rows_that_a_range_names_are_written_so():
    y, t = np.full((3, 2), 0.25), np.array([0, 1, 1])
    layer = derived(ByRange, inputs={"y": y, "t": t}).layer()
    layer.forward(y, t)
    np.testing.assert_allclose(layer.backward(1.0), [[-4 / 3, 0], [0, -4 / 3], [0, -4 / 3]])


class FlattensRows:
    def forward(self, x):
        return x.reshape(x.shape[0], -1)


def test_what_flattens_rows_is_derived_for_images():
    layer = derived(FlattensRows).layer()
    image = np.arange(48.0).reshape(2, 3, 2, 4)
    assert np.array_equal(layer.backward(layer.forward(image) * 2), image * 2)


class Cubed:
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return 3 * x**2 * dout


def test_a_forward_with_a_context_is_refused_in_one_line():
    with pytest.raises(TargetError, match=r"^Cubed\.forward takes a context, and derive keeps values in self"):
        derived(Cubed)


def counted(method):
    @functools.wraps(method)
    def counting(self, *arguments):
        self.calls = getattr(self, "calls", 0) + 1
        return method(self, *arguments)

    return counting


class Counted:
    @counted
    def forward(self, x):
        return np.tanh(x)

    @counted
    def backward(self, dout):
        raise NotImplementedError


def test_methods_keep_their_decorators():
    layer = derived(Counted).layer()
    x = np.array([0.5, -1.0])
    assert np.allclose(layer.backward(layer.forward(x)), np.tanh(x) / np.cosh(x) ** 2)
    assert layer.calls == 2
