"""Compiled, random layers and functions do what they do plainly: results, attributes, effects, aliases and draws."""

import pytest
from compile_programs import make_case
from compile_twins import DifferenceError, Tally, check, shortened

ORDINARY = {True: 15, False: 15}  # programs by `strict`: kernels take most of the time
MANY = {True: 6000, False: 4000}


def check_many(seeds, strict, edges):
    """Check cases; programs answer their calls, as often as a first call, another shape or flag leaves them one."""
    tally = Tally()
    for seed in seeds:
        case = make_case(seed, edges)
        try:
            check(case, tally, strict=strict)
        except Exception as error:
            short, error = shortened(case, error, strict=strict)
            raise DifferenceError(f"seed {seed}: {error}\n{short!r}") from error
    assert tally.answered > 0.2
    assert tally.excused <= 0.01 * tally.cases


@pytest.mark.one_in(4)
@pytest.mark.parametrize("edges", [False, True])
@pytest.mark.parametrize("strict", [True, False])
def test_a_compiled_case_is_as_its_plain_twin(strict, edges):
    check_many(range(ORDINARY[strict]), strict, edges)


@pytest.mark.long
@pytest.mark.parametrize("edges", [False, True])
@pytest.mark.parametrize("strict", [True, False])
def test_many_compiled_cases_are_as_their_plain_twins(strict, edges):
    check_many(range(1000, 1000 + MANY[strict]), strict, edges)
