"""Compiled, random layers and functions do what they do plainly: results, attributes, effects, aliases and draws."""

import pytest
from compile_programs import cases
from compile_twins import Tally, check
from hypothesis import given, settings
from random_programs import ORDINARY

FEW = settings(ORDINARY, max_examples=125)
LONG = settings(ORDINARY, max_examples=5000, derandomize=False)


def check_many(some, strict, edges):
    """Check cases; programs answer their calls, as often as a first call, another shape or flag leaves them one."""
    tally = Tally()
    some(given(cases(edges))(lambda case: check(case, tally, strict=strict)))()
    assert tally.answered > 0.35
    assert tally.excused <= 0.01 * tally.cases


@pytest.mark.parametrize("edges", [False, True])
@pytest.mark.parametrize("strict", [True, False])
def test_a_compiled_case_is_as_its_plain_twin(strict, edges):
    check_many(FEW, strict, edges)


@pytest.mark.long
@pytest.mark.parametrize("edges", [False, True])
@pytest.mark.parametrize("strict", [True, False])
def test_many_compiled_cases_are_as_their_plain_twins(strict, edges):
    check_many(LONG, strict, edges)
