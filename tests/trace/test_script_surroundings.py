"""What a program finds around it: names that other libraries load, files that cannot be fetched, packages in src."""

import re
import urllib

import numpy as np
import pytest
from recorded_scripts import record_script

from dout.cli.guard import Meter
from dout.trace.record.script import run_script

LAYER = """
import numpy as np
class Scale:
    def forward(self, x):
        self.x = x
        return x * 2.0
    def backward(self, dout):
        return dout * 2.0
layer = Scale()
layer.forward(np.ones(3))
layer.backward(np.ones(3))
"""


def runs(folder, text, name="train.py"):
    """Whether a program runs so far that its layer is used, and what was said of it."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + LAYER)
    trace = record_script(path)
    assert len(trace.calls) == 1
    return " ".join(event.message for event in trace.events)


def test_a_part_of_urllib_is_there_as_other_libraries_load_it_and_so_are_its_old_names(tmp_path):
    before = dict(vars(urllib))
    runs(
        tmp_path, "import urllib\nassert callable(urllib.request.urlretrieve)\nfrom urllib import urlretrieve, quote\n"
    )
    assert ("__getattr__" in vars(urllib)) == ("__getattr__" in before)


def test_a_name_that_urllib_never_had_is_not_there(tmp_path):
    runs(tmp_path, "import urllib\nassert not hasattr(urllib, 'nothing')\n")


def test_data_that_requests_cannot_fetch_are_stood_for(tmp_path):
    pytest.importorskip("requests")
    said = runs(
        tmp_path,
        "import io, requests\nimport numpy as np\n"
        "content = requests.get('http://127.0.0.1:9/mnist.npz').content\n"
        "assert np.load(io.BytesIO(content))['x_train'].shape == (60000, 28, 28)\n",
    )
    assert "stand-in data for the file http://127.0.0.1:9/mnist.npz" in said


def test_a_file_of_matlab_is_found_as_windows_writes_its_place(tmp_path):
    scipy_io = pytest.importorskip("scipy.io")
    (tmp_path / "data").mkdir()
    scipy_io.savemat(tmp_path / "data" / "peaks.mat", {"Yt": np.ones((2, 3))})
    runs(tmp_path, "from scipy.io import loadmat\nassert loadmat('data\\\\peaks.mat')['Yt'].shape == (2, 3)\n")


def test_a_package_in_src_is_found_from_a_demo_three_folders_deep(tmp_path):
    (tmp_path / "setup.py").write_text("")
    inner = tmp_path / "src" / "brain" / "neuron" / "unit"
    inner.mkdir(parents=True)
    (inner / "cell.py").write_text("SIZE = 3\n")
    runs(tmp_path, "from brain.neuron.unit.cell import SIZE\nassert SIZE == 3\n", "demo/concepts/one/main.py")


@pytest.mark.parametrize("start", ["", "import sys, pathlib\nsys.path[0] = str(pathlib.Path(sys.path[0]).parent)\n"])
def test_a_file_imports_from_the_package_of_its_own_name_and_not_from_itself(tmp_path, start):
    (tmp_path / "README.md").write_text("")
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "sizes.py").write_text("ROWS = 3\n")
    (tmp_path / "net" / "units.py").write_text("UNITS = 4\n")
    runs(tmp_path, f"{start}from net.sizes import ROWS\nfrom net.units import UNITS\n", "net/net.py")


def test_the_folder_of_a_program_is_the_first_in_which_it_looks(tmp_path):
    (tmp_path / "sizes.py").write_text("ROWS = 3\n")
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "sizes.py").write_text("ROWS = 5\n")
    runs(
        tmp_path,
        "import sys\nfrom sizes import ROWS\nassert ROWS == 5\nassert sys.path[0].endswith('net')\n",
        "net/a.py",
    )


def test_all_names_of_a_package_that_cannot_be_found_are_no_file_of_data(tmp_path):
    (tmp_path / "network").mkdir()
    (tmp_path / "network" / "trainer.py").write_text("")
    told = runs(tmp_path, "from network.layers import *\nfrom network.trainer import *\nnet = TwoLayerNet(3)\n")
    assert "network.layers cannot be found" in told
    assert "stand-in" not in told


def test_standard_output_refuses_bytes_as_python_does():
    """What may write bytes asks with `write(b"")`."""
    with pytest.raises(TypeError, match="string argument expected, got 'bytes'"):
        Meter(None).write(b"")


def test_a_table_of_images_is_of_the_set_whose_size_the_program_itself_has(tmp_path):
    """Its library has code for another set."""
    (tmp_path / "library.py").write_text("def coloured(rows):\n    return rows.reshape(len(rows), 3, 32, 32)\n")
    runs(
        tmp_path,
        "import csv, library\nwith open('train.csv') as file:\n    rows = list(csv.reader(file))\n"
        "import numpy as np\nnp.array(rows[1][1:], float).reshape(28, 28)\n",
    )


def test_the_label_of_an_image_is_last_where_the_program_takes_it_from_there(tmp_path):
    runs(
        tmp_path,
        "import numpy as np\nrows = np.loadtxt('mnist_784.csv', delimiter=',', skiprows=1)\n"
        "x, y = rows[:, :-1], rows[:, 784]\nassert x.max() > 9 >= y.max()\n",
    )


LOADS = """
import argparse, sys
import numpy as np
argparse.ArgumentParser().parse_args()
def load(name):
    try:
        return np.load(name)
    except FileNotFoundError:
        print("run prepare.py first")
        sys.exit(1)
"""


def test_a_handler_that_ends_the_program_is_no_answer_for_a_file_that_is_not_there(tmp_path):
    said = runs(tmp_path, LOADS + "data = load('data_train.npz')\nassert data['X_train'].ndim\n")
    assert "stand-in data for the file data_train.npz" in said


def test_a_program_that_ends_for_want_of_a_file_says_which(tmp_path):
    path = tmp_path / "train.py"
    path.write_text(LOADS + "load('weights_of_last_week.dat')\n" + LAYER)
    assert str(run_script(path).error).endswith("ended with exit code 1: there is no weights_of_last_week.dat")


def test_a_package_under_another_name_is_the_folder_with_all_that_is_imported_from_it(tmp_path):
    (tmp_path / "setup.py").write_text("")
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "training.py").write_text("EPOCHS = 3\n")
    (tmp_path / "net" / "data.py").write_text("ROWS = 4\n")
    text = "from net_project.training import EPOCHS\nfrom net_project.data import ROWS\nassert EPOCHS * ROWS == 12\n"
    runs(tmp_path, text, "scripts/train.py")


def test_data_that_are_stood_for_can_be_changed_under_their_keys(tmp_path):
    runs(
        tmp_path,
        "import pickle\nwith open('mnist.pkl', 'rb') as file:\n    data = pickle.load(file)\n"
        "data['train_img'] = data['train_img'].astype(float)\ndata['train_img'] /= 255.0\n"
        "assert data['train_img'].max() <= 1\nassert data['train_label'].ndim\n",
    )


def test_a_file_without_an_ending_that_is_read_as_a_pickle_is_one(tmp_path):
    runs(
        tmp_path,
        "import pickle\nwith open('sampledCIFAR10', 'rb') as file:\n    data = pickle.load(file)\n"
        "train = data['train']\nassert len(train['data']) == len(train['labels'])\n",
    )


def test_a_type_of_a_library_that_is_not_there_annotates(tmp_path):
    text = (
        "from no_such_types import Array, Shape\ndef f(x: Array[Shape['3'], float]) -> Array[int, ...]:\n    return x\n"
    )
    runs(tmp_path, text)


SUMS = """
import os
def load(name):
    path = os.path.join(os.path.dirname(__file__), name)
    if not os.path.exists(path):
        print(f"No file: {name}")
        return None
    with open(path) as file:
        return [line.split("_") for line in file]
"""


def test_a_text_whose_sibling_of_another_size_is_there_is_that_text(tmp_path):
    (tmp_path / "sums.txt").write_text("1+2_3\n4+4_8\n")
    said = runs(tmp_path, SUMS + "first, second = load('sums_50k.txt')\nassert second == ['4+4', '8\\n']\n")
    assert re.search(r"stand-in data for the file \S*sums_50k.txt", said)


def test_a_file_that_may_be_missing_is_missing(tmp_path):
    (tmp_path / "sums.txt").write_text("1+2_3\n")
    runs(tmp_path, SUMS + "questions = load('sums_2.txt')\nassert questions is None\n")


def test_a_file_of_which_nobody_complains_is_still_missing(tmp_path):
    (tmp_path / "sums.txt").write_text("1+2_3\n")
    runs(tmp_path, SUMS.replace("print(", "pass; (") + "assert load('sums_2.txt') is None\n")


def test_a_module_of_the_project_under_another_name_is_found_in_its_root(tmp_path):
    (tmp_path / "README.md").write_text("")
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "__init__.py").write_text("EPOCHS = 3\n")
    runs(tmp_path, "from code_of_thesis.net import EPOCHS\nassert EPOCHS == 3\n")


def test_arrays_that_are_not_there_have_the_rows_and_the_form_that_the_program_itself_names(tmp_path):
    """Its library knows another set, and images of three sizes; the tests are cut from the whole."""
    (tmp_path / "library.py").write_text(
        "def cifar10(images):\n    rows, height, width = images.shape\n    return images.reshape(rows, 3072)\n"
    )
    runs(
        tmp_path,
        "import library\nimport numpy as np\n# the digits of MNIST\n"
        "images, sizes = np.load('images.npy'), [784, 50, 10]\n"
        "assert images.shape == (70000, sizes[0])\nassert len(np.load('labels.npy')[60000:]) == 10000\n",
    )


def test_rows_of_a_table_are_taken_by_number_as_they_once_were(tmp_path):
    text = "import numpy as np\nfrom sklearn.datasets import fetch_mldata\n"
    text += "X, y = fetch_mldata('MNIST original', return_X_y=True)\n"
    runs(tmp_path, text + "assert X[np.array([3, 1])].shape == (2, 784)\n")


def test_a_loader_is_found_where_older_releases_had_it(tmp_path):
    text = "from sklearn.datasets.samples_generator import make_blobs\n"
    runs(tmp_path, text + "X, y = make_blobs(n_samples=12)\nassert len(X) == 12\n")


def test_images_in_a_folder_that_is_not_there_have_the_size_that_the_program_names(tmp_path):
    said = runs(
        tmp_path,
        "import os, cv2\nimport numpy as np\nrows = []\nfor name in os.listdir('digits'):\n"
        "    for file in os.listdir(os.path.join('digits', name)):\n"
        "        rows.append(cv2.imread(os.path.join('digits', name, file), cv2.IMREAD_GRAYSCALE))\n"
        "assert np.stack(rows).reshape(-1, 784).shape == (1200, 784)\n",
    )
    assert said.count("stand-in data for the folder") == 1


def test_a_folder_that_a_program_lists_alone_holds_the_images(tmp_path):
    said = runs(
        tmp_path,
        "import os, cv2\nimport numpy as np\nrows = []\nfor name in ('roses', 'lilies'):\n"
        "    for file in os.listdir(os.path.join('flowers', name))[:-100]:\n"
        "        rows.append(cv2.resize(cv2.imread(os.path.join('flowers', name, file)), (8, 8)))\n"
        "assert np.stack(rows).shape == (40, 8, 8, 3)\n",
    )
    assert said.count("stand-in data for the folder") == 2


def test_a_helper_that_lists_a_folder_of_classes_and_each_of_them_is_no_place_of_images_alone(tmp_path):
    runs(
        tmp_path,
        "import os, cv2\nimport numpy as np\ndef names(folder):\n    return sorted(os.listdir(folder))\nlabels = []\n"
        "for label, kind in enumerate(names('flowers')):\n"
        "    for file in names(os.path.join('flowers', kind)):\n"
        "        assert cv2.imread(os.path.join('flowers', kind, file)) is not None\n"
        "        labels.append(label)\n"
        "assert len(labels) == 1200 and np.eye(10)[labels].shape == (1200, 10)\n",
    )


def test_a_walk_through_a_folder_that_is_not_there_meets_folders_of_images(tmp_path):
    said = runs(
        tmp_path,
        "import os\nimport numpy as np\nfrom skimage.io import imread\nfrom skimage.transform import resize\n"
        "kinds, labels, rows = [], [], []\n"
        "for place, (folder, inside, files) in enumerate(os.walk('flowers')):\n"
        "    kinds = kinds or inside\n"
        "    for file in files[:2]:\n"
        "        labels.append(place - 1)\n"
        "        rows.append(resize(imread(os.path.join(folder, file)), (6, 4, 3)))\n"
        "assert len(kinds) == 10 and labels == [i for i in range(10) for _ in range(2)]\n"
        "assert np.stack(rows).shape == (20, 6, 4, 3) and 0 <= np.min(rows) < np.max(rows) <= 1\n",
    )
    assert said.count("stand-in data for the folder") == 1


def test_a_walk_through_a_folder_that_is_there_is_as_ever(tmp_path):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "one.txt").write_text("a", "utf-8")
    said = runs(
        tmp_path,
        f"import os\nassert [files for *_, files in os.walk({str(tmp_path / 'texts')!r})] == [['one.txt']]\n",
    )
    assert "stand-in" not in said
