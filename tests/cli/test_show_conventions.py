"""A gradient that is right by a convention is not red in a picture: `show` asks whom `check` asks, and says so."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from show_commands import dout, script

from dout.check.verb import excused_gradients
from dout.check.verb.excused_gradients import with_conventions
from dout.trace import Trace, trace
from dout.trace.record.script import run_script
from dout.trace.session.function_layers import PairedFunctions

LAYERS = '''
import numpy as np


class Averaging:
    """Its parameters' gradients are averaged over the samples."""

    def __init__(self, W):
        self.W = W

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout / len(self.x)
        return dout @ self.W.T


class Plain(Averaging):
    """The derivative itself."""

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


class Softmax:
    def forward(self, x):
        powers = np.exp(x - x.max(axis=1, keepdims=True))
        self.out = powers / powers.sum(axis=1, keepdims=True)
        return self.out

    def backward(self, dout):
        return dout


class CrossEntropy:
    def forward(self, y, t):
        self.y, self.t = y, t
        return -np.sum(t * np.log(y + 1e-7)) / len(y)

    def backward(self, dout=1):
        return (self.y - self.t) / len(self.y) * dout


class SquareSum:
    """Forward sums over the samples, and backward averages."""

    def forward(self, y, t):
        self.y, self.t = y, t
        return np.sum((y - t) ** 2)

    def backward(self, dout=1):
        return 2 * (self.y - self.t) / len(self.y) * dout


class Halved:
    """Wrong: 2x is the derivative."""

    def forward(self, x):
        self.x = x
        return x**2

    def backward(self, dout):
        return dout * self.x


rng = np.random.default_rng(0)
x, t = rng.normal(size=(5, 3)), np.eye(4)[[0, 1, 3, 2, 1]]
'''
CASES = {
    "averaged": (
        "one = Averaging(rng.normal(size=(3, 4)))\none.backward(one.forward(x))",
        ["Averaging: the gradient of W is 1/N"],
    ),
    "fused": (
        "a, s, loss = Plain(rng.normal(size=(3, 4))), Softmax(), CrossEntropy()\n"
        "loss.forward(s.forward(a.forward(x)), t)\na.backward(s.backward(loss.backward()))",
        ["CrossEntropy: the gradient of y: right for the loss and its activation"],
    ),
    "before a loss": (
        "a, b, loss = Plain(rng.normal(size=(3, 2))), Plain(rng.normal(size=(2, 4))), SquareSum()\n"
        "loss.forward(b.forward(a.forward(x)), t)\na.backward(b.backward(loss.backward()))",
        ["SquareSum: the gradient of y is 1/N"],
    ),
}  # fmt: skip


@pytest.mark.one_in(2)
@pytest.mark.parametrize("name", CASES)
def test_a_convention_is_a_note_and_not_red(tmp_path: Path, name: str) -> None:
    program, notes = CASES[name]
    run = dout("show", script(tmp_path, LAYERS + program))
    assert run.returncode == 0
    said = " ".join(run.stdout.split())
    assert "✗" not in said
    assert all(note in said for note in notes)
    assert said.count("a convention") == len(notes)


def test_a_layer_by_itself_is_excused_too(tmp_path: Path) -> None:
    run = dout("show", f"{script(tmp_path, LAYERS)}:Softmax")
    assert "✗" not in run.stdout
    assert "Softmax: the gradient of x: passed through" in run.stdout


@pytest.mark.long
def test_what_is_wrong_stays_red(tmp_path: Path) -> None:
    program = "one, two = Halved(), Averaging(rng.normal(size=(3, 4)))\n"
    program += "one.backward(two.backward(two.forward(one.forward(x))))"
    run = dout("show", script(tmp_path, LAYERS + program))
    assert "✗ gradient of x is" in run.stdout
    assert "Averaging: the gradient of W is 1/N" in run.stdout


SURPRISES = {
    "a convention on its own example alone": """
class Sometimes(Averaging):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = self.dW if self.x.shape[1] < 7 else -5 * self.dW**2
        return dx


one = Sometimes(np.linspace(-1, 1, 14).reshape(7, 2))
one.forward(np.cos(np.arange(14.0)).reshape(2, 7))
one.backward(np.array([[1.0, 0.5], [-0.25, 2.0]]))
""",
    "copies of one number are a tie everywhere": """
class OfCopies:
    def forward(self, x):
        self.copies = np.repeat(x, 2, axis=1)
        self.out = self.copies.max(axis=1)
        return self.out

    def backward(self, dout):
        mask = self.copies == self.out[:, None]
        return (dout[:, None] * mask).reshape(len(mask), -1, 2).sum(axis=2)


one = OfCopies()
one.forward(np.array([[1.0, 2.0], [0.5, -1.0]]))
one.backward(np.array([1.0, -2.0]))
""",
}


@pytest.mark.parametrize("name", SURPRISES)
def test_what_is_wrong_in_this_run_stays_red(tmp_path: Path, name: str) -> None:
    assert "✗ gradient of" in dout("show", script(tmp_path, LAYERS + SURPRISES[name])).stdout


class _Averaging:
    def __init__(self) -> None:
        self.W = np.arange(6.0).reshape(3, 2) - 2

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.x = x
        return x @ self.W

    def backward(self, dout: np.ndarray) -> np.ndarray:
        self.dW = self.x.T @ dout / len(self.x)
        return dout @ self.W.T


def test_nothing_is_asked_where_nothing_is_wrong() -> None:
    class Twice:
        def forward(self, x: float) -> float:
            return 2 * x

        def backward(self, dout: float) -> float:
            return 2 * dout

    found: Trace = trace(Twice(), 3.0)
    assert with_conventions(found, {"Twice": Twice}, ask=lambda layer: pytest.fail("nothing is wrong")) is found


class _Halved(_Averaging):
    def backward(self, dout: np.ndarray) -> np.ndarray:
        dx = super().backward(dout)
        self.dW /= 2
        return dx


@pytest.mark.parametrize(("layer", "is_wrong"), [(_Averaging, False), (_Halved, True)])
def test_of_a_layer_that_cannot_be_checked_the_run_itself_says_whether_it_averages(layer: Any, is_wrong: bool) -> None:
    found: Trace = trace(layer(), np.ones((4, 3)) * np.arange(3))

    def refuse(layer: object) -> None:
        raise ValueError(layer)

    assert found.wrong
    assert bool(with_conventions(found, {layer.__name__: layer}, ask=refuse).wrong) == is_wrong  # type: ignore[arg-type]


def test_that_there_was_no_time_to_ask_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    found: Trace = trace(_Averaging(), np.ones((4, 3)) * np.arange(3))
    monkeypatch.setattr(excused_gradients, "MOST_SECONDS", 0.0)
    shown = with_conventions(found, {"_Averaging": _Averaging})
    assert shown.wrong
    assert [event.message for event in shown.events if "takes too long to ask" in event.message]


NETWORK = """
import numpy as np


class Linear:
    def __init__(self, n, m):
        self.W = np.random.randn(n, m)

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = {dW}
        return dout @ self.W.T


class CrossEntropy:
    def forward(self, y, t):
        return -np.mean(np.log(y[np.arange(len(t)), t]))

    def backward(self, y, t):
        d = y.copy()
        d[np.arange(len(t)), t] -= 1
        return d / len(t)


class Network:
    def __init__(self):
        self.linear = Linear(4, 3)

    def forward(self, x):
        e = np.exp(self.linear.forward(x))
        return e / e.sum(axis=1, keepdims=True)

    def backward(self, dout):
        return self.linear.backward(dout)


network, loss = Network(), CrossEntropy()
x, t = np.random.randn(5, 4), np.array([0, 1, 2, 0, 1])
y = network.forward(x)
loss.forward(y, t)
network.backward(loss.backward(y, t))
"""


@pytest.mark.one_in(2)
@pytest.mark.parametrize(("gradient", "is_red"), [("self.x.T @ dout", False), ("self.x.T @ dout * 2", True)])
def test_a_network_that_leaves_its_softmax_to_the_loss_is_judged_from_what_the_softmax_is_given(
    tmp_path, gradient, is_red
):
    run = dout("show", str(script(tmp_path, NETWORK.replace("{dW}", gradient))))
    assert "CrossEntropy: the gradient of y: right for the loss and its activation" in " ".join(run.stdout.split())
    assert ("✗" in run.stdout) is is_red


COLUMNS = """
import numpy as np
def relu_forward(A, W, b):
    Z = np.dot(W, A) + b
    return np.maximum(0, Z), (A, W, Z)
def relu_backward(dA, cache):
    A, W, Z = cache
    dZ = np.array(dA)
    dZ[Z <= 0] = 0
    return np.dot(W.T, dZ), np.dot(dZ, A.T)MEAN, np.sum(dZ, axis=1, keepdims=True)MEAN
np.random.seed(0)
A0 = np.random.randn(3, 5)
A0[:, 2] = 0  # then both layers stand on the kinks of all their units
W1, b1, W2, b2 = np.random.randn(4, 3), np.zeros((4, 1)), np.random.randn(2, 4), np.zeros((2, 1))
A1, one = relu_forward(A0, W1, b1)
A2, two = relu_forward(A1, W2, b2)
dA1, dW2, db2 = relu_backward(A2 - 1, two)
dA0, dW1, db1 = relu_backward(dA1, one)
"""


@pytest.mark.parametrize("mean", ["", " / 5"])
def test_a_sample_that_lies_on_a_kink_as_each_bias_is_zero_refutes_no_gradient(mean: str, tmp_path: Path) -> None:
    def pairs_of(names: Mapping[str, Any]) -> Iterator[PairedFunctions]:
        if "relu_backward" in names:
            yield PairedFunctions("relu_forward", "relu_backward")

    file = tmp_path / "columns.py"
    file.write_text(COLUMNS.replace("MEAN", mean))
    trace = run_script(file, pairs_of=pairs_of).trace()
    assert bool(trace.wrong) == bool(mean)
    excused = with_conventions(trace, {})
    assert not excused.wrong
    said = [event.message for event in excused.events if event.kind == "convention"]
    assert bool(said) == bool(mean)
    assert all(words.endswith(" is 1/5 of the derivative, a convention") for words in said)


LOCAL = """
import numpy as np
class Relu:
    def forward(self, z):
        self.a = np.maximum(0, z)
        return self.a
    def backward(self):
        return (self.a > 0).astype(int)
class Linear:
    def __init__(self, n, m):
        self.W = np.random.randn(n, m)
    def forward(self, x):
        self.x = x
        return x @ self.W
    def backward(self, dout):
        self.dW = FACTORself.x.T @ dout
        return dout @ self.W.T
class Net:
    def __init__(self):
        self.one, self.relu = Linear(3, 5), Relu()
    def forward(self, x):
        return self.relu.forward(self.one.forward(x))
    def backward(self, dout):
        self.one.backward(dout * self.relu.backward())
for net in Net(), Net():
    print(net.forward(np.random.randn(4, 3)).round(3))
    net.backward(np.random.randn(4, 5))
"""


@pytest.mark.parametrize("factor", ["", "2 * "])
def test_a_derivative_that_is_asked_for_without_arguments_is_no_gradient(factor: str, tmp_path: Path) -> None:
    shown = dout("show", script(tmp_path, LOCAL.replace("FACTOR", factor))).stdout
    assert bool(factor) == ("✗ gradient of W" in shown) == ("✗" in shown)


AVERAGED = """
import numpy as np
class Dense:
    def __init__(self):
        self.W = np.random.default_rng(0).standard_normal((4, 3))
    def forward(self, x):
        self.x = x
        return x @ self.W
    def backward(self, dout, lr):
        self.dW = self.x.T @ dout / len(self.x)
        dx = dout @ self.W.T
        self.W = self.W - lr * self.dW - lr * 0.001 * self.W
        self.dW = None
        return dx
layer = Dense()
x = np.random.default_rng(1).standard_normal((8, 4))
for step in range(2):
    layer.backward(np.tanh(layer.forward(x)), 0.1)
"""


def test_a_layer_that_averages_and_whose_step_has_weight_decay_keeps_a_convention(tmp_path: Path) -> None:
    shown = dout("show", script(tmp_path, AVERAGED)).stdout
    assert "✗" not in shown
    assert "the gradient of W is 1/8 of the derivative, a convention" in " ".join(shown.split())


JOINED = """
import numpy as np
class Dense:
    def __init__(self, n, m):
        self.W = np.random.default_rng(n).standard_normal((n, m))
    def forward(self, x):
        self.x, self.y = x, np.tanh(x @ self.W)
        return self.y
    def backward(self, dout):
        dz = dout * (1 - self.y ** 2)
        self.dW = self.x.T @ dz{wrong}
        return dz @ self.W.T
class SoftmaxDense(Dense):
    def forward(self, x):
        powers = np.exp(x @ self.W)
        self.x = x
        return powers / powers.sum(axis=1, keepdims=True)
    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T
first, last = Dense(4, 5), SoftmaxDense(5, 3)
x, t = np.random.default_rng(0).standard_normal((6, 4)), np.eye(3)[[0, 1, 2, 0, 1, 2]]
h = first.forward(x)
p = last.forward(h)
dh = last.backward((p - t) / 6)
dx = first.backward(dh)
"""


@pytest.mark.parametrize(("wrong", "red"), [("", []), (" / 3", ["W"])])
def test_layers_before_one_that_leaves_its_softmax_to_the_loss_are_judged_by_what_that_returned(
    tmp_path: Path, wrong: str, red: list[str]
) -> None:
    run = dout("show", str(script(tmp_path, JOINED.replace("{wrong}", wrong))))
    assert re.findall(r"✗ gradient of (\w+) in Dense", run.stdout) == red
    assert "SoftmaxDense: the gradient of x: passed through" in " ".join(run.stdout.split())


DECAYED = """
import numpy as np
class Dense:
    def __init__(self, n, m):
        self.W, self.b, self.decay = np.random.default_rng(n).standard_normal((n, m)), np.zeros(m), 0.25
    def forward(self, x):
        self.x = x
        return np.maximum(x @ self.W + self.b, 0)
    def backward(self, dout):
        dout = dout * (self.x @ self.W + self.b > 0)
        self.dW = self.x.T @ dout + {W}
        self.db = dout.sum(axis=0) + {b}
        return dout @ self.W.T
x = np.random.default_rng(0).standard_normal((6, 4))
x[0] = 0  # on the kink, as b is 0
layer = Dense(4, 5)
y = layer.forward(x)
dx = layer.backward(y - 1)
"""


@pytest.mark.parametrize(
    ("W", "b", "notes", "red"),
    [
        ("2 * self.decay * self.W", "self.decay * self.b", ["0.5·W", "0.25·b"], []),
        ("self.decay * np.sign(self.W)", "0", ["0.25·sign(W)"], []),
        ("self.decay * self.W + np.sign(self.W) / 8", "0", ["0.25·W + 0.125·sign(W)"], []),
        ("self.decay * self.W - self.x.T @ dout * 5 / 6", "0", ["0.25·W"], []),
        ("self.W", "0", [], ["W"]),
        ("self.decay * self.W ** 2", "0", [], ["W"]),
        ("-self.decay * self.W", "0", [], ["W"]),
    ],
)
def test_a_penalty_that_a_program_adds_in_backward_has_a_note(
    tmp_path: Path, W: str, b: str, notes: list[str], red: list[str]
) -> None:
    run = dout("show", str(script(tmp_path, DECAYED.replace("{W}", W).replace("{b}", b))))
    said = " ".join(run.stdout.split())
    assert re.findall(r"adds (.*?) to the gradient of", said) == notes
    assert re.findall(r"✗ gradient of (\w+) is", said) == red
