"""A softmax whose loss differentiates itself alone, and layers that are two functions."""

import json

import numpy as np
import pytest
from dout_commands import run_dout
from report_findings import words

from dout.check.verb.check_layer import check

PROGRAM = """
import numpy as np


class Softmax:
    def forward(self, x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y = e / e.sum(axis=1, keepdims=True)
        return self.y

    def backward(self, dout):
        return dout


class CrossEntropy:
    def forward(self, y, t):
        self.y, self.t = y, t
        return -np.sum(t * np.log(y)) / len(y)

    def backward(self, dout=1.0):
        return GRADIENT


softmax, loss = Softmax(), CrossEntropy()
x = np.random.default_rng(0).normal(size=(4, 3))
value = loss.forward(softmax.forward(x), np.eye(3)[[0, 1, 2, 1]])
dx = softmax.backward(loss.backward())
"""
OF_THE_LOSS, OF_BOTH = "-dout * self.t / self.y / len(self.y)", "dout * (self.y - self.t) / len(self.y)"


def told(folder, verb, gradient):
    (folder / "program.py").write_text(PROGRAM.replace("GRADIENT", gradient), encoding="utf-8")
    return run_dout(verb, "program.py", *(["--json"] if verb == "check" else []), cwd=folder, timeout=200).stdout


@pytest.mark.one_in(3)
@pytest.mark.parametrize(("gradient", "errors"), [(OF_THE_LOSS, [("Softmax", "D107")]), (OF_BOTH, [])])
def test_a_softmax_may_pass_dout_on_only_where_its_loss_does_the_work(tmp_path, gradient, errors):
    (file,) = json.loads(told(tmp_path, "check", gradient))["files"]
    found = [
        (layer["layer"], f["code"]) for layer in file["layers"] for f in layer["findings"] if f["severity"] == "error"
    ]
    assert found == errors


@pytest.mark.one_in(2)
@pytest.mark.parametrize(("gradient", "red"), [(OF_THE_LOSS, True), (OF_BOTH, False)])
def test_a_picture_excuses_it_there_alone(tmp_path, gradient, red):
    assert ("the first wrong edge" in told(tmp_path, "show", gradient)) is red


# --- two functions ----------------------------------------------------------------------------------------------------


def made_softplus(beta, factor=1.0):
    kept = {}

    def forward(x):
        kept["x"] = x
        return np.log1p(np.exp(beta * x)) / beta

    def backward(dout):
        return factor * dout / (1 + np.exp(-beta * kept["x"]))

    return forward, backward


def affine(x, w):
    return x @ w, (x, w)


def gradients_of_affine(dout, cache):
    x, w = cache
    return dout @ w.T, x.T @ dout


@pytest.mark.long
def test_two_functions_are_given_as_a_pair():
    assert words(check((affine, gradients_of_affine))) == {"x": "exact", "w": "exact"}
    assert words(check((lambda x: x**3, lambda dout, x: 3 * dout * x**2))) == {"x": "exact"}
    assert words(check((lambda x: x**3, lambda dout, x: 2 * dout * x**2))) == {"x": "refuted"}


def test_closures_are_given_as_a_pair_and_share_nothing_between_runs():
    report = check(made_softplus(2.0))
    assert words(report) == {"x": "exact"}
    assert report.ok
    assert words(check(made_softplus(2.0, factor=2.0))) == {"x": "refuted"}


last = {}


def forward(x):
    last["y"] = np.tanh(x)
    return last["y"]


def backward(dout):
    return dout * (1 - last["y"] ** 2)


def test_functions_that_keep_their_state_in_the_module_have_no_instances_that_share_it():
    report = check(forward)
    assert words(report) == {"x": "exact"}
    assert report.ok


# --- what students write ----------------------------------------------------------------------------------------------


def tanh_fwd(x):
    t = np.tanh(x)
    return t, t


def tanh_bwd(g, t):
    return g * (1 - t**2)


def test_what_forward_returns_beside_its_output_is_no_target():
    assert words(check(tanh_fwd)) == {"x": "exact"}


class Columns:
    """X has a column for each sample."""

    def __init__(self):
        self.params = {"W": np.random.default_rng(0).normal(size=(5, 3)), "b": np.zeros((5, 1))}
        self.grads = {}

    def forward(self, X):
        self.X = X
        return self.params["W"] @ X + self.params["b"]

    def backward(self, dZ):
        self.grads["W"] = dZ @ self.X.T
        self.grads["b"] = dZ.sum(axis=1)
        return self.params["W"].T @ dZ


class KeptColumns(Columns):
    def backward(self, dZ):
        dX = super().backward(dZ)
        self.grads["b"] = dZ.sum(axis=1, keepdims=True)
        return dX


def test_a_gradient_that_a_step_would_spread_over_its_parameter_is_an_error():
    X = np.random.default_rng(1).normal(size=(3, 4))
    assert [(f.code, f.argument) for f in check(Columns(), X).findings if f.severity == "error"] == [("D501", "b")]
    assert check(KeptColumns(), X).ok


class Steps:
    def __init__(self):
        self.weights = np.random.default_rng(0).normal(size=(3, 2))
        self.bias = np.zeros((1, 2))
        self.learning_rate = 0.1

    def forward(self, x):
        self.x = x
        return x @ self.weights + self.bias

    def backward(self, output_error):
        input_error = output_error @ self.weights.T
        self.weights += self.learning_rate * self.x.T @ output_error
        self.bias -= self.learning_rate * output_error.sum(axis=0, keepdims=True)
        return input_error


class StepsUp(Steps):
    def backward(self, output_error):
        input_error = output_error @ self.weights.T
        self.weights += self.learning_rate * self.x.T @ output_error
        self.bias += self.learning_rate * output_error.sum(axis=0, keepdims=True)
        return input_error


@pytest.mark.long
def test_a_step_with_another_sign_than_that_of_another_parameter_is_an_error():
    assert [f.argument for f in check(Steps).findings if f.severity == "error"] == ["weights"]
    assert check(StepsUp).ok  # it may be given the target minus the output


# --- right programs and layers, which were called wrong, and wrong ones that passed -----------------------------------

OF_LOGITS = """
class OfLogits:
    def forward(self, z, t):
        z = z - z.max(axis=1, keepdims=True)
        logp = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        self.p, self.t = np.exp(logp), t
        return -np.sum(t * logp) / len(z)

    def backward(self, dout=1.0):
        return dout * (self.p - self.t) / len(self.p)


class Identity:
    def forward(self, x):
        return x * 1.0

    def backward(self, dout):
        return dout

"""
CLASSES = PROGRAM.partition("\nsoftmax, loss")[0] + OF_LOGITS
LABELS = "np.eye(3)[[0, 1, 2, 1]]"
START = "x = np.random.default_rng(0).normal(size=(4, 3))\nsoftmax, keep = Softmax(), Identity()\n"
LOGITS = f"{START}loss = OfLogits()\ny, value = softmax.forward(x), loss.forward(x, {LABELS})\n"
BEHIND = f"{START}loss = CrossEntropy()\nvalue = loss.forward(keep.forward(softmax.forward(x)), {LABELS})\n"


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    "program",
    [
        f"{LOGITS}dx = softmax.backward(loss.backward())",
        f"{BEHIND}dx = softmax.backward(keep.backward(loss.backward()))",
    ],
)
def test_a_loss_of_the_logits_or_behind_another_layer_does_the_work(tmp_path, program):
    (tmp_path / "program.py").write_text(CLASSES.replace("GRADIENT", OF_BOTH) + program, encoding="utf-8")
    said = run_dout("check", "program.py", "--json", cwd=tmp_path, timeout=200).stdout
    (file,) = json.loads(said)["files"]
    assert {layer["layer"] for layer in file["layers"]} >= {"Softmax"}
    assert not [f for layer in file["layers"] for f in layer["findings"] if f["severity"] == "error"]


class ReshapedColumns(Columns):
    def update(self, rate=0.1):
        self.params["W"] -= rate * self.grads["W"]
        self.params["b"] -= rate * self.grads["b"][:, None]


class SpreadColumns(Columns):
    def update(self, rate=0.1):
        self.params["W"] -= rate * self.grads["W"]
        self.params["b"] = self.params["b"] - rate * self.grads["b"]


@pytest.mark.parametrize(("layer", "severity"), [(ReshapedColumns, "warning"), (SpreadColumns, "error")])
def test_a_layer_may_reshape_a_gradient_in_its_own_step(layer, severity):
    report = check(layer(), np.random.default_rng(1).normal(size=(3, 4)))
    assert [f.severity for f in report.findings if f.code == "D501"] == [severity]


class Scale:
    def __init__(self):
        self.g = np.array([[0.5, 2.0, 3.0]])

    def forward(self, x):
        self.x = x
        return x * self.g

    def backward(self, dout):
        self.dg = dout * self.x
        return dout * self.g


def test_one_row_is_a_batch_of_one():
    assert "D503" in [f.code for f in check(Scale(), np.array([[1.0, 2.0, 3.0]])).findings]


def made_affine(factor, calls):
    W, grads, kept = np.random.default_rng(0).normal(size=(3, 2)), {}, {}

    def count():
        calls.append(1)

    def forward(x):
        count()
        kept["x"] = x
        return x @ W

    def backward(dout):
        grads["W"] = factor * kept["x"].T @ dout
        return dout @ W.T

    return forward, backward


def test_what_closures_close_over_is_judged_and_stays_as_it_is():
    calls = []
    assert words(check(made_affine(1.0, calls))) == {"x": "exact", "W": "exact"}
    assert not calls
    assert words(check(made_affine(2.0, []))) == {"x": "exact", "W": "refuted"}


class ByName(type):
    def __eq__(cls, other):
        return cls is other

    __hash__ = None


def test_a_class_that_cannot_be_hashed_is_checked():
    cls = ByName("Square", (), {"forward": lambda self, x: x**2, "backward": lambda self, dout: dout})
    assert words(check(cls)) == {"x": "refuted"}


class Grows:
    def forward(self, x):
        self.x = x
        return x**2


@pytest.mark.long
def test_a_method_that_a_class_is_given_later_is_found():
    assert not check(Grows).verdicts
    Grows.backward = lambda self, dout: 7 * dout * self.x
    assert words(check(Grows)) == {"x": "refuted"}
    Grows.backward = lambda self, dout: 2 * dout * self.x
    assert words(check(Grows)) == {"x": "exact"}
