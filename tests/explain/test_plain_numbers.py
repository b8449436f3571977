"""`explain` of code in plain Python numbers: `math` is mathematics, and a number in an array is the number."""

import math

import numpy as np

from dout.explain.verb.explain_verb import explain


def squash(x):
    return 1 / (1 + math.exp(-x))


def of_an_array(x):
    return math.log(np.sum(x * x).item())


def test_functions_of_math_are_told_as_those_of_numpy():
    text = explain(squash, 0.7).text(short=True)
    assert "y = 1 / (1 + exp(−x))" in text
    assert "∂y/∂x" in text
    assert "y · (1 − y)" in text


def test_the_number_in_an_array_of_one_is_no_step_of_its_own():
    made = explain(of_an_array, np.array([0.5, -1.5, 2.0]))
    assert [step.operator for step in made.steps] == ["log", "Σ", "x²"]
