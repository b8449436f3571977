"""Compiled, random layers and functions do what they do plainly: results, attributes, effects, aliases and draws."""

import pytest
from compile_programs import cases, check
from hypothesis import given, settings
from random_programs import ORDINARY

FEW = settings(ORDINARY, max_examples=125)
LONG = settings(ORDINARY, max_examples=5000, derandomize=False)


@pytest.mark.parametrize("edges", [False, True])
@pytest.mark.parametrize("strict", [True, False])
def test_a_compiled_case_is_as_its_plain_twin(strict, edges):
    FEW(given(cases(edges))(lambda case: check(case, strict=strict)))()


@pytest.mark.long
@pytest.mark.parametrize("edges", [False, True])
@pytest.mark.parametrize("strict", [True, False])
def test_many_compiled_cases_are_as_their_plain_twins(strict, edges):
    LONG(given(cases(edges))(lambda case: check(case, strict=strict)))()
