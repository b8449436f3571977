"""The threads that run parallel kernels: started once, our own, and none in a forked child."""

from __future__ import annotations

import ctypes
import importlib.machinery
import importlib.util
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm

from dout.engine.runtime.parallel_threshold import cores
from dout.engine.runtime.work_stealing import ALONE, CHUNKS_EACH, PARTS, SIZE, SLEEPER, SLEEPERS, THREADS, WORKERS

SCHEDULE = (  # how Numba cuts a loop into chunks: functions of each of its threading layers, that need no threads
    "do_scheduling_signed",
    "do_scheduling_unsigned",
    "allocate_sched",
    "deallocate_sched",
    "set_parallel_chunksize",
    "get_parallel_chunksize",
    "get_sched_size",
)
PYTHON = (
    "PyThread_acquire_lock",
    "PyThread_release_lock",
    "PyErr_Clear",  # Numba's chunks could raise, and name this; ours have nothing to raise
    "PyErr_SetNone",
)
ERRORS = {f"PyExc_{error.__name__}": error for error in (StopIteration, SystemError)}
SYMBOLS = {"dout.pool", *SCHEDULE, *PYTHON, *ERRORS}


def number() -> int:
    """How many threads a parallel kernel uses, the caller among them."""
    return min(cores(), WORKERS)


@cache
def prepare() -> bool:
    """Give LLVM the addresses that parallel kernels want; False where this Numba has no such functions."""
    layer = _layer()
    if not all(hasattr(layer, name) for name in SCHEDULE):
        return False
    for name in SCHEDULE:
        llvm.add_symbol(name, getattr(layer, name))
    for name in PYTHON:
        llvm.add_symbol(name, ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value)
    for name, error in ERRORS.items():
        llvm.add_symbol(name, id(error))
    llvm.add_symbol("dout.pool", _pool())
    return True


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


def _layer() -> Any:
    """Numba's simplest threading layer, alone where Numba itself is not loaded; its threads are never started."""
    name, spec = "numba.np.ufunc.workqueue", importlib.util.find_spec("numba")
    if "numba" not in sys.modules and spec is not None and spec.origin is not None:
        for suffix in importlib.machinery.EXTENSION_SUFFIXES:
            path = Path(spec.origin).parent.joinpath("np", "ufunc", f"workqueue{suffix}")
            found = importlib.util.spec_from_file_location(name, path) if path.exists() else None
            if found is not None and found.loader is not None:
                module = importlib.util.module_from_spec(found)
                found.loader.exec_module(module)
                return module
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


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
