"""`dout export`: what it writes and says, and in one line why it cannot."""

import re
import subprocess
import sys

import numpy as np
import onnx
import pytest
import safetensors.numpy
from dout_commands import run_dout
from onnx_runs import ran

NET = """\
import numpy as np


class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        return x @ self.W + self.b

    def backward(self, dout):
        return dout @ self.W.T


class Net:
    def __init__(self):
        rng = np.random.default_rng(0)
        self.layers = [Affine(rng.normal(size=(3, 4)), np.ones(4)), Affine(rng.normal(size=(4, 2)), np.zeros(2))]

    def forward(self, x, train_flg=True):
        for layer in self.layers:
            x = np.maximum(layer.forward(x), 0)
        return x * 2 if train_flg else x

    def predict(self, x):
        return self.forward(x, train_flg=False).argmax(axis=1)

    def backward(self, dout):
        return dout


net = Net()
"""


def run(*arguments, cwd):
    return run_dout("export", *arguments, cwd=cwd, timeout=60)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.py").write_text(NET)
    return tmp_path


def test_a_net_is_written_with_its_names_and_lines(folder):
    found = run("mine.py:net", "model.onnx", "--input", "x=array(2,3)", cwd=folder)
    assert found.returncode == 0, found.stderr
    assert found.stderr == "wrote model.onnx\n"
    assert "inputs: x double[batch, 3]" in found.stdout
    assert "note: exported as it is used: train_flg=False" in found.stdout
    model = onnx.load(folder / "model.onnx")
    assert model.producer_name == "dout"
    assert [tensor.name for tensor in model.graph.initializer if tensor.dims] == ["W", "b", "W_2", "b_2"]
    assert {node.doc_string for node in model.graph.node} == {"mine.py:9", "mine.py:22"}
    names = [output for node in model.graph.node for output in node.output]
    assert len(set(names)) == len(names) == 6
    x = np.linspace(-1, 1, 15).reshape(5, 3)
    scope = {}
    exec(NET, scope)
    np.testing.assert_allclose(ran(model.SerializeToString(), x)[0], scope["net"].forward(x, False), rtol=1e-12)


@pytest.mark.long
def test_a_method_is_exported_and_a_file_with_one_net_needs_no_name(folder):
    assert run("mine.py:net.predict", "places.onnx", "--input", "x=array(2,3)", cwd=folder).returncode == 0
    assert onnx.load(folder / "places.onnx").graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.INT64
    found = run("mine.py", "again.onnx", "--input", "x=array(2,3)", "--dtype", "float32", cwd=folder)
    assert found.returncode == 0
    assert "inputs: x float[batch, 3]" in found.stdout


def test_loops_are_one_loop_where_asked(tmp_path):
    text = "import numpy as np\n\n\ndef rows(x):\n    return np.stack([np.tanh(row) * 2 for row in x])\n"
    (tmp_path / "mine.py").write_text(text)
    found = run("mine.py:rows", "rows.onnx", "--loops", "loop", "--input", "x=array(5,3)", cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    assert "inputs: x double[batch, 3]" in found.stdout
    assert "note: a Loop of batch turns, at mine.py:5" in found.stdout


def test_gradients_are_outputs_where_asked(folder):
    found = run("mine.py:net", "both.onnx", "--input", "x=array(2,3)", "--backward", cwd=folder)
    assert found.returncode == 0, found.stderr
    outputs = [value.name for value in onnx.load(folder / "both.onnx").graph.output]
    assert {"dx", "dW", "db"} <= set(outputs)


REFUSED = {
    "a branch": (
        "if x.sum() > 0:\n            return x * 2\n        return x",
        r"value of an input, at mine\.py:5.*np\.where",
    ),
    "random numbers": ("return x * np.random.rand(*x.shape)", r"draws random numbers, at mine\.py:5"),
    "equations": ("return np.linalg.solve(np.eye(3) + x.T @ x, x.T)", r"no operators for solve, at mine\.py:5"),
    "a mask": ("return x[x > 0]", r"elements that a condition selects, at mine\.py:5; write np\.where"),
    "no result": ("return 'text'", "returns no array"),
}


@pytest.mark.one_in(6)
@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_exported_is_one_line(what, tmp_path):
    body, said = REFUSED[what]
    (tmp_path / "mine.py").write_text(f"import numpy as np\n\nclass Mine:\n    def forward(self, x):\n        {body}\n")
    found = run("mine.py:Mine", "model.onnx", "--input", "x=array(2,3)", cwd=tmp_path)
    assert found.returncode == 2
    assert re.search(f"^dout: .*{said}", found.stderr, re.MULTILINE), found.stderr
    assert len(found.stderr.splitlines()) == 1
    assert not (tmp_path / "model.onnx").exists()


def test_a_wrong_suffix_a_missing_folder_and_a_foreign_file_are_refused_before_anything_runs(folder):
    (folder / "mine.py").write_text("raise SystemExit('it ran')")
    (folder / "other.onnx").write_bytes(b"not ours")
    for output, said in [
        ("model.pb", "an ONNX model ends in .onnx"),
        ("nowhere/model.onnx", "there is no folder nowhere"),
        ("other.onnx", "--force"),
    ]:
        found = run("mine.py:net", output, cwd=folder)
        assert (found.returncode, len(found.stderr.splitlines())) == (2, 1)
        assert said in found.stderr


def test_a_missing_extra_is_named(folder, monkeypatch):
    (folder / "sitecustomize.py").write_text("import sys\nsys.modules['onnx'] = None\n")
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=":")
    found = run("mine.py:net", "model.onnx", cwd=folder)
    assert found.returncode == 2
    assert "pip install 'dout[onnx]'" in found.stderr


LINE = """\
import numpy as np
from dout.layers import Affine, MeanSquaredError
from dout.train import SGD

random = np.random.default_rng(0)
x_train = random.standard_normal((40, 3))
t_train = x_train @ np.array([[1.0], [2.0], [3.0]])
net = [Affine(np.zeros((3, 1)), np.zeros(1))]
other = [Affine(np.ones((3, 1)), np.zeros(1))]
loss = MeanSquaredError()
optimizer = SGD(lr=0.1)
epochs, batch, seed = 3, 10, 0
"""


@pytest.mark.long
def test_a_checkpoint_gives_the_parameters_that_were_learned(tmp_path):
    (tmp_path / "line.py").write_text(LINE)
    where = ["--input", "x=array(2,3)"]
    before = run("line.py", "plain.onnx", *where, cwd=tmp_path)
    assert "note" not in before.stdout
    command = [sys.executable, "-m", "dout", "train", "line.py", "--plain"]
    assert subprocess.run(command, capture_output=True, timeout=60, check=False, cwd=tmp_path).returncode == 0

    after = run("line.py", "plain.onnx", *where, cwd=tmp_path)
    assert "the parameters are those of the file" in after.stdout
    assert "--checkpoint line.training/best.safetensors" in after.stdout
    learned = run(
        "line.py", "learned.onnx", *where, "--checkpoint", "line.training/last.safetensors", "--backward", cwd=tmp_path
    )
    assert (learned.returncode, "note" in learned.stdout) == (0, False)

    def numbers(name):
        return ran((tmp_path / name).read_bytes(), np.eye(3))[0]

    arrays = safetensors.numpy.load_file(tmp_path / "line.training" / "last.safetensors")
    weights = next(array for array in arrays.values() if array.shape == (3, 1))
    bias = next(array for array in arrays.values() if array.shape == (1,))
    assert not numbers("plain.onnx").any()
    np.testing.assert_allclose(numbers("learned.onnx"), weights + bias, rtol=1e-12)
    assert weights.all()


@pytest.mark.long
def test_a_checkpoint_of_another_net_or_none_is_refused(folder):
    for target, said in [("mine.py:net", "cannot be read"), ("mine.py:Net", "no object that was trained")]:
        found = run(target, "model.onnx", "--checkpoint", "nowhere.safetensors", cwd=folder)
        assert (found.returncode, len(found.stderr.splitlines())) == (2, 1)
        assert said in found.stderr


@pytest.mark.long
def test_a_class_is_built_anew_and_a_note_says_whose_parameters_those_are(folder):
    found = run("mine.py:Affine", "model.onnx", cwd=folder)
    assert "note: Affine is a class: dout built one, and chose W, b" in found.stdout
    found = run("mine.py:Net", "model.onnx", cwd=folder)
    assert "note: Net is a class: dout built one, with the parameters that it begins with" in found.stdout


@pytest.mark.long
def test_a_file_whose_net_is_a_list_needs_no_name(tmp_path):
    (tmp_path / "line.py").write_text(LINE)  # `other` is one, too
    assert run("line.py", "model.onnx", cwd=tmp_path).returncode == 0
    (tmp_path / "two.py").write_text(LINE.replace("net = ", "first = "))
    found = run("two.py", "model.onnx", cwd=tmp_path)
    assert "two.py is a file; name what to export: two.py:other" in found.stderr
    (tmp_path / "one.py").write_text(LINE.replace("net = ", "_ = "))
    assert run("one.py", "model.onnx", cwd=tmp_path).returncode == 0
