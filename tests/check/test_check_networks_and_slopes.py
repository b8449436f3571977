"""Networks whose backward takes the target, in sizes of their own; and layers of which another file takes the slope."""

import re
from pathlib import Path

import pytest
from check_commands import document, layers, write

NETWORK = """
import numpy as np

class Net:
    def __init__(self, n_in=4, n_hidden=5, n_out=3):
        self.W1 = np.linspace(-1, 1, n_in * n_hidden).reshape(n_in, n_hidden)
        self.W2 = np.linspace(-1, 0.5, n_hidden * n_out).reshape(n_hidden, n_out)

    def forward(self, X):
        self.h = np.tanh(X @ self.W1)
        self.out = self.h @ self.W2
        return self.out

    def loss(self, out, y):
        return 0.5 * np.sum((out - y) ** 2)

    def backward(self, X, y):
        self.error = SIGN * (self.out - y)
        print(self.loss(self.out, y))
        self.dW2 = self.h.T @ self.error
        self.dW1 = X.T @ (self.error @ self.W2.T * (1 - self.h ** 2))
"""

DENSE = """
import numpy as np

class Dense:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out)

    def forward(self, x):
        self.x = x
        self.z = x @ self.W
        return np.tanh(self.z)

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T
"""

CALLS = "def step(layer, delta):\n    return layer.backward(delta * slope(layer.z))\n"
POINTS = "def step(layer, delta, point):\n    return layer.backward(delta) + point.x + point.y + point.z\n"


def verdicts(tmp_path: Path, text: str, **files: str):
    path = write(tmp_path, text)
    for name, other in files.items():
        (tmp_path / f"{name}.py").write_text(other, encoding="utf-8")
    (found,) = layers(document(str(path))).values()
    return found


@pytest.mark.parametrize(("sign", "errors"), [("1.0", 0), ("-1.0", 2)])
def test_a_network_is_judged_by_the_loss_that_its_backward_calls(tmp_path, sign, errors):
    found = verdicts(tmp_path, NETWORK.replace("SIGN", sign))
    assert [v["word"] for v in found["verdicts"]] == (["refuted"] * 2 if errors else ["exact"] * 2)
    assert sum(f["severity"] == "error" for f in found["findings"]) == errors


@pytest.mark.one_in(2)
@pytest.mark.parametrize(("other", "severity"), [(CALLS, "warning"), (POINTS, "error")])
def test_a_slope_is_left_to_the_caller_where_code_computes_it_of_the_layer(tmp_path, other, severity):
    found = verdicts(tmp_path, DENSE, other=other)
    wrong = {f["severity"] for f in found["findings"] if re.match("D1", f["code"])}
    assert wrong == {severity}
