"""The exercises that ship: each can be solved, and neither its sheet nor its hints give the solution."""

import ast
import re
import textwrap

import pytest
from dout_commands import run_dout
from exercise_answers import answered, derived_source, solution

from dout.exercise.exercise_set import exercises
from dout.exercise.grade import graded
from dout.exercise.grade_text import grade_text
from dout.exercise.hints import DEGREES, hinted
from dout.exercise.sheet import Sheet, marked
from dout.explain.derivation.derivation import explained
from dout.explain.formats.terminal_lines import render
from dout.trace.record.script import load_file

ALL = pytest.mark.parametrize("exercise", exercises(), ids=lambda e: e.name)


def method(text, name):
    """A method of the class in a text, and its lines."""
    function = next(f for f in ast.walk(ast.parse(text)) if isinstance(f, ast.FunctionDef) and f.name == name)
    return function, text.splitlines()[function.lineno - 1 : function.end_lineno]


def attributes(function, context):
    return {n.attr for n in ast.walk(function) if isinstance(n, ast.Attribute) and isinstance(n.ctx, context)}


def solved(exercise):
    """The sheet with the derived backward in it; with the derived forward, too, where that keeps other names."""
    source = derived_source(exercise.number)
    backward, lines = method(source, "backward")
    body = lines[backward.body[0].lineno - backward.lineno :]
    known = attributes(ast.parse(exercise.text), ast.Store)
    if attributes(backward, ast.Load) & attributes(ast.parse(source), ast.Store) <= known:
        return answered(exercise.number, textwrap.dedent("\n".join(body)))
    marks = "".join(marked("backward", [f"{line}\n" for line in body], " " * 8)).rstrip("\n")
    example = exercise.text[exercise.text.index("def dout_example") :]
    return Sheet.made(
        exercise.name, f"import numpy as np\n\n\n{source.replace(chr(10).join(body), marks)}\n\n{example}"
    )


@pytest.mark.one_in(15)
@ALL
def test_the_derived_backward_has_all_points(exercise):
    grade = graded(solved(exercise))
    assert grade.ok, grade_text(grade)


@ALL
def test_a_sheet_is_the_class_with_its_forward_and_a_docstring_that_asks(exercise):
    sheet = exercise.sheet
    assert sheet.is_blank
    assert Sheet.read(sheet.text, "it").text == sheet.text
    assert not Sheet.read(sheet.text, "it").is_changed
    assert method(sheet.text, "forward")[1] == method(exercise.text, "forward")[1]
    asked = ast.get_docstring(method(sheet.text, "backward")[0])
    parameters = attributes(ast.parse(exercise.text), ast.Store)
    for name in (name for name in parameters if re.fullmatch("d[A-Z]?[a-z]*", name)):
        assert f"self.{name}" in asked
    assert asked.startswith("Return")
    assert "dout_example" in sheet.text


@pytest.mark.one_in(6)
@ALL
def test_neither_sheet_nor_hints_give_a_line_of_the_solution(exercise, tmp_path):
    file = tmp_path / f"{exercise.name}.py"
    file.write_text(exercise.sheet.text, encoding="utf-8")
    known = explained(getattr(load_file(str(file), exercise.name), exercise.name), {}, {})
    hints = [render(hinted(known, degree), language=language) for degree in DEGREES for language in ("en", "ja")]
    asked = "|".join(quantity.name for quantity in known.forward if quantity.term is None)
    assert not [hint for hint in hints if re.search(rf"\bd({asked})\S*\[.*\] *=", hint)]
    forward = re.sub(r"[\s()]", "", "\n".join(method(exercise.text, "forward")[1]))
    for side in (side for side in solution(exercise.number) if side not in forward):
        for text in (exercise.sheet.text, *hints):
            assert side not in re.sub(r"[\s()]", "", text)


@pytest.mark.long
def test_the_command_prints_a_hint_and_how_to_get_the_next(tmp_path):
    file = tmp_path / "affine.py"
    file.write_text(next(e for e in exercises() if e.name == "Affine").sheet.text, encoding="utf-8")
    second, third = (run_dout("exercise", "hint", file, "--degree", n) for n in "23")
    assert "its gradient is the sum" in second.stdout
    assert "--degree 3" in second.stderr
    assert "dW: (D, N)·(N, M)" in third.stdout.replace("\n", " ")
    assert "dW[" not in third.stdout
