"""What stands for libraries that read and prepare data, and for the data: it does what a few lines of NumPy do."""

import pickle
import sys
import zipfile

import numpy as np
import pytest
from recorded_scripts import record_script

from dout.errors import UserCodeError
from dout.trace.program import data_sets, pictures, preparation, tables
from dout.trace.program.stub_modules import Missing, NeedsError

LAYER = """
from pathlib import Path
import numpy as np
class Scale:
    def forward(self, x):
        self.x = x
        return x * 2.0
    def backward(self, dout):
        return dout * 2.0
layer = Scale()
"""
USED = "layer.forward(np.ones(3))\nlayer.backward(np.ones(3))\n"


def said(folder, text):
    """What the events of a program say that runs so far that its layer is used."""
    path = folder / "train.py"
    path.write_text(LAYER + text + USED)
    trace = record_script(path)
    assert len(trace.calls) == 1
    return [event.message for event in trace.events]


def test_what_is_not_there_cannot_be_read_as_a_pickle():
    sys.setprofile(lambda *heard: None)  # of a call under an error Python tells this function, and not of the error
    try:
        with pytest.raises(NeedsError, match="needs a file of weights"):
            pickle.load(Missing("a file of weights"))
    finally:
        sys.setprofile(None)


# --- preparation ------------------------------------------------------------------------------------------------------


def tool(name):
    return preparation.TOOLS[f"sklearn.preprocessing.{name}"]()


def test_scalers_put_every_column_at_one_scale_and_back():
    data = np.array([[1.0, 10.0], [2.0, 10.0], [6.0, 10.0]])
    for scaler in (tool("StandardScaler"), tool("MinMaxScaler")):
        scaled = scaler.fit_transform(data)
        np.testing.assert_allclose(scaler.inverse_transform(scaled), data)
        np.testing.assert_array_equal(scaled[:, 1], 0)
    np.testing.assert_allclose(scaled[:, 0], [0, 0.2, 1])


def test_items_become_places_and_rows():
    assert tool("LabelEncoder").fit_transform(["b", "a", "b"]).tolist() == [1, 0, 1]
    assert tool("LabelBinarizer").fit_transform([7, 9, 8]).tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0]]
    assert tool("OneHotEncoder").fit_transform([["a"], ["b"]]).toarray().tolist() == [[1, 0], [0, 1]]


def test_rows_stay_with_their_labels_where_data_are_split():
    data = np.arange(20).reshape(10, 2)
    for first, second, t_first, t_second in (
        preparation.train_test_split(data, data[:, 0], test_size=0.3),
        preparation.train_test_split(data, data[:, 0], train_size=7),
    ):
        assert (len(first), len(second)) == (7, 3)
        np.testing.assert_array_equal(np.concatenate([first, second])[:, 0], np.concatenate([t_first, t_second]))
        assert sorted(np.concatenate([t_first, t_second]).tolist()) == list(range(0, 20, 2))
    held = [part for _, part in preparation.KFold(3).split(data)]
    assert sorted(np.concatenate(held).tolist()) == list(range(10))


def test_hits_are_counted():
    tools = preparation.TOOLS
    assert tools["sklearn.metrics.accuracy_score"]([1, 2, 3, 4], [1, 2, 0, 4]) == 0.75
    assert tools["sklearn.metrics.confusion_matrix"]([0, 0, 1], [0, 1, 1]).tolist() == [[1, 1], [0, 1]]


# --- images -----------------------------------------------------------------------------------------------------------


def test_images_that_are_not_there_are_of_the_size_that_their_set_has(tmp_path):
    text = """
import os, cv2
for label in os.listdir("mnist_images/train"):
    for name in os.listdir(os.path.join("mnist_images/train", label)):
        image = cv2.imread(os.path.join("mnist_images/train", label, name), cv2.IMREAD_UNCHANGED)
        assert image.shape == (28, 28) and int(label) in range(10), (image.shape, label)
assert cv2.cvtColor(cv2.resize(cv2.imread("photo.jpg"), (20, 10)), cv2.COLOR_BGR2GRAY).shape == (10, 20)
"""
    messages = " ".join(said(tmp_path, text))
    assert "stand-in data for the folder mnist_images/train, which is not there" in messages
    assert "stand-in data for cv2.imread" in messages


def test_a_made_up_image_is_a_file_that_others_can_read(tmp_path):
    image = pytest.importorskip("PIL.Image")
    for pixels in (pictures.image_of("mnist/1.png"), pictures.image_of("photo.png")):
        (tmp_path / "1.png").write_bytes(pictures.png(pixels))
        np.testing.assert_array_equal(np.asarray(image.open(tmp_path / "1.png")), pixels)


def test_the_first_sheet_of_a_workbook_is_a_table(tmp_path):
    of_sheets = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    rows = "".join(
        f'<row><c t="s"><v>{a}</v></c><c{t}><v>{b}</v></c></row>' for a, t, b in [(0, ' t="s"', 1), (2, "", 0.5)]
    )
    with zipfile.ZipFile(tmp_path / "d.xlsx", "w") as book:
        book.writestr(
            "xl/sharedStrings.xml", f"<sst {of_sheets}><si><t>kind</t></si><si><t>b</t></si><si><t>c</t></si></sst>"
        )
        book.writestr("xl/worksheets/sheet1.xml", f"<worksheet {of_sheets}><sheetData>{rows}</sheetData></worksheet>")
    table = tables.NAMES["pandas.read_excel"](tmp_path / "d.xlsx")
    assert (table.kind.tolist(), table["b"].tolist()) == (["c"], [0.5])


def test_a_set_that_would_be_fetched_has_its_columns():
    said = []
    assert data_sets.loader("sklearn.datasets.fetch_california_housing", said.append)().data.shape[1] == 8
    assert len(said) == 1


# --- files, downloads, arguments --------------------------------------------------------------------------------------


@pytest.mark.one_in(6)
@pytest.mark.parametrize(
    "text",
    [
        "with open('t10k-labels.idx1-ubyte', 'rb') as f:\n    f.read(8)\n"
        "    assert len(np.fromfile(f, np.uint8)) > 999\n",
        "import glob\nassert all(Path(name).read_text() for name in glob.glob('*.txt')) and glob.glob('*.txt')\n",
        "from glob import glob\n(name,) = glob('./mnist/train*3-ubyte')\nassert Path(name).read_bytes()[3] == 3\n",
        "assert Path('data\\\\own.dat').read_text() == 'mine'\n",
        "assert len(Path('train.en').read_text().splitlines()) > 99\n",
        "assert np.fromfile('train.bin', np.uint16).max() < 65\n",
        "from dataset.mnist import load_mnist\n(x, t), _ = load_mnist(flatten=False, one_hot_label=True)\n"
        "assert x.shape[1:] == (1, 28, 28) and t.shape == (len(x), 10)\n",
        "import wget, tarfile, os\nname = wget.download('http://nowhere.invalid/digits.tar')\n"
        "with tarfile.open(name) as archive:\n    archive.extractall('.')\nos.remove(name)\n"
        "assert Path('data/train-labels-idx1-ubyte').read_bytes()\n",
        "import zipfile\nwith zipfile.ZipFile('digits.zip') as archive:\n"
        "    assert archive.read('mnist_test.csv').count(b'\\n') > 999\n",
        "x, t = np.load('d/train_x.npy'), np.load('d/train_y.npy')\nassert len(x) == len(t) and t.max() == 9\n",
        "with np.load('d.npz') as d:\n    assert d['x_train'].shape[0] == d['y_train'].shape[0]\n",
        "import pickle\nwith open('d.pkl', 'rb') as f:\n    d = pickle.load(f)\n"
        "assert len(d['test_images']) == len(d['test_labels'])\n",
        "from datasets import DatasetDict, load_dataset\nd = load_dataset('mnist')\nassert isinstance(d, DatasetDict)\n"
        "d = d['train']\n"
        "assert d[3]['image'].size == 784 and d['label'].shape == (len(d),) == (len(list(d)),)\n",
        "import h5py\nwith h5py.File('d.h5') as d:\n    assert len(d['train_set_x'][:]) == len(d['train_set_y'][:])\n"
        "    assert list(d) == list(d.keys()) and len(d) == len(list(d)) and 'train_set_y' in list(d)\n"
        "    assert d.get('weights') is None and d.get('labels').shape == d['train']['labels'].shape\n",
        "import h5py\nwith h5py.File('weights.h5', 'w') as d:\n    d.create_dataset('w', data=[1])\n"
        "lines = Path('mnist_784.arff').read_text().splitlines()\n"
        "assert lines[1] == '@DATA' and len(lines[2].split(',')) == 785 and int(lines[2].split(',')[-1]) < 10\n",
        "images, labels = Path('d/train_images').read_bytes(), Path('d/train_labels').read_bytes()\n"
        "assert (len(images) // 784, max(labels)) == (len(labels), 9)\n",
        "from datasets import load_dataset\nrows = load_dataset('mnist')['train']\nassert len(rows) == 60000\n"
        "first, last = rows[0]['image'], rows[-1]['image']\nassert np.shares_memory(first.base, last.base)\n",
        "from keras.datasets import fashion_mnist\n(x, _), _ = fashion_mnist.load_data()\n"
        "assert x.reshape(600, 100, 784).shape[0] == 600\n",
        "x = [list(map(int, line.split(','))) for line in Path('digits/train.csv').read_text().splitlines()[1:]]\n"
        "assert len(x[0]) == 1 + 784, 'label'\n",
        "assert len(np.loadtxt('d/fashion_train.csv', delimiter=',', skiprows=1)) % 1000 == 0\n"
        "assert set(np.loadtxt('mnist_test (2).csv', delimiter=',')[:, 0]) == set(range(10))\n",
        "assert np.loadtxt('turn_2.csv', delimiter=',').tolist() == [[1, 2], [3, 4]]\n",
        "import pandas as pd\nd = pd.read_csv('d.csv', header=0)\n"
        "assert d['width'].dtype.kind == 'f' and set(d['label']) == {0, 1, 2}\n",
        "x = np.genfromtxt('d.csv', delimiter=',', skip_header=1)\nassert x.shape[1] > 2 and np.isfinite(x).all()\n",
        "import pandas as pd\nd = pd.read_csv('mnist_train.csv')\n"
        "assert isinstance(d, pd.DataFrame) and isinstance(d.iloc[:, 0], pd.Series), d\n"
        "assert d.iloc[:, 1:].values.shape == (len(d), 784) and layer.forward(d.iloc[:, 0]).shape\n"
        "layer.backward(1.0)\n",
        "import pickle\nwith open('digits.pkl', 'rb') as f:\n"
        "    training_data, validation_data, test_data = pickle.load(f)\nassert training_data[0].shape[1] == 784\n",
        "import urllib.request\ntry:\n    urllib.request.urlretrieve('http://nowhere.invalid/mnist.npz', 'm.npz')\n"
        "except Exception:\n    raise SystemExit(1)\nassert 'x_test' in np.load('m.npz')\n",
        "from Shared.Rows import rows\nassert rows == 5\n",
        "import os\npath = '/nowhere/train-images-idx3-ubyte'\nif not os.path.exists(path):\n    raise SystemExit\n"
        "assert Path('t10k-labels.idx1-ubyte').exists()\nassert not Path('t10k-labels-idx1-ubyte').is_dir()\n"
        "assert os.path.isfile('d/mnist.npz') and Path(path).read_bytes()[3] == 3\n"
        "if not os.path.exists('d/data_batch_1'):\n    layer = layer\nelse:\n    raise ValueError\n",
        "import h5py, pickle\nassert len(h5py.File('d.h5')['list_classes'][:])\n"
        "with open('mnist.pkl', 'rb') as f:\n    d = pickle.load(f)\n"
        "x = d['training_images']\nn, r~, c = x.shape\nassert d['test_labels'].max() == 9 and r * c == 784\n",
        "import pandas as pd\nx = pd.read_csv('d.csv', header=~None).iloc[:, 1:].values\n"
        "assert x[0].reshape(3, 32, ~32).size\nassert list(pd.DataFrame(columns=['a', 'b'])) == ['a', 'b']\n",
        "import pandas as pd\nassert len(pd.read_excel('d.xlsx')['width']) > 99\n"
        "from sklearn.datasets import make_gaussian_quantiles\n"
        "x, t = make_gaussian_quantiles(mean=None, cov=0.7, n_samples=50, n_features=2, n_classes=2)\n"
        "assert x.shape == (50, 2) and set(t) == {0, 1}\n",
        "import torch, torchvision.transforms as T\nfrom torch.utils.tensorboard import SummaryWriter\n"
        "from tensorflow import one_hot\nimport graphviz\nSummaryWriter('logs').add_scalar('loss', 1.0, 1)\n"
        "assert not torch.cuda.is_available() and one_hot([1, 0], 3).numpy().tolist() == [[0, 1, 0], [1, 0, 0]]\n"
        "assert T.PILToTensor()(np.full((2, 3), 9, np.uint8)).float().numpy().tolist() == [[[9.0] * 3] * 2]\n"
        "import fire, torch.nn.functional as F\nfire.Fire(lambda: seen.append(1)) if (seen := []) == [] else None\n"
        "assert seen and F.one_hot(np.array([1, 0])).numpy().tolist() == [[0, 1], [1, 0]]\n"
        "dot = graphviz.Digraph()\ndot.node(name='x', label=str(dot))\n",
        "import pandas as pd\nd = pd.read_csv('1', header=~None)\nassert len(d.iloc[:, 0].to_list()) == len(d) > 99\n",
    ],
    ids=[
        "in the middle",
        "a pattern",
        "a set's pattern",
        "of Windows",
        "text",
        "numbers",
        "the book's loader",
        "an archive",
        "an archive of tables",
        "arrays by their names",
        "arrays by their keys",
        "a pickle by its keys",
        "rows of a set",
        "a store by its keys",
        "a store that is written, a table of openml",
        "bytes by their names",
        "rows that the program keeps",
        "as many rows as a reshape names",
        "a table",
        "a table whose first line is skipped",
        "another turn's table",
        "a table with the program's columns",
        "a table of numbers",
        "a table that is asked by its columns' kind",
        "a pickle of three parts",
        "a download that is tried",
        "a module with other capitals",
        "a file that must exist",
        "keys, and arrays of three axes",
        "a table of images in colour",
        "a workbook, sets of scikit-learn",
        "tools of PyTorch and TensorFlow",
        "a table without a name",
    ],
)
def test_data_of_many_forms_are_found_or_stood_for(tmp_path, text):
    for name, own in (("data/own.dat", "mine"), ("turn_1.csv", "1,2\n3,4\n"), ("shared/rows.py", "rows = 5\n")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(own)
    before = set(tmp_path.iterdir())
    assert said(tmp_path, text.replace("~", ""))  # this file is the program's, too
    assert set(tmp_path.iterdir()) == before | {tmp_path / "train.py"}


@pytest.mark.parametrize(
    "text",
    [
        "import numpy as np\nassert np.fromstring(b'\\x01\\x02', dtype=np.uint8).sum() == 3\n"
        "assert np.fromstring('1,2', sep=',').sum() == 3\n",
        "import idx2numpy\nassert idx2numpy.convert_from_file('train-images-idx3-ubyte').shape[1:] == (28, 28)\n",
        "from scipy.io import loadmat\nbatch = loadmat('data/data_batch_2.mat')\n"
        "assert batch['data'].shape == (len(batch['labels']), 3072)\n",
        "import idx2numpy\nassert idx2numpy.convert_from_file('emnist/test-labels-idx1-ubyte').ndim == 1\n",
        "from PyQt5.QtWidgets import *\nclass Window(QMainWindow):\n    pass\nWindow().resize(1, Qt.left)\n",
        "import fire\nseen = []\ndef main(rounds, rate=0.1):\n    seen.append(rounds)\n"
        "fire.Fire(main)\nassert seen == [1]\n",
    ],
    ids=[
        "bytes as numbers",
        "a file of images",
        "a file of MATLAB's",
        "labels of another set",
        "all names of a library",
        "a function as a command",
    ],
)
def test_what_older_programs_use_is_stood_for(tmp_path, text):
    said(tmp_path, text)


def test_settings_are_read(tmp_path):
    settings = """
# of the training
model:
  sizes: [
    [784, 30], [30, 10]   # widths
  ]
  name: "two: layers"
rate: 0.001
epochs: 5
shuffle: yes
steps:
- kind: dense
  units: 3
- relu
last:
"""
    (tmp_path / "settings.yaml").write_text(settings)
    text = "import yaml\nfrom torch.utils.data import Dataset\n"
    text += "class Rows(Dataset):\n    pass\nassert Rows()\n"
    text += "with open('settings.yaml') as file:\n    read = yaml.safe_load(file)\n"
    text += (
        "assert read == {'model': {'sizes': [[784, 30], [30, 10]], 'name': 'two: layers'}, 'rate': 0.001, 'epochs': 5, "
    )
    text += "'shuffle': True, 'steps': [{'kind': 'dense', 'units': 3}, 'relu'], 'last': None}, read\n"
    assert said(tmp_path, text)


def test_data_that_a_loader_makes_up_are_not_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = "from mnist import train_labels\nfrom pandas import DataFrame, read_csv\n"
    text += "DataFrame(train_labels()[:9]).to_csv('set/labels.csv', index=False)\n"
    text += "assert read_csv('set/labels.csv').shape == (9, 1)\n"
    assert said(tmp_path, text)
    assert [path.name for path in tmp_path.iterdir()] == ["train.py"]


def test_arguments_that_a_program_needs_are_made_up_and_said(tmp_path):
    text = """
import argparse, sys
parser = argparse.ArgumentParser()
parser.add_argument("size", type=int)
parser.add_argument("--set", required=True, choices=["digits", "words"])
parser.add_argument("--rate", type=float, default=0.5)
given = parser.parse_args()
assert (given.size, given.set, given.rate) == (1, "digits", 0.5), given
assert sys.argv[1] == "mnist" and len(sys.argv) == 1
"""
    assert {message.partition(":")[0] for message in said(tmp_path, text)} == {
        "size was answered with 1",
        "--set was answered with 'digits'",
        "sys.argv[1] was answered with 'mnist'",
    }


def test_what_a_program_does_with_a_missing_library_is_no_matter_if_nobody_takes_the_result(tmp_path):
    text = "import torch, cvxopt\ntorch.manual_seed(0)\ntorch.backends.cudnn.benchmark = True\n"
    text += "cvxopt.solvers.options['show_progress'] = False\n"
    if "torch" not in sys.modules:
        assert {"torch is not installed", "cvxopt cannot be found"} <= set(said(tmp_path, text))


def test_a_set_of_a_library_that_plots_is_said_to_be_missing_where_it_is_asked_for_its_length(tmp_path):
    with pytest.raises(UserCodeError, match="needs seaborn"):
        said(tmp_path, "import seaborn as sns\nrows = sns.load_dataset('iris')\nrows.head()\nlen(rows)\n")


def test_a_mark_on_a_table_is_no_column(tmp_path):
    text = "import pandas as pd\ntable = pd.DataFrame({'a': [1.0, 2.0]})\ntable.task, table.a = 'tell', [3.0, 4.0]\n"
    said(tmp_path, text + "assert table.task == 'tell' and table.to_numpy().tolist() == [[3.0], [4.0]]\n")


def test_images_number_as_many_as_the_labels_that_are_there(tmp_path):
    np.save(tmp_path / "train_y.npy", np.zeros(37))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 41]) + bytes(41))
    assert said(
        tmp_path,
        "assert np.load('train_x.npy').shape[0] == 37\n"
        "assert len(Path('train-images-idx3-ubyte').read_bytes()) == 16 + 41 * 784\n",
    )


def test_a_pointer_of_git_lfs_is_no_data(tmp_path):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    for name in ("mnist_test.csv", "own.dat"):
        (tmp_path / name).write_text(pointer)
    told = said(
        tmp_path,
        "assert len(Path('mnist_test.csv').read_text().splitlines()[0].split(',')) == 785\n"
        "assert Path('own.dat').read_text().startswith('version')\n",
    )
    assert "the file own.dat is a pointer of Git LFS, not the data: `git lfs pull` fetches them" in told
    assert (tmp_path / "mnist_test.csv").read_text() == pointer
    beside = "import filecmp\nhere = [Path(__file__).with_name(name) for name in ('own.dat', 'mnist_test.csv')]\n"
    assert "LFS" not in said(tmp_path, beside + "assert filecmp.cmp(*here, shallow=False)\n")  # a library's own read


def test_a_key_of_missing_data_that_says_nothing_is_asked_for_in_vain(tmp_path):
    text = "import h5py\nwith h5py.File('d.h5') as d:\n    d['weights']\n"
    with pytest.raises(UserCodeError, match=r"needs 'weights' of d\.h5, which is not there"):
        said(tmp_path, text)


def test_what_lies_beside_missing_data_and_says_no_number_of_rows_is_passed_over(tmp_path):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    for name in ("x_train.npy", "train-labels-idx1-ubyte", "train-labels-idx1-ubyte.gz"):
        (tmp_path / name).write_text(pointer)
    np.save(tmp_path / "W1.npy", np.zeros((784, 50)))
    np.save(tmp_path / "y_train.npy", np.zeros(37))
    said(
        tmp_path,
        "assert len(np.load('x_train.npy')) == 37\n"
        "assert 16 < len(Path('train-images-idx3-ubyte').read_bytes()) < 10**9\n",
    )


def test_a_class_of_windows_is_made_and_does_nothing(tmp_path):
    text = "from PyQt6.QtWidgets import QWidget\nclass Window(QWidget):\n    def __init__(self, x):\n"
    text += "        super().__init__(x)\n        self.setWindowTitle('x')\nWindow(None).show()\n"
    assert not said(tmp_path, text)


def test_a_class_may_derive_from_what_its_package_has_not(tmp_path):
    (tmp_path / "unbuilt_nets").mkdir()
    (tmp_path / "unbuilt_nets" / "__init__.py").write_text("from .parts import Part\n")
    (tmp_path / "unbuilt_nets" / "parts.py").write_text("from unbuilt_nets import Base\nclass Part(Base):\n    pass\n")
    assert "unbuilt_nets.Base cannot be found" in said(
        tmp_path, "from unbuilt_nets import Part\nassert isinstance(Part, type)\n"
    )


def test_what_ready_made_layers_say_of_data_sets_is_not_the_programs(tmp_path):
    text = "import dout.layers\nfrom datasets import load_dataset\nrow = load_dataset('mnist')['train'][0]\n"
    text += "assert row['image'].size == 784\n"
    assert said(tmp_path, text)


def test_what_is_not_there_can_be_printed_but_not_as_a_number():
    missing = Missing("tables, which is not installed")
    assert f"{missing}" == str(missing)
    with pytest.raises(NeedsError, match="needs tables"):
        f"{missing:.4f}"


def test_what_is_made_of_settings_alone_may_be_given_data_if_nobody_takes_the_result(tmp_path):
    told = said(tmp_path, "import tensorflow as tf\nturns = tf.Turns(turns=10)\nturns.fit(np.ones((2, 2)))\n")
    assert any(message.startswith("tensorflow is not installed") for message in told)
    with pytest.raises(NeedsError, match="tensorflow"):
        Missing("tensorflow, which is not installed", idle=True)(3).rotated(np.ones(2)).sum()
