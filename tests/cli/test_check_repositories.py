"""`dout check .` in a folder of hand-written layers: what else its files do or lack takes no layer with it."""

import hashlib
import json
import os
import sys
import time
from pathlib import Path

import pytest
from check_commands import PLAIN, RIGHT, TRIPLE, document, dout, layers, write

LAYER = """
class {name}({base}):
    def forward(self, x):
        return {forward}
    def backward(self, dout):
        return dout * 3
"""


def file(folder, name="mine.py", **options):
    (found,) = [f for f in document(".", cwd=folder, **options)["files"] if f["file"] == name]
    return found


def judged(found):
    return [layer["layer"] for layer in found["layers"] if layer["verdicts"]]


def tree(folder):
    """What a folder holds: every file and folder, with the bytes and the time."""
    return {
        str(path.relative_to(folder)): (
            path.is_dir() or hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime,
        )
        for path in sorted(folder.rglob("*"))
    }


# --- imports ----------------------------------------------------------------------------------------------------------


def test_files_import_each_other_however_the_project_is_started(tmp_path):
    write(tmp_path, "def three(x):\n    return 3 * x\n", "common/functions.py")
    write(tmp_path, "from common.functions import *" + LAYER.format(name="A", base="object", forward="three(x)"),
          "common/layers.py")  # fmt: skip
    write(tmp_path, "import sys, os\nsys.path.append(os.pardir)\nfrom common.layers import *"
          + LAYER.format(name="B", base="A", forward="three(x)"), "ch05/net.py")  # fmt: skip
    write(tmp_path, "from ..common.functions import three" + LAYER.format(name="C", base="", forward="three(x)"),
          "deep/relative.py")  # fmt: skip
    write(tmp_path, "from helpers import three" + LAYER.format(name="D", base="", forward="three(x)"), "src/d.py")
    write(tmp_path, "def three(x):\n    return 3 * x\n", "lib/helpers.py")
    shown = document(".", cwd=tmp_path)
    assert shown["problems"] == []
    assert {name: layer["verdicts"][0]["word"] for name, layer in layers(shown).items()} == dict.fromkeys(
        "ABCD", "exact"
    )


def test_a_library_that_is_missing_is_needed_only_by_what_uses_it(tmp_path):
    write(tmp_path, "import no_such_lib, torch\nimport torch.nn as nn\nfrom no_such_lib.data import load\n"
          "def f(x: torch.Tensor | None = None) -> nn.Module: ...\n" + TRIPLE
          + LAYER.format(name="Uses", base="", forward="no_such_lib.exp(x)")
          + LAYER.format(name="Net", base="nn.Module", forward="x"))  # fmt: skip
    found = file(tmp_path)
    assert judged(found) == ["Triple"]
    (finding,) = found["layers"][1]["findings"]
    assert (finding["code"], finding["message"]) == ("D002", "Uses needs no_such_lib, which cannot be found")
    assert found["remarks"] == ["mine.py: Net needs torch, which is not installed"]


@pytest.mark.long
def test_bars_plots_and_compilers_that_are_missing_are_not_missed(tmp_path):
    write(tmp_path, "import matplotlib.pyplot as plt\nfrom tqdm import tqdm\nfrom numba import njit, jit, prange\n"
          "fig, (a, b) = plt.subplots(1, 2)\na.plot([1])\nplt.show()\n"
          "total = sum(i for i in tqdm(range(4), desc='x'))\nassert total == 6 and input('?') == ''\n"
          "@njit(cache=True)\ndef three(x):\n    return 3 * x\n@jit\ndef same(x):\n    return x\n"
          + LAYER.format(name="A", base="", forward="same(three(x))"))  # fmt: skip
    found = file(tmp_path)
    assert judged(found) == ["A"]
    assert found["remarks"] == []


def test_a_library_with_the_names_of_numpy_is_numpy(tmp_path):
    write(tmp_path, "import cupy as cp" + LAYER.format(name="A", base="", forward="cp.multiply(x, 3)"))
    assert judged(file(tmp_path)) == ["A"]


def test_an_import_that_its_author_guarded_fails_as_they_meant_it_to(tmp_path):
    write(tmp_path, "import cupy as other\ntry:\n    import cupy as np\nexcept ImportError:\n    import numpy as np\n"
          + LAYER.format(name="A", base="", forward="np.multiply(x, 3)"))  # fmt: skip
    assert judged(file(tmp_path)) == ["A"]


@pytest.mark.long
def test_a_file_of_another_library_alone_is_skipped_and_says_why(tmp_path):
    write(tmp_path, "import torch" + LAYER.format(name="Net", base="torch.nn.Module", forward="x"))
    write(tmp_path, RIGHT, "right.py")
    shown = document(".", cwd=tmp_path)
    assert shown["exit_code"] == 0
    assert shown["files"][0]["skipped"] == "mine.py: Net needs torch, which is not installed"
    run = dout("mine.py", cwd=tmp_path)
    assert run.returncode == 2
    assert "mine.py: Net needs torch, which is not installed" in run.stderr
    (tmp_path / "right.py").unlink()
    assert dout(".", cwd=tmp_path).returncode == 2  # nothing at all could be run


# --- scripts ----------------------------------------------------------------------------------------------------------

STOPS = {
    "data that are not there": ("data = np.load('none.npy')\nsize = data.shape", "raised FileNotFoundError"),
    "an endless loop": ("while True:\n    try:\n        x = 1\n    except Exception: pass", "did not end within"),
    "an exit": ("sys.exit(3)", "ended with exit code 3"),
    "a hard exit": ("os._exit(0)", "ended the interpreter, with exit code 0"),
    "a crash": ("import ctypes\nctypes.string_at(0)", "crashed (SIGSEGV)"),
    "arguments": (
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('file')\na = p.parse_args(['--no'])",
        "exit code 2",
    ),
}  # fmt: skip


@pytest.mark.long
@pytest.mark.one_in(4)
@pytest.mark.skipif(not hasattr(os, "killpg"), reason="signals of POSIX")
@pytest.mark.parametrize("what", STOPS)
def test_a_statement_that_comes_to_no_good_end_takes_no_layer_with_it(what, tmp_path):
    text, said = STOPS[what]
    write(tmp_path, f"import os, sys\nimport numpy as np\n{TRIPLE}\n{text}\n{RIGHT}")
    (found,) = document(".", "--timeout", "8", cwd=tmp_path)["files"]
    assert judged(found) == ["Triple", "Square"]
    assert found["problem"] is None
    (remark,) = found["remarks"]
    line = 10 + text.count("\n", 0, text.index({"a crash": "ctypes.str", "arguments": "a = "}.get(what, text[0])))
    assert remark.startswith(f"mine.py:{line} ")
    assert said in remark
    assert dout("mine.py", "--timeout", "2", cwd=tmp_path).returncode == 2  # it was asked for by name


def test_what_follows_from_a_statement_that_failed_is_no_fault_of_the_layer(tmp_path):
    write(tmp_path, "import numpy as np\nscale = np.load('none.npy')\nif True:\n    both = scale * 2\n"
          + LAYER.format(name="A", base="", forward="x * both"))  # fmt: skip
    (finding,) = file(tmp_path)["layers"][0]["findings"]
    assert (finding["code"], finding["severity"]) == ("D002", "note")
    assert "A needs what was to be made by mine.py:2 raised FileNotFoundError" in finding["message"]


@pytest.mark.long
def test_an_imported_file_that_trains_or_fails_gives_what_it_defines(tmp_path):
    write(tmp_path, "open('none.csv')\n" + TRIPLE + "\nwhile True:\n    pass\nlater = 1\n", "train.py")
    write(tmp_path, "from train import Triple, later, never\nclass Mine(Triple):\n    pass\n")
    found = file(tmp_path)
    assert judged(found) == ["Mine"]
    assert any("train.py:1 raised FileNotFoundError" in remark for remark in found["remarks"])
    assert any("train.py:9 did not end within 5 s" in remark for remark in found["remarks"])


# --- nothing is changed -----------------------------------------------------------------------------------------------

ACTS = {
    "np.save('weights.npy', np.ones(2))": "wanted to write weights.npy: refused",
    "open('log.txt', 'w')": "wanted to write log.txt: refused",
    "os.makedirs('checkpoints')": "wanted to make the folder checkpoints: refused",
    "os.remove('kept.txt')": "wanted to delete kept.txt: refused",
    "shutil.rmtree(os.getcwd())": "wanted to delete ",
    "os.rename('kept.txt', 'x')": "wanted to rename kept.txt: refused",
    "open('/tmp/dout_left', 'w')": "wanted to write /tmp/dout_left: refused",
    "os.system('touch made')": "wanted to start a program (touch): refused",
    "subprocess.run(['touch', 'made'])": "wanted to start a program (touch): refused",
    "multiprocessing.get_context('fork').Process().start()": "wanted to start a process of its own: refused",
    "urllib.request.urlopen('http://example.com')": "wanted to reach example.com: refused",
    "socket.create_server(('127.0.0.1', 0)).accept()": "wanted to open a server at 127.0.0.1:0: refused",
    "os.kill(os.getppid(), 15)": "wanted to end another process",
}


@pytest.mark.skipif(sys.platform == "win32", reason="paths and processes of POSIX")
def test_what_a_file_must_not_do_is_refused_and_told_with_its_line(tmp_path, tmp_path_factory):
    head = "import multiprocessing, os, shutil, socket, subprocess, tempfile, threading, time, urllib.request\n"
    write(tmp_path, f"{head}import numpy as np\n" + "\n".join(ACTS) + "\nos.chdir('/')\ntempfile.mkdtemp()\n"
          f"threading.Thread(target=time.sleep, args=(99,)).start()\n{RIGHT}", "repo/acts.py")  # fmt: skip
    write(tmp_path, "kept", "repo/kept.txt")
    write(tmp_path, "", "repo/net/__init__.py")
    write(tmp_path, RIGHT, "repo/net/layers.py")
    before, temporary = tree(tmp_path), tmp_path_factory.mktemp("temporary")
    found = file(tmp_path / "repo", "acts.py", env=PLAIN | {"TMPDIR": str(temporary)})
    assert judged(found) == ["Square"]
    for number, said in enumerate(ACTS.values(), 3):
        assert any(r.startswith(f"acts.py:{number} {said}") for r in found["remarks"]), (said, found["remarks"])
    assert tree(tmp_path) == before
    assert [*temporary.iterdir()] == []
    assert not Path("/tmp/dout_left").exists()


def test_a_layer_that_writes_is_not_judged_and_not_blamed(tmp_path):
    write(tmp_path, LAYER.format(name="Logs", base="", forward="print(x, file=open('log.txt', 'a')) or x"))
    found = file(tmp_path)
    (finding,) = found["layers"][0]["findings"]
    assert (finding["code"], finding["severity"]) == ("D002", "note")
    assert found["remarks"] == ["mine.py:4 wanted to write log.txt: refused"]
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]


@pytest.mark.skipif(sys.platform != "linux", reason="Landlock")
def test_what_gets_past_python_the_kernel_refuses(tmp_path):
    if not _has_landlock():
        pytest.skip("this kernel has no Landlock")
    write(tmp_path, f"import ctypes\nctypes.CDLL(None).system(b'touch made; mkdir here')\n{RIGHT}")
    assert judged(file(tmp_path)) == ["Square"]
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]


def _has_landlock():
    import ctypes

    return ctypes.CDLL(None).syscall(444, None, 0, 1) >= 3


def test_isolated_files_run_in_an_empty_folder_without_a_network(tmp_path):
    write(tmp_path, "import os\nassert not os.listdir()\nopen('made', 'w').write('x')\nassert os.listdir()\n" + RIGHT,
          "repo/mine.py")  # fmt: skip
    found = document("repo/mine.py", "--isolate", cwd=tmp_path)
    assert judged(found["files"][0]) == ["Square"]
    assert found["problems"] == []
    assert {f["file"] for f in found["files"][0]["layers"][0]["findings"]} <= {str(Path("repo/mine.py"))}
    assert [path.name for path in tmp_path.iterdir()] == ["repo"]


# --- old names of NumPy -----------------------------------------------------------------------------------------------


def test_a_name_that_numpy_has_removed_is_answered_and_told_once(tmp_path):
    write(tmp_path, "import numpy as np\nKIND = np.float\n"
          "class Product:\n    def forward(self, x):\n        self.x = x\n        return np.product(x)\n"
          "    def backward(self, dout):\n        return dout * np.product(self.x) / self.x.astype(np.float)\n"
          + LAYER.format(name="Sorted", base="", forward="np.asfarray(x) * 3 + np.float_(0)"))  # fmt: skip
    write(tmp_path, "from mine import Product\nclass Other(Product):\n    pass\n", "other.py")
    shown = document(".", cwd=tmp_path)
    old = {
        n: [(f["line"], f["message"]) for f in layer["findings"] if f["code"] == "D004"]
        for n, layer in layers(shown).items()
    }
    assert old == {
        "Product": [
            (2, "Product uses np.float, which NumPy has removed: write float"),
            (6, "Product uses np.product, which NumPy has removed: write np.prod"),
        ],
        "Sorted": [
            (12, "Sorted uses np.asfarray, which NumPy has removed: write np.asarray(x, dtype=float)"),
            (12, "Sorted uses np.float_, which NumPy has removed: write np.float64"),
        ],
        "Other": [],
    }
    assert layers(shown)["Product"]["verdicts"][0]["word"] == "exact"
    assert layers(shown)["Sorted"]["verdicts"][0]["word"] == "exact"


HELPED = (
    """import numpy as np
def rounded(x):
    return x * np.int(3)
"""
    + LAYER.format(name="First", base="", forward="x * 3")
    + LAYER.format(name="Part", base="", forward="rounded(x)")
    + """
class Net:
    def __init__(self):
        self.first, self.part = First(), Part()
    def forward(self, x):
        return self.part.forward(self.first.forward(x))
    def backward(self, dout):
        return self.first.backward(self.part.backward(dout))
"""
)


@pytest.mark.one_in(8)
@pytest.mark.parametrize("run", ["", "net = Net()\nnet.forward(np.ones((2, 3)))\nnet.backward(np.ones((2, 3)))\n"])
@pytest.mark.parametrize("order", [1, -1])
def test_an_old_name_in_a_function_belongs_to_the_layer_that_calls_it_whichever_is_judged_first(tmp_path, run, order):
    head, *classes = HELPED.split("class ")
    write(tmp_path, head + "".join(f"class {text}" for text in classes[::order]) + run)
    shown = layers(document(".", cwd=tmp_path))
    assert [n for n, layer in shown.items() if any(f["code"] == "D004" for f in layer["findings"])] == ["Part"]


def test_code_that_asks_whether_a_name_is_there_is_told_the_truth(tmp_path):
    write(tmp_path, "import numpy as np\nproduct = np.product if hasattr(np, 'product') else np.prod\n" + RIGHT)
    assert "D004" not in json.dumps(document(".", cwd=tmp_path))


# --- the rest ---------------------------------------------------------------------------------------------------------


def test_a_notebook_is_one_module(tmp_path):
    cells = ["%matplotlib inline\nimport numpy as np\n!pip install x", "x = !ls", "np.load('none')", RIGHT]
    book = {"cells": [{"cell_type": "code", "source": cell.splitlines(True)} for cell in cells]}
    path = write(tmp_path, json.dumps(book), "book.ipynb")
    from dout.check.project.discover import Job
    from dout.check.worker.jobs import GivenArguments
    from dout.check.worker.runner import run

    (outcome,) = run([Job(str(path), "file")], GivenArguments(), timeout=20, asked=())
    assert [checked.report.verdicts[0].word for checked in outcome.layers] == ["exact"]
    assert ":5 raised FileNotFoundError" in outcome.remarks[0]


@pytest.mark.one_in(4)
@pytest.mark.parametrize("text", ["[]", "3", '{"cells": [1]}', '{"cells": [{"cell_type": "code", "source": [1]}]}'])
def test_json_that_is_no_notebook_takes_no_layer_with_it(tmp_path, text):
    write(tmp_path, text, "odd.ipynb")
    write(tmp_path, """
class Scale:
    def __init__(self, n):
        self.w = 2.0 * n
    def forward(self, x):
        return x * self.w
    def backward(self, dout):
        return dout * self.w

class Network(Scale):
    def backward(self, x, y, out):
        self.dw = ((out - y) * x).sum()
""")  # fmt: skip
    assert judged(file(tmp_path)) == ["Scale", "Network"]


@pytest.mark.long
def test_a_hundred_files_take_less_than_a_minute(tmp_path):
    for number in range(100):
        write(tmp_path, f"import numpy as np\nimport torch\n{RIGHT}", f"part_{number % 10}/layer_{number:03}.py")
    since = time.monotonic()
    assert len(document(".", "-j", "2", cwd=tmp_path, env=PLAIN)["files"]) == 100
    assert time.monotonic() - since < 60


# --- large files ------------------------------------------------------------------------------------------------------


DATA = f"table = '{'0.123456789, ' * 350_000}'.split(', ')\n"  # a text, which Python reads fast


def test_a_module_that_is_data_is_not_run(tmp_path):
    write(tmp_path, DATA, "data.py")
    write(tmp_path, TRIPLE)
    shown = document(".", cwd=tmp_path)
    assert [found["file"] for found in shown["files"]] == ["mine.py"]


@pytest.mark.long
def test_a_large_module_with_a_layer_in_it_is_judged(tmp_path):
    write(tmp_path, TRIPLE + DATA, "data.py")
    assert judged(file(tmp_path, "data.py")) == ["Triple"]


# --- what an author gives ---------------------------------------------------------------------------------------------


ODD = """
import numpy as np

class Odd:
    def __init__(self, table):
        self.k = table['deep']['k']
    def forward(self, x):
        return self.k * x
    def backward(self, dout):
        return self.k * dout

def dout_example():
    return {'Odd': {'init': {'table': {'deep': {'k': 3.0}}}, 'inputs': [np.ones((2, 5))]}}
"""


def test_an_example_beside_the_class_comes_first(tmp_path):
    write(tmp_path, ODD)
    (layer,) = file(tmp_path)["layers"]
    assert [v["word"] for v in layer["verdicts"]] == ["exact"]
    assert layer["chosen"] == {"init": {}, "inputs": {}}


TWO_PAIRS = """
class Pair:
    def one(self, x):
        return x * x
    def two(self, x):
        return 2 * x
    def forward(self, x):
        return x
    def backward(self, dout):
        return dout
"""


@pytest.mark.long
def test_an_interface_is_given_as_it_is_printed(tmp_path):
    write(tmp_path, TWO_PAIRS)
    shown = document("mine.py", "--interface", "one, two(x), local", cwd=tmp_path)
    assert layers(shown)["Pair"]["interface"] == "one(…), two(x), the caller multiplies by dout"
    assert layers(shown)["Pair"]["verdicts"][0]["word"] == "exact"
    wrong = dout("mine.py", "--interface", "one two", cwd=tmp_path)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "'one two' is no interface; write it as: forward_pass, backward_pass(dout, rate)" in wrong.stderr
