"""The commands `dout explain` and `dout derive`: options, files, exit codes, and what stands on which stream."""

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner
from explanations import affine, sigmoid
from show_commands import refused

import dout.cli.derive_command as derive_module
from dout.check.report.report import Report
from dout.check.report.verdicts import Finding, Verdict
from dout.cli import commands
from dout.errors import DoutError, TargetError
from dout.explain.derivation import derivation
from dout.explain.derive.class_text import DerivedClass
from dout.judge.outcomes import Word

LAYER = """\
import numpy as np


class Half:
    def forward(self, x):
        return x / 2

    class Inner:
        def forward(self, x):
            return x


AFTER = 1
"""
DERIVED = """\
class Half:
    def forward(self, x):
        return x / 2

    def backward(self, dout):
        return dout / 2
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.py"
    path.write_text(LAYER, encoding="utf-8")
    return path


@pytest.fixture
def asked(monkeypatch):
    """What the derivation is asked for; it gives the explanation of Sigmoid."""
    found = []
    monkeypatch.setattr(derivation, "explained", lambda *a, **k: found.append((a, k)) or sigmoid())
    return found


@pytest.fixture
def half(monkeypatch):
    """The derived Half, and a report that finds it exact."""
    made = DerivedClass("Half", DERIVED, f"import numpy as np\n\n\n{DERIVED}", object, (), {"x": "exact"})
    report = Report("Half", (Verdict("x", Word.EXACT),))
    monkeypatch.setattr(derive_module, "_derived", lambda *a: (made, report))


def run(*arguments):
    return CliRunner().invoke(commands, list(map(str, arguments)))


def message(result, kind=DoutError):
    assert isinstance(result.exception, kind), result.output
    return str(result.exception)


# --- explain ----------------------------------------------------------------------------------------------------------


def test_explain_prints_the_derivation_and_nothing_else(mine, asked):
    result = run("explain", "mine.py:Half", "--numbers", "x=1.5")
    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout.startswith("Sigmoid    y = 1 / (1 + exp(−x))")
    assert "−0.6684" in result.stdout
    assert asked[0][0][1:] == ({}, {"x": 1.5})


def test_numbers_may_stand_in_one_option(mine, asked):
    assert run("explain", "mine.py:Half", "--numbers", "x=100, y=2").exit_code == 0
    assert asked[0][0][2] == {"x": 100, "y": 2}


def test_numbers_are_single_numbers(mine, asked):
    result = run("explain", "mine.py:Half", "--numbers", "x=[1.0]")
    assert result.exit_code == 2
    assert "is not a single number" in result.stderr
    assert asked == []


AFFINE = """
class Affine:
    def __init__(self, W):
        self.W = W

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


class Relu:
    def forward(self, x):
        out = x.copy()
        out[x <= 0] = 0
        return out
"""


def test_numbers_of_a_layer_that_works_on_arrays_are_refused_in_words(tmp_path):
    file = tmp_path / "arrays.py"
    file.write_text(AFFINE)
    assert message(run("explain", f"{file}:Affine", "--numbers", "x=1.5")).endswith(
        "works on arrays, and --numbers shows single numbers: leave it out, or give an array: --input 'x=array(2,3)'"
    )
    assert "takes x, not z" in message(run("explain", f"{file}:Affine", "--numbers", "z=1.5"))


def test_a_layer_that_takes_each_element_of_an_array_shows_a_number(tmp_path):
    file = tmp_path / "arrays.py"
    file.write_text(AFFINE)
    assert "1.5" in run("explain", f"{file}:Relu", "--numbers", "x=1.5").stdout


def test_brief_prints_three_lines(mine, asked):
    lines = run("explain", "mine.py:Half", "--brief").stdout.splitlines()
    assert lines[1:] == ["∂y/∂x = y · (1 − y)", "The output alone is enough: keep y, forget x."]


def test_json_is_one_document_and_nothing_else(mine, asked):
    result = run("explain", "mine.py:Half", "--json")
    assert json.loads(result.stdout)["dout"] == "explanation"
    assert result.stderr == ""


def test_json_and_another_format_contradict_each_other(mine, asked):
    assert run("explain", "mine.py:Half", "--json", "--format", "html").exit_code == 2


@pytest.mark.parametrize(
    ("word", "start"),
    [("markdown", "<!--"), ("html", "<!doctype html>"), ("latex", "% Written"), ("json", "{"), ("terminal", "Sigmoid")],
)
def test_every_format_goes_to_stdout(mine, asked, word, start):
    assert run("explain", "mine.py:Half", "--format", word).stdout.startswith(start)


@pytest.mark.parametrize("suffix", [".txt", ".md", ".html", ".tex", ".json"])
def test_the_suffix_of_a_file_names_its_format_and_dout_writes_it_again(mine, asked, suffix):
    for _ in range(2):
        result = run("explain", "mine.py:Half", "-o", f"sigmoid{suffix}")
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr == f"wrote sigmoid{suffix}\n"


def test_a_page_has_the_picture_of_one_run(mine, asked):
    assert "<svg" in run("explain", "mine.py:Half", "--format", "html").stdout


def test_what_may_not_be_written_is_refused_before_anything_runs(mine, asked):
    (mine.parent / "notes.md").write_text("mine", encoding="utf-8")
    assert "not an explanation by dout" in message(run("explain", "mine.py:Half", "-o", "notes.md"))
    assert "ends in .txt" in message(run("explain", "mine.py:Half", "-o", "a.docx"))
    assert asked == []
    assert run("explain", "mine.py:Half", "-o", "notes.md", "--force").exit_code == 0


def test_a_module_alone_is_no_layer(mine, asked):
    assert "name one layer or function in it: mine.py:NAME" in message(run("explain", "mine.py"), TargetError)


def test_a_missing_package_is_one_line(mine, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert message(run("explain", "mine.py:Half")) == "dout explain needs sympy: pip install 'dout[explain]'"


def test_japanese(mine, asked):
    assert "あなたの backward" in run("explain", "mine.py:Half", "--lang", "ja").stdout


def test_what_is_wrong_in_the_users_backward_is_said(mine, monkeypatch):
    monkeypatch.setattr(derivation, "explained", lambda *a, **k: affine())
    assert "✗ step 1 sums over the N rows: axis=0" in run("explain", "mine.py:Half").stdout


# --- derive -----------------------------------------------------------------------------------------------------------


def test_derive_prints_the_class_and_then_the_verdict_on_stderr(mine, half):
    result = run("derive", "mine.py:Half")
    assert result.exit_code == 0
    assert result.stdout == DERIVED
    assert result.stderr == "dout check: ✓ x exact; finite at ±1000\n"
    assert mine.read_text(encoding="utf-8") == LAYER


def test_derive_in_place_changes_the_class_alone(mine, half):
    result = run("derive", "mine.py:Half", "--in-place")
    assert (result.exit_code, result.stdout) == (0, "")
    text = mine.read_text(encoding="utf-8")
    assert text == LAYER.replace("x / 2\n", "x / 2\n\n    def backward(self, dout):\n        return dout / 2\n")


def test_in_place_keeps_line_endings_and_the_encoding(mine, half):
    mine.write_bytes(("# -*- coding: latin-1 -*-\n# é\n" + LAYER).replace("\n", "\r\n").encode("latin-1"))
    assert run("derive", "mine.py:Half", "--in-place").exit_code == 0
    written = mine.read_bytes()
    assert written.startswith(b"# -*- coding: latin-1 -*-\r\n# \xe9\r\n")
    assert b"    def backward(self, dout):\r\n        return dout / 2\r\n" in written
    assert b"\n" not in written.replace(b"\r\n", b"")


def test_in_place_needs_a_class_in_a_file(mine, half):
    assert "name a class in one" in message(run("derive", "Sigmoid", "--in-place"))
    assert "there is no class Other" in message(run("derive", "mine.py:Other", "--in-place"))


def test_a_module_is_written_with_its_imports_and_known_again(mine, half):
    for _ in range(2):
        assert run("derive", "mine.py:Half", "-o", "derived.py").exit_code == 0
    text = (mine.parent / "derived.py").read_text(encoding="utf-8")
    assert re.match(r'""".*\n\nWritten by `dout derive` from mine.py:Half.\n"""\n\nimport numpy as np\n', text)
    compile(text, "derived.py", "exec")
    assert "one of the files that are read" in message(run("derive", "mine.py:Half", "-o", "mine.py"))


def test_derive_as_json(mine, half):
    document = json.loads(run("derive", "mine.py:Half", "--json").stdout)
    assert (document["dout"], document["version"], document["source"]) == ("derived", 1, DERIVED)
    assert document["check"]["ok"]


def test_an_error_of_the_check_is_exit_code_1(mine, monkeypatch):
    made = DerivedClass("Half", DERIVED, DERIVED, object)
    finding = Finding("D999", "error", "the gradient of x is wrong")
    report = Report("Half", (Verdict("x", Word.REFUTED),), (finding,))
    monkeypatch.setattr(derive_module, "_derived", lambda *a: (made, report))
    result = run("derive", "mine.py:Half")
    assert result.exit_code == 1
    assert result.stderr == "dout check: ✗ x refuted\nerror D999: the gradient of x is wrong\n"


def test_in_place_and_a_file_contradict_each_other(mine, half):
    assert run("derive", "mine.py:Half", "--in-place", "-o", "a.py").exit_code == 2


# --- the whole process ------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_a_file_that_is_not_there_is_one_message(tmp_path):
    from show_commands import dout

    refused(dout("explain", "nothing.py:Half", cwd=tmp_path), "nothing.py")


def test_the_readme_shows_what_the_command_prints(monkeypatch):
    root = Path(__file__).parent.parent.parent
    monkeypatch.chdir(root)
    monkeypatch.setenv("COLUMNS", "100")
    readme = (root / "README.md").read_text(encoding="utf-8")
    ((command, shown),) = re.findall(r"\n\$ dout (explain [^\n]+)\n(.*?)\n```", readme, re.DOTALL)
    assert run(*shlex.split(command)).stdout.rstrip() == shown
