"""A sheet that asks for the steps of a derivation: each is judged by itself, and the first wrong one is named."""

import re
import subprocess
import sys
import textwrap
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from exercise_answers import lost_by

from dout.errors import SheetError
from dout.exercise.exercise_set import exercise_named, exercises
from dout.exercise.grade import graded
from dout.exercise.grade_text import grade_text
from dout.exercise.hints import hint_on, most_degree
from dout.exercise.sheet import Sheet
from dout.exercise.sheet_runs import apart
from dout.exercise.step_sheets import step_sheet
from dout.trace.record.script import load_file

SWISH = {
    "step 1": "return dout * self.s, dout * self.x",
    "step 2": "return -dout * self.s**2",
    "step 3": "return dout",
    "step 4": "return dout * self.b",
    "step 5": "return -dout",
    "backward": (
        "dx, ds = self.step1.backward(dout)\n"
        "da = self.step4.backward(self.step3.backward(self.step2.backward(ds)))\n"
        "return dx + self.step5.backward(da)"
    ),
}
SUM = """import numpy as np


class SumOfSquares:
    \"\"\"The sum of all squares.\"\"\"

    def forward(self, x):
        return 3 * np.sum(x * x)

    def backward(self, dout):
        return None
"""


def class_in(text, name, folder):
    file = folder / f"{name}.py"
    file.write_text(text, encoding="utf-8")
    return getattr(load_file(str(file), name), name)


@pytest.fixture(scope="module")
def steps_of(tmp_path_factory):
    """The sheet of the steps of an exercise."""
    return cache(lambda name: step_sheet(class_in(exercise_named(name).text, name, tmp_path_factory.mktemp("steps"))))


def filled(sheet, answers):
    """A sheet with lines for some of its labels."""
    texts = {label: textwrap.indent(f"{lines}\n", " " * 8) for label, lines in answers.items()}
    return replace(sheet, answers=tuple(replace(a, text=texts.get(a.label, a.text)) for a in sheet.answers))


def lost(sheet, answers):
    """The credits that answers lose, by their labels, with the kind of the reason."""
    return {what.partition(":")[0]: kind for what, kind in lost_by(graded(filled(sheet, answers))).items()}


def test_right_steps_have_all_points(steps_of):
    grade = graded(filled(steps_of("Swish"), SWISH))
    assert grade.ok
    assert [credit.what for credit in grade.credits][1] == "step 2: s = 1 / c"


@pytest.mark.one_in(3)
@pytest.mark.parametrize(("label", "lines", "kind"), [
    ("step 1", "return dout * self.x, dout * self.s", "swapped"),
    ("step 2", "return dout * self.s**2", "sign"),
    ("step 3", "return np.ones_like(dout)", "ignores dout"),
    ("step 4", "return dout * self.a", "swapped"),
    ("step 4", "raise ValueError(dout)", "raises"),
    ("step 5", "pass", "unwritten"),
])  # fmt: skip
def test_a_wrong_step_makes_no_other_wrong_and_is_named(steps_of, label, lines, kind):
    answers = SWISH | {label: lines}
    assert lost(steps_of("Swish"), answers).items() >= {label: kind, "backward": "after"}.items()
    assert len(lost(steps_of("Swish"), answers)) == 2
    told = grade_text(graded(filled(steps_of("Swish"), answers)))
    assert f"the first that is not is {label}: " in " ".join(told.split())


@pytest.mark.long
def test_steps_that_are_put_together_in_a_wrong_way_are_told(steps_of):
    wrong = "_, ds = self.step1.backward(dout)\n" + "dx = ds\n" + "return dx"
    assert lost(steps_of("Swish"), SWISH | {"backward": wrong}).keys() == {"backward"}
    one_way = SWISH["backward"].replace("dx + ", "")
    grade = graded(filled(steps_of("Swish"), SWISH | {"backward": one_way}))
    assert "a term is missing" in grade_text(grade)
    assert "line" not in grade.credits[-1].why  # not one of a step that is right


def test_only_the_last_step_of_forward_may_take_dout_to_be_1(tmp_path):
    sheet = step_sheet(class_in(SUM, "SumOfSquares", tmp_path))
    assert "3 * " in sheet.text
    answers = {
        "step 1": "return 3 * dout",
        "step 2": "return np.ones_like(self.a)",
        "step 3": "return 2 * self.x * dout",
        "backward": "return self.step3.backward(self.step2.backward(self.step1.backward(dout)))",
    }
    assert lost(sheet, answers) == {"step 2": "ignores dout", "backward": "after"}
    assert lost(sheet, answers | {"step 2": "return dout * np.ones_like(self.a)"}) == {}


@pytest.mark.one_in(6)
@pytest.mark.parametrize("exercise", exercises(), ids=lambda e: e.name)
def test_each_exercise_has_its_steps(exercise, tmp_path):
    sheet = step_sheet(class_in(exercise.text, exercise.name, tmp_path))
    assert Sheet.read(sheet.text, "it").text == sheet.text
    assert all(answer.is_blank for answer in sheet.answers)
    names = {}
    exec(sheet.text, names)
    examples = names["dout_example"]()
    steps = [f"Step{number}" for number in range(1, len(sheet.answers))]
    assert examples.keys() == {exercise.name, *steps}
    for name, example in examples.items():
        layer = names[name](**example.get("init", {}))
        assert np.all(np.isfinite(layer.forward(**example["inputs"])))


def test_neither_a_sheet_of_steps_nor_its_hints_tell_a_derivative(steps_of):
    sheet = steps_of("Sigmoid")
    assert most_degree(sheet) == 2
    hint = apart(hint_on, sheet, most_degree(sheet))
    assert "backward, from the output to the input" in hint
    for text in (hint, sheet.text):
        assert not re.search(r"\*\* ?2|²|∂y/∂c|-dout|dout \*", text)


def test_a_class_with_a_step_that_has_no_line_is_refused_in_one_line(tmp_path):
    text = SUM.replace("3 * np.sum(x * x)", "np.sum(x * x), np.mean(x)")
    with pytest.raises(SheetError, match="returns 2 values"):
        step_sheet(class_in(text, "SumOfSquares", tmp_path))


@pytest.mark.long
def test_the_command_makes_a_sheet_of_steps_and_grades_it(tmp_path):
    (tmp_path / "mine.py").write_text(SUM, encoding="utf-8")
    command = [sys.executable, "-m", "dout", "exercise"]
    made = subprocess.run(
        [*command, "make", "mine.py:SumOfSquares", "--ask", "steps", "-o", "sheet.py"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "wrote sheet.py" in made.stderr
    tried = subprocess.run([*command, "try", "sheet.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert tried.returncode == 1
    assert "0/4  step 1: y = 3 * b" in tried.stdout
