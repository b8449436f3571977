"""`--fix` writes proven repairs into the files, `--diff` shows them, and what cannot be fixed is said."""

import subprocess

import pytest
from check_commands import RIGHT, WRITES, WRONG, document, dout, write

from dout.check.project.discover import Job
from dout.check.project.settings import Settings
from dout.check.report.fix import Fix
from dout.check.report.report import Report
from dout.check.report.verdicts import Finding, Verdict
from dout.check.worker.jobs import Checked, JobOutcome
from dout.cli.output.check_output import Result
from dout.cli.output.fix_rounds import write_fixes
from dout.judge.outcomes import Word

MISTAKES = """# -*- coding: latin-1 -*-
# é: three mistakes in one backward, and one in another
import numpy as np

class Affine:
\tdef __init__(self, n=3, m=2):
\t\tself.W, self.b = np.random.randn(n, m), np.zeros(m)

\tdef forward(self, x):
\t\tself.x = x
\t\treturn x @ self.W + self.b

\tdef backward(self, dout):
\t\tself.dW = dout.T @ self.x   # é
\t\tself.db = dout.sum(axis=1)
\t\treturn dout @ self.W
\x0c
class Relu:
\tdef forward(self, x):
\t\tself.mask = x <= 0
\t\treturn np.where(self.mask, 0, x)
\tdef backward(self, dout): dout[self.mask] = 0; return dout"""
EDITS = {
    "dout.T @ self.x": "self.x.T @ dout",
    "axis=1": "axis=0",
    "dout @ self.W\n": "dout @ self.W.T\n",
    "dout[self.mask]": "dout = dout.copy(); dout[self.mask]",
}


def raw(text):
    return text.replace("\n", "\r\n").encode("latin-1")


def mended(text):
    for old, new in EDITS.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    return text


def errors(folder, *options):
    return document(*options, ".", cwd=folder)["summary"]["errors"]


def test_every_mistake_of_a_file_is_fixed_and_every_other_byte_is_as_it_was(tmp_path):
    path = tmp_path / "mine.py"
    path.write_bytes(raw(MISTAKES))
    run = dout("mine.py", "--fix", cwd=tmp_path)
    assert run.returncode == 0, run.stdout
    assert run.stderr == "dout: fixed mine.py: D101 in Affine, D201 in Relu\n"
    assert path.read_bytes() == raw(mended(MISTAKES))
    assert errors(tmp_path) == 0
    before = path.stat()
    assert dout("mine.py", "--fix", cwd=tmp_path).stderr == ""
    assert path.stat() == before


def test_the_diff_is_what_would_be_written_and_writes_nothing(tmp_path):
    path = write(tmp_path, WRONG)
    run = dout("mine.py", "--fix", "--diff", cwd=tmp_path)
    assert (run.returncode, run.stderr, path.read_text()) == (1, "", WRONG)
    lines = run.stdout.splitlines()
    assert lines[:2] == ["--- a/mine.py", "+++ b/mine.py"]
    assert [line for line in lines[3:] if line[0] in "+-"] == [
        "-        return dout * 3 * self.x",
        "+        return dout * 2 * self.x",
    ]


@pytest.mark.long
def test_patch_takes_the_diff_of_a_folder_and_writes_what_fix_writes(tmp_path):
    path = write(tmp_path, "", "sub/mine.py")
    text = MISTAKES.replace("latin-1", "utf-8").replace("\n", "\r\n")
    path.write_bytes(text.encode())
    run = dout(".", "--diff", cwd=tmp_path, text=False)
    subprocess.run(["patch", "-p1", "-s", "--binary"], input=run.stdout, cwd=tmp_path, check=True)
    assert path.read_bytes() == mended(text.replace("\r", "")).replace("\n", "\r\n").encode()


@pytest.mark.long
def test_a_finding_that_is_not_reported_is_not_fixed(tmp_path):
    path = write(tmp_path, WRITES.format("", "  # dout: ignore[D201]"))
    assert dout("mine.py", "--fix", cwd=tmp_path).returncode == 0
    write(tmp_path, WRONG)
    dout("mine.py", "--fix", "--ignore", "D101", cwd=tmp_path)
    assert path.read_text() == WRONG


@pytest.mark.long
def test_a_layer_that_takes_its_backward_from_another_file_is_left(tmp_path):
    write(tmp_path, WRONG, "base.py")
    write(tmp_path, "from base import Square\nclass Mine(Square):\n    pass\n")
    run = dout("mine.py", "--fix", cwd=tmp_path)
    assert (run.returncode, (tmp_path / "base.py").read_text()) == (1, WRONG)
    assert "base.py is not fixed: it is not one of the files that are checked; check it by its name" in run.stderr
    assert dout("mine.py", "base.py", "--fix", cwd=tmp_path).returncode == 0


def test_of_a_class_that_is_defined_twice_the_one_that_counts_is_fixed(tmp_path):
    path = write(tmp_path, WRONG + WRONG)
    assert dout("mine.py", "--fix", cwd=tmp_path).returncode == 0
    assert path.read_text() == WRONG + RIGHT


CUBE = "class Cube:\n    def forward(self, x):\n{}        return x * x * x\n\n    def backward(self, dout):\n{}"


@pytest.mark.long
def test_a_wrong_line_is_derived_from_forward(tmp_path):
    path = write(tmp_path, CUBE.format("        self.x = x\n", "        return dout * 0.123 + self.x\n"))
    assert dout("mine.py", "--fix", cwd=tmp_path).returncode == 0
    assert path.read_text().startswith(CUBE.format("        self.x = x\n", "        return "))
    assert dout("mine.py", cwd=tmp_path).returncode == 0


@pytest.mark.long
def test_where_forward_keeps_nothing_a_whole_backward_is_written_with_unsafe_fixes(tmp_path):
    path = write(tmp_path, CUBE.format("", "        return dout * 0.123\n"))
    assert dout("mine.py", "--fix", cwd=tmp_path).returncode == 1
    assert dout("mine.py", cwd=tmp_path).stdout.endswith("can be fixed: 1 with --fix --unsafe-fixes\n")
    assert dout("mine.py", "--fix", "--unsafe-fixes", cwd=tmp_path).returncode == 0
    assert path.read_text().startswith("class Cube:\n    def forward(self, x):\n        self.x = x\n")


def test_a_report_says_how_many_can_be_fixed(tmp_path):
    write(tmp_path, WRONG)
    assert dout("mine.py", cwd=tmp_path).stdout.endswith("can be fixed: 1 with --fix\n")


def test_of_two_fixes_that_fail_together_the_one_that_mends_is_written(tmp_path, capsys):
    path = tmp_path / "mine.py"
    path.write_text("a = 1\nb = 1\n")

    def found():
        text = path.read_text()
        lines = {name: text.replace(f"{name} = 1", f"{name} = 2") for name in "ab" if f"{name} = 1" in text}
        wrong = [*lines, *("a" for _ in range("a = 2" in text))]  # the change of `a` mends nothing
        findings = [
            Finding("D101", "error", "wrong", name, name, file=str(path), line=1,
                    fix=Fix(str(path), text, lines[name]) if name in lines else None)
            for name in wrong
        ]  # fmt: skip
        reports = [Report(finding.layer, findings=(finding,)) for finding in findings]
        return [JobOutcome(Job(str(path), "file"), [Checked(report) for report in reports])]

    result = Result(Settings(), outcomes=found())
    write_fixes(result, unsafe=False, again=lambda: setattr(result, "outcomes", found()))
    assert path.read_text() == "a = 1\nb = 2\n"
    told = capsys.readouterr().err
    assert "fixed mine.py: D101 in b" in told.replace(f"{tmp_path}/", "")
    assert "mine.py is not fixed: with the fix of D101 in a it is still wrong" in told


def test_a_fix_after_which_the_check_says_the_same_is_taken_back(tmp_path, capsys):
    path = write(tmp_path, WRONG)
    fix = Fix(str(path), WRONG, WRONG.replace("3", "4"))
    finding = Finding("D101", "error", "wrong", layer="Square", argument="x", file=str(path), line=8, fix=fix)
    layer = Checked(Report("Square", findings=(finding,)))
    result, seen = Result(Settings(), outcomes=[JobOutcome(Job(str(path), "file"), [layer])]), []
    write_fixes(result, unsafe=False, again=lambda: seen.append(path.read_text()))
    assert seen == [fix.after, WRONG]
    assert path.read_text() == WRONG
    assert "mine.py is not fixed: with the fix of D101 in Square it is still wrong" in capsys.readouterr().err


def test_a_fix_that_makes_a_layer_wrong_that_was_right_is_taken_back_and_the_others_stay(tmp_path, capsys):
    path = tmp_path / "mine.py"
    path.write_text("loss = 1\nrelu = 1\n")

    def found():
        text = path.read_text()
        harmed = [Finding("D101", "error", "wrong", "Net", "W", file=str(path))] if "loss = 2" in text else []
        reports = [Report("Net", (Verdict("W", Word.EXACT),), tuple(harmed), file=str(path))]
        for name in ("loss", "relu"):
            if f"{name} = 1" in text:
                fix = Fix(str(path), text, text.replace(f"{name} = 1", f"{name} = 2"))
                findings = (Finding("D101", "error", "wrong", name, "x", file=str(path), fix=fix),)
                reports.append(Report(name, findings=findings, file=str(path)))
        return [JobOutcome(Job(str(path), "file"), [Checked(report) for report in reports])]

    result = Result(Settings(), outcomes=found())
    write_fixes(result, unsafe=False, again=lambda: setattr(result, "outcomes", found()))
    assert path.read_text() == "loss = 1\nrelu = 2\n"
    told = capsys.readouterr().err.replace(f"{tmp_path}/", "").splitlines()
    assert "dout: fixed mine.py: D101 in relu" in told
    assert "dout: mine.py is not fixed: with the fix of D101 in loss, Net would be wrong" in told


SHARED = """import numpy as np

class Affine:
    def __init__(self, W):
        self.W = W

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout / len(self.x)  # the division that the loss leaves out
        return dout @ self.W.T

class MeanSquares:
    def forward(self, y, t):
        self.y, self.t = y, t
        return 0.5 * np.sum((y - t) ** 2) / len(y)

    def backward(self, dout=1.0):
        return dout * (self.y - self.t)
"""


@pytest.mark.long
def test_a_loss_whose_division_another_layer_makes_has_no_fix(tmp_path):
    path = write(tmp_path, SHARED)
    layers = document("mine.py", cwd=tmp_path)["files"][0]["layers"]
    notes = [f["message"] for layer in layers for f in layer["findings"] if f["code"] == "D106"]
    assert any(note.endswith("Affine.backward, in the same file, divides") for note in notes)
    dout("mine.py", "--fix", "--unsafe-fixes", cwd=tmp_path)
    assert path.read_text() == SHARED


def test_a_fix_after_which_its_layer_raises_is_taken_back(tmp_path, capsys):
    path = tmp_path / "mine.py"
    path.write_text("x = 1\n")

    def found():
        text = path.read_text()
        fix = Fix(str(path), text, text.replace("1", "2"))
        wrong = Finding("D101", "error", "wrong", "Net", "x", file=str(path), fix=fix)
        judged = Report("Net", (Verdict("x", Word.REFUTED),), (wrong,), file=str(path))
        raises = Report("Net", findings=(Finding("D001", "error", "Net raises NameError", "Net"),))
        return [JobOutcome(Job(str(path), "file"), [Checked(judged if "1" in text else raises)])]

    result = Result(Settings(), outcomes=found())
    write_fixes(result, unsafe=False, again=lambda: setattr(result, "outcomes", found()))
    assert path.read_text() == "x = 1\n"
    assert "mine.py is not fixed: with the fix of D101 in Net, Net would be wrong" in capsys.readouterr().err


LAMBDA = """class Square:
    forward = lambda self, x: (setattr(self, "x", x), x * x)[1]
    backward = lambda self, dout: dout * 3 * self.x
"""


@pytest.mark.long
def test_what_is_not_fixed_is_said_with_the_reason(tmp_path):
    path = write(tmp_path, LAMBDA)
    run = dout("mine.py", "--fix", cwd=tmp_path)
    assert (run.returncode, path.read_text()) == (1, LAMBDA)
    assert run.stderr == "dout: mine.py is not fixed: no fix is known for D101 in Square\n"
    assert "no repair is looked for in a lambda, write backward with def" in " ".join(run.stdout.split())


def test_fixes_that_are_left_for_unsafe_fixes_are_named(tmp_path):
    text = CUBE.format("", "        return 0 * dout\n")
    path = write(tmp_path, text)
    run = dout("mine.py", "--fix", cwd=tmp_path)
    assert path.read_text() == text
    assert run.stderr.startswith("dout: mine.py is not fixed: add --unsafe-fixes for D101 in Cube, and look at")


@pytest.mark.long
def test_another_file_may_divide_for_a_loss_that_returns_its_gradient(tmp_path):
    layer, _ = SHARED.split("class MeanSquares")
    write(tmp_path, layer, "layers.py")
    loss = """import numpy as np

class Squares:
    def loss_and_gradient(self, y, t):
        loss = np.sum((y - t) ** 2) / y.shape[0]
        gradient = 2 * (y - t)
        return loss, gradient
"""
    write(tmp_path, loss, "losses.py")
    found = [f for file in document(".", cwd=tmp_path)["files"] for one in file["layers"] for f in one["findings"]]
    (told,) = [f for f in found if f["code"] == "D106" and f["layer"] == "Squares"]
    assert (told["severity"], told["message"].endswith("Affine.backward, in layers.py, divides")) == ("note", True)
    (tmp_path / "layers.py").unlink()
    alone = [f for file in document(".", cwd=tmp_path)["files"] for one in file["layers"] for f in one["findings"]]
    assert [f["severity"] for f in alone if f["code"] == "D106"] == ["error"]
