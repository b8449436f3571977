"""Answers as learners write them: the wrong ones lose the right points for the right reason, the right ones lose none.

Nothing that is said of them gives the solution away.
"""

import json
from functools import cache
from unittest.mock import patch

import pytest
from exercise_answers import answers, given_away, lost_by

from dout.exercise import grade as grade_module
from dout.exercise.grade import graded
from dout.exercise.grade_text import grade_text

WRONG = [answer for answer in answers() if answer.lost]
RIGHT = [answer for answer in answers() if not answer.lost]


@cache
def judged(answer):
    """The grade of an answer, and what the check found, which a learner must not see."""
    found = []

    def run(*arguments, **options):
        outcomes = grade_module_run(*arguments, **options)
        found.extend(finding for outcome in outcomes for one in outcome.layers for finding in one.report.findings)
        return outcomes

    grade_module_run = grade_module.run
    with patch.object(grade_module, "run", run):
        return graded(answer.sheet), found


@pytest.mark.one_in(88)
@pytest.mark.parametrize("answer", WRONG, ids=str)
def test_a_wrong_answer_loses_its_points_for_the_right_reason(answer):
    grade, _ = judged(answer)
    assert not grade.ok
    if answer.is_met:
        lost = lost_by(grade)
        assert lost.keys() == answer.lost.keys()
        assert {credit: kind for credit, kind in lost.items() if kind not in answer.lost[credit]} == {}


@pytest.mark.one_in(192)
@pytest.mark.parametrize("answer", WRONG, ids=str)
def test_the_grade_of_a_wrong_answer_does_not_give_the_solution(answer):
    grade, findings = judged(answer)
    told = grade_text(grade).replace("\n", " ") + json.dumps(grade.to_json(), ensure_ascii=False)
    assert given_away(told, answer) == []
    for finding in findings:
        assert finding.message not in told
        assert not finding.because or finding.because not in told
        changed = [line[1:].strip() for line in str(finding.fix or "").splitlines() if line.startswith("+")]
        assert not [line for line in changed if line and line not in answer.sheet.text and line in told]


@pytest.mark.one_in(48)
@pytest.mark.parametrize("answer", RIGHT, ids=str)
def test_a_right_answer_has_all_points(answer):
    grade, _ = judged(answer)
    assert grade.ok, grade_text(grade)


def test_there_are_enough_answers_and_few_reasons_are_missed():
    assert len(WRONG) >= 300
    assert len(RIGHT) >= 100
    assert {answer.exercise for answer in WRONG} == {answer.exercise for answer in RIGHT} == set(range(1, 31))
    assert sum(not answer.is_met for answer in WRONG) <= 0.1 * len(WRONG)
