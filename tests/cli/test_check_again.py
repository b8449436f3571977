"""Values on the command line, and the command that is printed: it gives the same run again."""

import shlex

import numpy as np
import pytest
from check_commands import RIGHT, document, dout, layers, write

from dout.adapt.sizes.proposed_arrays import numbers
from dout.check.project.discover import Job
from dout.check.report.report import Report
from dout.check.report.verdicts import Verdict
from dout.check.worker.jobs import Checked, ObjectText
from dout.cli.output.cli_values import read, written
from dout.cli.output.repeat_command import Again
from dout.judge.outcomes import Word
from dout.trace.model.replay import same_bits_deep


@pytest.fixture(scope="module")
def five(tmp_path_factory):
    """A folder with five layers in a file, and what is said of them."""
    path = tmp_path_factory.mktemp("five")
    write(path, FIVE)
    return path, layers(document("mine.py", cwd=path))


def report(layer="A", *findings, words=(Word.EXACT,), **more):
    return Report(layer, tuple(Verdict(f"x{i}", word) for i, word in enumerate(words)), findings, **more)


@pytest.mark.parametrize(
    "value",
    [
        3, -0.5, True, None, "same", (2, 3), [4, 5], 1e300, np.array([0, 2, 1]), np.array([[True, False]]),
        np.array([[1.0, -0.5], [-2.0, 3.0]]), numbers((3, 4), "W"), numbers((20, 30), "W") * 2, numbers((), "b"),
        numbers((2, 3, 40), "x") * 2, numbers((30, 30), "W") * 0.5, np.zeros((2, 0)),
    ],
)  # fmt: skip
def test_what_is_written_is_read_as_the_same_value(value):
    name = "W" if np.ndim(value) else "b"
    text = written(value, name)
    if text is None:
        assert isinstance(value, np.ndarray)
        assert value.size == 0
    else:
        assert same_bits_deep(read(text, name), value)
        assert len(text) < 60


def test_a_number_of_numpys_is_written_as_a_plain_one():
    assert (written(np.int64(3)), written(np.float64(0.7))) == ("3", "0.7")


def test_a_function_is_given_its_first_input(tmp_path):
    write(tmp_path, "def cube(x):\n    return x**3\n\n\ndef cube_backward(dout, x):\n    return dout * 3 * x**2\n")
    run = dout("mine.py:cube", "--input", "x=[1.0, 2.0]", cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    assert "chosen" not in run.stdout


def test_arrays_by_their_shape_are_deterministic_and_differ_by_name():
    assert np.array_equal(read("array(3, 4)", "x"), numbers((3, 4), "x"))
    assert np.array_equal(read("-2 * array(3,4,y)", "x"), -2 * numbers((3, 4), "y"))
    assert np.ndim(read("array()", "b")) == 0
    rows = read("probabilities(3,4)", "p")
    assert np.allclose(rows.sum(1), 1)
    assert rows.min() > 0


@pytest.mark.parametrize("text", ["array(3,", "array(-1)", "array(x,3)", "array(10000000,10000)", "arrays(3)", "open()",
                                  "x*array(3)", "array(3)(4)", "--*array(3)"])  # fmt: skip
def test_what_is_no_value_is_refused(text):
    with pytest.raises((ValueError, SyntaxError)):
        read(text, "x")


def test_an_array_by_its_shape_is_an_input_of_the_command(tmp_path):
    write(tmp_path, RIGHT)
    assert layers(document("mine.py", "--input", "x=2*array(2,3)", cwd=tmp_path))["Square"]["chosen"]["inputs"] == {}
    assert "not a Python literal" in dout("mine.py", "--input", "x=array(2,", cwd=tmp_path).stderr


FIVE = """
import numpy as np
class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b
    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(0)
        return dout @ self.W.T * 2
class Conv:
    def __init__(self, in_channels, out_channels, kernel_size):
        rng = np.random.RandomState(0)
        self.W = rng.randn(out_channels, in_channels, kernel_size, kernel_size)
    def forward(self, x):
        self.x, k = x, self.W.shape[2]
        n, _, h, w = x.shape
        self.size = (h - k + 1, w - k + 1)
        assert min(self.size) > 1
        out = np.zeros((n, len(self.W), *self.size))
        for i in range(self.size[0]):
            for j in range(self.size[1]):
                out[:, :, i, j] = np.tensordot(x[:, :, i:i+k, j:j+k], self.W, ([1, 2, 3], [1, 2, 3]))
        return out
    def backward(self, dout):
        dx, self.dW, k = np.zeros_like(self.x), np.zeros_like(self.W), self.W.shape[2]
        for i in range(self.size[0]):
            for j in range(self.size[1]):
                dx[:, :, i:i+k, j:j+k] += np.tensordot(dout[:, :, i, j], self.W, 1)
                self.dW += np.tensordot(dout[:, :, i, j].T, self.x[:, :, i:i+k, j:j+k], 1)
        return -dx
class SoftmaxWithLoss:
    def forward(self, x, t):
        powers = np.exp(x - np.max(x, axis=1, keepdims=True))
        self.t, self.y = t, powers / np.sum(powers, axis=1, keepdims=True)
        return -np.mean(np.log(self.y[np.arange(len(t)), t]))
    def backward(self, dout=1):
        dx = self.y.copy()
        dx[np.arange(len(self.t)), self.t] -= 2
        return dout * dx / len(self.t)
class RNN:
    def __init__(self, Wx, Wh, b):
        self.params = [Wx, Wh, b]
        self.grads = [np.zeros_like(p) for p in self.params]
    def forward(self, x, h_prev):
        Wx, Wh, b = self.params
        h_next = np.tanh(h_prev @ Wh + x @ Wx + b)
        self.cache = x, h_prev, h_next
        return h_next
    def backward(self, dh_next):
        (Wx, Wh, b), (x, h_prev, h_next) = self.params, self.cache
        dt = dh_next * (1 + h_next ** 2)
        for grad, new in zip(self.grads, (x.T @ dt, h_prev.T @ dt, dt.sum(0))):
            grad[...] = new
        return dt @ Wx.T, dt @ Wh.T
class Dense:
    def __init__(self, n_in, n_out):
        self.weights = np.linspace(-1, 1, n_in * n_out).reshape(n_in, n_out)
    def forward_pass(self, x):
        self.x = x
        return x @ self.weights
    def backward_pass(self, grad, learning_rate):
        before = self.weights
        self.weights = self.weights - learning_rate * self.x.T @ grad * 3
        return grad @ before.T
"""


@pytest.mark.long
def test_the_command_that_is_printed_gives_the_same_run_again(five):
    path, first = five
    for name in ("Affine", "Conv", "SoftmaxWithLoss", "RNN", "Dense"):
        start, *options = shlex.split(first[name]["again"])[2:]
        assert start == f"mine.py:{name}"
        assert options
        again = layers(document(start, *options, cwd=path))[name]
        assert "refuted" in {verdict["word"] for verdict in first[name]["verdicts"]}
        assert again["chosen"] == {"init": {}, "inputs": {}}
        assert again["verdicts"] == first[name]["verdicts"]
        assert again["interface"] == first[name]["interface"]
        assert numbers_in(again) == numbers_in(first[name])


def numbers_in(layer):
    keys = ("code", "argument", "index", "expected", "got")
    return [[finding[key] for key in keys] for finding in layer["findings"] if finding["code"] != "D208"]  # once a file


@pytest.mark.long
def test_what_is_printed_can_be_pasted_into_a_shell_line_by_line(five):
    text = dout("mine.py:RNN", cwd=five[0]).stdout
    pasted, why = text[text.index("again:") + len("again:") : text.index("\n\n", text.index("again:"))].split("why:")
    assert shlex.split(why) == ["dout", "explain", "mine.py:RNN"]
    arguments = shlex.split(pasted)
    assert "\\\n" in pasted
    assert arguments[:3] == ["dout", "check", "mine.py:RNN"]
    assert arguments[-2] == "--input"
    assert max(map(len, pasted.splitlines())) <= 100


@pytest.mark.long
def test_an_interface_of_their_own_is_named(five):
    path, shown = five
    assert "  called as forward_pass(…), backward_pass(dout, rate)" in dout("mine.py:Dense", cwd=path).stdout
    assert shown["Affine"]["interface"] is None
    assert shown["Dense"]["interface"] == "forward_pass(…), backward_pass(dout, rate)"


def test_an_object_has_no_text_and_that_is_said():
    checked = Checked(report("A"), {"size": 3, "optimizer": ObjectText("<Adam>")}, {"x": np.array([1.0])})
    again = Again(Job("mine.py", "file"), checked)
    assert again.command is None
    assert list(again.lines(100)) == ["  again: no command, because these values have no text: optimizer"]


def test_options_that_were_given_are_given_again():
    checked = Checked(report("A"), {}, {"x": np.array([1.0])}, frozenset({"--init W", "--input 1"}))
    given = {"--init W": "W=[[1.0]]", "--init unused": "unused=3", "--input y": "y=3", "--input 1": "[2]"}
    assert Again(Job("my layers.py", "file"), checked, given).command == (
        "dout check 'my layers.py:A' --init 'W=[[1.0]]' --input '[2]' --input 'x=[1.0]'"
    )
    assert Again(Job("dout.layers", "ready"), checked).command == "dout check A --input 'x=[1.0]'"
