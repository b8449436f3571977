"""Nothing is silently another program: what ends a gradient, what is missing, and what a stopped program writes."""

import importlib
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from foreign_programs import SCALE, USED, said, written
from recorded_scripts import record_script

import dout
from dout.trace.record.script import run_script


def test_a_number_from_what_has_no_row_ends_the_gradient_aloud(tmp_path):
    text = """
import numpy as np
class Spectral:
    def forward(self, W):
        u, s, vt = np.linalg.svd(W)
        self.u, self.s, self.vt, self.W = u[:, 0], s[0], vt[0], W
        return W / self.s
    def backward(self, dout):
        return dout / self.s - np.sum(dout * self.W) / self.s**2 * np.outer(self.u, self.vt)
layer = Spectral()
W = np.array([[2.0, 1.0], [0.5, 3.0]])
y = layer.forward(W)
dW = layer.backward(np.ones((2, 2)))
"""
    trace = record_script(written(tmp_path, train=text))
    assert "a gradient ends here: np.linalg.svd" in said(trace)
    assert not trace.wrong


def test_what_can_be_gone_through_once_is_not_gone_through_twice(tmp_path, capsys):
    text = SCALE.replace("return x * self.W", "print(np.fromiter((float(v) for v in x[0]), float)); return x * self.W")
    record_script(written(tmp_path, train=text + USED))
    assert capsys.readouterr().out.startswith("[1. 1. 1. 1.]")


def test_what_a_stopped_program_writes_at_its_end_replaces_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("trained.txt").write_text("after 999 rounds")
    text = SCALE + "layer, n = Scale(np.ones(4)), 0\ntry:\n    for n in range(1000):\n"
    text += (
        "        layer.backward(layer.forward(np.ones((3, 4))))\nfinally:\n    with open('trained.txt', 'w') as file:\n"
    )
    text += "        file.write(f'after {n} rounds')\n"
    record_script(written(tmp_path, train=text))
    assert Path("trained.txt").read_text() == "after 999 rounds"


def test_an_error_that_a_program_makes_of_being_stopped_is_none(tmp_path):
    text = SCALE + "import sys\nlayer = Scale(np.ones(4))\ntry:\n    for n in range(9):\n"
    text += "        layer.backward(layer.forward(np.ones((3, 4))))\nexcept:\n    sys.exit(1)\n"
    assert run_script(written(tmp_path, train=text)).error is None


def test_a_file_whose_absence_is_expected_is_absent(tmp_path):
    text = SCALE + "try:\n    start = int(open('epoch.txt').read())\nexcept FileNotFoundError:\n    start = 0\n" + USED
    assert not record_script(written(tmp_path, train=text)).events


@pytest.mark.parametrize("answer", ["raised = True", "assertion = 1", "exit_code = 2", "raise_flag()"])
def test_a_word_that_begins_like_an_error_is_an_answer(tmp_path, answer):
    text = "def raise_flag(): pass\n" + SCALE + "try:\n    x = np.load('x_train.npy')\nexcept FileNotFoundError:\n"
    text += f"    x = np.ones((3, 4))\n    {answer}\nlayer = Scale(np.ones(4))\nlayer.backward(layer.forward(x))\n"
    trace = record_script(written(tmp_path, train=text))
    assert not trace.events


@pytest.mark.parametrize("end", ["raise", "assert False", "exit(1)", "quit()", "sys.exit(1)", "os._exit(1)"])
def test_a_handler_that_ends_the_program_is_no_answer(tmp_path, end):
    text = "import os, sys\n" + SCALE + "try:\n    x = np.load('x_train.npy')\nexcept FileNotFoundError:\n"
    text += f"    print('fetch it first')\n    {end}\n" + USED
    assert "x_train.npy" in said(record_script(written(tmp_path, train=text)))


def test_folders_are_no_files_and_what_lies_above_is_named(tmp_path, monkeypatch):
    (tmp_path / ".git").mkdir()
    (tmp_path / "own.csv").write_text("1,2,3,4\n")
    (tmp_path / "checkpoints").mkdir()
    text = (
        SCALE + "import os\nassert not os.path.isfile('.') and not os.path.exists('') and not os.path.exists('none')\n"
    )
    text += "assert not os.path.exists('checkpoints')\nW = np.loadtxt('own.csv', delimiter=',')\n" + USED
    path = written(tmp_path, scripts__train=text)
    monkeypatch.chdir(path.parent)
    assert "the file own.csv is not in the working folder" in said(record_script(path))


def test_logs_go_on_beside_made_up_data_and_the_real_ones_stay(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("train.log").write_text("before\n")
    text = SCALE + "with open('corpus.txt') as file:\n    file.read()\nwith open('train.log', 'a') as log:\n"
    text += "    log.write('now')\nwith open('train.log') as log:\n    assert log.read() == 'before\\nnow'\n"
    record_script(written(tmp_path, train=text + USED))
    assert Path("train.log").read_text() == "before\n"


def test_a_value_from_a_thread_is_noticed_after_a_long_preparation_too(tmp_path):
    in_thread = "found = []; run = threading.Thread(target=lambda: found.append(x * 2.0)); run.start(); run.join()"
    text = SCALE.replace("return x * self.W", f"{in_thread}\n        return x * found[0]")
    prepared = "import threading\ndata = np.zeros((3000, 4))\nfor i in range(3000):\n    data[i] = [i, 1, 2, 3]\n"
    trace = record_script(written(tmp_path, train=text + prepared + USED))
    assert "an edge is lost" in said(trace)


def test_lines_of_a_notebook_that_are_python_stay(tmp_path):
    cells = [
        "W = 3.0\nW = W * 0.5   # good scale?\nprint('%f'\n  % W)\n%time y = 1\n",
        SCALE,
        USED + "assert W == 1.5\n",
    ]
    document = {"cells": [{"cell_type": "code", "source": text} for text in cells]}
    (tmp_path / "notes.ipynb").write_text(json.dumps(document))
    assert record_script(tmp_path / "notes.ipynb").calls


def test_a_layer_that_comes_after_a_long_preparation_is_reached(tmp_path):
    prepared = "import numpy as np\ndata = np.zeros((30000, 4))\nfor i in range(30000):\n    data[i] = [i, 1, 2, 3]\n"
    assert record_script(written(tmp_path, train=prepared + SCALE + USED)).calls


@pytest.mark.parametrize(
    "imports",
    [
        "import autograd.numpy as np\nimport numpy",
        "import cPickle, Queue\nassert cPickle.loads and Queue.Queue\nimport numpy as np",
        "from collections import Hashable, Mapping\nassert isinstance((), Hashable)\nimport numpy as np",
        "import progressbar\nbar = progressbar.ProgressBar(widgets=[progressbar.ETA()])\n"
        "assert list(bar(range(2))) == [0, 1]\nimport numpy as np",
    ],
)
def test_old_names_and_other_makes_of_numpy_and_bars_are_answered(tmp_path, imports):
    script = written(tmp_path, train=SCALE.replace("import numpy as np", imports) + USED)
    assert [call.name for call in record_script(script).calls] == ["layer"]


def test_a_package_in_a_folder_of_sources_is_found(tmp_path):
    script = written(tmp_path, src__mynet__layers=SCALE, train="from mynet.layers import *\n" + USED)
    assert [call.name for call in record_script(script).calls] == ["layer"]


def test_a_folder_is_the_package_that_its_files_import_under_another_name(tmp_path):
    names = "import numpy as np\nfrom tensorlib.nn.layers import *\n"
    script = written(tmp_path, clone__nn__layers=SCALE, clone__nn__train=names + USED)
    assert [call.cls for call in record_script(script).calls] == ["Scale"]
    other = written(tmp_path, clone__run="import numpy as np\nfrom tensorlib.rnn.layers import Scale\n" + USED)
    with pytest.raises(BaseException, match="tensorlib"):
        record_script(other)


def test_a_package_whose_folder_is_called_otherwise_has_the_names_of_its_own_file(tmp_path):
    names = "import numpy as np\nfrom thinnet import Scale\nfrom thinnet.losses import L\nfrom thinnet.steps import S\n"
    script = written(tmp_path, clone__core__layers=SCALE, clone__losses="L = 1\n", clone__examples__train=names + USED)
    (tmp_path / "clone" / "__init__.py").write_text("from .core.layers import Scale\n")
    (tmp_path / "clone" / "steps").mkdir()
    (tmp_path / "clone" / "steps" / "__init__.py").write_text("S = 1\n")
    assert [call.cls for call in record_script(script).calls] == ["Scale"]


KEEPS = """
import numpy as np
class Net:
    def __init__(self):
        self.W, self.dW, self.A = {1: np.ones((3, 4)), 2: np.ones((2, 3))}, {}, {}
    def forward(self, x):
        self.A[0] = x
        for i in (1, 2):
            self.A[i] = np.tanh(self.W[i] @ self.A[i - 1])
    def backward(self, dout):
        back = dout
        for i in (2, 1):
            back = back * (1 - self.A[i] ** 2)
            self.dW[i] = back @ self.A[i - 1].T
            back = self.W[i].T @ back
net = Net()
net.forward(np.ones((4, 5)))
net.backward(np.ones((2, 5)))
"""


RETURNS = """
import numpy as np
class Affine:
    def __init__(self):
        self.W, self.b = np.ones((4, 3)), np.ones(3)
    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
    def backward(self, dout):
        return self.x.T @ dout, dout.sum(0)
layer = Affine()
y = layer.forward(np.ones((5, 4)))
dL_dW, dL_db = layer.backward(np.ones((5, 3)))
"""


@pytest.mark.parametrize(("text", "shapes"), [(KEEPS, {(3, 4), (2, 3)}), (RETURNS, {(4, 3), (3,)})])
def test_a_network_that_keeps_what_it_makes_and_one_that_returns_its_parameters_gradients(tmp_path, text, shapes):
    trace = record_script(written(tmp_path, train=text))
    (call,) = trace.calls
    assert len(call.outputs) == 1
    assert {p.node.shape: p.gradient.shape for p in call.parameters} == {shape: shape for shape in shapes}
    assert not trace.wrong


@pytest.mark.skipif(bool(importlib.util.find_spec("cupy")), reason="the library itself is here")
@pytest.mark.parametrize(("uses", "needs"), [("cp.cuda.Device(0).use()", False), ("cp.add_somewhere(x)", True)])
def test_what_a_library_has_beside_the_names_of_numpy_may_be_set_and_does_not_compute(tmp_path, uses, needs):
    text = f"{SCALE}import cupy as cp\nx = cp.ones((2, 3))\n{uses}\na = b = x\n{USED}"
    if not needs:
        assert record_script(written(tmp_path, train=text)).calls
        return
    with pytest.raises(dout.DoutError, match="NumPy has not"):
        record_script(written(tmp_path, train=text))


AFTER_LONG_DATA = """
import numpy as np
class Affine:
    def __init__(self, rng):
        self.W, self.masks = rng.standard_normal((3, 2)), rng.random((3, 5, 2)) < 0.5
    def forward(self, x):
        self.x, self.kept = x, self.masks[1]
        return np.dot(x, self.W.reshape(-1, 2)) * self.kept
    def backward(self, dout):
        dout = dout * self.kept
        self.dW = np.dot(self.x.T, dout){wrong}
        return np.dot(dout, self.W.T)
data = np.zeros((5, 3))
for i in range(5):
    for j in range(500):
        data[i] = data[i] + np.sin(np.arange(3.0) * i + j)
layer = Affine(np.random.default_rng(0))
parameters = [layer.W]
y = layer.forward(data)
dx = layer.backward(y - 1.0)
assert parameters[0] is layer.W and type(layer.W) is np.ndarray
parameters[0] -= 100.0
"""


@pytest.mark.parametrize("wrong", ["", " * 2"])
def test_no_edge_of_a_layer_is_lost_after_a_long_preparation(tmp_path, wrong):
    trace = record_script(written(tmp_path, train=AFTER_LONG_DATA.replace("{wrong}", wrong)))
    assert "what ran before the first layer is not shown" in said(trace)
    assert not [event for event in trace.events if event.kind == "orphan"]
    assert bool(trace.wrong) == bool(wrong)
    (parameter,) = trace.calls[0].parameters
    assert np.max(np.abs(trace.data[parameter.node])) < 10  # as forward read it


SWEEP = """
import numpy as np
import wandb
class Scale:
    def __init__(self, width): self.W = np.ones(width)
    def forward(self, x):
        self.x = x
        return x * self.W
    def backward(self, dout):
        self.dW = (dout * self.x).sum(axis=0)
        return dout * self.W
def train():
    with wandb.init(config={"width": 7, "batch": {"value": 3}}) as run:
        run.name, config = "first", wandb.config
        layer = Scale(config.width)
        layer.backward(layer.forward(np.ones((config["batch"], config.width))))
        wandb.log({"loss": 0.5})
        wandb.finish()
"""


@pytest.mark.parametrize(
    ("runs", "width"),
    [
        ("train()", 7),
        ("wandb.agent(wandb.sweep({'parameters': {'width': {'values': [5, 9]}}}, project='p'), train, count=4)", 5),
        ("wandb.agent(wandb.sweep(sweep={'parameters': {'width': {'min': 4, 'max': 8}}}), function=train)", 4),
    ],
)
def test_a_run_that_is_logged_elsewhere_has_its_settings_here(tmp_path, runs, width):
    trace = record_script(written(tmp_path, train=SWEEP + runs + "\n"))
    assert [call.inputs[0].shape for call in trace.calls] == [(3, width)]


def test_what_a_gpu_adds_at_places_numpy_adds_at(tmp_path):
    text = """
import cupy as cp
import cupyx
class Embedding:
    def __init__(self): self.W = cp.ones((3, 2))
    def forward(self, ids):
        self.ids = ids
        return self.W[ids]
    def backward(self, dout):
        self.dW = cp.zeros_like(self.W)
        cupyx.scatter_add(self.dW, self.ids, dout)
layer = Embedding()
layer.forward(cp.array([0, 2, 2]))
layer.backward(cp.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
"""
    trace = record_script(written(tmp_path, train=text))
    (parameter,) = trace.calls[0].parameters
    np.testing.assert_array_equal(trace.data[parameter.gradient], [[1, 2], [0, 0], [8, 10]])
    assert not trace.wrong


VOCABULARY = """
import os
import urllib.request
from pathlib import Path
def load_vocabulary():
    numbers = {f"word{i}": i for i in range(150)} | {"<eos>": 150}
    return numbers, {i: word for word, i in numbers.items()}
def download(name):
    if not os.path.exists(name):
        urllib.request.urlretrieve("http://localhost:9/ptb/" + name, name)
def load_data():
    word_to_id, id_to_word = load_vocabulary()
    download("ptb.train.txt")
    words = Path("ptb.train.txt").read_text().replace("\\n", "<eos>").strip().split()
    return np.array([word_to_id[word] for word in words])
corpus = load_data()
"""


def test_a_text_that_is_not_there_has_the_words_of_the_vocabulary_that_is(tmp_path):
    used = USED.replace("np.ones((3, 4))", "corpus[:12].reshape(3, 4) * 1.0", 1)
    trace = record_script(written(tmp_path, train=SCALE + VOCABULARY + used))
    assert "stand-in data for the file http://localhost:9/ptb/ptb.train.txt" in said(trace)
    assert trace.calls[0].inputs[0].shape == (3, 4)
