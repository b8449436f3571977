"""The clock of what may take only so long counts work, and hardly waiting; a search has a budget of counted work."""

import time

import numpy as np
import pytest

import dout
from dout.check.settings import settings_sweep
from dout.clock import TimeIsOver, WorkBudget, check_time, count, spent, was_ended_by_the_clock, within
from dout.errors import TargetError


def test_a_second_of_sleep_counts_as_a_fifth():
    wall, work, before = time.perf_counter(), time.thread_time(), spent()
    time.sleep(0.2)
    counted = spent() - before
    work, wall = time.thread_time() - work, time.perf_counter() - wall
    assert 0.2 * 0.2 <= counted <= 0.2 * wall + work


def test_work_counts_whole():
    before, began = spent(), time.thread_time()
    while time.thread_time() - began < 0.1:
        pass
    assert spent() - before >= 0.09


def endless():
    while True:
        try:
            check_time()
        except Exception:
            pytest.fail("an error of what was tried")


def test_what_takes_longer_than_its_time_ends_at_the_next_check():
    check_time()
    was_ended_by_the_clock()
    with pytest.raises(TimeIsOver), within(10), within(0):
        endless()
    check_time()
    assert was_ended_by_the_clock()


def test_the_clock_of_work_is_not_read_before_it_can_have_gone_so_far(monkeypatch):
    asked = []
    with within(0.05):
        monkeypatch.setattr("dout.clock.spent", lambda: asked.append(1) or spent())
        check_time()
        assert not asked
        with pytest.raises(TimeIsOver), within(60):  # the shorter time around it counts
            endless()
        assert asked


@pytest.fixture
def pace(monkeypatch):
    """A function that makes the clock go so many times as fast."""
    own = spent
    return lambda times: monkeypatch.setattr("dout.clock.spent", lambda: times * own())


def test_a_budget_is_used_up_by_counted_work_whatever_the_clock_says(pace):
    pace(0)
    budget = WorkBudget(0.2)
    count(0.15)
    assert not budget.is_over()
    count(0.1)
    assert budget.is_over()
    budget.leave(0.1)
    assert not budget.is_over()
    assert budget.left == pytest.approx(0.1)


def test_the_clock_is_the_last_bound_of_a_budget_and_says_that_it_was(pace):
    was_ended_by_the_clock()
    budget = WorkBudget(0.01)
    pace(1e6)
    assert budget.is_over()
    assert was_ended_by_the_clock()
    assert not was_ended_by_the_clock()


class Weighed:
    """Takes many settings, is right at all of them, and loops over what it is given."""

    def __init__(self, a=1.0, b=2.0, c=3.0, square=False, twice=False, far=False):
        self.factor, self.power = a * b * c * (2 if twice else 1) * (9 if far else 1), 2 if square else 1

    def forward(self, x):
        self.x, out = x, np.zeros_like(x)
        for i in range(len(x)):
            out[i] = self.factor * x[i] ** self.power
        return out

    def backward(self, dout):
        dx = np.zeros_like(self.x)
        for i in range(len(dx)):
            dx[i] = dout[i] * self.factor * self.power * self.x[i] ** (self.power - 1)
        return dx


def test_what_is_tried_is_the_same_on_a_faster_and_on_a_slower_machine(pace, monkeypatch):
    swept = []
    other = settings_sweep.other_subjects
    monkeypatch.setattr(settings_sweep, "MOST_SECONDS", 0.005)
    monkeypatch.setattr(settings_sweep, "other_subjects", lambda *given: (swept.append(s) or s for s in other(*given)))
    tried = []
    for times in (0, 0.5):
        pace(times)
        swept.clear()
        report = dout.check(Weighed)
        assert not report.timed
        assert any("not tried" in one for one in report.branches)
        tried.append([one.words for one in swept])
    assert tried[0] == tried[1]
    assert 2 < len(tried[0]) < 12


def test_a_report_says_where_the_clock_ended_a_search(pace):
    pace(1e5)
    report = dout.check(Weighed)
    assert report.timed
    assert report.not_covered[-1].startswith("what was left when the clock ended a search")
    assert report.not_covered[-1] in str(report)


class SlowToRefuse:
    """No example of it runs, and each takes some time to say so."""

    made = 0

    def __init__(self, first, second, third):
        self.first = first
        SlowToRefuse.made += 1

    def forward(self, x, y, z):
        for _ in range(20_000):
            pass
        raise ValueError(f"x has {np.ndim(x)} axes, and {np.size(self.first)}")

    def backward(self, dout):
        return dout


def test_examples_are_sought_by_the_lines_that_they_run_and_not_by_the_clock(pace):
    tried = []
    for times in (0, 0.5):
        pace(times)
        SlowToRefuse.made = 0
        with pytest.raises(TargetError):
            dout.check(SlowToRefuse)
        tried.append(SlowToRefuse.made)
    assert tried[0] == tried[1] > 1
    assert not was_ended_by_the_clock()
