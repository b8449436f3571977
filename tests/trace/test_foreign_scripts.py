"""Scripts as people keep them: in a folder below their packages, with libraries and data that are not there."""

import gzip
import importlib
import importlib.util
import json
import pickle
import tempfile
from pathlib import Path

import numpy as np
import pytest
from foreign_programs import SCALE, USED, said, written
from recorded_scripts import record_script

import dout
from dout.trace.record.script import run_script
from dout.trace.record.turns_without_backward import first_turn
from dout.trace.session.layer_calls import LayerMethods


def test_imports_count_from_a_folder_above_or_beside_the_script(tmp_path):
    above = written(tmp_path, nets__scale=SCALE, examples__deep__run="from nets.scale import *\n" + USED)
    assert [call.cls for call in record_script(above).calls] == ["Scale"]
    (tmp_path / "b" / ".git").mkdir(parents=True)
    beside = written(tmp_path / "b", layers__shapes=SCALE, scripts__run="from shapes import *\n" + USED)
    assert [call.cls for call in record_script(beside).calls] == ["Scale"]


def test_a_script_inside_of_a_package_is_run_as_a_part_of_it(tmp_path):
    script = written(tmp_path, net____init__="", net__scale=SCALE, net__run="from .scale import *\n" + USED)
    assert [call.cls for call in record_script(script).calls] == ["Scale"]


def test_a_folder_whose_name_is_no_identifier_is_a_package_where_the_code_says_so(tmp_path):
    script = written(tmp_path, net__scale=SCALE, net__run="from .scale import *\n" + USED)
    script.parent.rename(tmp_path / "my-layers")
    assert [call.cls for call in record_script(tmp_path / "my-layers" / script.name).calls] == ["Scale"]


def test_data_of_a_library_that_is_not_there_are_made_and_the_trace_says_so(tmp_path):
    text = (
        SCALE
        + """
from keras.datasets import mnist
from keras.utils import to_categorical
(x, t), (x_test, t_test) = mnist.load_data()
images = x.reshape(60000, 784)
layer = Scale(np.ones(784))
layer.forward(images[:5] / 255)
layer.backward(np.ones((5, 784)))
print(x.dtype, x_test.shape[1:], t.shape, to_categorical(t, 10).shape)
"""
    )
    trace = record_script(written(tmp_path, train=text))
    assert "stand-in data for keras.datasets.mnist.load_data" in said(trace)
    assert trace.calls[0].inputs[0].shape == (5, 784)


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    ("loads", "shapes"),
    [
        (
            "from tensorflow.keras.datasets import cifar10\n(a, b), _ = cifar10.load_data()",
            [(1024, 32, 32, 3), (1024, 1)],
        ),
        ("import tensorflow as tf\n(a, b), _ = tf.keras.datasets.fashion_mnist.load_data()", [(1024, 28, 28), (1024,)]),
        (
            "from tensorflow.examples.tutorials.mnist import input_data\n"
            "a, b = input_data.read_data_sets('d', one_hot=True).train.next_batch(50)",
            [(50, 784), (50, 10)],
        ),
        ("from nnfs.datasets import spiral_data\na, b = spiral_data(samples=100, classes=3)", [(300, 2), (300,)]),
        (
            "import torchvision.transforms as T\nfrom torchvision.datasets import MNIST\n"
            "from torch.utils.data import DataLoader\n"
            "images = MNIST('d', train=False, transform=T.Compose([T.ToTensor(), T.Normalize((0.1,), (0.3,))]))\n"
            "a, b = (part.numpy() for part in next(iter(DataLoader(images, batch_size=8, shuffle=True))))",
            [(8, 1, 28, 28), (8,)],
        ),
        (
            "from sklearn.datasets import fetch_openml\n"
            "a, b = (part[:9] for part in fetch_openml('mnist_784', return_X_y=True))",
            [(9, 784), (9,)],
        ),
        ("import cupy as cp\na, b = cp.asnumpy(cp.ones((2, 3))), cp.zeros(2)", [(2, 3), (2,)]),
        (
            "from sklearn.datasets import fetch_openml\nd = fetch_openml('mnist_784')\n"
            "a, b = d.data.values[:9], d.target.astype(int).values[:9]",
            [(9, 784), (9,)],
        ),
        (
            "from sklearn.datasets import fetch_openml\nd = fetch_openml('mnist_784')\n"
            "a, b = d.data.reshape(-1, 1, 28, 28)[:9], d.target[:9]",
            [(9, 1, 28, 28), (9,)],
        ),
        ("import mnist\na, b = mnist.train_images(), mnist.train_labels()", [(1024, 28, 28), (1024,)]),
        ("from mnist import MNIST\na, b = map(np.array, MNIST('d').load_testing())", [(1024, 784), (1024,)]),
        ("from mnist import MNIST\na, b = MNIST('d', return_type='numpy').load_testing()", [(1024, 784), (1024,)]),
    ],
)
def test_each_loader_gives_the_shapes_of_the_real_one(tmp_path, loads, shapes):
    if importlib.util.find_spec(loads.split()[1].partition(".")[0]):
        pytest.skip("the library itself is here")
    text = f"{SCALE}{loads}\nassert [a.shape[1:], b.shape[1:]] == {[shape[1:] for shape in shapes]}\n"
    text += f"assert len(a) == len(b) >= {min(shapes[0][0], 1000)}\n{USED}"
    assert record_script(written(tmp_path, train=text)).calls


@pytest.mark.skipif(bool(importlib.util.find_spec("six")), reason="the library itself is here")
def test_libraries_for_code_that_python_2_runs_too_give_what_python_3_has(tmp_path):
    text = (
        "from past.builtins import xrange, basestring\nimport six\nfrom six.moves import cPickle as pickle\n"
        "from future import standard_library\nstandard_library.install_aliases()\n"
        "assert [*xrange(2)] == [0, 1] and pickle.loads(pickle.dumps([3])) == [3] and isinstance('a', basestring)\n"
        "assert six.PY3 and [*six.iteritems({1: 2})] == [(1, 2)] and [*six.moves.range(1)] == [0]\n"
    )
    assert record_script(written(tmp_path, train=SCALE + text + USED)).calls


def test_what_a_program_guards_with_try_is_left_to_it(tmp_path):
    text = SCALE + "try:\n    import cupy as xp\nexcept ImportError:\n    xp = np\nassert xp.ones is not None\n" + USED
    assert "cupy" not in said(record_script(written(tmp_path, train=text)))


def test_a_library_that_is_not_there_is_named_where_it_is_used_and_not_before(tmp_path):
    unused = "from no_such_helpers import plot_all\n" + SCALE + USED
    assert "no_such_helpers cannot be found" in said(record_script(written(tmp_path, a=unused)))
    with pytest.raises(dout.DoutError, match=r"needs no_such_helpers, which cannot be found, at .*b\.py:"):
        record_script(written(tmp_path, b=unused.replace(USED, USED + "plot_all(layer)\n")))


def test_settings_of_a_library_that_is_not_there_are_no_matter_until_numbers_are_asked_of_them(tmp_path):
    asks = "from no_such_settings import load\nsettings = load('net.yml', strict=True).training\n" + SCALE
    assert record_script(written(tmp_path, a=asks + USED)).calls
    with pytest.raises(dout.DoutError, match=r"needs no_such_settings, which cannot be found, at .*b\.py:"):
        record_script(written(tmp_path, b=asks + "for i in range(settings.epochs):\n    pass\n" + USED))


def test_a_folder_without_code_is_not_the_library_of_its_name(tmp_path, monkeypatch):
    (tmp_path / "wandb" / "run").mkdir(parents=True)
    (tmp_path / "wandb" / "run" / "log.txt").write_text("1")
    text = SCALE + "import wandb\nwandb.init(project='x')\n" + USED
    assert record_script(written(tmp_path, train=text)).calls


def test_loaders_that_an_installed_library_has_no_more_or_cannot_fetch_are_stood_for(tmp_path):
    pytest.importorskip("sklearn")
    text = SCALE + (
        "from sklearn import datasets\n"
        "assert datasets.load_boston().data.shape == (506, 13)\n"
        "assert datasets.load_iris().data.shape == (150, 4)\n"
        "assert not hasattr(datasets.load_iris(), 'has_no_such_part')\n"
    )
    assert "stand-in data for sklearn.datasets.load_boston" in said(record_script(written(tmp_path, a=text + USED)))


def test_what_a_plain_array_and_a_recorded_one_give_by_dot_goes_on_in_any_operation(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(6.0).reshape(2, 3))
    text = SCALE + (
        "x = np.load('x.npy')\nw = np.random.rand(3, 2)\n"
        "layer = Scale(np.ones(3))\nout = layer.forward(np.maximum(x.dot(w), 0).dot(w.T))\nlayer.backward(out)\n"
    )
    assert record_script(written(tmp_path, train=text)).calls


def test_files_are_found_beside_the_script_and_those_of_known_sets_are_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path / "..")
    (tmp_path / "own.csv").write_text("1,2\n3,4\n")
    text = (
        SCALE
        + """
import gzip, os, pickle
assert os.path.exists("own.csv") and np.loadtxt("own.csv", delimiter=",").shape == (2, 2)
with gzip.open("data/train-images-idx3-ubyte.gz") as file:
    images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
with open("cifar/data_batch_1", "rb") as file:
    batch = pickle.load(file, encoding="bytes")
assert batch[b"data"].shape == (len(batch[b"labels"]), 3072), batch.keys()
with open("corpus.txt") as file:
    words = file.read().split()
with open("cache.pkl", "wb") as file:
    pickle.dump(images, file)
with open("cache.pkl", "rb") as file:
    assert len(pickle.load(file)) == len(images) > 1000 < len(words)
"""
    )
    trace = record_script(written(tmp_path, train=text + USED))
    assert said(trace).count("stand-in data for the file") == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own.csv", "train.py"]  # nothing made up is kept


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    "reads",
    [
        "import gzip, pickle\nwith gzip.open('d/mnist.pkl.gz') as f:\n    (x, t), *_ = pickle.load(f)\n",
        "with np.load('mnist.npz') as f:\n    x, t = f['x_train'].reshape(-1, 784), f['y_train']\n",
        "table = np.loadtxt('mnist_test.csv', delimiter=',')\nx, t = table[:, 1:], table[:, 0]\n",
    ],
)
def test_the_usual_copies_of_mnist_are_made(tmp_path, reads):
    checked = "assert x.shape == (len(t), 784) and set(t.astype(int)) == set(range(10))\n"
    assert "stand-in data" in said(record_script(written(tmp_path, train=SCALE + reads + checked + USED)))


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    "reads",
    [
        "t = np.loadtxt('train_y')\n",
        "kept = {}\nkept['Z1'] = 28 * 28\nwith open('digits.csv') as f:\n"
        "    t = np.array([float(line.split(',')[0]) for line in f])\n",
        "import csv\nwith open('train_labels.csv') as f:\n"
        "    t = np.array(list(csv.reader(f, quoting=csv.QUOTE_NONNUMERIC)))[:, 0]\n",
    ],
)
def test_files_that_are_called_after_labels_are_lines_of_these(tmp_path, reads):
    checked = "assert len(t) > 1000 and set(t.astype(int)) == set(range(10))\n"
    assert "stand-in data" in said(record_script(written(tmp_path, train=SCALE + reads + checked + USED)))


def test_a_download_that_fails_is_stood_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (
        SCALE
        + """
import gzip, urllib.request
address = "http://nowhere.invalid/t10k-labels-idx1-ubyte.gz"
urllib.request.urlretrieve(address, "t10k-labels-idx1-ubyte.gz")
with gzip.open("t10k-labels-idx1-ubyte.gz") as file, urllib.request.urlopen(address) as again:
    assert file.read() == gzip.decompress(again.read())
"""
    )
    assert "stand-in data for the file" in said(record_script(written(tmp_path, train=text + USED)))
    assert [path.name for path in tmp_path.iterdir()] == ["train.py"]


def test_what_stands_for_files_is_gone_when_the_program_has_ended(tmp_path, monkeypatch):
    (scratch := tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    text = (
        SCALE
        + "import os\nx = np.load('mnist.npz')['x_train']\nwith open('cache', 'w') as file:\n    file.write('x')\n"
    )
    text += "os.makedirs('models/a')\nos.remove('cache')\n"
    assert "stand-in data" in said(record_script(written(tmp_path, train=text + USED)))
    assert not list(scratch.iterdir())


def test_an_error_after_data_were_stood_for_names_them(tmp_path):
    text = SCALE + "from pathlib import Path\nx = float(Path('numbers.txt').read_text())\n"
    with pytest.raises(dout.DoutError, match=r"ValueError, at .*, with stand-in data for the file numbers\.txt"):
        record_script(written(tmp_path, train=text))


def test_a_file_that_nobody_can_make_is_missing_as_ever(tmp_path):
    with pytest.raises(dout.DoutError, match="raised FileNotFoundError"):
        record_script(written(tmp_path, train=SCALE + "np.load('weights.npz')\n"))
    with pytest.raises(dout.DoutError, match="raised FileNotFoundError"):
        record_script(written(tmp_path, train=SCALE + "np.loadtxt('numbers.txt')\n"))


def test_files_that_are_there_are_read_and_written_as_ever(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with gzip.open("train-images-idx3-ubyte.gz", "wb") as file:
        file.write(b"mine")
    text = SCALE + "import gzip\nwith gzip.open('train-images-idx3-ubyte.gz') as file, open('out', 'w') as out:\n"
    text += "    assert out.write(str(file.read()))\n"
    record_script(written(tmp_path, train=text + USED))
    assert Path("out").read_text() == "b'mine'"
    assert pickle.loads(pickle.dumps(open)) is open  # and all is put back


@pytest.mark.parametrize("time", ["first", "second"])
def test_names_that_numpy_has_removed_are_answered_and_said_each_time(time, tmp_path):
    trace = record_script(written(tmp_path, train=SCALE + "ones = np.ones(4, dtype=np.float)\n" + USED))
    assert "np.float, which NumPy has removed, was answered: write float" in said(trace)
    assert not hasattr(np, "float")  # it is gone again


def test_functions_that_once_lay_in_another_module_are_found_and_recorded(tmp_path):
    text = SCALE.replace("return x * self.W", "return np.lib.pad(x * self.W, 1, 'constant')[1:-1, 1:-1]")
    trace = record_script(written(tmp_path, train=text + USED))
    assert {"concatenate", "pad"} & {str(node.primitive) for node in trace.graph.nodes}
    assert not hasattr(np.lib, "pad")


def test_what_numpy_once_converted_is_converted_and_said(tmp_path):
    used = USED + "import weakref\nassert weakref.ref(y)() is y\n"
    used += "loss = np.sum(y, keepdims=True)\nassert (float(loss), int(loss), f'{float(loss)}') == (12.0, 12, '12.0')\n"
    used += "table = np.zeros((2, 2))\ntable[0, 1] = loss\nassert table.sum() == 12.0\n"
    trace = record_script(written(tmp_path, train=SCALE + used))
    message = "an array with axes was taken as a number, which NumPy has removed: write x.item()"
    assert said(trace).count(message) == 2


def test_a_long_preparation_is_left_out_and_its_results_are_inputs(tmp_path):
    prepared = "data = np.zeros((3000, 4))\nfor i in range(3000):\n    data[i] = [i, 1, 2, 3]\n"
    trace = record_script(written(tmp_path, train=SCALE + prepared + USED.replace("np.ones((3, 4))", "data[:3]", 1)))
    assert len(trace.graph.nodes) < 30
    np.testing.assert_array_equal(trace["y"].data, [[0, 1, 2, 3], [1, 1, 2, 3], [2, 1, 2, 3]])
    assert "what ran before the first layer is not shown" in said(trace)


def test_a_large_data_set_is_left_out_and_a_batch_of_it_is_an_input(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.import_module("dout.trace.tracer.script_tracer"), "DATA_SET", 100_000)
    data = "data = np.arange(12_000.0).reshape(-1, 4) / 12_000\nbatch = data[:3] * 1.0\n"
    trace = record_script(written(tmp_path, train=SCALE + data + USED.replace("np.ones((3, 4))", "batch", 1)))
    assert max(np.size(value) for value in trace.data.values()) == 12
    assert "what ran before the first layer is not shown" in said(trace)


@pytest.mark.parametrize("most", [1000, 10])
def test_numbers_of_layers_count_for_what_is_compared_and_those_of_a_data_set_do_not(tmp_path, monkeypatch, most):
    monkeypatch.setattr(importlib.import_module("dout.trace.record.script"), "MOST_COMPARED", most)
    data = "data = np.arange(12_000.0).reshape(-1, 4) / 12_000\nbatch = data[:3] * 1.0\n"
    trace = record_script(written(tmp_path, train=SCALE + data + USED.replace("np.ones((3, 4))", "batch", 1)))
    assert ("gradients were not compared" in said(trace)) == (most == 10)


def test_an_evaluation_in_one_call_is_forgotten_while_it_runs(tmp_path, monkeypatch):
    limits = importlib.import_module("dout.trace.tracer.script_tracer")
    monkeypatch.setattr(limits, "MOST", 3000)
    monkeypatch.setattr(limits, "PREPARATION", 1000)
    net = """
class Net:
    def __init__(self):
        self.layer = Scale(np.ones(4))
    def forward(self, x):
        return np.stack([self.layer.forward(row) for row in x])
    def backward(self, dout):
        return dout
net = Net()
net.forward(np.ones((8000, 4)))
"""
    (outer, *_) = (trace := record_script(written(tmp_path, train=SCALE + net + USED.replace("layer", "own")))).calls
    assert outer.cls == "Scale"
    assert len(trace.graph.nodes) < 30
    assert "the call that runs here is not shown: it takes more than 6,000 operations; record fewer" in said(trace)


def test_a_long_round_is_kept_from_its_first_layer_on(tmp_path, monkeypatch):
    limits = importlib.import_module("dout.trace.tracer.script_tracer")
    monkeypatch.setattr(limits, "MOST", 340)
    net = "layers = [Scale(np.ones(4)) for _ in range(60)]\ny = np.ones((3, 4))\nfor layer in layers:\n"
    net += "    y = layer.forward(y)\nfor layer in layers[::-1]:\n    layer.backward(y)\n"
    trace = record_script(written(tmp_path, train=SCALE + net))
    assert len([call for call in trace.calls if call.gradients is not None]) == 60


def test_layers_under_other_names_have_their_rounds_too(tmp_path):
    text = SCALE.replace("def forward", "def forward_propagation").replace("def backward(self, dout)",
        "def backward_propagation(self, output_error, learning_rate)").replace("dout *", "output_error *")  # fmt: skip
    text += "layer = Scale(np.ones(4))\nfor turn in range(9):\n    y = layer.forward_propagation(np.ones((3, 4)))\n"
    text += "    layer.backward_propagation(np.ones((3, 4)), 0.1)\n    print(turn)\n"
    from dout.adapt.interface.interface_candidates import method_names

    names = method_names
    run = run_script(written(tmp_path, train=text), methods_of=lambda cls: names(cls) and LayerMethods(*names(cls)))
    (call,) = run.trace().calls
    assert call.cls == "Scale"
    assert call.gradients is not None


def test_of_a_loop_without_layers_the_first_turn_is_kept(tmp_path):
    text = "import numpy as np\nw, x = np.ones(3), np.arange(3.0)\n"
    text += "for i in range(10000):\n    y = w * x\n    w = w - 0.1 * y\n"
    trace = record_script(written(tmp_path, train=text))
    assert [str(node.primitive) for node in trace.graph.nodes if node.inputs] == ["multiply", "multiply", "subtract"]
    assert first_turn([], {}) == 0


def test_a_script_beside_a_module_of_its_packages_name_imports_from_the_package(tmp_path):
    run = "from mind.scale import *\n" + USED
    script = written(tmp_path, mind____init__="", mind__mind="", mind__scale=SCALE, mind__run=run)
    assert [call.cls for call in record_script(script).calls] == ["Scale"]


def test_layers_of_a_module_that_is_imported_by_its_name_are_recorded(tmp_path):
    text = (
        "import importlib\nimport numpy as np\nnet = importlib.import_module('scale')\nlayer = net.Scale(np.ones(4))\n"
    )
    text += "layer.forward(np.ones(4))\nlayer.backward(np.ones(4))\n"
    by_name = importlib.import_module
    (call,) = record_script(written(tmp_path, scale=SCALE, train=text)).calls
    assert call.cls == "Scale"
    assert call.gradients is not None
    assert importlib.import_module is by_name


def test_of_a_layer_that_is_called_for_one_batch_after_the_other_the_first_is_kept(tmp_path):
    text = SCALE + "layer, whole = Scale(np.ones(4)), 0.0\nfor rows in (3, 2, 4, 3, 3, 2, 5):\n"
    text += "    batch = np.ones((rows, 4)) * rows\n    if rows > 2:\n        batch = batch + 1\n"
    batches = text + "    whole += np.sum(layer.forward(batch))\nprint(whole / 7)\n"
    trace = record_script(written(tmp_path, batches=batches))
    assert len(trace.calls) == 1
    assert any("again and again" in event.message for event in trace.events)
    chain = text + "    state = layer.forward(state if rows < 5 else state + 1)\nprint(np.sum(state))\n"
    chain = chain.replace("whole = Scale(np.ones(4)), 0.0", "state = Scale(np.ones(4)), np.ones(4)")
    assert len(record_script(written(tmp_path, chain=chain)).calls) == 7


def test_what_a_library_does_with_a_value_is_no_part_of_the_program_unless_a_layer_asks_it(tmp_path):
    outside = "import colorsys\n" + USED + "print(colorsys.rgb_to_hsv(y[0, 0], 0.5, y.sum()))\n"
    trace = record_script(written(tmp_path, a=SCALE + outside))
    assert not trace.events
    assert {str(node.primitive) for node in trace.graph.nodes if node.inputs} == {"getitem", "multiply", "sum"}
    inside = SCALE.replace("return x * self.W", "return x * self.W * colorsys.rgb_to_hsv(x[0, 0], 0.5, 0.2)[0]")
    assert "a gradient ends here: colorsys was given the value" in said(
        record_script(written(tmp_path, b="import colorsys\n" + inside + USED))
    )


def test_a_notebook_is_run_cell_by_cell_and_places_name_the_cell(tmp_path):
    cells = ["# Title", "%matplotlib inline\n" + SCALE, "\n" + USED, "import halo\ny.missing\n"]
    kinds = ["markdown", "code", "code", "code"]
    document = {
        "cells": [{"cell_type": kind, "source": text.splitlines(True)} for kind, text in zip(kinds, cells, strict=True)]
    }
    (tmp_path / "notes.ipynb").write_text(json.dumps(document))
    run = run_script(tmp_path / "notes.ipynb")
    (call,) = run.trace().calls
    assert str(call.where).endswith("notes.ipynb, cell 2, line 3")
    assert str(run.error).endswith("notes.ipynb, cell 3, line 2")
    assert "stand-in" not in said(run.trace())


def test_what_is_no_notebook_is_said(tmp_path):
    (tmp_path / "notes.ipynb").write_text("{}")
    with pytest.raises(dout.DoutError, match=r"notes\.ipynb is no notebook: it is no JSON with a list of cells"):
        record_script(tmp_path / "notes.ipynb")
    (tmp_path / "notes.ipynb").write_text('{\n "cells": [\n<<<<<<< HEAD\n ]}\n')
    with pytest.raises(dout.DoutError, match=r"notes\.ipynb:3 is no notebook: its JSON is broken there"):
        record_script(tmp_path / "notes.ipynb")


def test_a_file_written_into_a_folder_that_is_not_there_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    writes = "with open('runs/log.txt', 'w') as file:\n    file.write('x')\n"
    trace = record_script(
        written(tmp_path, train=f"{SCALE}import numpy as np\n{writes}a = np.ones((2, 3))\nb = a\n{USED}")
    )
    assert trace.calls
    assert [e.message for e in trace.events if "runs" in e.message] == [
        "the folder runs is not there: what is written into it is not kept"
    ]
    assert not (tmp_path / "runs").exists()


def test_a_program_that_has_an_answer_for_a_missing_folder_gives_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    writes = "try:\n    open('runs/log.txt', 'w')\nexcept FileNotFoundError:\n    answered = True\nassert answered\n"
    assert record_script(
        written(tmp_path, train=f"{SCALE}import numpy as np\n{writes}a = np.ones((2, 3))\nb = a\n{USED}")
    ).calls
