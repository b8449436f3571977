"""`dout check` of programs as courses teach them, which say more of their layers than these say themselves."""

import pytest
from check_commands import document, layers

BASE = """
import numpy as np

class Operation:
    def forward(self, x):
        self.x = x
        return self._value(x)

    def backward(self, dout):
        return self._slope() * dout

class Cubed(Operation):
    def _value(self, x):
        return x ** 3

    def _slope(self):
        return 3 * self.x ** 2
"""


def checked(folder, text):
    (folder / "README.md").write_text("Layers.\n")
    (folder / "net.py").write_text(text)
    return layers(document("net.py", cwd=folder))


def words(layer):
    return {verdict["argument"]: verdict["word"] for verdict in layer["verdicts"]}


def severities(layer, *codes):
    return [finding["severity"] for finding in layer["findings"] if finding["code"] in codes]


def test_a_base_whose_methods_are_written_below_is_not_complete(tmp_path):
    found = checked(tmp_path, BASE)
    assert severities(found["Operation"], "D001", "D002") == ["note"]
    assert words(found["Cubed"]) == {"x": "exact"}


TOLD_LATER = """
import numpy as np

class SoftmaxLoss:
    def forward(self, scores):
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        self.p = e / e.sum(axis=1, keepdims=True)
        return self.p

    def get_loss(self, label):
        self.one = np.zeros_like(self.p)
        self.one[np.arange(len(label)), label] = 1
        return -np.sum(self.one * np.log(self.p)) / len(self.p)

    def backward(self):
        return (self.p - self.one) / len(self.p)

loss = SoftmaxLoss()
for epoch in range(9):
    loss.forward(np.random.randn(8, 5))
    loss.get_loss(np.random.randint(0, 5, 8))
    loss.backward()
"""


@pytest.mark.long
def test_labels_that_a_loss_is_given_after_forward_are_the_targets(tmp_path):
    (layer,) = checked(tmp_path, TOLD_LATER).values()
    assert words(layer) == {"scores": "exact"}
    assert layer["used"].startswith("as used in net.py")
    (wrong,) = checked(tmp_path, TOLD_LATER.replace("self.p - self.one", "self.p + self.one")).values()
    assert severities(wrong, "D101") == ["error"]


UNASKED = """
import numpy as np

class First:
    def __init__(self):
        self.W = np.random.randn(4, 3)

    def forward(self, z):
        self.z = z
        return z @ self.W

    def backward(self, dout):
        self.dW = self.z.T @ dout

class Square:
    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, dout):
        return 2 * self.x * dout

first, square = First(), Square()
for epoch in range(9):
    square.forward(np.random.randn(6, 3))
    square.backward(np.ones((6, 3)))
    y = square.forward(first.forward(np.random.randn(6, 4)))
    BACK
"""


@pytest.mark.long
def test_a_gradient_that_a_program_does_not_ask_for_is_no_error(tmp_path):
    first = checked(tmp_path, UNASKED.replace("BACK", "first.backward(square.backward(y))"))["First"]
    assert first["used"].startswith("as used in net.py")
    assert severities(first, "D105") == ["warning"]
    asked = "print(first.backward(square.backward(y)))"
    assert severities(checked(tmp_path, UNASKED.replace("BACK", asked))["First"], "D105") == ["error"]


FLAT = """
import numpy as np

def cost_and_slope(theta, X, y, sizes):
    n, k = sizes
    W = theta[:n * k].reshape(n, k)
    out = X @ W
    grad = X.T @ (out - y) / len(X)
    return 0.5 * np.sum((out - y) ** 2) / len(X), grad.ravel()

theta, X, y = np.random.randn(12), np.random.randn(20, 4), np.random.randn(20, 3)
for epoch in range(9):
    cost, grad = cost_and_slope(theta, X, y, [4, 3])
    theta = theta - 0.1 * grad
"""


def test_a_loss_that_returns_its_gradients_is_judged_as_a_program_calls_it(tmp_path):
    (layer,) = checked(tmp_path, FLAT).values()
    assert words(layer) == {"theta": "exact"}
    assert layer["used"].startswith("as used in net.py")


LISTS = """
import numpy as np

class Net:
    def __init__(self, sizes):
        self.weights = [np.random.randn(o, i) for i, o in zip(sizes, sizes[1:])]
        self.biases = [np.zeros(o) for o in sizes[1:]]

    def feed(self, x):
        self.acts, self.zs = [x], []
        for W, b in zip(self.weights, self.biases):
            self.zs.append(W @ self.acts[-1] + b)
            self.acts.append(np.tanh(self.zs[-1]))
        return self.acts[-1]

    def backprop(self, x, y):
        d = (self.feed(x) - y) * (1 - np.tanh(self.zs[-1]) ** 2)
        gw, gb = [None] * len(self.weights), [None] * len(self.weights)
        for i in range(len(self.weights) - 1, -1, -1):
            gw[i], gb[i] = np.outer(d, self.acts[i]), d
            d = (self.weights[i].T @ d) * (1 - self.acts[i] ** 2)
        return gw, gb

net = Net([3, 5, 6, 2])
for epoch in range(9):
    gw, gb = net.backprop(np.random.randn(3), np.random.rand(2))
    for i in range(3):
        net.weights[i] -= 0.1 * gw[i]
        net.biases[i] -= 0.1 * gb[i]
"""


@pytest.mark.long
def test_lists_that_forward_makes_are_no_parameters(tmp_path):
    (layer,) = checked(tmp_path, LISTS).values()
    assert set(words(layer).values()) == {"exact"}
    assert len(words(layer)) == 6


SCORES_FIRST = """
import numpy as np

class Net:
    def __init__(self, n, k):
        self.params = {"W": np.random.randn(n, k)}

    def loss(self, X, y=None, reg=0.0):
        scores = X @ self.params["W"]
        if y is None:
            return scores
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        loss = -np.mean(np.log(p[np.arange(len(y)), y])) + reg * np.sum(self.params["W"] ** 2)
        p[np.arange(len(y)), y] -= 1
        grads = {"W": X.T @ p / len(y) + 2 * reg * self.params["W"]}
        return loss, grads

net = Net(4, 3)
X, y = np.random.randn(20, 4), np.random.randint(0, 3, 20)
print(net.loss(X).argmax(axis=1))
for epoch in range(9):
    loss, grads = net.loss(X, y, 0.1)
    net.params["W"] -= 0.1 * grads["W"]
"""


def test_a_call_for_the_scores_alone_is_no_use_of_a_loss(tmp_path):
    (layer,) = checked(tmp_path, SCORES_FIRST).values()
    assert words(layer) == {"W": "exact"}
    assert layer["used"].startswith("as used in net.py:23")


STOPS = """
import pdb
import numpy as np

class Guarded:
    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, dout):
        if self.x.size:
            pdb.set_trace()
        return 2 * self.x * dout
"""


def test_a_debugger_does_not_wait(tmp_path):
    (layer,) = checked(tmp_path, STOPS).values()
    assert words(layer) == {"x": "exact"}


KERNEL = """
import cupy as cp

double = cp.RawKernel("extern C", "double")

class Doubled:
    def forward(self, x):
        out = cp.empty(x.shape)
        double((1,), (32,), (x, out))
        return out

    def backward(self, dout):
        out = cp.empty(dout.shape)
        double((1,), (32,), (dout, out))
        return out
"""


def test_a_kernel_of_a_library_that_is_not_there_is_not_run(tmp_path):
    (layer,) = checked(tmp_path, KERNEL).values()
    assert words(layer) == {}
    assert severities(layer, "D002") == ["note"]


NO_PARTS = """
import numpy as np

class Part:
    def __init__(self, n, units):
        self.W = np.ones((n, units))

    def forward_pass(self, x):
        self.x = x
        return x @ self.W

    def backward_pass(self, delta):
        return delta @ self.W.T, self.x.T @ delta

class Network:
    def __init__(self, n, units_per_layer):
        self.parts = []
        for units in units_per_layer:
            self.parts.append(Part(n, units))
            n = units

    def forward(self, inp):
        for part in self.parts:
            inp = part.forward_pass(inp)
        return inp

    def backprop(self, delta, grad_net):
        for i, part in reversed(list(enumerate(self.parts))):
            delta, grad = part.backward_pass(delta)
            grad_net[i] = grad_net[i] + grad
        return grad_net
"""


@pytest.mark.long
def test_a_network_without_parts_is_no_error(tmp_path):
    found = checked(tmp_path, NO_PARTS)["Network"]
    assert "error" not in severities(found, "D101", "D103", "D501")
