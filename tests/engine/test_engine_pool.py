"""The pool: an array comes back when nobody else refers to it, and never before."""

import gc
import sys
import threading
import weakref

import numpy as np
import pytest

from dout.engine.memory import pool
from dout.engine.memory.pool import Pool, scratch

F4 = np.dtype("f4")
SHAPE = (100, 30)


@pytest.fixture(autouse=True)
def no_collection():
    """A full collection sweeps: these tests say when."""
    pool.sweep()
    pool.sweep()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def take():
    return Pool().taker(SHAPE, F4)


def place(array):
    return array.__array_interface__["data"][0]


def test_memory_comes_back_with_the_last_reference(take):
    y = take()
    first = place(y)
    y = take()
    second = place(y)
    for expected in (first, second, first, second):
        y = take()
        assert place(y) == expected


@pytest.mark.parametrize("shape", [(), (2, 7), (50, 7), (50, 7, 3)])
def test_an_array_has_the_layout_asked_for(shape):
    take = Pool().taker(shape, F4)
    for _ in range(3):
        y = take()
        assert (y.shape, y.dtype) == (shape, F4)
        assert y.flags.c_contiguous
        assert y.flags.writeable
        assert y.flags.aligned


def holders(y):
    """Ways to hold on to an array's memory without the array."""
    yield y[3:5]
    yield y.T[::2]
    yield y.reshape(-1)[::7]
    yield memoryview(y)
    yield np.frombuffer(y, np.uint8)
    yield np.frombuffer(memoryview(y.reshape(-1)), F4)[1:]
    yield y.ctypes
    yield y.flat
    yield np.nditer(y)
    yield np.lib.stride_tricks.as_strided(y, (2, 2))
    yield {"deep": [y[0]]}
    yield np.asarray(memoryview(y)).view(np.uint8)
    yield y.base


@pytest.mark.parametrize("kind", range(13))
def test_whatever_looks_into_the_memory_keeps_it(take, kind):
    y = take()
    first = place(y)
    held = list(holders(y))[kind]
    del y
    later = [take() for _ in range(5)]
    assert first not in map(place, later)
    del later, held
    assert first in [place(y) for y in [take() for _ in range(6)]]


def flip_writeable(y):
    y.flags.writeable = False


def set_shape(y):
    y.shape = (30, 100)


def set_dtype(y):
    y.dtype = np.int16


def set_strides(y):
    y.strides = (4, 400)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("change", [flip_writeable, set_shape, set_dtype, set_strides])
def test_what_is_changed_in_place_never_comes_back(take, change):
    for _ in range(6):
        y = take()
        assert (y.shape, y.dtype, y.flags.writeable, y.flags.c_contiguous) == (SHAPE, F4, True, True)
        change(y)


def test_an_output_cannot_be_resized(take):
    with pytest.raises(ValueError, match="does not own its data"):
        take().resize((5, 5))


def test_every_array_is_a_new_object(take):
    y = take()
    reference = weakref.ref(y)
    del y
    assert reference() is None


def test_one_who_keeps_thousands_gets_new_ones_and_frees_them_himself(take):
    followed = pool.FOLLOWED[0]
    kept = [take() for _ in range(followed + 100)]
    assert len(set(map(place, kept))) == followed + 100
    del kept
    assert idle() == followed * 100 * 30 * 4


def test_what_a_turn_lets_go_of_is_used_again_beside_thousands_that_are_kept(take):
    kept = [take() for _ in range(1000)]
    state, found = take(), set()
    for _ in range(500):
        result, state = take(), take()
        found |= {place(result), place(state)}
        del result
    assert len(found) <= pool.RECENT[0]
    assert found.isdisjoint(map(place, kept))


def test_what_is_kept_call_after_call_needs_no_more_arrays(take):
    for _ in range(5):
        kept = []
        kept += [take() for _ in range(300)]
        for _ in range(300):
            take()
    assert len(set(map(place, kept))) == 300
    del kept
    assert idle() <= (300 + pool.RECENT[0]) * 100 * 30 * 4


def idle():
    return sum(store.idle() for store in list(pool._STORES))


def test_what_two_sweeps_find_idle_is_let_go(take):
    y = take()
    del y
    assert idle() == 12000
    pool.sweep()
    assert idle() == 12000
    pool.sweep()
    assert idle() == 0


def test_what_was_swept_aside_once_is_used_again(take):
    y = take()
    first = place(y)
    del y
    pool.sweep()
    assert place(take()) == first


def test_a_full_collection_sweeps_and_a_small_one_does_not(take):
    take()
    gc.collect(1)
    gc.collect(1)
    assert idle() == 12000
    gc.collect()
    gc.collect()
    assert idle() == 0


def test_what_is_in_use_survives_sweeps(take):
    y = take()
    first = place(y)
    for _ in range(3):
        pool.sweep()
    assert place(take()) != first
    del y
    kept = take(), take()
    assert first in map(place, kept)


def test_a_pool_that_is_gone_holds_nothing():
    arrays = Pool()
    arrays.taker(SHAPE, F4)()
    temporaries, give = scratch([1 << 16], [(0, (3,), F4)])
    give(temporaries())
    assert idle() == 12000 + (1 << 16)
    del arrays, temporaries, give
    assert idle() == 0


def test_idle_memory_of_the_process_has_a_limit(monkeypatch):
    monkeypatch.setattr(pool, "LIMIT", 100_000)
    arrays = Pool()
    for n in range(1000, 1100):
        arrays.taker((n,), F4)()
        assert idle() <= 100_000


def test_a_layout_has_one_ring():
    arrays = Pool()
    assert arrays.taker(SHAPE, F4) is arrays.taker(SHAPE, F4)
    assert arrays.taker(SHAPE, F4) is not arrays.taker(SHAPE[::-1], F4)


def test_without_a_gil_every_array_is_fresh(monkeypatch):
    monkeypatch.setattr(pool, "COUNTS", False)
    y = Pool().taker(SHAPE, F4)()
    assert y.base is None
    assert y.shape == SHAPE


def interrupted(function, instruction, other):
    """Call `function` with `other` called before one of its bytecode instructions, as another thread might."""
    left = instruction
    seen = []

    def trace(frame, event, argument):
        nonlocal left
        frame.f_trace_opcodes = True
        if event == "opcode":
            left -= 1
            if left == 0:
                sys.settrace(None)
                seen.append(other())
        return trace

    sys.settrace(trace)
    try:
        result = function()
    finally:
        sys.settrace(None)
    return result, seen


@pytest.mark.parametrize("held", [0, 1, 2, 5])
@pytest.mark.parametrize("swept", [False, True])
def test_between_any_two_instructions_another_call_takes_another_array(held, swept):
    def other():
        if swept:
            pool.sweep()
        return take(), take()

    for instruction in range(1, 3000):
        take = Pool().taker(SHAPE, F4)
        kept = [take() for _ in range(held + 1)]
        del kept[0]
        result, seen = interrupted(take, instruction, other)
        places = [place(y) for y in [result, *kept, *(y for pair in seen for y in pair)]]
        assert len(set(places)) == len(places), instruction
        if not seen:
            break
    assert 15 < instruction < 2999


@pytest.mark.one_in(2)
@pytest.mark.parametrize("held", range(64, 69))
def test_an_array_that_a_full_ring_lets_go_of_while_another_call_looks_at_it_is_not_taken(held):
    def other():
        return [take() for _ in range(64)]

    for instruction in range(1, 3000):
        take = Pool().taker(SHAPE, F4)
        kept = [take() for _ in range(held)]
        result, seen = interrupted(take, instruction, other)
        places = [place(y) for y in [result, *kept, *(y for group in seen for y in group)]]
        assert len(set(places)) == len(places), instruction
        if not seen:
            break
    assert 15 < instruction < 2999


def in_threads(work, count=8):
    errors = []
    start = threading.Barrier(count)

    def run(number):
        try:
            start.wait()
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors[0]


@pytest.fixture
def hasty():
    """Threads take turns as often as Python can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty")
def test_no_array_is_in_two_threads_at_once(take):
    def work(number):
        kept = []
        for i in range(1000):
            y = take()
            y[0, 0] = number * 1000 + i
            kept.append((y, number * 1000 + i))
            if i % 5 == 0:
                assert all(y[0, 0] == mark for y, mark in kept)
                kept.clear()
            if number == 0 and i % 50 == 0:
                pool.sweep()

    in_threads(work)


@pytest.mark.usefixtures("hasty")
def test_no_temporaries_are_in_two_threads_at_once():
    temporaries, give = scratch([16], [(0, (4,), F4)])

    def work(number):
        for i in range(1000):
            (x,) = arrays = temporaries()
            x[:] = number * 1000 + i
            assert (x == number * 1000 + i).all()
            give(arrays)
            if number == 0 and i % 50 == 0:
                pool.sweep()

    in_threads(work)


def test_temporaries_lie_in_their_slots():
    take, _ = scratch([48, 0, 8], [(0, (2, 3), F4), (0, (3, 2, 1), F4), (1, (0, 3), F4), (2, (), F4)])
    a, b, c, d = take()
    assert np.shares_memory(a, b)
    assert not np.shares_memory(a, d)
    assert all(x.flags.c_contiguous for x in (a, b, c, d))
    assert (c.shape, d.shape) == ((0, 3), ())


def test_idle_sets_of_temporaries_are_few():
    take, give = scratch([1000], [(0, (3,), F4)])
    for arrays in [take() for _ in range(50)]:
        give(arrays)
    assert idle() == 1000 * pool.SETS


def test_who_keeps_many_arrays_is_not_asked_about_each_of_them_again(monkeypatch):
    counted = []
    monkeypatch.setattr(pool._Ring, "idle", lambda self: counted.append(1) or 0)
    take = pool.Pool().taker((100, 10), np.dtype(float))
    kept = [take() for _ in range(500)]
    assert len({array.ctypes.data for array in kept}) == 500
    assert not counted  # 4 MB are far from the limit
