"""Backwards that are handed more than the upstream gradient: which of their arguments is that, a program shows."""

import numpy as np
import pytest
from recorded_scripts import record_script

LAYERS = """
import numpy as np
class Affine:
    def __init__(self, n, m):
        self.W, self.b = np.arange(n * m).reshape(n, m) / 8 - 0.75, np.ones(m)
    def forward(self, x):
        out = np.dot(x, self.W)
        out += self.b
        return out
    def backward(self, {takes}):
        self.dW, self.db = np.dot(x.T, dout), np.sum(dout, axis=0)
        return np.dot(dout, self.W.T)
class Tanh:
    def forward(self, x):
        self.out = np.tanh(x)
        return self.out
    def backward(self, {takes}):
        return dout * (1 - self.out ** 2)
first, bend, last = Affine(3, 3), Tanh(), Affine(3, 2)
x, d = np.array([[0.5, -1.0, 0.25], [1.0, 2.0, -0.5]]), np.array([[1.0, 3.0], [-2.0, 0.5]])
"""
PROGRAM = """
h = first.forward(x)
k = bend.forward(h)
y = last.forward(k)
dk = last.backward({k})
dh = bend.backward({h})
dx = first.backward({x})
"""
WAYS = {
    "alone": ("dout, x=None", "d, k", "dk, h", "dh, x"),
    "input_first": ("x, dout", "k, d", "h, dk", "x, dh"),
    "output_first": ("out, x, dout", "y, k, d", "k, h, dk", "h, x, dh"),
    "read_anew": ("x, dout", "k[:], d", "h * 1.0, dk", "x[[0, 1]], dh"),
    "with_a_rate": ("x, dout, rate", "k, d, 0.1", "h, dk, 0.1", "x, dh, 0.1"),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_forward_was_given_or_gave_is_no_upstream_gradient(tmp_path, way):
    takes, k, h, x = WAYS[way]
    script = tmp_path / "program.py"
    script.write_text(LAYERS.replace("{takes}", takes) + PROGRAM.format(k=k, h=h, x=x))
    trace = record_script(script)
    assert not trace.wrong
    arriving = [trace.data[call.douts[0]] for call in trace.calls]
    np.testing.assert_array_equal(arriving[2], [[1.0, 3.0], [-2.0, 0.5]])
    assert [value.shape for value in arriving] == [(2, 3), (2, 3), (2, 2)]


def test_a_wrong_gradient_of_such_a_backward_is_found(tmp_path):
    script = tmp_path / "program.py"
    layers = LAYERS.replace("{takes}", "x, dout").replace("1 - self.out ** 2", "1 - self.out")
    script.write_text(layers + PROGRAM.format(k="k, d", h="h, dk", x="x, dh"))
    trace = record_script(script)
    assert np.shape(trace.wrong[0].value) == (2, 3)  # that of h, from which all before it comes


def test_an_output_may_be_its_own_upstream_gradient(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(LAYERS.replace("{takes}", "dout") + "y = bend.forward(x)\ndx = bend.backward(y)\n")
    trace = record_script(script)
    assert not trace.wrong
    np.testing.assert_array_equal(trace.data[trace.calls[0].douts[0]], np.tanh([[0.5, -1.0, 0.25], [1.0, 2.0, -0.5]]))


UNITS = """
import numpy as np
class Units:
    def __init__(self, n, m):
        self.W = np.arange(n * m).reshape(n, m) / 8 - 0.75
    def forward(self, x):
        self.x = x
        return np.tanh(x @ self.W)
    def backward(self, delta):
        signal = np.multiply(delta, 1 - np.tanh(self.x @ self.W) ** 2)
        self.dW = np.outer(self.x, signal)
        return [np.dot(signal, self.W[i]){wrong} for i in range(len(self.W))]
first, last = Units(3, 4), Units(4, 2)
x = np.array([0.5, -1.0, 0.25])
h = first.forward(x)
y = last.forward(h)
dh = last.backward(y - 1)
dx = first.backward(dh)
"""


@pytest.mark.parametrize("wrong", ["", " * 2"])
def test_a_list_of_numbers_is_the_gradient_of_an_array(tmp_path, wrong):
    script = tmp_path / "program.py"
    script.write_text(UNITS.replace("{wrong}", wrong))
    trace = record_script(script)
    assert trace.calls[0].douts[0].shape == (4,)
    assert [gradient.shape for call in trace.calls for gradient in call.gradients] == [(3,), (4,)]
    assert bool(trace.wrong) == bool(wrong)


MORE = {
    "a_cache_with_what_the_layer_holds": (
        """
class Affine:
    def __init__(self): self.W, self.b = np.ones((3, 2)) / 4, np.zeros(2)
    def forward(self, x): return np.dot(x, self.W) + self.b, (x, self.W, self.b)
    def backward(self, cache, dout):
        x, W, b = cache
        self.dW, self.db = np.dot(x.T, dout), dout.sum(axis=0)
        return np.dot(dout, W.T)
""",
        "y, cache = layer.forward(x)\ndx = layer.backward(cache, y - 1.0)\n",
    ),
    "zeros_that_equal_a_state_of_zeros": (
        """
class Cell:
    def __init__(self): self.W = np.eye(3) / 2
    def forward(self, x, h):
        self.x = x
        self.h = np.tanh(x @ self.W + h)
        return self.h * 2.0, self.h
    def backward(self, dy, dh):
        dz = (dy * 2.0 + dh) * (1 - self.h ** 2)
        self.dW = self.x.T @ dz
        return dz @ self.W.T, dz
""",
        "y, h = layer.forward(x, np.zeros((2, 3)))\nlayer.backward(np.zeros((2, 3)), h - 1.0)\n",
    ),
    "an_output_that_is_its_own_gradient_beside_the_input": (
        """
class Cell:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y
    def backward(self, x, dout): return dout * (1 - self.y ** 2)
""",
        "y = layer.forward(x)\ndx = layer.backward(x, y)\n",
    ),
    "lists_of_python_numbers": (
        """
class Cell:
    def forward(self, values):
        self.values = values
        return [value * 2.0 for value in values]
    def backward(self, douts): return [dout * 2.0 for dout in douts]
""",
        "y = layer.forward([1.0, 2.0])\nlayer.backward([0.5, 0.25])\n",
    ),
}


@pytest.mark.parametrize("case", MORE)
def test_a_right_backward_of_another_manner_is_not_wrong(tmp_path, case):
    code, calls = MORE[case]
    name = "Affine" if "class Affine" in code else "Cell"
    script = tmp_path / "program.py"
    x = "x = np.array([[0.5, -1.0, 0.25], [1.0, 2.0, -0.5]])\n"
    script.write_text(f"import numpy as np\n{code}\nlayer = {name}()\n{x}{calls}")
    trace = record_script(script)
    assert len(trace.calls) == 1
    assert not trace.wrong


TARGET_FIRST = """
class Square:
    def forward(self, y, guess): return np.sum((y - guess) ** 2)
    def backward(self, y, guess): return GRADIENT * (y - guess)
loss, y = Square(), np.array([[0.0, 1.0], [1.0, 0.0]])
guess = first.forward(x)
errors = loss.forward(y, guess)
delta = loss.backward(y, guess)
first.backward(x, delta)
"""


@pytest.mark.parametrize(("gradient", "is_right"), [("-2", True), ("2", False)])
def test_one_gradient_of_two_inputs_is_that_of_what_a_layer_gave(tmp_path, gradient, is_right):
    script = tmp_path / "program.py"
    layers = LAYERS.replace("{takes}", "x, dout").replace(
        "first, bend, last = Affine(3, 3)", "first, bend, last = Affine(3, 2)"
    )
    script.write_text(layers + TARGET_FIRST.replace("GRADIENT", gradient))
    trace = record_script(script)
    (loss,) = (call for call in trace.calls if call.cls == "Square")
    of_target, of_guess = loss.gradients
    target, guess = (trace.data[node] for node in loss.inputs)
    assert of_target is None
    np.testing.assert_array_equal(trace.data[of_guess], int(gradient) * (target - guess))
    moved = [trace.data[loss.outputs[0]]]
    for step in (1e-6, -1e-6):
        there = guess + step * np.eye(2)[0] * [[1], [0]]
        moved.append(np.sum((target - there) ** 2))
    assert bool(abs((moved[1] - moved[2]) / 2e-6 - trace.data[of_guess][0, 0]) < 1e-6) is is_right


ONE_BY_ONE = """
import numpy as np
class Relu:
    def forward(self, z): return np.maximum(0, z)
    def backward(self, z): return 0.0 if z < 0 else 1.0
x, target = np.array([[0.5, -1.0, 0.25]]), np.array([[1.0, 2.0, 0.5]])
relu = Relu()
h = relu.forward(x)
z = h - 0.125
y = relu.forward(z)
dy = [2 * (y[0, i] - target[0, i]) * relu.backward(z[0, i]) for i in range(3)]
dx = [dy[i] * relu.backward(x[0, i]) for i in range(3)]
"""
ROWS = """
import numpy as np
class Double:
    def forward(self, z): return z * 2.0
    def backward(self, dout): return dout * FACTOR
x, dy = np.array([[0.5, -1.0], [0.25, 2.0]]), np.array([[1.0, 2.0], [0.5, -0.5]])
layer = Double()
y = layer.forward(x[1])
dx = layer.backward(dy[1])
"""


def test_a_backward_that_is_given_one_unit_of_what_forward_took_gives_a_local_derivative(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(ONE_BY_ONE)
    trace = record_script(script)
    assert len(trace.calls) == 2
    assert all(call.douts is None and call.gradients is None for call in trace.calls)
    assert not trace.wrong


@pytest.mark.parametrize(("factor", "is_right"), [("2.0", True), ("3.0", False)])
def test_a_row_of_another_array_is_an_upstream_gradient(tmp_path, factor, is_right):
    script = tmp_path / "program.py"
    script.write_text(ROWS.replace("FACTOR", factor))
    trace = record_script(script)
    assert [trace.data[dout].tolist() for call in trace.calls for dout in call.douts] == [[0.5, -0.5]]
    assert bool(trace.wrong) is not is_right


JOINED = """
import numpy as np
class Affine:
    def __init__(self, n, m): self.W = np.cos(np.arange(n * m)).reshape(n, m)
    def forward(self, x):
        self.x = x
        return x @ self.W
    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T
class End:
    def forward(self, h):
        return ENDS
class Loss:
    def forward(self, y, t):
        self.d = y - t
        return np.sum(self.d ** 2) / 2
    def backward(self): return self.d
class Net:
    def __init__(self): self.layers, self.end = [Affine(3, 4), Affine(4, 3)], End()
    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return self.end.forward(x)
    def backward(self, dout):
        for layer in self.layers[::-1]:
            dout = layer.backward(dout)
        return dout
net, loss, x, t = Net(), Loss(), np.arange(6.0).reshape(2, 3) / 4, np.eye(3)[[0, 2]]
y = net.forward(x)
START
net.backward(d)
"""
SOFTMAX = "np.exp(h - h.max(axis=1, keepdims=True)) / np.exp(h - h.max(axis=1, keepdims=True)).sum(1, keepdims=True)"
SIGMOID, BY_HAND, OF_A_LOSS = "1 / (1 + np.exp(-h))", "d = (y - t) / 2", "e = loss.forward(y, t); d = loss.backward()"


@pytest.mark.parametrize(
    ("ends", "start", "is_right"),
    [
        (SOFTMAX, BY_HAND, True),
        (SIGMOID, BY_HAND, True),
        ("np.tanh(h)", BY_HAND, False),
        (SOFTMAX, OF_A_LOSS, False),
        ("h", OF_A_LOSS, True),
    ],
)
def test_a_network_that_hands_dout_past_its_softmax_is_given_the_gradient_of_the_logits(
    tmp_path, ends, start, is_right
):
    script = tmp_path / "program.py"
    script.write_text(JOINED.replace("ENDS", ends).replace("START", start))
    trace = record_script(script)
    assert bool(trace.wrong) is not is_right


def test_a_wrong_layer_before_the_logits_is_found(tmp_path):
    script = tmp_path / "program.py"
    text = JOINED.replace("ENDS", SOFTMAX).replace("START", BY_HAND).replace("dout @ self.W.T", "dout @ self.W.T * 2")
    script.write_text(text)
    assert record_script(script).wrong
