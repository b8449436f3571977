"""The command `dout bench`: what it measures and says; never how fast anything is."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba")

import two_layers
from click.testing import CliRunner

from dout.cli.bench_command import bench
from dout.engine.bench import bench as engine

FILE = '''
import numpy as np


class Columns:
    """Examples are columns."""

    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_out, n_in)

    def forward(self, X):
        self.X = X
        return self.W @ X

    def backward(self, dZ):
        self.dW = dZ @ self.X.T
        return self.W.T @ dZ


class Talking:
    def forward(self, x):
        print("hello")
        return 2 * x

    def backward(self, dout):
        return 2 * dout


class Given:
    """The caller keeps what backward needs."""

    def forward(self, x):
        return 1 / (1 + np.exp(-x)), x

    def backward(self, dout, cache):
        s = self.forward(cache)[0]
        return dout * s * (1 - s)


class Derivative:
    """The caller multiplies."""

    def __call__(self, x):
        return np.tanh(x)

    def derivative(self, x):
        return 1 - np.tanh(x) ** 2


class Learning:
    """Backward takes the rate, and takes the step itself."""

    def __init__(self):
        self.W = np.ones((3, 4))

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout, learning_rate):
        dx = dout @ self.W.T
        self.W -= learning_rate * self.x.T @ dout
        return dx


class Drifting:
    """Learns so fast that two runs of it that round otherwise soon have other weights."""

    def __init__(self):
        self.W = np.linspace(-3, 3, 12).reshape(3, 4)

    def forward(self, x):
        self.x, self.z = x, x @ self.W
        return np.sin(self.z)

    def backward(self, dout):
        dz = dout * np.cos(self.z)
        dx = dz @ self.W.T
        self.W -= 0.5 * self.x.T @ dz
        return dx


def softplus(x):
    return np.log(1 + np.exp(x))


def softplus_prime(x):
    return 1 / (1 + np.exp(-x))


def bell(x):
    return np.exp(-x * x)


def fails(x):
    raise KeyError("no")
'''


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    monkeypatch.setattr(engine, "BUDGET", 0.0)
    monkeypatch.setattr(engine, "ROUNDS", (3, 3))


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("bench") / "mine.py"
    path.write_text(FILE, encoding="utf-8")
    return path


def run(*arguments):
    return CliRunner().invoke(bench, [*map(str, arguments)])


def document(*arguments):
    shown = run(*arguments, "--json")
    assert shown.exit_code == 0, shown.output
    return json.loads(shown.stdout)


def whole_process(*arguments):
    command = [sys.executable, "-m", "dout", "bench", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_json_is_one_document_with_both_calls_at_each_size():
    shown = document("Sigmoid", "--sizes", "48,120", "--dtype", "float32")
    assert (shown["name"], shown["dtype"], shown["agrees"]) == ("Sigmoid", "float32", True)
    assert [size["shapes"]["x"] for size in shown["sizes"]] == [[12, 4], [30, 4]]
    for size in shown["sizes"]:
        assert [call["call"] for call in size["calls"]] == ["forward", "backward"]
        for call in size["calls"]:
            assert call["ratio"] == pytest.approx(call["plain_seconds"] / call["compiled_seconds"])
            assert call["runs_plainly"] is None
    assert "Sigmoid.forward\n  x float32 (30, 4)" in shown["plan"]


def test_a_size_grows_along_the_axis_that_the_layer_takes(file):
    shown = document(f"{file}:Columns", "--sizes", "500", "--init", "n_in=10", "--init", "n_out=4")
    assert [size["shapes"] for size in shown["sizes"]] == [{"X": [10, 50]}]
    assert shown["agrees"]


def test_the_table_has_a_bar_a_call_and_says_how_to_see_the_plan(file):
    shown = run(f"{file}:bell", "--sizes", "48")
    lines = shown.stdout.splitlines()
    assert lines[0] == "bell  plain NumPy and compiled, float64, medians in turns"
    assert lines[1].startswith("  x (")
    assert lines[2].startswith("    call ")
    assert "█" in lines[2]
    assert lines[2].endswith("×")
    assert lines[-1] == f"what it does: dout bench {file}:bell --plan"


def test_the_plan_is_printed_where_it_is_asked_for(file):
    shown = run(f"{file}:bell", "--sizes", "48", "--plan").stdout
    assert "    1  kernel" in shown or "    1  NumPy" in shown
    assert "leaves the result" in shown


def test_what_cannot_be_compiled_says_so_with_the_line_and_its_ratio_is_1(file):
    shown = document(f"{file}:Talking", "--sizes", "48")
    forward, backward = shown["sizes"][0]["calls"]
    line = FILE[: FILE.index("print(")].count("\n") + 1
    assert "print" in forward["runs_plainly"]
    assert forward["runs_plainly"].endswith(f"{file.name}:{line}")
    assert (forward["ratio"], forward["plain_seconds"]) == (1.0, forward["compiled_seconds"])
    assert backward["runs_plainly"] is None


def test_what_the_users_code_prints_is_not_in_the_table(file):
    shown = run(f"{file}:Talking", "--sizes", "48").stdout
    assert "hello" not in shown
    assert "  forward runs plainly: it calls print" in shown


@pytest.mark.one_in(4)
@pytest.mark.parametrize("layer", ["Given", "Derivative", "softplus", "Learning", "Drifting"])
def test_a_layer_that_is_called_in_another_way_computes_with_what_it_is_given(file, layer):
    measured = document(f"{file}:{layer}", "--sizes", "48,96,192")
    calls = [call for size in measured["sizes"] for call in size["calls"]]
    assert measured["agrees"]
    assert [(call["call"], call["runs_plainly"]) for call in calls] == [("forward", None), ("backward", None)] * 3


def test_results_that_differ_are_not_timed(file, monkeypatch):
    monkeypatch.setattr(engine, "_difference", lambda *sides: "call does not give the same numbers compiled")
    shown = run(f"{file}:bell", "--sizes", "48")
    assert shown.exit_code == 1
    assert "✗ call does not give the same numbers compiled: nothing was timed" in shown.stdout
    assert "█" not in shown.stdout


def test_a_difference_is_one_of_shape_of_dtype_or_of_more_than_half_the_digits():
    one = np.ones(3)
    for other, says in [
        (one * (1 + 1e-12), ""),
        (one * (1 + 1e-3), "the same numbers"),
        (one.astype("f4"), "float32 (3,)"),
        (np.ones(2), "float64 (2,)"),
        (np.array([1, 1, np.nan]), "the same numbers"),
    ]:
        assert says in engine._difference([one], [other], ["call"])
        assert bool(says) == bool(engine._difference([one], [other], ["call"]))


def test_the_chart_is_a_small_svg_for_light_and_dark(file, tmp_path):
    chart = tmp_path / "chart.svg"
    shown = run(f"{file}:bell", "--sizes", "48", "-o", chart)
    assert f"wrote {chart}" in shown.stderr
    text = chart.read_text(encoding="utf-8")
    assert len(text) < 4000
    assert "prefers-color-scheme:dark" in text
    assert ET.fromstring(text).attrib["aria-label"] == "bell: plain NumPy and compiled, float64"


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["{file}"], "mine.py has 7 layers; name one of them, or a function: "),
        (["{file}:Nothing"], "has no Nothing"),
        (["{file}:bell", "-o", "chart.png"], "chart.png cannot be written: a chart ends in .svg"),
        (["{file}:bell", "--sizes", "many"], "'many' is not a number of elements; write numbers and commas alone: "),
    ],
)
def test_a_mistake_is_told_in_one_message(file, arguments, says):
    shown = whole_process(*(argument.format(file=file) for argument in arguments))
    assert (shown.returncode, shown.stdout) == (2, "")
    assert says in shown.stderr
    assert "Traceback" not in shown.stderr


def test_what_the_users_code_raises_is_their_traceback_alone(file):
    shown = whole_process(f"{file}:fails", "--input", "x=[1.0]")
    assert shown.returncode == 2
    assert "KeyError" in shown.stderr
    assert "engine" not in shown.stderr


def test_missing_numba_is_one_line(file, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    shown = run(f"{file}:bell")
    assert str(shown.exception) == "dout bench needs numba: pip install 'dout[fast]'"


NETWORK = (
    Path(two_layers.__file__).read_text()
    + """

import numpy as np


class Net:
    def __init__(self):
        self.layers = {"Linear1": Linear(np.ones((20, 30))), "Square1": Square()}

    def forward(self, x):
        for layer in self.layers.values():
            x = layer.forward(x)
        return x

    def backward(self, dout):
        for layer in reversed(list(self.layers.values())):
            dout = layer.backward(dout)
        return dout

    def gradient(self, x):
        self.forward(x)
        return self.backward(np.ones((len(x), 30)))
"""
)
SCRIPT = """
import numpy as np
from network_of_a_test import Net

net = Net()
for step in range(10**9):
    grad = net.gradient(np.full((7, 20), 0.5))
"""


def test_a_network_is_found_in_its_file_and_shown_by_layer(tmp_path):
    (tmp_path / "network_of_a_test.py").write_text(NETWORK)
    data = document(str(tmp_path / "network_of_a_test.py"), "--sizes", "200", "--input", "x=array(10,20)")
    assert data["name"] == "Net"
    names = [row["layers"] for row in data["layers"]]
    assert names[:3] == [["Linear1"], ["Square1"], ["outside of layers"]]


def test_a_script_runs_until_it_asks_its_network_for_gradients(tmp_path):
    (tmp_path / "network_of_a_test.py").write_text(NETWORK)
    (tmp_path / "train.py").write_text(SCRIPT)
    chart = tmp_path / "net.svg"
    done = subprocess.run(
        [sys.executable, "-m", "dout", "bench", "train.py", "-o", str(chart)],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert "Net.gradient" in done.stdout
    assert "x (7, 20)" in done.stdout
    assert "by layer" in done.stdout
    assert {"Linear1", "Square1", "outside of layers"} <= {text.text for text in ET.parse(chart).iter() if text.text}


def test_a_loss_that_a_network_has_is_its_forward_where_its_backward_begins_with_that(tmp_path):
    with_loss = """
    def loss(self, x, t):
        self.error = self.forward(x) - t
        return (self.error**2).mean()

    def backward(self):
        dout = 2 * self.error / self.error.size
"""
    network = NETWORK.replace("\n    def backward(self, dout):\n        for", f"{with_loss}        for").partition(
        "    def gradient(self, x):"
    )[0]
    script = "\nnet = Net()\nx, t = np.ones((7, 20)), np.zeros((7, 30))\nfor step in range(3):\n"
    (tmp_path / "train.py").write_text(f"{network}{script}    net.loss(x, t)\n    net.backward()\n")
    data = document(str(tmp_path / "train.py"))
    assert data["name"] == "Net"
    assert data["sizes"][0]["shapes"] == {"x": [7, 20], "t": [7, 30]}
    assert [row["layers"] for row in data["layers"]][:3] == [["Linear1"], ["Square1"], ["outside of layers"]]


def test_what_a_script_raises_is_told_by_its_own_lines(tmp_path):
    (tmp_path / "network_of_a_test.py").write_text(NETWORK)
    (tmp_path / "train.py").write_text("from network_of_a_test import Net\nNet().forward(None)\n")
    done = subprocess.run(
        [sys.executable, "-m", "dout", "bench", "train.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "contextlib" not in done.stderr
    assert "network_of_a_test.py" in done.stderr


def test_a_file_of_layers_that_also_trains_them_runs_until_it_asks_for_gradients(tmp_path):
    whole = NETWORK.partition("    def backward(self, dout):\n        for layer")[0].replace(
        "class Net:", "class Net2:"
    )
    gradient = """
    def gradient(self, x):
        dout = np.ones_like(self.forward(x))
        for layer in reversed(list(self.layers.values())):
            dout = layer.backward(dout)
        return dout

if __name__ == "__main__":
    Net2().gradient(np.full((7, 20), 0.5))
"""
    (tmp_path / "whole.py").write_text(whole + gradient)
    done = whole_process(str(tmp_path / "whole.py"))
    assert "Net2.gradient" in done.stdout
    assert "x (7, 20)" in done.stdout
    assert "by layer" in done.stdout


def test_a_script_without_a_network_says_what_to_name(tmp_path):
    (tmp_path / "hello.py").write_text("import numpy as np\nx = np.ones(3)\nprint(x.sum())\n")
    done = whole_process(str(tmp_path / "hello.py"))
    assert "name a network and the file that it is written in" in done.stderr


def test_a_network_whose_loss_is_apart_is_measured_with_what_its_backward_is_handed(tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text(
        "import numpy as np\n"
        "class SoftmaxLoss:\n"
        "    def __call__(self, x):\n"
        "        e = np.exp(x - x.max(axis=1, keepdims=True))\n"
        "        return e / e.sum(axis=1, keepdims=True)\n"
        "    def loss(self, y_hat, y):\n"
        "        return -np.mean(np.log(self(y_hat) + 1e-10) * y)\n"
        "    def backpropagation(self, y_hat, y):\n"
        "        return y_hat - y\n"
    )
    assert document(f"{mine}:SoftmaxLoss", "--sizes", "200")["agrees"]
