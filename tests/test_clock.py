"""The clock of what may take only so long counts work, and hardly waiting."""

import time

import pytest

from dout.clock import TimeIsOver, check_time, spent, within


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
    with pytest.raises(TimeIsOver), within(10), within(0):
        endless()
    check_time()
