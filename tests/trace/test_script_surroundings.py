"""What a program finds around it: names that other libraries load, files that cannot be fetched, packages in src."""

import urllib

import numpy as np
import pytest
from recorded_scripts import record_script

from dout.cli.guard import Meter

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
