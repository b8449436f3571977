"""`--format prairielearn`: the folder of a question, and its grader run as PrairieLearn's external grader runs it."""

import base64
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from dout_commands import run_dout

from dout.errors import SheetError, TargetError
from dout.exercise.exercise_set import exercise_named
from dout.exercise.prairielearn_question import results_of, write_question
from dout.exercise.sheet import Sheet

SHEET = exercise_named("Affine").sheet
STEPS = """import numpy as np


class Step1:
    def forward(self, x):
        y = x.sum()
        self.x, self.y = x, y
        return y

    def backward(self, dout):
        # >>> your lines: step 1
        pass
        # <<< your lines: step 1


class Sum:
    def __init__(self):
        self.step1 = Step1()

    def forward(self, x):
        return self.step1.forward(x)

    def backward(self, dout):
        # >>> your lines: backward
        pass
        # <<< your lines: backward
"""
RIGHT = "self.dW = self.x.T @ dout\nself.db = dout.sum(axis=0)\nreturn dout @ self.W.T"


@pytest.fixture(scope="module")
def question(tmp_path_factory):
    """The folder of a question, as the command writes it."""
    folder = tmp_path_factory.mktemp("course") / "affine"
    command = [
        sys.executable,
        "-m",
        "dout",
        "exercise",
        "make",
        "Affine",
        "--format",
        "prairielearn",
        "-o",
        str(folder),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def handed_in(question, folder, text):
    """A job as PrairieLearn lays it out below /grade."""
    shutil.copytree(question / "tests", folder / "tests")
    (folder / "student").mkdir()
    if text is not None:
        (folder / "student" / "sheet.py").write_text(text, encoding="utf-8")
    return folder


def written(body):
    """The learner's file, with lines in the place of the answer."""
    lines = "\n".join(f"        {line}" for line in body.split("\n"))
    return SHEET.text.replace('        raise NotImplementedError("backward is yours to write")', lines)


@pytest.mark.long
def test_the_grader_of_the_question_writes_its_results(question, tmp_path):
    job = handed_in(question, tmp_path, written(RIGHT.replace("dout.sum(axis=0)", "dout.sum(axis=1)")))
    subprocess.run([sys.executable, str(job / "tests" / "grade.py")], check=True, cwd="/")
    results = json.loads((job / "results" / "results.json").read_text(encoding="utf-8"))
    assert results["gradable"] is True
    assert results["score"] == pytest.approx(11 / 15)
    parts = {test["name"]: test for test in results["tests"]}
    assert {"name", "points", "max_points", "message"} == {key for test in results["tests"] for key in test}
    assert (
        sum(test["points"] for test in results["tests"]) / sum(t["max_points"] for t in results["tests"])
        == results["score"]
    )
    assert parts["the gradient of b: its shape"]["message"].endswith("its shape is (3,), right: (5,)")
    (image,) = results["images"]
    kind, _, data = image["url"].partition(";base64,")
    assert kind == "data:image/svg+xml"
    assert base64.b64decode(data).startswith(b"<svg")


def test_a_right_answer_has_the_whole_score(question, tmp_path):
    results = results_of(handed_in(question, tmp_path, written(RIGHT)))
    assert (results["score"], results["images"]) == (1.0, [])


@pytest.mark.parametrize(("text", "says"), [
    (SHEET.text, "nothing is written in backward yet"),
    (written("return dout *"), "this is no Python"),
    ("x = 1\n", "sheet.py is no exercise"),
    (exercise_named("Relu").sheet.text, "another exercise"),
    (None, "sheet.py cannot be read"),
])  # fmt: skip
def test_what_was_not_run_takes_no_attempt(question, tmp_path, text, says):
    results = results_of(handed_in(question, tmp_path, text))
    assert results["gradable"] is False
    (told,) = results["format_errors"]
    assert says in told
    assert str(tmp_path) not in told


def test_the_lines_around_the_marks_are_those_of_the_question(question, tmp_path):
    text = written("self.dW = self.W * 0\nself.db = self.b * 0\nreturn self.x * 0").replace(
        "x @ self.W + self.b", "0 * x"
    )
    assert results_of(handed_in(question, tmp_path, text))["score"] < 0.5


class Tags(HTMLParser):
    """The tags of a page with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = {}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found[tag] = dict(attributes)


def test_the_question_has_what_prairielearn_asks_for(question):
    info = json.loads((question / "info.json").read_text(encoding="utf-8"))
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", info["uuid"])
    assert (info["type"], info["gradingMethod"]) == ("v3", "External")
    entry = info["externalGradingOptions"]["entrypoint"]
    assert (question / entry.removeprefix("/grade/")).read_text(encoding="utf-8").startswith("#!/usr/bin/env python3\n")
    tags = Tags((question / "question.html").read_text(encoding="utf-8")).found
    editor = tags["pl-file-editor"]
    assert Sheet.of_file(question / editor["source-file-name"]).is_blank
    assert editor["file-name"] == "sheet.py"
    assert {"pl-question-panel", "pl-submission-panel", "pl-external-grader-results"} <= tags.keys()


def test_a_question_is_written_again_and_other_files_stay(tmp_path):
    write_question(SHEET, tmp_path)
    before = (tmp_path / "info.json").read_text(encoding="utf-8")
    write_question(SHEET, tmp_path)
    assert (tmp_path / "info.json").read_text(encoding="utf-8") == before
    (tmp_path / "question.html").write_text("<p>mine</p>", encoding="utf-8")
    with pytest.raises(TargetError, match="not a question by dout"):
        write_question(SHEET, tmp_path)
    assert (tmp_path / "question.html").read_text(encoding="utf-8") == "<p>mine</p>"


def test_a_question_that_is_written_again_keeps_its_info(tmp_path):
    write_question(SHEET, tmp_path / "one")
    file = tmp_path / "one" / "info.json"
    first = json.loads(file.read_text(encoding="utf-8"))
    edited = json.dumps(first | {"topic": "Chain rule", "tags": []})
    file.write_text(edited, encoding="utf-8")
    write_question(SHEET, tmp_path / "one")
    assert file.read_text(encoding="utf-8") == edited
    with pytest.raises(SheetError, match="another question"):
        write_question(exercise_named("Relu").sheet, tmp_path / "one")
    write_question(SHEET, tmp_path / "one", force=True)
    assert json.loads(file.read_text(encoding="utf-8")) == first
    write_question(SHEET, tmp_path / "two")
    assert json.loads((tmp_path / "two" / "info.json").read_text(encoding="utf-8"))["uuid"] != first["uuid"]


def test_a_blank_sheet_of_steps_takes_no_attempt(tmp_path):
    sheet = Sheet.made("Sum", STEPS)
    assert sheet.asks_steps
    for place in ("tests", "student"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "sheet.py").write_text(sheet.text, encoding="utf-8")
    assert results_of(tmp_path) == {"gradable": False, "format_errors": ["nothing is written in step 1 yet"]}


def test_a_question_wants_a_folder():
    told = run_dout("exercise", "make", "Affine", "--format", "prairielearn")
    assert told.returncode == 2
    assert "add -o FOLDER" in told.stderr
