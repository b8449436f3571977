"""The command `dout compile`: a module of its own that gives what the file gives, without dout."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
import threading
from pathlib import Path
from subprocess import PIPE

import numpy as np
import pytest
from dout_commands import run_dout

pytest.importorskip("numba")

from click.testing import CliRunner

from dout.cli.compile_command import compile
from dout.engine.export.inlined_functions import definitions
from dout.engine.math import accumulate, vector_math

HERE = Path(__file__).parents[1] / "support"
SLIDES = Path(__file__).parents[2] / "examples" / "slide_layers.py"
LAYERS = HERE / "standalone_layers.py"
DTYPES = ("float32", "float64")
ONE = ("float32",)  # a kernel is compiled for each dtype: one is enough where both go one way
BATCHES = (5, 1, 64, 2)
LIMIT = 600  # seconds; what takes longer never ends


def run(*arguments):
    return CliRunner().invoke(compile, [*map(str, arguments)])


def written(target, folder, *options):
    fast = folder / "fast.py"
    shown = run(target, "-o", fast, "--timeout", 0, *options)
    assert shown.exit_code == 0, shown.output + str(shown.exception)
    return fast


@pytest.fixture(scope="module")
def slides(tmp_path_factory):
    return written(SLIDES, tmp_path_factory.mktemp("slides"))


@pytest.fixture(scope="module")
def layers(tmp_path_factory):
    return written(LAYERS, tmp_path_factory.mktemp("layers"), "--dtype", *ONE)


processes = {}  # by the modules that they compare: each loads Numba, so one does for all tests of a module


@pytest.fixture(scope="module", autouse=True)
def _end_of_processes():
    yield
    for process in processes.values():
        process.communicate()


def plain_calls(plain, fast, *cases):
    """Compare in a process that has no dout; the plain methods that were called."""
    command = [sys.executable, "-I", str(HERE / "standalone_run.py"), str(plain), str(fast)]
    if fast not in processes:
        processes[fast] = subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True, cwd=fast.parent)
    process = processes[fast]
    print(json.dumps(cases), file=process.stdin, flush=True)
    limit = threading.Timer(LIMIT, process.kill)
    limit.start()
    answer = process.stdout.readline()
    limit.cancel()
    assert answer, "the process has ended"
    found = json.loads(answer)
    assert found["failed"] is None, found["failed"]
    return found["called"]


def case(layer, dtype, calls, **more):
    return {"layer": layer, "dtype": dtype, "calls": calls, **more}


def batches(**shapes):
    """Calls with batches of several sizes; `None` in a shape is that of the batch."""
    return [{"inputs": {n: [b if i is None else i for i in s] for n, s in shapes.items()}} for b in BATCHES]


def test_the_slides_layers_give_the_same_at_every_batch_size_without_dout(slides):
    cases = [
        case(layer, dtype, batches(**{name: [None, 3] for name in names}))
        for dtype in DTYPES
        for layer, names in {"MulLayer": "xy", "AddLayer": "xy", "Relu": "x", "Sigmoid": "x"}.items()
    ]
    assert plain_calls(SLIDES, slides, *cases) == []


@pytest.mark.long
def test_elementwise_layers_take_any_number_of_axes(slides):
    calls = [{"inputs": {"x": shape}} for shape in ([4], [2, 3], [2, 3, 4], [2, 3, 4, 5])]
    cases = [case(layer, dtype, calls) for dtype in DTYPES for layer in ("Relu", "Sigmoid")]
    assert plain_calls(SLIDES, slides, *cases) == []


def test_what_kernels_were_not_written_for_goes_the_plain_way_and_is_right(slides):
    broadcast = case("MulLayer", "float32", [{"inputs": {"x": [4, 3], "y": [3]}}])
    called = plain_calls(SLIDES, slides, broadcast, case("Sigmoid", "float16", batches(x=[None, 3])))
    kinds = [("Sigmoid", "forward"), ("Sigmoid", "backward"), ("MulLayer", "backward")]
    assert set(called) == {f"_{cls}__plain_{kind}" for cls, kind in kinds}


def test_layers_with_parameters_take_other_shapes_than_those_they_were_compiled_for(layers):
    affine = [case("Affine", d, batches(x=[None, 7]), init={"W": [7, 2], "b": [2]}) for d in ONE]
    sequence = [case("Sequence", d, batches(x=[None, 7])[:2], init={"W": [7, 2], "b": [2]}) for d in ONE]
    called = plain_calls(LAYERS, layers, *affine, *sequence)
    assert set(called) <= {"_Sequence__plain_forward", "_Sequence__plain_backward"}


def test_a_loss_takes_labels_and_the_number_one(layers):
    calls = [{"inputs": {"x": [b, 6], "t": ["labels", b, 6]}} for b in BATCHES]
    cases = [case("SoftmaxWithLoss", dtype, calls, dout=dout) for dtype in ONE for dout in (1, 1.0)]
    assert plain_calls(LAYERS, layers, *cases) == []


def test_a_loss_takes_labels_as_rows_of_zeros_and_a_one(layers):
    calls = [{"inputs": {"x": [b, 6], "t": ["one-hot", b, 6]}} for b in BATCHES]
    cases = [case("SoftmaxWithLoss", dtype, calls, dout=1) for dtype in ONE]
    assert plain_calls(LAYERS, layers, *cases) == []


def test_each_flag_has_its_way_and_attributes_are_as_after_a_plain_run(layers):
    calls = [{"inputs": {"x": [b, 4], "train_flg": flag}, "backward": flag} for b in BATCHES for flag in (True, False)]
    norm = [case("BatchNormalization", d, calls, init={"gamma": [4], "beta": [4]}) for d in ONE]
    called = plain_calls(LAYERS, layers, *norm)
    assert called.count("_BatchNormalization__plain_forward") == len(ONE)  # the first call makes running means


def test_random_numbers_come_from_the_users_generator(layers):
    calls = [{"inputs": {"x": [b, 4], "train_flg": flag}, "backward": flag} for b in BATCHES for flag in (True, False)]
    dropout = [case("Dropout", d, calls) for d in ONE]
    gate = [case("NoisyGate", d, batches(x=[None, 4])) for d in ONE]
    assert plain_calls(LAYERS, layers, *dropout, *gate) == []


def test_a_net_with_parameters_in_a_dict(layers):
    net = [case("TwoLayerNet", d, batches(x=[None, 3]), init={"n_in": 3, "n_hidden": 8, "n_out": 2}) for d in ONE]
    called = plain_calls(LAYERS, layers, *net)
    assert called == ["_TwoLayerNet__plain_backward"] * len(ONE)  # the first one puts gradients into an empty dict


def test_what_is_decided_by_sizes_stays_so(layers):
    cases = [case("Thresholded", ONE[0], [{"inputs": {"x": [n, 2]}} for n in (3, 50, 51, 200)])]
    called = plain_calls(LAYERS, layers, *cases)
    assert called == ["_Thresholded__plain_forward", "_Thresholded__plain_backward"] * 2


@pytest.mark.parametrize("layer", ["Squeezed", "FirstTwo", "Counting"])
def test_a_batch_of_any_size_gives_what_it_gives_plainly(layers, layer):
    plain_calls(LAYERS, layers, *(case(layer, dtype, batches(x=[None, 3])) for dtype in ONE))


def test_arrays_that_a_layer_writes_into_stay_its_own(layers):
    calls = batches(x=[None, 3])
    cases = [case("Accumulates", dtype, calls, init={"total": [3]}) for dtype in ONE]
    assert plain_calls(LAYERS, layers, *cases) == []


SUMMING = """
import numpy as np

class Summing:
    def __init__(self):
        self.total = np.array([1.0, 2.0, 3.0])

    def forward(self, x):
        self.total += x
        return self.total * x

    def backward(self, dout):
        return dout * self.total
"""


def test_an_input_may_be_a_view_of_an_array_that_is_written_into(tmp_path):
    file = tmp_path / "summing.py"
    file.write_text(SUMMING)
    fast = runpy.run_path(str(written(file, tmp_path)))["Summing"]()
    out = fast.forward(fast.total[:])  # which is another object than the array, and has its memory
    np.testing.assert_array_equal(fast.total, [2, 4, 6])
    np.testing.assert_array_equal(out, [4, 16, 36])


def test_numbers_and_flags_that_a_call_leaves_are_left(layers):
    assert plain_calls(LAYERS, layers, case("Counting", ONE[0], batches(x=[None, 3]))) == []


def test_a_condition_on_values_goes_both_ways_and_names_of_the_users_stay_theirs(layers):
    text = layers.read_text()
    assert "def choose(x):" in text
    assert "def choose_(typing" in text
    assert plain_calls(LAYERS, layers, *(case("Decides", dtype, batches(x=[None, 3])) for dtype in ONE))


def test_every_function_that_a_kernel_can_call_can_be_written():
    own = {name for name, item in vars(accumulate).items() if name[0] != "_" and type(item).__module__[:5] == "numba"}
    called = own | {f"{name}_{width}" for name in vector_math.FUNCTIONS for width in ("f32", "f64")}
    found, imports = definitions(called)
    names = {}
    exec("\n".join([*imports, *(one.text for one in found)]), names)
    assert called <= names.keys()
    assert not any("from dout" in one.text for one in found)


def test_functions_of_the_module_that_a_layer_needs_come_with_it(layers):
    calls = batches(x=[None, 3])
    assert plain_calls(LAYERS, layers, *(case("Gelu", dtype, calls) for dtype in ONE)) == []


@pytest.mark.long
def test_one_layer_alone_takes_along_nothing_of_the_others(tmp_path):
    text = written(f"{LAYERS}:SoftmaxWithLoss", tmp_path).read_text()
    assert "def cross_entropy_error" in text
    assert "EPSILON = 1e-7" in text
    assert "class Affine" not in text


def test_what_numpy_does_as_well_stays(slides):
    text = slides.read_text()
    assert "    # Plain: NumPy does it in as few passes over memory.\n    def forward(self, x, y):\n" in text


def test_what_cannot_be_compiled_stays_and_says_why(layers):
    assert "    # Plain: it calls print, which dout does not see into, at standalone_layers.py:" in layers.read_text()


@pytest.mark.parametrize("name", ["slides", "layers"])
def test_the_module_has_nothing_that_a_linter_says(name, request):
    rules = ["--isolated", "--select", "E,F,W,I", "--line-length", "120"]
    command = [sys.executable, "-m", "ruff", "check", *rules, str(request.getfixturevalue(name))]
    finished = subprocess.run(command, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stdout


def test_the_module_does_not_name_dout_where_it_runs(layers):
    lines = [line for line in layers.read_text().splitlines() if "import" in line]
    assert not any("dout" in line for line in lines)


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["-o", "fast.txt"], "fast.txt cannot be written: a module ends in .py"),
        (["-o", "no/fast.py"], "there is no folder no"),
        (["-o", "mine.py"], "it is one of the files that are read"),
        (["-o", "fast.py", "--init", "W=1"], "--init and --input are for one: mine.py:Two"),
    ],
)
def test_what_is_wrong_is_said_in_a_line_and_nothing_is_written(tmp_path, monkeypatch, options, says):
    monkeypatch.chdir(tmp_path)
    layer = "    def forward(self, x):\n        return x\n\n    def backward(self, dout):\n        return dout\n\n\n"
    Path("mine.py").write_text(f"class One:\n{layer}class Two:\n{layer}")
    finished = run_dout("compile", "mine.py", *options)
    assert finished.returncode == 2
    assert says in finished.stderr
    assert finished.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".py"] == ["mine.py"]


def test_the_module_that_a_name_stands_for_is_not_written_over(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = SLIDES.read_text()
    Path("named.py").write_text(text)
    shown = run("named:Sigmoid", "-o", "named.py")
    assert "the file there is not a module by dout" in str(shown.exception)
    assert Path("named.py").read_text() == text


@pytest.mark.long
def test_the_last_of_several_definitions_counts_and_odd_lines_do_not_shift_others(tmp_path):
    file = tmp_path / "odd.py"
    other = "    def forward(self, x):\n        return x\n\n"
    text = SLIDES.read_text().replace("class Sigmoid:\n", f"class Sigmoid:\n{other}")
    file.write_bytes(f"# -*- coding: latin-1 -*-\n# caf\xe9\n\x0c\n{text}".replace("\n", "\r\n").encode("latin-1"))
    fast = written(f"{file}:Sigmoid", tmp_path)
    called = plain_calls(file, fast, case("Sigmoid", "float64", batches(x=[None, 3])))
    assert called == []
    assert fast.read_text().count("def forward(self, x):") == 2


KEEPS = """
import numpy as np

PAIR = (1, 2)
FLAG = True


class Keeps:
    kind = "class"

    def __init__(self, W):
        self.W, self.used, self.dtype, self.pair, self.name, self.function = W, None, None, None, None, None
        self.cache, self.log = {"mode": None}, [0, None]

    def forward(self, x):
        self.used, self.dtype, self.pair, self.name, self.function = self.W, x.dtype, PAIR, "forward", np.exp
        self.cache["mode"], self.log[1], self.large = "f", True, np.sum(x) > 3
        Keeps.kind = "class"
        self.out = np.tanh(x) * np.exp(-x * x)
        return self.out

    def backward(self, dout):
        self.name, self.cache["mode"] = "backward", "b"
        return dout * (1.0 - self.out) * self.out


class Slots:
    __slots__ = ("out", "ready")

    def forward(self, x):
        self.ready = True
        self.out = np.tanh(x) * np.exp(-x * x)
        return self.out

    def backward(self, dout):
        self.ready = None
        return dout * (1.0 - self.out) * self.out
"""


@pytest.mark.long
def test_a_written_method_sets_what_stood_there_already(tmp_path):
    file = tmp_path / "keeps.py"
    file.write_text(KEEPS)
    fast = written(file, tmp_path)
    assert {"keeps_forward", "keeps_backward", "slots_forward"} <= {*fast.read_text().replace("[", " ").split()}
    x = np.linspace(-1, 2, 12).reshape(4, 3)
    calls = [x, x.astype("f4"), x + 3, -x - 3, x]
    seen = []
    for names in (runpy.run_path(str(file)), runpy.run_path(str(fast))):
        keeps, slots, found = names["Keeps"](np.ones(3)), names["Slots"](), []
        seen.append(found)
        for number, given in enumerate([*calls, *calls[::-1]]):
            if number % 3 == 1:
                keeps.dtype, keeps.pair, keeps.name, keeps.function, keeps.large = 1, 2, 3, 4, 5
                keeps.W, keeps.cache, keeps.log, slots.ready = np.ones(3), {"mode": 6}, [7, 8], 9
                names["Keeps"].kind = 10
            for run in ("forward", "backward"):
                keeps_gave, slots_gave = getattr(keeps, run)(given), getattr(slots, run)(given)
                found.append([keeps.dtype, keeps.pair, keeps.name, keeps.function, keeps.used is keeps.W, keeps.cache])
                found.append([keeps.log, bool(keeps.large), type(keeps).kind, slots.ready])
                found.append([np.round(keeps_gave, 4).tolist(), np.round(slots_gave, 4).tolist()])
            found[:] = [repr(item) for item in found]
    assert seen[0] == seen[1]


def test_a_layer_that_numbers_its_instances_is_written(tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text(
        "import numpy as np\n"
        "class Gate:\n"
        "    made = 0\n"
        "    def __init__(self):\n"
        "        Gate.made += 1\n"
        "        self.number = Gate.made\n"
        "    def forward(self, x):\n"
        "        self.out = 1 / (1 + np.exp(-x))\n"
        "        return self.out\n"
        "    def backward(self, dout):\n"
        "        return dout * self.out * (1 - self.out)\n"
    )
    assert "class Gate" in written(mine, tmp_path, "--dtype", "float64").read_text()


def test_where_nothing_can_be_compiled_nothing_is_written(tmp_path):
    file = tmp_path / "told.py"
    body = "        print(x)\n        return x\n"
    file.write_text(f"class Told:\n    def forward(self, x):\n{body}\n    def backward(self, x):\n{body}")
    shown = run(file, "-o", tmp_path / "fast.py")
    assert "nothing of" in str(shown.exception)
    assert "it calls print" in str(shown.exception)
    assert not (tmp_path / "fast.py").exists()


def test_help_says_that_the_file_is_executed():
    assert "The file is EXECUTED, with your rights." in " ".join(run("--help").output.split())


@pytest.fixture
def package(tmp_path):
    """A package without `__init__.py` files, whose modules import each other in both ways."""
    inner = tmp_path / "project" / "nets" / "layers"
    inner.mkdir(parents=True)
    (inner / "base.py").write_text("class Base:\n    kind = 'layer'\n")
    (tmp_path / "project" / "nets" / "sizes.py").write_text("TWO = 2.0\n")
    (inner / "double.py").write_text(
        "from nets.sizes import TWO\n\nfrom .base import Base\n\n\n"
        "class Double(Base):\n"
        "    def forward(self, x):\n        return x * TWO + x * x\n\n"
        "    def backward(self, dout):\n        return dout * TWO + dout\n"
    )
    return inner


def test_a_file_of_a_package_is_written_with_its_imports_by_their_whole_names(package, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    fast = written(package / "double.py", tmp_path)
    assert "from nets.layers.base import Base\n" in fast.read_text()
    assert "from nets.sizes import TWO\n" in fast.read_text()
    command = "import fast, numpy as np; print(fast.Double().forward(np.ones(2)), fast.Double.kind)"
    run = subprocess.run(
        [sys.executable, "-c", command],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "project"), "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout == "[3. 3.] layer\n", run.stderr
