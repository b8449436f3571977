"""Right answers to sheets of steps, as `derive` gives them, have all points."""

import ast
import re
import textwrap
from dataclasses import replace

import numpy as np
import pytest

import dout
from dout.errors import SheetError
from dout.exercise.exercise_set import exercises
from dout.exercise.grade import graded
from dout.exercise.grade_text import grade_text
from dout.exercise.step_sheets import step_sheet
from dout.trace.record.script import load_file

OWN = """import numpy as np


class Scaled:
    def __init__(self, alpha, W):
        self.alpha, self.W = alpha, W

    def forward(self, x):
        return self.alpha * (x @ self.W) / x.shape[0]


class Entropy:
    def forward(self, p, t):
        return -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p))


class Masked:
    def forward(self, x, mask):
        return np.exp(x + mask) * 2


class Rows:
    def forward(self, x, index):
        return x[index] * 2.0


class Sign:
    def forward(self, x):
        return np.sign(x) * 1.0


def dout_example():
    order = np.arange(30)
    return {
        "Scaled": {"init": {"alpha": 0.3, "W": np.array([[1.0, 2.0], [3.0, 1.0]])}, "inputs": {"x": np.ones((3, 2))}},
        "Entropy": {"inputs": {"p": np.linspace(0.0005, 0.9999, 30), "t": order % 2 * 1.0}},
        "Masked": {"inputs": {"x": np.eye(3), "mask": np.where(np.tri(3) > 0, 0.0, -np.inf)}},
        "Rows": {"inputs": {"x": np.eye(5), "index": np.arange(400).reshape(20, 20) % 5}},
    }
"""


def loaded(text, name, folder):
    file = folder / f"{name}.py"
    file.write_text(text, encoding="utf-8")
    return getattr(load_file(str(file), name), name)


def methods(text, name):
    found = next(item for item in ast.parse(text).body if isinstance(item, ast.ClassDef) and item.name == name)
    return {item.name: item for item in found.body if isinstance(item, ast.FunctionDef)}


def of_step(sheet, number, folder):
    """The derived backward of one step; it reads shapes from the arrays that the sheet keeps."""
    source = dout.derive(loaded(sheet.text, f"Step{number}", folder)).source
    backward = methods(source, f"Step{number}")["backward"]
    lines = source.splitlines()[backward.body[0].lineno - 1 : backward.end_lineno]
    return re.sub(r"self\.(\w+)_shape\b", r"self.\1.shape", textwrap.dedent("\n".join(lines)))


def of_whole(sheet):
    """Calls of the steps from the first to the last; where a value has several gradients, they add up."""
    forward = methods(sheet.text, sheet.name)["forward"]
    calls = {
        line.value.func.value.attr: (line.targets[0].id, [one.id for one in line.value.args])
        for line in forward.body
        if isinstance(line, ast.Assign) and ast.unparse(line.value).startswith("self.step")
    }
    lines, known = [f"d_{forward.body[-1].value.id} = dout"], set()
    for step in sorted(calls, key=lambda name: int(name.removeprefix("step"))):
        made, takes = calls[step]
        lines.append(f"{', '.join(f'part_{one}' for one in takes)} = self.{step}.backward(d_{made})")
        lines += [f"d_{one} = part_{one}" + (f" + d_{one}" if one in known else "") for one in takes]
        known |= {*takes}
    asked = [one.arg for one in forward.args.args if one.arg in known]
    return "\n".join([*lines, f"return {', '.join(f'd_{one}' for one in asked)}"])


def answered(sheet, folder):
    *steps, _ = sheet.answers
    bodies = [*(of_step(sheet, number, folder) for number in range(1, len(steps) + 1)), of_whole(sheet)]
    texts = [textwrap.indent(f"{body}\n", " " * 8) for body in bodies]
    return replace(sheet, answers=tuple(replace(a, text=t) for a, t in zip(sheet.answers, texts, strict=True)))


@pytest.mark.one_in(36)
@pytest.mark.parametrize("exercise", exercises(), ids=lambda e: e.name)
def test_derived_steps_of_each_exercise_have_all_points(exercise, tmp_path):
    sheet = step_sheet(loaded(exercise.text, exercise.name, tmp_path))
    grade = graded(answered(sheet, tmp_path), timeout=60)
    assert grade.ok, grade_text(grade)


@pytest.mark.one_in(2)
@pytest.mark.parametrize("name", ["LeakyRelu", "Dropout"])
def test_a_value_without_a_gradient_is_a_constant_of_its_step(name, tmp_path):
    (exercise,) = (one for one in exercises() if one.name == name)
    grade = graded(answered(step_sheet(loaded(exercise.text, name, tmp_path)), tmp_path))
    assert grade.ok, grade_text(grade)


@pytest.mark.long
@pytest.mark.one_in(2)
@pytest.mark.parametrize("name", ["Scaled", "Entropy", "Rows"])
def test_derived_steps_of_other_classes_have_all_points(name, tmp_path):
    sheet = step_sheet(loaded(OWN, name, tmp_path))
    assert len(sheet.text) < 6000  # an array of 400 whole numbers is drawn
    grade = graded(answered(sheet, tmp_path))
    assert grade.ok, grade_text(grade)


def test_a_backward_that_calls_no_step_is_right_too_and_the_row_does_not_say_otherwise(tmp_path):
    (exercise,) = (one for one in exercises() if one.name == "LeakyRelu")
    sheet = answered(step_sheet(loaded(exercise.text, "LeakyRelu", tmp_path)), tmp_path)
    *steps, whole = sheet.answers
    text = "        return dout * np.where(self.step1.a, 1, self.step2.slope)\n"
    grade = graded(replace(sheet, answers=(*steps, replace(whole, text=text))))
    assert grade.ok
    assert grade.credits[-1].what == "backward: the whole"


def test_a_sheet_has_the_infinite_numbers_of_a_mask(tmp_path):
    sheet = step_sheet(loaded(OWN, "Masked", tmp_path))
    names = {}
    exec(sheet.text, names)
    assert np.isneginf(names["dout_example"]()["Masked"]["inputs"]["mask"]).sum() == 3


def test_a_class_without_a_gradient_is_told(tmp_path):
    with pytest.raises(SheetError, match="no input of Sign has a gradient"):
        step_sheet(loaded(OWN, "Sign", tmp_path))


def test_a_sheet_whose_numbers_do_not_run_is_not_written(tmp_path):
    text = (
        OWN
        + """

class Root:
    def forward(self, x):
        return 2 * np.sqrt(x - np.arange(30.0))

    @staticmethod
    def dout_example():
        return {"inputs": {"x": np.arange(30.0) + 0.5}}
"""
    )
    with pytest.raises(SheetError, match="at most 24 numbers"):
        step_sheet(loaded(text, "Root", tmp_path))
