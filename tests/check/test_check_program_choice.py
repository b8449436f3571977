"""Which programs of a repository reach its layers."""

import json

import pytest

from dout.adapt.repository.project_files import repository_root
from dout.check.program.program_choice import is_program, next_program, programs
from dout.check.project.discover import Job
from dout.check.report.report import Report
from dout.check.worker import program_phase
from dout.check.worker.jobs import Checked, GivenArguments, JobOutcome

LAYERS = "class Dense:\n    def forward(self, x): ...\nclass Relu:\n    def forward(self, x): ...\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "README.md").write_text("")
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "layers.py").write_text(LAYERS)
    (tmp_path / "net" / "model.py").write_text("from .layers import (\n    Dense,\n    Relu,\n)\nRelu()\n")
    return tmp_path


def found(folder):
    return {program.path.rpartition("/")[2]: {name for _, name in program.names}
            for program in programs([str(folder / "net" / "layers.py")])}  # fmt: skip


def test_of_two_that_reach_the_same_the_one_that_names_it_comes_first(folder):
    (folder / "checks.py").write_text("from net import layers\nlayers.Dense(1)\n")
    (folder / "train.py").write_text("from net import model\nmodel.run()\n")
    every = {one.path.rpartition("/")[2]: one for one in programs([str(folder / "net" / "layers.py")])}
    several = [every["train.py"], every["model.py"]]
    assert several[0].names == several[1].names
    assert next_program(several, set()) is several[1]


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("import numpy as np\nN = 3\ndef main():\n    run()\n", False),
        ("import sys\nsys.path.append('..')\nnp.random.seed(0)\n", False),
        ("main()\n", True),
        ("if __name__ == '__main__':\n    main()\n", True),
        ("try:\n    import cupy\nexcept ImportError:\n    cupy = None\n", False),
        ("for epoch in range(3):\n    net.fit()\n", True),
        ("y = layer.forward(x)\n", True),
        ("def test_dense():\n    Dense(3)\n", True),
        ("class DenseTest(unittest.TestCase):\n    pass\n", True),
        ("print 'Python 2'\n", False),
    ],
)
def test_a_program_does_something_by_itself(tmp_path, text, is_one):
    (tmp_path / "file.py").write_text(text)
    assert is_program(tmp_path / "file.py") is is_one


def test_a_program_reaches_what_it_and_the_files_that_it_imports_call(folder):
    (folder / "train.py").write_text("from net.model import *\nnet = [Dense(3, 4)]\nnet[0].forward(1)\n")
    (folder / "other.py").write_text("import numpy as np\nDense(3)\n")
    (folder / "relu.py").write_text("import net.layers as L\nL.Relu().forward(1)\n")
    cells = [{"cell_type": "code", "source": ["%matplotlib inline\n", "from net import layers\n", "layers.Dense(1)\n"]}]
    (folder / "try.ipynb").write_text(json.dumps({"cells": cells}))
    both = {"Dense", "Relu"}
    assert found(folder) == {"model.py": both, "train.py": both, "relu.py": {"Relu"}, "try.ipynb": {"Dense"}}


def test_no_program_runs_for_what_is_no_layer(folder):
    (folder / "net" / "layers.py").write_text(
        "class Layer:\n    def backward(self, dout): ...\nclass Dense(Layer):\n    pass\nclass Relu(Layer):\n    pass\n"
        "class Rule:\n    pass\nclass SGD(Rule):\n    def step(self): ...\n"
        "def sigmoid(x): ...\ndef sigmoid_prime(x): ...\ndef load(path): ...\n"
    )
    (folder / "train.py").write_text("from net.layers import *\nDense(), SGD(), load('data'), sigmoid(1)\n")
    (folder / "data.py").write_text("from net.layers import *\nSGD(), load('data')\n")
    assert found(folder) == {"model.py": {"Dense", "Relu"}, "train.py": {"Dense", "sigmoid"}}


def test_the_program_that_uses_most_of_the_rest_is_next(folder):
    (folder / "a.py").write_text("from net.layers import *\nDense()\n")
    (folder / "b.py").write_text("from net.layers import *\nDense()\nRelu()\n")
    every = programs([str(folder / "net" / "layers.py")])
    first = next_program(every, set())
    assert first.path.endswith("b.py")
    assert next_program(every, set(first.names)) is None


def test_what_one_program_reached_in_vain_another_uses_that_names_it(folder):
    (folder / "train.py").write_text("from net import model\nmodel.run()\n")
    (folder / "again.py").write_text("from net import model\nmodel.run_again()\n")
    (folder / "relu.py").write_text("from net.layers import Relu\nRelu().forward(1)\n")
    every = {one.path.rpartition("/")[2]: one for one in programs([str(folder / "net" / "layers.py")])}
    left = [every["again.py"], every["relu.py"]]
    assert next_program(left, set()) is left[0]
    assert next_program(left, set(), every["train.py"].names) is left[1]
    assert next_program(left[:1], set(), every["train.py"].names) is left[0]


def test_reading_is_bounded_and_total(folder):
    (folder / "deep.py").write_text("from net.layers import *\nDense(" + "(" * 500 + ")" * 500 + ")\n")
    (folder / "bytes.py").write_bytes(b"\xff\xfe Dense(1)")
    (folder / "bad.ipynb").write_text("[1, 2] Dense(")
    (folder / "list.ipynb").write_text('["Dense("]')
    (folder / "loop.py").symlink_to("loop.py")
    (folder / "round.py").write_text("import round\nfrom net.layers import Dense\nDense()\n")
    assert set(found(folder)) == {"model.py", "round.py"}


def test_a_file_outside_any_project_has_its_own_folder_as_root(tmp_path):
    deep = tmp_path / "a" / "b" / "c" / "d" / "e" / "f"
    deep.mkdir(parents=True)
    assert repository_root(deep / "x.py") == deep.resolve()


def test_of_programs_that_run_side_by_side_the_first_speaks_whichever_ends_first(folder, monkeypatch):
    (folder / "net" / "layers.py").write_text(f"{LAYERS}class Sum:\n    def forward(self, x): ...\n")
    for name, one in (("a", "Dense"), ("b", "Relu")):
        (folder / f"{name}.py").write_text(f"from net.layers import *\n{one}().forward(Sum().forward(1))\n")
    file = str(folder / "net" / "layers.py")

    def backwards(jobs, given, *, more, done, **options):
        side_by_side = [more(), more()]
        assert more() is None
        for job in reversed(side_by_side):
            done(JobOutcome(job, [Checked(Report("Sum"), used=f"as used in {job.where}", file=file)]))

    monkeypatch.setenv("DOUT_NO_CACHE", "1")
    monkeypatch.setattr(program_phase, "run", backwards)
    found = program_phase.used_layers([Job(file, "file")], GivenArguments(), processes=2, timeout=1)
    assert [one.job.where for one in found.programs] == [str(folder / "a.py"), str(folder / "b.py")]
    assert found.layers[file]["Sum"].used == f"as used in {folder / 'a.py'}"


def test_a_layer_is_judged_for_one_program(folder, monkeypatch):
    for name, layers in (("a", "Dense() + Dense()"), ("b", "Dense(), Relu()")):
        (folder / f"{name}.py").write_text(f"from net.layers import *\n{layers}\n")
    file, told = str(folder / "net" / "layers.py"), []

    def one_after_another(jobs, given, *, more, done, used, **options):
        while (job := more()) is not None:
            told.append((job.where.rpartition("/")[2], [*used[job.file]]))
            done(JobOutcome(job, [Checked(Report("Dense"), used="as used", file=file)], data=[job.where]))

    monkeypatch.setenv("DOUT_NO_CACHE", "1")
    monkeypatch.setattr(program_phase, "run", one_after_another)
    found = program_phase.used_layers([Job(file, "file")], GivenArguments(), processes=1, timeout=1)
    assert told[0] == ("b.py", [])
    assert all(known == [f"{file}:Dense"] for _, known in told[1:])
    assert found.data[file] == [str(folder / "b.py")]


def test_programs_that_had_no_time_are_named_by_the_report(folder, monkeypatch):
    monkeypatch.setattr(program_phase, "MOST_SECONDS", 0.2)
    monkeypatch.setattr(program_phase, "near", lambda path: path.rpartition("/")[2])
    for name, layer in (("a.py", "Dense"), ("b.py", "Relu")):
        (folder / name).write_text(f"from net.layers import {layer}\nwhile True:\n    {layer}()\n")
    file = Job(str(folder / "net" / "layers.py"), "file")
    used = program_phase.used_layers([file], GivenArguments(), processes=1, timeout=9)
    (outcome,) = used.with_programs([file], [JobOutcome(file)], {file.where})
    assert outcome.remarks == ["the time for programs (0.2 s of work) was over before the end of a.py, b.py"]
