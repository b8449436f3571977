"""What is said of a wrong answer is true of it, and it has no points for what is wrong."""

import textwrap
from dataclasses import replace

import pytest
from exercise_answers import answered, lost_by

from dout.exercise.blanks import blanked
from dout.exercise.exercise_set import exercise_named
from dout.exercise.grade import graded
from dout.exercise.grade_text import grade_text

AFFINE = "self.dW = {dW}\nself.db = {db}\nreturn dout @ self.W.T"
RIGHT = {"dW": "self.x.T @ dout", "db": "dout.sum(axis=0)"}


def of(number, body):
    """The grade of an answer, and its text in one line."""
    grade = graded(answered(number, body))
    return grade, " ".join(grade_text(grade).split())


def test_a_mean_over_the_rows_has_no_points_where_forward_has_none():
    grade, _ = of(16, AFFINE.format(dW="self.x.T @ dout / len(dout)", db="dout.mean(axis=0)"))
    assert lost_by(grade) == {"W": "counted", "b": "counted", "rows": "batch"}
    assert grade.points == grade.of - 3 - 3 - 1


def test_a_loss_that_leaves_out_its_division_has_two_points_of_three():
    grade, _ = of(17, "return dout * (self.y - self.t)")
    assert (lost_by(grade), grade.points) == ({"y": "scaled"}, 2 + 1)


@pytest.mark.parametrize("number", [17, 18, 20])
def test_a_loss_may_leave_out_dout_and_its_sheet_says_why(number):
    y = "1 / (1 + np.exp(-self.x))" if number == 18 and "self.x" in exercise_named("18").text else "self.y"
    grade, text = of(number, f"return ({y} - self.t) / len(self.t)")
    assert grade.ok, text
    assert "dout is 1" in exercise_named(str(number)).sheet.text


@pytest.mark.parametrize("value", ["0.5", "float('nan')"])
def test_one_number_has_not_the_shape_of_an_array(value):
    grade, text = of(7, f"return {value}")
    assert grade.points == 0
    assert lost_by(grade) == {"x": "ignores dout", "x shape": "shape"}
    assert "its shape is (), right: (3, 4)" in text
    assert "local derivative" not in text


def test_a_shape_that_is_wrong_is_never_none():
    grade, text = of(16, AFFINE.format(**RIGHT | {"db": "dout.sum(axis=0, keepdims=True)"}))
    assert lost_by(grade) == {"b shape": "shape"}
    assert "its shape is (1, 5), right: (5,)" in text


def test_two_numbers_that_differ_look_different():
    _, text = of(7, "return dout * self.out * (1 - self.out) * (1 + 1e-8)")
    got, right = text.partition("; it is ")[2].split(" ✓")[0].split(", right: ")
    assert float(got.partition(" at")[0]) != float(right)


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        ("return 'abc'", "raises", "what it gives is no array: ValueError"),
        ("raise ValueError('no')", "raises", "`raise ValueError('no')`: it raises ValueError: no"),
        ("return dout.tolist()", "count", "more gradients than forward has inputs"),
    ],
)
def test_what_cannot_be_judged_is_told_as_it_is(body, kind, says):
    grade, text = of(7, body)
    assert lost_by(grade) == {"all": kind}
    assert says in text


def test_what_is_not_finite_is_called_so():
    assert lost_by(of(7, "return dout * np.nan")[0]) == {"x": "not finite"}


def test_a_gradient_that_is_one_number_is_not_found_and_the_reason_asks_for_an_array():
    grade, text = of(16, AFFINE.format(**RIGHT | {"dW": "1.0"}))
    assert lost_by(grade) == {"W": "lost"}
    assert "set it in self as an array" in text


LISTED = """import numpy as np


class Listed:
    def __init__(self, n=3, m=2):
        self.params = {"W": np.arange(6.0).reshape(n, m), "b": np.zeros(m)}
        self.grads = [None, None]

    def forward(self, x):
        self.x = x
        return x @ self.params["W"] + self.params["b"]

    def backward(self, dout):
        return None
"""


@pytest.mark.parametrize(("db", "lost"), [("dout.sum(axis=0)", {}), ("-dout.sum(axis=0)", {"b": "sign"})])
def test_gradients_in_a_list_are_those_of_parameters_in_a_dict_in_its_order(db, lost):
    sheet = blanked(LISTED, "Listed")
    lines = f"self.grads = [self.x.T @ dout, {db}]\nreturn dout @ self.params['W'].T\n"
    answer = replace(sheet.answers[0], text=textwrap.indent(lines, " " * 8))
    assert lost_by(graded(replace(sheet, answers=(answer,)))) == lost


def test_a_wrong_side_of_a_condition_is_a_mask():
    on = "on = (self.x > 0).all(axis=1, keepdims=True)\n"
    assert lost_by(of(11, f"{on}return np.where(on, dout, self.slope * dout)")[0]) == {"x": "mask"}


def test_a_grade_keeps_nothing_for_another_run(tmp_path, monkeypatch):
    monkeypatch.setenv("DOUT_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("DOUT_NO_CACHE", raising=False)
    assert of(7, "return dout * self.out * (1 - self.out)")[0].ok
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]
