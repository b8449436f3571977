"""An unchanged file is answered from the cache, and whatever a check has read is noticed when it changes."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from check_commands import PLAIN, RIGHT, WRITES, WRONG, dout, write

from dout import cache_folder
from dout.check.worker.kept_answers import OFF, Question

LAYER = """
import time
import numpy as np
from scales import SCALE

LETTERS = str.maketrans("0123456789", "abcdefghij")
SHIFT = np.loadtxt("shift.txt")

class Says:
    def forward(self, x):
        raise NameError("ran at " + str(time.time_ns()).translate(LETTERS))  # numbers might be sizes

    def backward(self, dout):
        return dout
"""
BACKWARD = "    def backward(self, dout): return dout\n"
FACTOR = """
class Factor:
    def __init__(self, factor):
        self.factor = factor

    def forward(self, x):
        return x * self.factor

    def backward(self, dout):
        return dout
"""
PROGRAM = """
import time
import numpy as np
from layers import Factor

Factor(time.time_ns() / 1e18).forward(np.ones((2, 3)))
"""


@pytest.fixture
def environment(tmp_path):
    kept = {key: value for key, value in PLAIN.items() if key != OFF}
    return {**kept, "DOUT_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": str(tmp_path / "installed")}


@pytest.fixture
def folder(tmp_path, environment):
    """A folder whose layer says when it ran."""
    (tmp_path / "installed").mkdir()
    for name, text in {
        "layers.py": LAYER,
        "scales.py": "SCALE = 2\n",
        "train.py": PROGRAM,
        "shift.txt": "1.5\n",
    }.items():
        write(tmp_path / "code", text, name)
    return tmp_path / "code"


@pytest.fixture
def ran(folder, environment):
    """When the layer ran, as the report of a check says it."""

    def when(*arguments, **changes):
        run = dout(*(arguments or (".",)), cwd=folder, env=environment | changes)
        return re.findall(r"NameError: ran at (\w+)", " ".join(run.stdout.split()))[0]

    return when


def append(path, text="\nprint()\n"):
    path.write_text(path.read_text() + text)


def test_an_unchanged_folder_gets_the_same_output_without_numpy(folder, environment):
    first = dout(".", cwd=folder, env=environment)
    again = dout(".", cwd=folder, env=environment | {"PYTHONPROFILEIMPORTTIME": "1"})
    loaded = "".join(line for line in again.stderr.splitlines(keepends=True) if line.startswith("import time:"))
    assert (again.stdout, again.returncode) == (first.stdout, first.returncode)
    assert again.stderr.replace(loaded, "") == first.stderr
    assert "dout.cli" in loaded
    assert not re.search(r"\b(numpy|flint|rich)\b", loaded)


CHANGES = {
    "the file": lambda folder: append(folder / "layers.py"),
    "a module that it imports": lambda folder: append(folder / "scales.py"),
    "data that it reads": lambda folder: append(folder / "shift.txt", "2.5\n"),
    "a module that hides another": lambda folder: write(folder, "import math\n", "numba.py"),
    "the settings": lambda folder: write(folder, "[tool.dout]\ntimeout = 11\n", "pyproject.toml"),
    "an installed library": lambda folder: (folder.parent / "installed" / "numpy-9.9.dist-info").mkdir(),
}  # fmt: skip


@pytest.mark.long
@pytest.mark.one_in(8)
@pytest.mark.parametrize("what", CHANGES)
def test_what_a_check_has_read_is_noticed_when_it_changes(what, folder, ran):
    first = ran()
    assert ran() == first
    CHANGES[what](folder)
    again = ran()
    assert again != first
    assert ran() == again


@pytest.mark.long
def test_a_program_that_uses_a_layer_is_noticed_when_it_comes_and_when_it_changes(tmp_path, environment):
    folder = write(tmp_path / "code", FACTOR, "layers.py").parent

    def used():
        return re.findall(r"built with factor = ([\d.]+)", dout(".", cwd=folder, env=environment).stdout)[0]

    alone = used()
    path = write(folder, PROGRAM, "train.py")
    first = used()
    assert first != alone
    assert used() == first
    append(path)
    assert used() not in (first, alone)


def test_a_file_of_the_same_content_is_unchanged(folder, ran):
    first = ran()
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes())
    assert ran() == first


@pytest.mark.one_in(8)
@pytest.mark.parametrize("options", [
    ["--timeout", "9"], ["--memory", "3"], ["--isolate"], ["--input", "x=[1.0, 2.0]"],
    ["--interface", "forward(x), backward(dout)"],
])  # fmt: skip
def test_a_setting_that_may_change_a_verdict_asks_anew(options, ran):
    first = ran("layers.py")
    again = ran("layers.py", *options)
    assert again != first
    assert ran("layers.py", *options) == again
    assert ran("layers.py") == first


@pytest.mark.one_in(8)
@pytest.mark.parametrize("options", [["--json"], ["--output-format", "junit"], ["--all"], ["--strict"], ["-j", "1"]])
def test_how_findings_are_printed_asks_nothing_anew(options, ran):
    assert ran() == ran(".", *options)


@pytest.mark.long
def test_a_changed_file_leaves_the_answers_of_others(folder, environment, ran):
    write(folder, LAYER.replace("Says", "Other"), "other.py")
    first = dout(".", "--json", cwd=folder, env=environment).stdout
    append(folder / "other.py")
    again = dout(".", "--json", cwd=folder, env=environment).stdout
    said = [dict(re.findall(r"(\w+) raises NameError: ran at (\w+)", text)) for text in (first, again)]
    assert said[0]["Says"] == said[1]["Says"]
    assert said[0]["Other"] != said[1]["Other"]


@pytest.mark.long
def test_another_dout_asks_anew(tmp_path, ran):
    home = tmp_path / "home" / "dout"
    shutil.copytree(Path(cache_folder.__file__).parent, home)
    place = {"PYTHONPATH": str(home.parent)}
    first = ran(**place)
    assert ran(**place) == first
    os.utime(home / "grad.py")
    assert ran(**place) != first


@pytest.mark.long
def test_the_cache_is_off_on_demand(ran):
    first = ran()
    assert first not in (ran(".", "--no-cache"), ran(**{OFF: "1"}))
    assert ran() == first


@pytest.mark.long
@pytest.mark.one_in(2)
@pytest.mark.parametrize("harm", ["cut", "flip", "empty", "no answer"])
def test_a_damaged_entry_is_checked_anew(harm, tmp_path, ran):
    first = ran()
    for entry in (tmp_path / "cache").iterdir():
        whole = entry.read_bytes()
        made = {"cut": whole[:-9], "flip": whole[:-9] + bytes([whole[-9] ^ 4]) + whole[-8:], "empty": b""}
        entry.write_bytes(made.get(harm, b""))
        if harm == "no answer":
            entry.unlink()
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("DOUT_CACHE_DIR", str(tmp_path / "cache"))
                cache_folder.write(entry.name, json.dumps([{}, ["JobOutcome", 1, ["Path", 2]]]).encode())
    again = ran("--json", ".")
    assert again != first
    assert ran() == again


@pytest.mark.long
def test_two_checks_at_once_do_not_disturb_each_other(folder, environment, ran):
    command = [sys.executable, "-m", "dout", "check", "."]
    both = [subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE) for _ in range(2)]
    texts = [process.communicate(timeout=120)[0].decode() for process in both]
    assert [process.returncode for process in both] == [1, 1]
    assert any(ran() in text for text in texts)


@pytest.mark.long
@pytest.mark.one_in(2)
@pytest.mark.parametrize(("slow", "kept"), [("while True: pass", True), ("time.sleep(99)", False)])
def test_what_a_limit_of_work_has_said_is_kept_and_what_the_clock_on_the_wall_has_said_is_not(slow, kept, folder, ran):
    append(folder / "layers.py", f"class Slow:\n    def forward(self, x):\n        {slow}\n" + BACKWARD)
    same = (ran("layers.py", "--timeout", "2") == ran("layers.py", "--timeout", "2") for _ in range(3 if kept else 1))
    assert any(same) == kept  # a machine that is busy with other work may let the clock come first


@pytest.mark.long
def test_a_problem_is_kept_until_its_file_is_there_or_right(tmp_path, environment):
    write(tmp_path, "class Square\n")
    problems = [dout("mine.py", "other.py", cwd=tmp_path, env=environment).stderr for _ in range(2)]
    write(tmp_path, RIGHT)
    write(tmp_path, RIGHT, "other.py")
    assert problems[0] == problems[1]
    assert "mine.py:1 is not valid Python" in problems[0]
    assert dout("mine.py", "other.py", cwd=tmp_path, env=environment).returncode == 0


def test_a_file_that_changes_while_it_is_read_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("DOUT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv(OFF, raising=False)
    path = write(tmp_path, RIGHT)
    time.sleep(0.1)
    question = Question("a")
    question.keep("right", [str(path)])
    assert Question("a").answer()[1] == "right"
    path.write_text(WRONG)
    question.keep("wrong", [str(path)])
    assert Question("a").answer() is None


@pytest.mark.long
@pytest.mark.one_in(2)
@pytest.mark.parametrize("warm", [False, True])
def test_reports_baselines_and_fixes_are_the_same_from_the_cache(warm, tmp_path, environment):
    folder = write(tmp_path / "code", WRITES.format("", "") + WRONG).parent
    environment = environment | {OFF: "" if warm else "1"}
    if warm:
        for _ in range(2):
            dout(".", "--html", "../first.html", cwd=folder, env=environment)
            dout(".", cwd=folder, env=environment)
    assert dout(".", "--html", "report.html", cwd=folder, env=environment).returncode == 1
    assert (folder / "report.html").read_text().count("<svg") >= 1
    written = dout(".", "--baseline", "known.json", "--write-baseline", cwd=folder, env=environment)
    assert "wrote 4 findings" in written.stderr
    assert dout(".", "--baseline", "known.json", cwd=folder, env=environment).returncode == 0
    sarif = json.loads(dout(".", "--sarif", cwd=folder, env=environment).stdout)
    assert any("fixes" in result for result in sarif["runs"][0]["results"])
    fixed = dout(".", "--fix", cwd=folder, env=environment)
    assert (fixed.returncode, fixed.stderr.count("fixed mine.py")) == (0, 1)
    assert "2 * self.x" in (folder / "mine.py").read_text()
