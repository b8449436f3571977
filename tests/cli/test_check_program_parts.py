"""Layers that a program uses in parts, and pairs of functions, as they are called."""

import pytest
from check_commands import document, dout, layers


def test_pairs_of_functions_are_judged_as_they_are_called(tmp_path):
    (tmp_path / "README.md").write_text("Functions.\n")
    (tmp_path / "net.py").write_text("""
import numpy as np

def scale_forward(x, w, power):
    assert w.shape == (len(x),)
    return x * w[:, None] ** power, (x, w, power)

def scale_backward(dout, cache):
    x, w, power = cache
    return dout * w[:, None] ** power, (dout * x).sum(1) * power * w ** (power - 1)

if __name__ == "__main__":
    out, cache = scale_forward(np.ones((7, 30)), np.arange(1.0, 8.0), 3)
    scale_backward(out, cache)
""")
    (layer,) = layers(document("net.py", cwd=tmp_path)).values()
    assert layer["used"] == "as used in net.py:13, at smaller sizes"
    assert {verdict["word"] for verdict in layer["verdicts"]} == {"exact"}


@pytest.mark.long
def test_a_layer_that_a_script_uses_in_parts_or_that_cannot_be_judged_is_told(tmp_path):
    (tmp_path / "nets.py").write_text("""
import numpy as np


class Sum:
    def __init__(self, w):
        self.w = w

    def forward(self, x):
        self.x = x
        return self.part_forward(x, self.w)

    def backward(self, dout):
        return self.part_backward(dout, self.w)

    def part_forward(self, x, w):
        return x * w

    def part_backward(self, dout, w):
        return dout * w


class Net:
    def __init__(self, w):
        self.w = w

    def forward(self, x):
        self.x, self.y = x, x @ self.w
        return self.y

    def backward(self, y):
        return (self.y - y) @ self.w.T
""")
    (tmp_path / "train.py").write_text("""
import numpy as np
from nets import Net, Sum
x = np.ones((7, 5))
parts, net = Sum(np.ones(5)), Net(np.ones((5, 3)))
for epoch in range(9):
    y = net.forward(parts.forward(x))
    parts.backward(net.backward(y + 1))
""")
    found = layers(document("train.py", cwd=tmp_path))
    assert found["Sum"]["used"] == "as used in train.py:7, at smaller sizes"
    assert found["Net"]["used"] == "used in train.py:7, and judged on inputs that were chosen"
    assert [finding["code"] for finding in found["Net"]["findings"]] == ["D002"]


FITTED = """
import numpy as np
from dout import train
from dout.layers import Affine, SoftmaxWithLoss


class Doubled:
    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, dout):
        return dout * self.x


r = np.random.default_rng(0)
net = [Affine(r.normal(size=(4, 5)), np.zeros(5)), Doubled(), Affine(r.normal(size=(5, 3)), np.zeros(3))]
x, t = r.normal(size=(12, 4)), r.integers(0, 3, 12)
train.fit(net, x, t, loss=SoftmaxWithLoss(), epochs=1, batch=4, progress=False)
"""


@pytest.mark.long
def test_the_first_wrong_layer_of_a_list_is_the_users(tmp_path):
    (tmp_path / "fit.py").write_text(FITTED)
    said = " ".join(dout("fit.py", cwd=tmp_path).stdout.split())
    assert "the first wrong gradient on the way back is that of x in Doubled (fit.py:12)" in said


def test_a_loss_is_judged_on_a_target_in_the_shape_in_which_backward_is_given_it(tmp_path):
    (tmp_path / "train.py").write_text("""
import numpy as np

class Mse:
    def forward(self, x, y):
        return np.mean((x - y) ** 2)

    def backward(self, x, y):
        return 2 * (x - y) / x.size

loss, out, target = Mse(), np.linspace(0, 1, 9)[:, None], np.arange(9.0)
for epoch in range(9):
    loss.forward(out, target)
    loss.backward(out, target.reshape(out.shape))
""")
    found = layers(document("train.py", cwd=tmp_path))["Mse"]
    assert found["ok"]
    assert found["used"].startswith("as used in train.py")


UNFINISHED = """
import numpy as np


class Net:
    def __init__(self):
        self.layers = []

    def add(self, layer):
        self.layers.append(layer)

    def predict(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class Squares:
    def forward(self, y, t):
        self.y, self.t = y, t
        return np.mean((y - t) ** 2)

    def backward(self):
        return 2 * (self.y - self.t) / len(self.t)


if __name__ == "__main__":
    net, loss = Net(), Squares()
    net.add(np.tanh)
    net.add({})
    loss.forward(net.predict(np.ones((3, 2))), np.zeros((3, 1)))
    loss.backward()
"""


@pytest.mark.parametrize(("last", "error"), [("unmade(2, 1)", False), ("lambda x: x", True)])
def test_what_a_program_does_with_an_object_that_is_not_finished_is_no_use(tmp_path, last, error):
    """Its last layer was to give one column: without it the loss would be one that its author never had."""
    (tmp_path / "README.md").write_text("A network.\n")
    (tmp_path / "net.py").write_text(UNFINISHED.format(last))
    found = layers(document("net.py", cwd=tmp_path))["Squares"]
    assert (found["used"] is not None) is error
    assert any(item["severity"] == "error" for item in found["findings"]) is error


EACH_SAMPLE = """
import numpy as np


class Dense:
    def __init__(self, n_in, n_out):
        self.weights = {{"W": np.random.randn(1, n_out, n_in), "b": np.random.randn(1, n_out, 1)}}

    def forward(self, inputs):
        return self.weights["W"] @ inputs + self.weights["b"]

    def backward(self, inputs, delta):
        dW = delta @ inputs.transpose(0, 2, 1)
        return {{"W": dW, "b": 1 * delta, "x": self.weights["W"].transpose(0, 2, 1) @ delta * {}}}


if __name__ == "__main__":
    dense, x = Dense(8, 9), np.random.randn(7, 8, 1)
    for step in range(3):
        grads = dense.backward(x, dense.forward(x))
        dense.weights["W"] = dense.weights["W"] - 0.1 * {}
        dense.weights["b"] = dense.weights["b"] - 0.1 * np.mean(grads["b"], axis=0, keepdims=True)
"""


@pytest.mark.parametrize(
    ("factor", "step", "wrong"),
    [
        (1, 'np.mean(grads["W"], axis=0, keepdims=True)', set()),
        (1, 'grads["W"]', {"W"}),
        (2, 'np.mean(grads["W"], axis=0, keepdims=True)', {"inputs"}),
    ],
)
def test_gradients_of_each_sample_are_no_mistake_where_the_program_adds_them_up(tmp_path, factor, step, wrong):
    """The gradient at the key that is no parameter's is that of the only input."""
    (tmp_path / "README.md").write_text("A network.\n")
    (tmp_path / "net.py").write_text(EACH_SAMPLE.format(factor, step))
    found = layers(document("net.py", cwd=tmp_path))["Dense"]
    assert {item["argument"] for item in found["findings"] if item["severity"] == "error"} == wrong
    assert {verdict["argument"] for verdict in found["verdicts"]} == {"inputs", "W", "b"}


OF_ROWS = """
import numpy as np
class Affine:
    def __init__(self, W):
        self.W = W
    def forward(self, x):
        self.x = x
        return x @ self.W
    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.WAY
class MSE:
    def forward(self, y, t):
        self.y, self.t = y, t
        return np.mean((y - t) ** 2)
    def backward(self, dout=1.0):
        return dout * 2 * (self.y - self.t) / len(self.t)
rng = np.random.default_rng(0)
affine, loss = Affine(rng.normal(size=(4, 4))[:, :COLUMNS]), MSE()
for i in range(5):
    loss.forward(affine.forward(rng.normal(size=(8, 4))), rng.normal(size=(8, COLUMNS)))
    affine.backward(loss.backward())
    affine.W -= 0.1 * affine.dW
"""


@pytest.mark.parametrize(
    ("columns", "way", "first"), [(1, "W.T", ""), (1, "W.T * 2", "x in Affine"), (4, "W.T", "y in MSE")]
)
def test_the_first_wrong_gradient_of_a_network_is_one_that_is_wrong_in_it(tmp_path, columns, way, first):
    script = tmp_path / "train.py"
    script.write_text(OF_ROWS.replace("COLUMNS", str(columns)).replace("WAY", way))
    said = " ".join(dout("train.py", cwd=tmp_path).stdout.split())
    assert "y wrong" in said  # of several columns it is
    assert ("on the way back is" in said) == bool(first)
    assert f"on the way back is that of {first}" in said or not first


FOR_AN_ENTROPY = """
import numpy as np

class Softmax:
    def forward(self, x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y = e / e.sum(axis=1, keepdims=True)
        return self.y

    def backward(self, dout):
        return self.y * (dout + 1)

softmax, x, t = Softmax(), np.cos(np.arange(12.0)).reshape(4, 3), np.eye(3)[[0, 2, 1, 1]]
for epoch in range(9):
    y = softmax.forward(x)
    softmax.backward(DOUT)
"""


@pytest.mark.parametrize(("dout_", "ok"), [("-t / y", True), ("-t / y / len(t)", False), ("y - t", False)])
def test_a_softmax_for_a_cross_entropy_is_an_error_where_the_program_hands_it_another(tmp_path, dout_, ok):
    (tmp_path / "train.py").write_text(FOR_AN_ENTROPY.replace("DOUT", dout_))
    assert layers(document("train.py", cwd=tmp_path))["Softmax"]["ok"] == ok


NAMED_AS_LABELS = """
import numpy as np
class Sigmoid:
    def forward(self, x):
        self.out = 1 / (1 + np.exp(-x))
        return self.out
    def backward(self, dout):
        return dout * self.out * (1 - self.out)
class Entropy:
    def loss(self, y, y_):
        return np.sum(-y_ * np.log(y) - (1 - y_) * np.log(1 - y))
    def delta(self, y, y_):
        return (y - y_) / (y * DIVISOR)
if __name__ == "__main__":
    rng = np.random.default_rng(0)
    x, t, sigmoid, entropy = rng.normal(size=(9, 4)), rng.random((9, 4)), Sigmoid(), Entropy()
    for turn in range(3):
        y = sigmoid.forward(x)
        loss = entropy.loss(y, t)
        x = x - 0.1 * sigmoid.backward(entropy.delta(y, t))
"""


@pytest.mark.parametrize("divisor", ["(1 - y)", "(2 - y)"])
def test_the_gradient_of_a_loss_is_that_of_what_a_layer_gave_whatever_its_arguments_are_called(tmp_path, divisor):
    (tmp_path / "train.py").write_text(NAMED_AS_LABELS.replace("DIVISOR", divisor))
    found = layers(document("train.py", cwd=tmp_path))["Entropy"]
    assert [verdict["argument"] for verdict in found["verdicts"]] == ["y"]
    assert found["ok"] is (divisor == "(1 - y)")
    assert {finding["argument"] for finding in found["findings"] if finding["code"] == "D101"} <= {"y"}


WITH_AN_OPTIMIZER = """
import numpy as np
class Momentum:
    def __init__(self, rate):
        self.rate, self.mean, self.turns = rate, 0, 0
    def step(self, w, dw):
        assert self.turns < 20, "it is spent"
        self.turns += 1
        self.mean = 0.9 * self.mean + dw
        w -= self.rate * self.mean
class Affine:
    def __init__(self, inputs, outputs, optimizer):
        self.w = np.random.default_rng(0).normal(size=(inputs, outputs))
        self.optimizer = optimizer
    def forward(self, x):
        self.x = x
        return x @ self.w
    def backward(self, dout):
        self.dw = DW
        dx = dout @ self.w.T
        self.optimizer.step(self.w, self.dw)
        return dx
if __name__ == "__main__":
    x, affine = np.random.default_rng(1).normal(size=(9, 40)), Affine(40, 30, Momentum(0.01))
    for turn in range(20):
        affine.backward(affine.forward(x) - 1)
"""


@pytest.mark.parametrize(("dw", "ok"), [("self.x.T @ dout", True), ("2 * self.x.T @ dout", False)])
def test_an_object_that_a_layer_is_built_with_is_as_it_was_then(tmp_path, dw, ok):
    (tmp_path / "train.py").write_text(WITH_AN_OPTIMIZER.replace("DW", dw))
    found = layers(document("train.py", cwd=tmp_path))["Affine"]
    assert found["used"] == "as used in train.py:26, at smaller sizes"
    assert found["ok"] is ok
