"""`dout train` trains what a file defines, stops at Control-C, goes on, and says what a file lacks."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from click.testing import CliRunner

from dout.cli import commands
from dout.errors import DoutError

FILE = """
import numpy as np
from dout.layers import Affine, MeanSquaredError
from dout.train import SGD

print("hello")
generator = np.random.default_rng(0)
x_train = generator.standard_normal((40, 3))
t_train = x_train @ np.array([[1.0], [2.0], [3.0]])
net = [Affine(np.zeros((3, 1)), np.zeros(1))]
other = [Affine(np.ones((3, 1)), np.zeros(1))]
loss = MeanSquaredError()
optimizer = SGD(lr=0.1)
epochs, batch, seed = 3, 10, 0
"""
WRONG = """
class Half:
    def forward(self, x):
        return x / 2

    def backward(self, dout):
        return dout * 1.0

net = [*net, Half()]
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "line.py").write_text(FILE)
    return tmp_path


def train(*arguments):
    return CliRunner().invoke(commands, ["train", *arguments])


def refused(*arguments):
    result = train(*arguments)
    assert isinstance(result.exception, DoutError), result.output
    return str(result.exception)


def test_it_trains_and_prints_the_history(place):
    result = train("line.py")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("hello\nepoch")
    assert "line.training/last.safetensors" in result.stderr.replace("\\", "/")
    assert {path.name for path in (place / "line.training").iterdir()} == {"last.safetensors", "best.safetensors"}


def test_it_goes_on_to_more_epochs_as_if_it_had_never_stopped(place):
    whole = json.loads(train("line.py", "--epochs", "5", "--folder", "a", "--json").stdout)
    train("line.py", "--folder", "b")
    parts = json.loads(train("line.py", "--epochs", "5", "--folder", "b", "--resume", "--json").stdout)
    assert parts["epochs"] == whole["epochs"]
    assert [row["epoch"] for row in whole["epochs"]] == [1, 2, 3, 4, 5]


def test_numbers_can_be_set(place):
    one = json.loads(train("line.py", "--set", "lr=0.001", "--set", "batch=40", "--json").stdout)
    assert one["epochs"][0]["lr"] == 0.001
    assert one["epochs"][-1]["loss"] > 5


def test_another_net_of_the_file_can_be_named(place):
    told = [train(f"line.py{name}", "--json", "--force").stdout for name in (":net", "", ":other")]
    rows = [json.loads(text)["epochs"] for text in told]
    assert rows[0] == rows[1] != rows[2]


def test_it_does_not_begin_over_a_checkpoint_unless_it_is_told_to(place):
    train("line.py")
    assert "last.safetensors is there: --resume" in refused("line.py")
    assert "there is no 'lx'" in refused("line.py", "--force", "--set", "lx=1")
    assert (place / "line.training" / "last.safetensors").exists()
    assert train("line.py", "--force").exit_code == 0


def test_the_curves_are_written(place):
    train("line.py", "-o", "curve.svg")
    assert "<svg" in (place / "curve.svg").read_text()
    assert train("line.py", "--force", "--folder", "b", "-o", "curve.svg").exit_code == 0
    assert "ends in .svg" in refused("line.py", "-o", "curve.png")


def test_a_module_is_as_good_as_a_file(place):
    assert train("line").exit_code == 0


@pytest.mark.parametrize("way", ["--plain", "--fast"])
def test_how_it_is_compiled_can_be_said(place, way):
    assert train("line.py", way).exit_code == 0


def test_data_may_be_batches(place):
    (place / "batches.py").write_text(FILE.replace("x_train", "x").replace("t_train", "t") + "data = [(x, t)] * 3\n")
    assert train("batches.py").exit_code == 0


@pytest.mark.parametrize(
    ("text", "target", "said"),
    [
        ("", "none.py", "there is no file none.py"),
        ("a = 1", "line.py", r"line.py has no `net`. Looked for `net` (an object with forward and backward"),
        (FILE, "line.py:nets", "line.py has no `nets`; or name another one: line.py:net. Looked for"),
        (FILE + "del x_train", "line.py", "line.py has no data. Looked for `net`"),
        (FILE + "raise ValueError('mine')", "line.py", "line.py raised ValueError, at"),
        (FILE + "net = [net[0], 3]", "line.py", "'2': int is no layer"),
        (FILE + "t_train = t_train[:3]", "line.py", "x has 40 samples, t has 3"),
    ],
)
def test_what_is_missing_is_said(place, text, target, said):
    (place / "line.py").write_text(text)
    assert said in refused(target)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("lr", "--set 'lr': '' is no number: --set lr=0.1"),
        ("lr=fast", "'fast' is no number"),
        ("batch=1.5", "'1.5' is no whole number"),
        ("speed=1", "there is no 'speed'; write one of lr, weight_decay, epochs"),
    ],
)
def test_a_setting_that_is_none_is_refused(place, change, said):
    assert said in refused("line.py", "--set", change)


def test_a_wrong_layer_is_found_before_anything_is_trained(place):
    (place / "line.py").write_text(FILE + WRONG)
    result = train("line.py", "--check")
    assert result.exit_code == 1
    assert "Half (net.layers[1])" in result.stderr
    assert not (place / "line.training" / "last.safetensors").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_control_c_ends_with_a_checkpoint_and_the_exit_code_of_an_interrupt(place):
    command = [sys.executable, "-m", "dout", "train", "line.py", "--epochs", "1000000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        until = time.monotonic() + 60
        while not (place / "line.training" / "last.safetensors").exists() and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "go on with: dout train line.py --resume" in said
    assert "Traceback" not in said
    from dout.train.state.checkpoints import read_checkpoint

    _, training = read_checkpoint(place / "line.training" / "last.safetensors")
    found = json.loads(train("line.py", "--resume", "--epochs", str(training["epoch"] + 1), "--json").stdout)
    assert len(found["epochs"]) == training["epoch"] + 1
    assert np.isfinite(found["epochs"][-1]["loss"])
