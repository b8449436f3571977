"""What a program finds around it: names that other libraries load, files that cannot be fetched, packages in src."""

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
