"""One call tells whether arrays that are written into lie apart from others, as NumPy tells it pair by pair."""

from itertools import combinations, product

import numpy as np
import pytest

import dout
from dout.engine.guards import memory_guard
from dout.engine.guards.memory_guard import apart
from dout.engine.runtime import binding

MEMORY = np.arange(60.0)
GRID = MEMORY.reshape(6, 10)
ARRAYS = [
    GRID, GRID[:3], GRID[3:], GRID[:, ::2], GRID[:, 1::2], GRID[::-1], GRID.T, GRID[5:0:-2, 9:2:-3], GRID[2, 3:4],
    GRID[:0], GRID[4, 4, ...], MEMORY[29:31], MEMORY[30:30], np.zeros((6, 10)), np.array(3.0), np.zeros(4, "S3"),
    np.broadcast_to(MEMORY[59], (4, 5)), MEMORY.view(np.uint8)[239:241], np.frombuffer(bytearray(80)),
]  # fmt: skip


def told_by_numpy(written, others):
    pairs = [*combinations(written, 2), *product(written, others)]
    return not any(np.may_share_memory(one, other) for one, other in pairs)


@pytest.mark.parametrize("native", [True, False])
def test_a_guard_tells_what_numpy_tells_of_each_pair(native, monkeypatch):
    if not native:
        monkeypatch.setattr(memory_guard, "_MANY", 0)
    make, told = apart.__wrapped__, set()
    for one, other in product(ARRAYS, ARRAYS):
        if one is not other:
            told.add(told_by_numpy([one], [other]))
            assert make(1, 2)(one, other) is told_by_numpy([one], [other])
    assert told == {True, False}


@pytest.mark.parametrize("seed", range(20))
def test_a_guard_tells_it_of_many_arrays(seed):
    rng = np.random.default_rng(seed)
    lines = [MEMORY[k : k + rng.integers(0, 4)] for k in rng.permutation(range(0, 60, 3))]
    if seed % 2:
        k = rng.integers(0, 57)
        lines.insert(int(rng.integers(0, 8)), MEMORY[k : k + 3])
    for written in (1, 3, 8):
        expected = told_by_numpy(lines[:written], lines[written:])
        assert apart(written, len(lines))(*lines) is expected


def test_what_is_no_array_is_not_known_to_lie_apart():
    if binding.usable():
        for other in (1.0, [0.0], np.ones(3).view(np.matrix), None):
            assert apart(1, 2)(np.ones(2), other) is False


def test_an_array_written_into_over_its_own_input_is_left_to_numpy():
    def shifted(x, y):
        y += x
        return x * 2

    fast = dout.compile(shifted)
    for _ in range(3):
        fast(np.arange(8.0), np.ones(8))
    line, same = np.arange(9.0), np.arange(9.0)
    np.testing.assert_array_equal(fast(line[:-1], line[1:]), shifted(same[:-1], same[1:]))
    np.testing.assert_array_equal(line, same)
    assert len(fast.plan().programs) == 1
