"""The threads that run parallel kernels: started once, our own, and none in a forked child."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import llvmlite.binding as llvm

from dout.engine.runtime.parallel_threshold import cores
from dout.engine.runtime.work_stealing import ALONE, CHUNKS_EACH, PARTS, SIZE, SLEEPER, SLEEPERS, THREADS, WORKERS

POOL = "dout.pool"  # what parallel kernels call the memory that all threads share


def number() -> int:
    """How many threads a parallel kernel uses, the caller among them."""
    return min(cores(), WORKERS)


@cache
def prepare() -> None:
    """Give LLVM the address that parallel kernels want."""
    llvm.add_symbol(POOL, _pool())


def start(worker: int) -> None:
    """Start the workers, once; `worker` is the address of the code that each runs until the process ends."""
    if _started:
        return
    _started.append(worker)
    begin = ctypes.pythonapi.PyThread_start_new_thread
    begin.restype, begin.argtypes = ctypes.c_ulong, (ctypes.c_void_p, ctypes.c_void_p)
    with _modest():
        for thread in range(1, number()):
            begin(worker, thread)


@contextmanager
def _modest() -> Iterator[None]:
    """Threads that begin here interrupt nobody when they wake, the caller least of all. Where Linux lets us."""
    if not hasattr(os, "SCHED_BATCH"):
        yield
        return
    me = threading.get_native_id()
    policy, parameters = os.sched_getscheduler(me), os.sched_getparam(me)
    with suppress(OSError):
        os.sched_setscheduler(me, os.SCHED_BATCH, os.sched_param(0))
    try:
        yield
    finally:
        with suppress(OSError):
            os.sched_setscheduler(me, policy, parameters)


_started: list[int] = []


@cache
def _pool() -> int:
    """The address of what all threads share, with a held lock for each to sleep on. It stays until the process ends."""
    memory = keep(ctypes.create_string_buffer(SIZE + 64))
    place = -(-ctypes.addressof(memory) // 64) * 64
    allocate, acquire = ctypes.pythonapi.PyThread_allocate_lock, ctypes.pythonapi.PyThread_acquire_lock
    allocate.restype, acquire.argtypes = ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_int)
    for thread in range(number()):
        lock = allocate()
        acquire(lock, 1)
        _write(place + SLEEPERS + SLEEPER * thread + 8, lock)
    _write(place + THREADS, number())
    _write(place + PARTS, CHUNKS_EACH * number() if number() > 1 else 1)
    return place


def _write(place: int, value: int) -> None:
    ctypes.c_int64.from_address(place).value = value


def keep(thing: Any) -> Any:
    """Never free it, not even when Python ends: machine code that may still run refers to it."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
    return thing


def _after_fork() -> None:
    """A forked child has none of the workers, and runs all chunks by itself."""
    if _pool.cache_info().currsize:
        _write(_pool() + ALONE, 1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
