"""Layers that say otherwise what backward is given: networks with a loss of their own, containers, optimizers."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from check_commands import document, layers

import dout
from dout.adapt.interface.function_pairs import function_pairs
from dout.adapt.interface.interface import candidates
from dout.judge.outcomes import Word


def loaded(folder: Path, text: str, name: str = "strange") -> Any:
    """A module of this text, whose file the project has."""
    path = folder / f"{name}.py"
    path.write_text("import numpy as np\n" + text)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def words(report: Any) -> dict[str, Word]:
    """The word on each gradient that was judged."""
    return {verdict.argument: verdict.word for verdict in report.verdicts}


# ----------------------------------------------------------------------------------------- a target, or a gradient?

WINDOW = """
class Halves:
    def __init__(self, n):
        self.w = np.arange(1.0, n + 1)
    def forward(self, x):
        self.x = x
        return np.stack([x[:, i] * self.w[i] for i in range(len(self.w))], axis=1)
    def backward(self, y):
        out = np.zeros_like(self.x)
        for i in range(len(self.w)):
            column = y[:, i]
            out[:, i] += column * self.w[i]
        return out
"""


def test_what_is_called_as_a_target_is_the_upstream_gradient_if_backward_is_linear_in_it(tmp_path: Path) -> None:
    report = dout.check(loaded(tmp_path, WINDOW).Halves)
    assert words(report)["x"] == Word.EXACT


def test_a_residual_of_a_target_is_not_linear_in_it(tmp_path: Path) -> None:
    text = WINDOW.replace("column = y[:, i]", "column = np.subtract(self.x[:, i] * self.w[i], y[:, i])")
    with pytest.raises(dout.DoutError, match="takes the target itself"):
        dout.check(loaded(tmp_path, text).Halves)


# ----------------------------------------------------------------------------------------------- parts of a container

CHAIN = """
class Chain:
    def __init__(self, stages):
        self.stages = stages
    def forward(self, X):
        for stage in self.stages:
            X = stage.forward(X)
        return X
    def backward(self, delta):
        for stage in reversed(self.stages):
            delta = stage.backward(delta)
"""


def test_a_container_that_returns_nothing_is_judged_by_the_parameters_of_its_parts(tmp_path: Path) -> None:
    assert words(dout.check(loaded(tmp_path, CHAIN).Chain)) == {"stages[0]": Word.EXACT, "stages[1]": Word.EXACT}
    wrong = dout.check(loaded(tmp_path, CHAIN.replace("reversed(self.stages)", "self.stages"), "other").Chain)
    assert {*words(wrong).values()} == {Word.REFUTED}


# ----------------------------------------------------------------------------------------------- the loss of a network

IN_BACKWARD = """
class Squares:
    def forward(self, a, y):
        self.a, self.y = a, y
        return np.mean((a - y) ** 2)
    def backward(self):
        return 2 * (self.a - self.y) / self.a.size
class Line:
    def __init__(self, n, m):
        self.W, self.b = np.cos(np.arange(1.0 * n * m)).reshape(n, m), np.zeros((1, m))
        self.criterion = Squares()
    def forward(self, X):
        self.X, self.out = X, np.tanh(X @ self.W + self.b)
        return self.out
    def backward(self, labels):
        self.loss = self.criterion.forward(self.out, labels)
        d = self.criterion.backward() * (1 - self.out ** 2)
        self.dW, self.db = self.X.T @ d, d.sum(axis=0, keepdims=True)
        return self.loss
"""
IN_TRAIN = """
def mse(y, a):
    return np.mean((a - y) ** 2)
def mse_prime(y, a):
    return 2 * (a - y) / a.size
class Line:
    def __init__(self, n, m):
        self.W, self.b = np.cos(np.arange(1.0 * n * m)).reshape(n, m), np.zeros((1, m))
    def forward(self, X):
        self.out = np.tanh(X @ self.W + self.b)
        return self.out
    def backward(self, X, y):
        d = mse_prime(y, self.out) * (1 - self.out ** 2)
        self.dW, self.db = X.T @ d, d.sum(axis=0, keepdims=True)
    def train(self, X, y):
        guess = self.forward(X)
        error = mse(y, guess)
        self.backward(X, y)
        return error
"""


@pytest.mark.one_in(2)
@pytest.mark.parametrize("text", [IN_BACKWARD, IN_TRAIN], ids=["in backward", "in train"])
def test_the_loss_that_a_network_calls_on_its_output_is_what_its_gradients_are_of(tmp_path: Path, text: str) -> None:
    assert words(dout.check(loaded(tmp_path, text).Line)) == {"W": Word.EXACT, "b": Word.EXACT}
    report = dout.check(loaded(tmp_path, text.replace("d.sum(axis=0, keepdims=True)", "d[:1]"), "other").Line)
    assert words(report) == {"W": Word.EXACT, "b": Word.REFUTED}
    assert [finding.argument for finding in report.findings if finding.severity == "error"] == ["b"]


RESIDUAL = """
class Two:
    def __init__(self, n, m):
        self.V, self.W = (np.sin(np.arange(1.0, n * k + 1)).reshape(n, k) for n, k in ((n, 4), (4, m)))
        self.rate = 0.25
    def forward(self, X):
        self.h = np.tanh(X @ self.V)
        self.out = 1 / (1 + np.exp(-self.h @ self.W))
        return self.out
    def backward(self, X, y):
        d = (y - self.out) * self.out * (1 - self.out)
        inner = (d @ self.W.T) * (1 - self.h ** 2)
        self.W += self.rate * self.h.T @ d
        self.V += self.rate * X.T @ inner
"""


@pytest.mark.long
def test_without_a_loss_in_code_it_is_the_usual_one_for_which_some_parameter_is_stepped_rightly(tmp_path: Path) -> None:
    assert words(dout.check(loaded(tmp_path, RESIDUAL).Two)) == {"V": Word.EXACT, "W": Word.EXACT}
    joined = RESIDUAL.replace(" * self.out * (1 - self.out)", "")  # of the cross-entropy
    assert words(dout.check(loaded(tmp_path, joined, "joined").Two)) == {"V": Word.EXACT, "W": Word.EXACT}
    wrong = dout.check(loaded(tmp_path, RESIDUAL.replace("(1 - self.h ** 2)", "(1 - self.h)"), "wrong").Two)
    assert words(wrong) == {"V": Word.REFUTED, "W": Word.EXACT}
    assert [finding.argument for finding in wrong.findings if finding.severity == "error"] == ["V"]


@pytest.mark.long
def test_where_no_parameter_is_stepped_rightly_for_a_usual_loss_nothing_is_judged(tmp_path: Path) -> None:
    with pytest.raises(dout.DoutError, match="takes the target itself"):
        dout.check(loaded(tmp_path, RESIDUAL.replace("(y - self.out)", "(y - self.out ** 3)")).Two)


def test_a_loss_of_something_else_than_the_output_is_not_that_of_the_network(tmp_path: Path) -> None:
    text = IN_BACKWARD.replace("self.X, self.out = X, np", "self.X, self.out, self.before = X, np").replace(
        "self.b)\n        return", "self.b), X @ self.W\n        return"
    )
    module = loaded(tmp_path, text.replace("forward(self.out, labels)", "forward(self.before, labels)"))
    with pytest.raises(dout.DoutError):
        dout.check(module.Line)


# ---------------------------------------------------------------------------------------- what backward is given beside

AVERAGED = """
class Averaged:
    def __init__(self, weights, biases):
        '''Keep the parameters.

        Args:
            weights: Matrix of shape (n_from, n_neurons)
            biases: Vector of shape (n_neurons,)
        '''
        self.weights, self.biases = weights, biases
    def forward(self, x):
        self.x = x
        return x @ self.weights + self.biases
    def backward(self, delta, batch_size):
        self.dweights, self.dbiases = self.x.T @ delta / batch_size, delta.sum(axis=0) / batch_size
        return delta @ self.weights.T
"""


def test_backward_may_be_given_the_number_of_samples_and_equal_names_in_a_docstring_are_equal_sizes(
    tmp_path: Path,
) -> None:
    report = dout.check(loaded(tmp_path, AVERAGED).Averaged)
    assert words(report)["x"] == Word.EXACT
    assert {words(report)["weights"], words(report)["biases"]} == {Word.SCALED}


STEPPED = """
class Stepped:
    def __init__(self, n, m):
        self.W = np.sin(np.arange(1.0 * n * m)).reshape(n, m)
    def forward(self, x):
        self.x = x
        return x @ self.W
    def backward(self, delta, optimizer):
        back = delta @ self.W.T
        self.W = optimizer.step(self.W, self.x.T @ delta)
        return back
"""


def test_the_step_of_an_optimizer_is_its_method_and_no_length(tmp_path: Path) -> None:
    assert words(dout.check(loaded(tmp_path, STEPPED).Stepped)) == {"x": Word.EXACT, "W": Word.EXACT}


def test_gradients_of_each_sample_are_the_business_of_the_optimizer_that_is_given(tmp_path: Path) -> None:
    text = STEPPED.replace("self.x.T @ delta)", "self.x[:, :, None] * delta[:, None])")
    report = dout.check(loaded(tmp_path, text).Stepped)
    assert words(report) == {"x": Word.EXACT}
    assert report.ok


MASKED = """
class Masked:
    def forward(self, x, is_training=False):
        if is_training:
            self.mask = (np.cos(np.arange(x.size)) > 0).reshape(x.shape) * 2.0
            return x * self.mask
        return x
    def backward(self, d):
        return d * self.mask
"""


def test_a_flag_is_on_where_its_branch_alone_keeps_what_backward_reads(tmp_path: Path) -> None:
    assert words(dout.check(loaded(tmp_path, MASKED).Masked)) == {"x": Word.EXACT}


# ----------------------------------------------------------------------------------------------------------- functions

WRAPPED = """
def same_dtype(function):
    def wrapper(x, *args):
        return np.asarray(function(x, *args), dtype=x.dtype)
    return wrapper
@same_dtype
def cubed(x):
    return x ** 3
@same_dtype
def cubed_deriv(x):
    return 3 * x ** 2
@same_dtype
def halved(x):
    return x / 2
@same_dtype
def halved_deriv(x):
    return 1 + 0 * x
"""


def test_functions_are_called_as_their_module_calls_them_whatever_a_decorator_named_them(tmp_path: Path) -> None:
    found = function_pairs(vars(loaded(tmp_path, WRAPPED)))
    assert {n: c.dout_pair for n, c in found.items()} == {
        "cubed": ("cubed", "cubed_deriv"),
        "halved": ("halved", "halved_deriv"),
    }
    said = {name: [*words(dout.check(cls, np.array([[0.5, -1.5]]))).values()] for name, cls in found.items()}
    assert said == {"cubed": [Word.EXACT], "halved": [Word.REFUTED]}


# ---------------------------------------------------------------------------------------------- the caller multiplies

OUTSIDE = """
class Dense:
    def __init__(self, n, m):
        self.W = np.sin(np.arange(1.0, n * m + 1)).reshape(n, m)
    def forward(self, x):
        self.x, self.z = x, x @ self.W
        return np.tanh(self.z)
    def backward(self, delta):
        self.dW = self.x.T @ delta
        return delta @ self.W.T
"""
CALLER = """
def back(layers, delta):
    for layer in reversed(layers):
        delta = layer.backward(delta * (1 - np.tanh(layer.z) ** 2))
"""


@pytest.mark.long
def test_a_layer_whose_caller_multiplies_by_the_slope_of_its_activation_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "setup.py").write_text("")
    report = dout.check(loaded(tmp_path, OUTSIDE + CALLER).Dense)
    assert {f.severity for f in report.findings if f.code == "D101"} == {"warning"}
    assert any("self.z" in f.message for f in report.findings)


@pytest.mark.long
def test_it_is_an_error_where_nothing_else_reads_what_stands_before_the_activation(tmp_path: Path) -> None:
    (tmp_path / "setup.py").write_text("")
    report = dout.check(loaded(tmp_path, OUTSIDE).Dense)
    assert {f.severity for f in report.findings if f.code == "D101"} == {"error"}


GIVES_A_DICT = """
class Net:
    def __init__(self, n, m):
        self.params = {"W": np.cos(np.arange(1.0, n * m + 1)).reshape(n, m)}
    def loss(self, x, t):
        self.x, self.d = x, x @ self.params["W"] - t
        return np.sum(self.d ** 2) / 2
    def gradient(self, x, t):
        self.loss(x, t)
        return {"W": self.x.T @ self.d}
"""


def test_what_loss_and_gradient_take_by_the_same_names_is_the_same(tmp_path: Path) -> None:
    cls = loaded(tmp_path, GIVES_A_DICT).Net
    assert [interface.roles for interface in candidates(cls)] == [("x", "t")]
    assert words(dout.check(cls)) == {"W": Word.EXACT}


# ------------------------------------------------------------------------------------------------------------- a graph

TENSORS = """
class Tensor:
    def __init__(self, data, leaf=True):
        self.data, self.leaf = np.array(data), leaf
"""
LOGARITHM = """
import tensors
class Log:
    @staticmethod
    def forward(ctx, a):
        if type(a).__name__ != "Tensor":
            raise Exception(f"Log takes tensors, not {type(a).__name__}")
        ctx.save_for_backward(a)
        return tensors.Tensor(np.log(a.data * a.data))
    @staticmethod
    def backward(ctx, grad_output):
        (a,) = ctx.saved_tensors
        return tensors.Tensor(2 * grad_output.data / a.data)
    @classmethod
    def apply(cls, *given):
        return cls.forward(object(), *given)
"""


def test_arrays_stand_in_the_class_of_a_module_that_forward_asks_for_by_an_error_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensors", loaded(tmp_path, TENSORS, "tensors"))
    report = dout.check(loaded(tmp_path, LOGARITHM).Log)
    assert words(report) == {"a": Word.EXACT}


LISTS = """
class Coder:
    def __init__(self, encoder_sizes, decoder_sizes):
        sizes = [*encoder_sizes, 4, *decoder_sizes]
        self.weights = [np.sin(np.arange(1.0, a * b + 1)).reshape(a, b) for a, b in zip(sizes[:-1], sizes[1:])]
    def forward(self, x):
        self.acts = [x]
        for W in self.weights:
            self.acts.append(self.acts[-1] @ W)
        return self.acts[-1]
    def backward(self, dout):
        if dout.shape != self.acts[0].shape:
            raise ValueError("what is decoded has the shape of what was encoded")
        self.last = self.weights[-1].T
        return dout
"""


def test_an_error_on_empty_lists_that_were_chosen_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "coder.py").write_text("import numpy as np\n" + LISTS)
    (layer,) = layers(document("coder.py", cwd=tmp_path)).values()
    assert {f["severity"] for f in layer["findings"] if f["code"] == "D001"} <= {"warning"}
    assert layer["ok"]
