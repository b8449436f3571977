"""What a compiled function keeps alive, and what goes with it."""

import cProfile
import gc
import linecache
import os
import sys
import tracemalloc

import numpy as np
import pytest

import dout


@pytest.mark.long
def test_the_recorded_values_are_not_kept():
    def loss(x):
        return np.sum(np.tanh(np.exp(np.sin(x * 0.5 + 1) * 0.25)))

    fast, x = dout.compile(dout.value_and_grad(loss)), np.ones(2_000_000)
    fast(x[:1000])  # loads what there is to load
    gc.disable()
    tracemalloc.start()
    fast(x)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    gc.enable()
    assert kept < 2 * x.nbytes  # the pool has memory for one result


def test_the_text_of_a_program_goes_with_it():
    def texts():
        gc.collect()
        return sum(name.startswith("<dout driver") and bool(linecache.getlines(name)) for name in linecache.cache)

    before, fast = texts(), dout.compile(lambda x: np.exp(x) + 1)
    for size in range(1, 4):
        fast(np.ones(size))
    assert texts() == before + 3
    del fast
    assert texts() == before


def test_a_program_may_go_while_a_traceback_looks_for_text(monkeypatch):
    linecache.cache[__file__ + "?"] = 1, 1.0, [], __file__  # out of date: what is asked for the file's size comes first
    programs = [dout.compile(lambda x: np.exp(x) + 1)]
    programs[0](np.ones(3))
    plain = os.stat

    def stat(*args, **kwargs):
        if programs:
            programs.clear()
            gc.collect()
        return plain(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", stat)
        linecache.checkcache()
    assert not programs


def test_a_profiler_goes_on_after_the_first_call():
    fast, profile = dout.compile(lambda x: x + 1), cProfile.Profile()
    for _ in range(3):
        np.testing.assert_array_equal(profile.runcall(fast, np.ones(2)), [2, 2])
    seen = []
    sys.setprofile(lambda *event: seen.append(event))
    try:
        dout.compile(lambda x: x + 2)(np.ones(2))
        seen.clear()
        sum([1, 2])
    finally:
        sys.setprofile(None)
    assert seen
