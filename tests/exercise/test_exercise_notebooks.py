"""Exercises in notebooks: a cell is the sheet, the cell below grades it; so do nbgrader and Otter-Grader."""

import json
import subprocess
import sys

import nbformat
import pytest
from nbclient import NotebookClient

RIGHT = "        return dout * self.out * (1 - self.out)\n"
WRONG = "        return dout * self.out * (1 + self.out)\n"
OVERWRITTEN = "        dout *= self.out * (1 - self.out)\n        return dout\n"


def made(folder, style="plain"):
    """The notebook of the Sigmoid, as the command writes it."""
    file = folder / "sigmoid.ipynb"
    arguments = [sys.executable, "-m", "dout", "exercise", "make", "Sigmoid", "-o", str(file), "--format", style]
    subprocess.run(arguments, check=True, capture_output=True)
    return file


def filled(text, answer):
    """A notebook in which an answer stands between the marks."""
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        head, begin, rest = cell["source"].partition("# >>> your lines: backward\n")
        if begin:
            _, end, foot = rest.partition("        # <<< your lines")
            cell["source"] = f"{head}{begin}{answer}{end}{foot}"
    return json.dumps(notebook)


def run(text):
    """The outputs of the last cell, as a kernel gives them."""
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    NotebookClient(notebook, timeout=60).execute()
    return notebook.cells[-1].outputs


@pytest.mark.long
def test_the_cell_below_grades_what_was_written(tmp_path):
    text = made(tmp_path).read_text(encoding="utf-8")
    (shown,) = run(filled(text, WRONG))
    assert shown.data["text/plain"].startswith("Sigmoid  1 of 7 points")
    assert "a sign is wrong" in shown.data["text/html"]


@pytest.mark.long
def test_nbgrader_reads_the_points_from_the_value_of_a_locked_cell(tmp_path):
    text = made(tmp_path, "nbgrader").read_text(encoding="utf-8")
    notebook = json.loads(text)
    solution, tests = (cell["metadata"]["nbgrader"] for cell in notebook["cells"] if cell["cell_type"] == "code")
    assert (solution["solution"], solution["grade"], tests["solution"], tests["grade"]) == (True, False, False, True)
    assert (tests["points"], tests["locked"]) == (10, True)
    assert "### BEGIN SOLUTION" in text
    printed, value = run(filled(text, OVERWRITTEN))
    assert float(value.data["text/plain"]) == pytest.approx(10 * 6 / 7, abs=0.01)
    assert "dout is overwritten" in printed.text


def test_otter_has_a_test_for_each_quarter_of_the_points_and_its_failure_is_the_reason(tmp_path):
    notebook = json.loads(made(tmp_path, "otter").read_text(encoding="utf-8"))
    raw = [cell["source"].splitlines()[0] for cell in notebook["cells"] if cell["cell_type"] == "raw"]
    assert raw[1:] == [
        "# BEGIN QUESTION", "# BEGIN SOLUTION", "# END SOLUTION", "# BEGIN TESTS", "# END TESTS", "# END QUESTION",
    ]  # fmt: skip
    tests = [cell["source"] for cell in notebook["cells"] if "TEST CONFIG" in cell["source"]]
    assert [test.splitlines()[-1] for test in tests] == [
        f"dout.exercise.expect(Sigmoid, {quarter} / 4)" for quarter in (1, 2, 3, 4)
    ]


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"cells": 3}', '{"cells": [{"cell_type": "code", "source": "x = 1"}]}']
)
def test_a_notebook_without_a_sheet_is_one_line(tmp_path, text):
    file = tmp_path / "other.ipynb"
    file.write_text(text)
    told = subprocess.run(
        [sys.executable, "-m", "dout", "exercise", "try", str(file)], check=False, capture_output=True, text=True
    )
    assert told.returncode == 2
    assert told.stderr.count("\n") == 1
    assert str(file) in told.stderr


def test_a_notebook_with_an_answer_is_not_written_over(tmp_path):
    file = made(tmp_path)
    file.write_text(filled(file.read_text(encoding="utf-8"), RIGHT), encoding="utf-8")
    again = [sys.executable, "-m", "dout", "exercise", "make", "Sigmoid", "-o", str(file)]
    told = subprocess.run(again, check=False, capture_output=True, text=True)
    assert told.returncode == 2
    assert "has an answer in it" in told.stderr
    assert "1 - self.out" in file.read_text(encoding="utf-8")
