"""Networks whose parts step in backward, losses that backward returns, and what code and gradients tell of sizes."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dout
import dout.adapt.search.example
from dout.judge.outcomes import Word

PARTS = """
class Linear:
    def __init__(self, n, m):
        self.W, self.b = np.random.randn(n, m), np.random.randn(1, m)
    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
    def backward(self, dout, lr):
        dx = dout @ self.W.T
        self.W -= lr * STEP
        self.b -= lr * dout.sum(axis=0, keepdims=True)
        return dx


class Net:
    def __init__(self, n, m):
        self.one, self.two = Linear(n, 4), Linear(4, m)
    def forward(self, x):
        return self.two.forward(np.tanh(self.one.forward(x)))
    def backward(self, dout, lr):
        d = self.two.backward(dout, lr)
        self.one.backward(d * (1 - np.tanh(self.one.x @ self.one.W + self.one.b) ** 2), lr)
"""


def module_of(folder: Path, text: str) -> Any:
    """A module of this text, whose file the project has."""
    path = folder / "strange.py"
    path.write_text("import numpy as np\n" + text)
    spec = importlib.util.spec_from_file_location("strange", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def words(report: Any) -> dict[str, Word]:
    """The word on each gradient that was judged."""
    return {verdict.argument: verdict.word for verdict in report.verdicts}


def test_the_parameters_of_parts_that_step_are_judged_also_where_backward_returns_nothing(tmp_path: Path) -> None:
    net = module_of(tmp_path, PARTS.replace("STEP", "self.x.T @ dout")).Net
    assert words(dout.check(net)) == dict.fromkeys(("one.W", "one.b", "two.W", "two.b"), Word.EXACT)


def test_a_part_that_steps_wrongly_is_wrong_in_its_network(tmp_path: Path) -> None:
    found = words(dout.check(module_of(tmp_path, PARTS.replace("STEP", "2 * self.x.T @ dout")).Net))
    assert found["one.W"] == found["two.W"] == Word.REFUTED
    assert found["one.b"] == found["two.b"] == Word.EXACT


def test_a_network_is_as_it_was_after_its_parts_have_stepped(tmp_path: Path) -> None:
    net = module_of(tmp_path, PARTS.replace("STEP", "self.x.T @ dout")).Net(3, 5)
    layer, inputs, _ = dout.adapt.search.example.adapted(net, {}, (np.ones((2, 3)),), {})
    kept, before = layer.one.W, layer.one.W.copy()
    layer.forward(*inputs)
    layer.backward(np.ones((2, 5)))
    assert layer.one.W is kept
    np.testing.assert_array_equal(kept, before)


def test_a_shape_that_a_gradient_has_is_tried_before_columns_that_hide_it(tmp_path: Path) -> None:
    """On columns alone the sum over an axis of one is right for both, and says nothing of what `B` is."""
    gate = module_of(
        tmp_path,
        """
class Add:
    def forward(self, A, B):
        return A + B
    def backward(self, dZ):
        return dZ, np.sum(dZ, axis=1, keepdims=True)
""",
    ).Add
    report = dout.check(gate)
    assert words(report) == {"A": Word.EXACT, "B": Word.EXACT}
    assert not [item for item in report.findings if item.severity == "error"]


LOSS = """
def mse(y, t):
    return np.mean((y - t) ** 2)

def mse_gradient(y, t):
    return 2 * (y - t) / y.size

class Net:
    def __init__(self):
        self.W = np.array([[0.5, -1.0], [0.25, 1.5], [-0.75, 1.0]])
    def forward(self, x):
        self.x = x
        return x @ self.W
    def backward(self, X, y_true, learning_rate=0.01):
        out = self.forward(X)
        self.W -= learning_rate * self.x.T @ mse_gradient(out, y_true)
        return mse(out, y_true)
"""


def test_a_backward_that_returns_the_loss_returns_no_gradient(tmp_path: Path) -> None:
    report = dout.check(module_of(tmp_path, LOSS).Net)
    assert words(report).get("x") is not Word.REFUTED
    assert not [item for item in report.findings if item.severity == "error"]


@pytest.mark.parametrize("more", ["", ", name"])
def test_a_count_by_a_quotient_is_an_error_whatever_a_layer_is_called(tmp_path: Path, more: str) -> None:
    layer = module_of(
        tmp_path,
        f"""
class Pool:
    def __init__(self, pool_size, stride{more}):
        self.pool, self.s = pool_size, stride
    def forward(self, x):
        C, W, H = x.shape
        w = (W - self.pool) / self.s + 1
        return np.zeros((C, w, w))
    def backward(self, dout):
        return np.zeros((3, 4, 4))
""",
    ).Pool
    from dout.check.verb.unjudged_reports import not_judged
    from dout.errors import TargetError

    with pytest.raises(TargetError) as raised:
        dout.check(layer)
    (found,) = not_judged("Pool", layer, {}, raised.value).findings
    assert (found.code, found.severity) == ("D001", "error")


@pytest.mark.parametrize(
    "refuses", ["if depth != len(sizes):\n            raise ValueError('no')", "assert len(sizes) == depth"]
)
def test_a_number_is_what_the_code_that_refuses_compares_it_with(tmp_path: Path, refuses: str) -> None:
    net = module_of(
        tmp_path,
        f"""
class Net:
    def __init__(self, depth: int, n: int, sizes: list):
        {refuses}
        self.W = [np.random.randn(a, b) for a, b in zip([n, *sizes], sizes)]
    def forward(self, x):
        self.xs = [x]
        for W in self.W:
            self.xs.append(self.xs[-1] @ W)
        return self.xs[-1]
    def backward(self, dout):
        self.dW = [None] * len(self.W)
        for i in reversed(range(len(self.W))):
            self.dW[i] = self.xs[i].T @ dout
            dout = dout @ self.W[i].T
        return dout
""",
    ).Net
    assert {*words(dout.check(net)).values()} == {Word.EXACT}


def test_a_function_that_backward_alone_reads_is_the_derivative_whatever_it_is_called(tmp_path: Path) -> None:
    layer = module_of(
        tmp_path,
        """
from typing import Callable
class Activation:
    def __init__(self, function: Callable, function_1: Callable):
        self.function, self.other = function, function_1
    def forward(self, x):
        self.x = x
        return self.function(x)
    def backward(self, dout):
        return self.other(self.x) * dout
""",
    ).Activation
    assert words(dout.check(layer)) == {"x": Word.EXACT}


def test_a_part_that_is_given_its_input_again_takes_the_gradient_beside_it(tmp_path: Path) -> None:
    chain = module_of(
        tmp_path,
        """
class Chain:
    def __init__(self, *parts):
        self.parts = [part for part in parts]
    def forward(self, X):
        self.inputs = []
        for part in self.parts:
            self.inputs.append(X)
            X = part(X)
        return X
    def backward(self, X, delta):
        for i in reversed(range(len(self.parts))):
            delta = self.parts[i].backward_delta(self.inputs[i], delta)
        return delta
""",
    ).Chain
    assert {*words(dout.check(chain)).values()} == {Word.EXACT}
