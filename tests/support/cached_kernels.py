"""A kernel that doubles, in a cache of kernels that a test has for itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

from dout import cache_folder
from dout.engine.lowering.entry_point import ArrayType
from dout.engine.runtime import compiler, kernel_cache
from dout.engine.runtime.kernel_cache import load

F4, F8, I8 = np.dtype("f4"), np.dtype("f8"), np.dtype("i8")
DOUBLE = """
from numba import njit, prange

@njit(error_model="numpy", parallel={parallel})
def double(x, out):
    for i in prange(x.size):
        out[i] = x[i] + x[i]
"""
LAST = """
from numba import njit
from dout.engine.math.row_access import in_row

@njit
def last(x):
    return in_row(x, (x.shape[0] - 1, x.shape[1] - 1))
"""
IN, OUT = ArrayType(F4, 1), ArrayType(F4, 1, written=True)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOUT_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this process has loaded is forgotten, and warnings are said again."""
    monkeypatch.setattr(kernel_cache, "_loaded", {})
    cache_folder._warn.cache_clear()


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The name of each kernel that is compiled."""
    names: list[str] = []
    original = compiler.compiled

    def count(name: str, *rest: Any) -> bytes:
        names.append(name)
        return original(name, *rest)

    monkeypatch.setattr(compiler, "compiled", count)
    return names


def double(parallel: bool = False) -> Callable[..., Any]:
    return load("double", DOUBLE.format(parallel=parallel), [IN, OUT])


def again() -> Callable[..., Any]:
    kernel_cache._loaded.clear()
    return double()


def doubles(function: Callable[..., Any], size: int = 5) -> bool:
    x, out = np.arange(size, dtype=F4), np.zeros(size, F4)
    function(x, out)
    return bool((out == x * 2).all())
