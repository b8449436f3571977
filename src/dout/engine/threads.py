"""The threads of parallel kernels: Numba's threading layer, without the rest of Numba, and alone after a fork."""

from __future__ import annotations

import ctypes
import importlib.machinery
import importlib.util
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm

SYMBOLS = {  # what a parallel kernel calls, and how the module of a threading layer names it
    "dout.parallel_for": "parallel_for",
    "do_scheduling_signed": "do_scheduling_signed",
    "do_scheduling_unsigned": "do_scheduling_unsigned",
    "allocate_sched": "allocate_sched",
    "deallocate_sched": "deallocate_sched",
    "get_num_threads": "get_num_threads",
    "get_thread_id": "get_thread_id",
    "set_parallel_chunksize": "set_parallel_chunksize",
    "get_parallel_chunksize": "get_parallel_chunksize",
    "get_sched_size": "get_sched_size",
}

_alone = ctypes.c_byte(0)  # kernels read it: 1 in a child that was forked when the threads were there


@cache
def launch() -> bool:
    """Start the threads, once, and give LLVM the addresses of the layer's functions; False where there is no layer."""
    layer = _directly() or _through_numba()
    if layer is None or not all(hasattr(layer, name) for name in SYMBOLS.values()):
        return False
    for symbol, name in SYMBOLS.items():
        llvm.add_symbol(symbol, getattr(layer, name))
    llvm.add_symbol("dout.alone", ctypes.addressof(_alone))
    return True


def number() -> int:
    """How many threads a parallel kernel may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _directly() -> Any:
    """The OpenMP layer, as Numba itself would start it, where nobody asked for another and Numba is not loaded yet."""
    asked = any(name.startswith("NUMBA_") and "THREAD" in name for name in os.environ)
    if asked or "numba" in sys.modules or Path(".numba_config.yaml").exists():
        return None
    spec = importlib.util.find_spec("numba")
    if spec is None or spec.origin is None:
        return None
    name = "numba.np.ufunc.omppool"
    stem = Path(spec.origin).parent.joinpath("np", "ufunc", "omppool")
    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        path = stem.with_name(stem.name + suffix)
        if path.exists():
            try:
                layer = _module(name, path)
            except ImportError:  # no OpenMP on this machine
                return None
            ctypes.CFUNCTYPE(None, ctypes.c_int)(layer.launch_threads)(number())
            ctypes.CFUNCTYPE(None, ctypes.c_int)(layer.set_num_threads)(number())
            return layer
    return None


def _module(name: str, path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _through_numba() -> Any:
    try:
        from numba.np.ufunc import parallel
    except ImportError:
        return None
    parallel._launch_threads()
    return importlib.import_module(f"numba.np.ufunc.{_file(parallel.threading_layer())}")


def _file(layer: str) -> str:
    return {"tbb": "tbbpool", "omp": "omppool"}.get(layer, layer)


def _after_fork() -> None:
    """A child has none of the threads, and OpenMP ends it where it tries to use them."""
    numba = sys.modules.get("numba.np.ufunc.parallel")
    if launch.cache_info().currsize or getattr(numba, "_is_initialized", False):
        _alone.value = 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
