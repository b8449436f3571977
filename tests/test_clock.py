"""The clock of what may take only so long counts work, and hardly waiting."""

import time

from dout.clock import spent


def test_a_second_of_sleep_counts_as_a_fifth():
    before = spent()
    time.sleep(0.2)
    assert 0.03 < spent() - before < 0.1


def test_work_counts_whole():
    before, began = spent(), time.thread_time()
    while time.thread_time() - began < 0.1:
        pass
    assert spent() - before >= 0.09
