"""A gradient that is wrong only under a condition: when the condition is said, and beside which inputs."""

import numpy as np
import pytest
from contract_findings import finding

from dout.check.conventions.stated_conditions import under_conditions
from dout.check.report.report import Report
from dout.check.report.verdicts import Refuted

BATCH = [np.ones((3, 4))]
ONE, TWO = [[0.5, 1.0]], [[0.5, 1.0], [2.0, -1.0]]


def told(failing, is_right):
    wrong = finding("D101", "wrong", inputs={"x": failing, "dout": failing}, there="there it is 1", reason=Refuted())
    (found,) = under_conditions(Report("Layer", findings=(wrong,)), BATCH, is_right).findings
    return found


def is_one_sample(inputs):
    return len(inputs[0]) == 1


def test_a_gradient_that_is_right_for_one_sample_is_an_error_with_that_condition():
    found = told(TWO, is_one_sample)
    assert (found.severity, found.message) == ("error", "wrong; only on more than one sample")
    assert found.inputs["x"] == TWO


def test_one_sample_that_fails_refutes_the_condition():
    found = told(ONE, lambda inputs: is_one_sample(inputs) and np.all(np.asarray(inputs[0]) == 1))
    assert (found.severity, found.message) == ("error", "wrong")


def test_one_sample_that_a_convention_makes_right_is_not_shown_beside_the_condition():
    found = told(ONE, is_one_sample)
    assert found.message == "wrong; only on more than one sample"
    assert (found.inputs, found.there) == ({}, "")


@pytest.mark.parametrize("severity", ["warning", "note"])
def test_only_errors_get_a_condition(severity):
    mild = finding("D101", "wrong", severity=severity, reason=Refuted())
    assert under_conditions(Report("Layer", findings=(mild,)), BATCH, lambda inputs: True).findings == (mild,)
