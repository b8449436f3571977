"""Kernels are compiled once, found by the next process, and never wrong, whatever happens to the cache folder."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cached_kernels import DOUBLE, F4, F8, I8, IN, LAST, OUT, again, compiled, double, doubles, new_process, place

pytest.importorskip("numba")

from dout.engine.lowering.entry_point import ArrayType
from dout.engine.runtime import binding
from dout.engine.runtime.kernel_cache import load

__all__ = ["compiled", "new_process", "place"]  # fixtures


def test_second_load_compiles_nothing(compiled: list[str], place: Path) -> None:
    assert doubles(double())
    assert doubles(again())
    assert compiled == ["double"]
    assert sorted(path.suffix for path in place.iterdir()) == [".bin", ".py"]
    assert all(path.name.startswith("double_") for path in place.iterdir())


def test_next_process_runs_kernels_without_loading_numba(place: Path) -> None:
    double(), double(parallel=True)
    program = f"""
import sys, numpy as np
from dout.engine.runtime.kernel_cache import ArrayType, load
text, F4 = {DOUBLE!r}, np.dtype("f4")
for parallel in (False, True):
    kernel = load("double", text.format(parallel=parallel), [{IN!r}, {OUT!r}])
    x, out = np.arange(9, dtype="f4"), np.zeros(9, "f4")
    kernel(x, out)
    assert (out == 2 * x).all()
assert "numba" not in sys.modules
from numba import njit, prange  # and Numba, loaded later, finds its threads as it would have left them
assert njit(parallel=True)(lambda n: sum([0 * n]))(3) == 0
kernel(x, out)
""".replace("dtype('float32')", "F4")
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_two_processes_may_compile_one_kernel_at_once(place: Path) -> None:
    program = f"""
import numpy as np
from dout.engine.runtime.kernel_cache import ArrayType, load
F4 = np.dtype("f4")
kernel = load("double", {DOUBLE.format(parallel=False)!r}, [{IN!r}, {OUT!r}])
x, out = np.arange(9, dtype="f4"), np.zeros(9, "f4")
kernel(x, out)
assert (out == 2 * x).all()
""".replace("dtype('float32')", "F4")
    both = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert len(list(place.iterdir())) == 2
    assert doubles(double())


def test_numbers_come_and_go_as_numpy_has_them() -> None:
    text = """
from numba import njit

@njit
def mix(a, b, n, x):
    return a, b, n + 1, x[0, 1]
"""
    types = [F4, np.dtype("?"), I8, ArrayType(F8, 2, "A")]
    x = np.arange(6.0).reshape(2, 3).T
    results = [F4, np.dtype("?"), I8, F8]
    mix = load("mix", text, types, results=results)
    for given in ((0.1, True, 2, x), (np.float32(0.1), np.True_, np.int64(2), x)):
        scalars = mix(*given)
        assert scalars == (np.float32(0.1), True, 3, 3.0)
        assert [type(one) for one in scalars] == [dtype.type for dtype in results]
    with pytest.raises(TypeError, match=r"mix returns .*, not"):
        load("mix", text, types, results=[F4, np.dtype("?"), I8, F4])
    with pytest.raises(OverflowError):
        mix(0.1, True, 2**64, x)
    with pytest.raises(TypeError, match="must be real number"):
        mix("0.1", True, 2, x)


def test_one_number_is_no_tuple() -> None:
    text = "from numba import njit\n\n@njit\ndef first(x):\n    return x[()]\n"
    first = load("first", text, [ArrayType(F4, 0)], results=[F4])
    assert first(np.array(2.5, F4)) == np.float32(2.5)
    assert type(first(np.zeros((), F4))) is np.float32


@pytest.mark.parametrize("path", ["native", "dispatcher"])
def test_other_arguments_are_a_type_error(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if path == "dispatcher":
        monkeypatch.setattr(binding, "usable", lambda: False)
    kernel = double()
    x, out = np.ones(4, F4), np.zeros(4, F4)
    frozen = np.zeros(4, F4)
    frozen.flags.writeable = False
    wrong: list[tuple[Any, ...]] = [
        (x,), (x, out, out), (x, out.astype(F8)), (x, out[:, None]), (x[::2], out), (x, frozen),
        (x, out.astype(">f4")), (x, [0.0] * 4), (x, None), (1.0, out), (x, out.view(np.int32)),
    ]  # fmt: skip
    for arguments in wrong:
        with pytest.raises(TypeError):
            kernel(*arguments)
    assert not out.any()
    kernel(x, out)
    assert out.all()


@pytest.mark.parametrize("path", ["native", "dispatcher"])
def test_an_array_without_contiguous_rows_is_a_type_error_where_they_are_asked_for(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if path == "dispatcher":
        monkeypatch.setattr(binding, "usable", lambda: False)
    kernel = load("last", LAST, [ArrayType(F4, 2, "rows")], results=[F4])
    x = np.arange(12, dtype=F4).reshape(3, 4)
    again_and_again = np.lib.stride_tricks.as_strided(x, (5, 4), (0, 4))
    for right in (x, x[:, 2:], x[::2, :3], x[::-1], again_and_again):
        assert kernel(right) == right[-1, -1]
    for wrong in (x[:, ::2], x[:, ::-1], x.T):
        with pytest.raises(TypeError, match="array of float32 with 2 axes and contiguous rows"):
            kernel(wrong)


def test_kernel_runs_as_python_where_numba_is_told_so() -> None:
    program = f"""
import numpy as np
from dout.engine.runtime.kernel_cache import ArrayType, load
F4 = np.dtype("f4")
kernel = load("double", {DOUBLE.format(parallel=False)!r}, [{IN!r}, {OUT!r}])
x, out = np.arange(9, dtype="f4"), np.zeros(9, "f4")
kernel(x, out)
assert (out == 2 * x).all()
assert kernel.__code__.co_name == "double"
""".replace("dtype('float32')", "F4")
    subprocess.run(
        [sys.executable, "-c", program], check=True, timeout=60, env={**os.environ, "NUMBA_DISABLE_JIT": "1"}
    )


@pytest.mark.parametrize("parallel", [False, True])
def test_kernel_that_makes_and_reshapes_arrays_is_native(parallel: bool) -> None:
    text = f"""
import numpy as np
from numba import njit, prange

@njit(error_model="numpy", parallel={parallel})
def rows(x, out):
    flat = x.reshape(x.size)
    wide = flat.reshape((x.shape[0], x.shape[1] * x.shape[2]))
    sums = np.empty(x.shape[0])
    for i in prange(x.shape[0]):
        total = 0.0
        for j in range(wide.shape[1]):
            total += wide[i, j] * flat[1]
        sums[i] = total
    for i in range(x.shape[0]):
        out[i] += sums[i]
"""
    kernel = load("rows", text, [ArrayType(F8, 3), ArrayType(F8, 1, written=True)])
    assert type(kernel) is type(len)
    x, out = np.arange(24.0).reshape(4, 3, 2), np.zeros(4)
    kernel(x, out)
    np.testing.assert_allclose(out, x.sum((1, 2)))


def test_kernel_that_fails_is_a_runtime_error() -> None:
    text = "from numba import njit\n\n@njit\ndef flat(x, n):\n    return x.reshape((n, 3))[0, 0]\n"
    kernel = load("flat", text, [ArrayType(F8, 1), I8], results=[F8])
    assert kernel(np.arange(6.0), 2) == 0.0
    with pytest.raises(Exception, match=r"failed|incompatible"):
        kernel(np.arange(6.0), 4)


def test_nothing_leaks() -> None:
    kernel = double()
    x, out = np.ones(4, F4), np.zeros(4, F4)
    before = [sys.getrefcount(thing) for thing in (x, out, None)]
    for _ in range(1000):
        kernel(x, out)
    after = [sys.getrefcount(thing) for thing in (x, out, None)]
    assert all(abs(one - other) < 100 for one, other in zip(before, after, strict=True))


def test_many_threads_may_call_one_parallel_kernel() -> None:
    kernel = double(parallel=True)
    right: list[bool] = []
    work = [threading.Thread(target=lambda: right.extend(doubles(kernel, 999) for _ in range(200))) for _ in range(8)]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert len(right) == 1600
    assert all(right)


def test_chunks_are_each_done_once_by_more_threads_than_cores() -> None:
    program = f"""
import time
import numpy as np
from dout.engine.runtime import threads
threads.number = lambda: 7
from dout.engine.runtime.kernel_cache import ArrayType, load
F4 = np.dtype("f4")
text = {DOUBLE.format(parallel=True)!r}.replace("out[i] = ", "out[i] += ")
kernel = load("double", text, [{IN!r}, {OUT!r}])
for turn in range(3000):
    size = turn * 7919 % 20011
    x, out = np.arange(size, dtype="f4"), np.zeros(size, "f4")
    kernel(x, out)
    assert (out == 2 * x).all()
    if turn % 100 == 0:
        time.sleep(0.001)  # the workers fall asleep
""".replace("dtype('float32')", "F4")
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_kernel_too_large_to_be_inlined_is_native_and_parallel() -> None:
    value = "x[i]"
    for _ in range(30):
        value = f"(x[i] * {value} + x[i])"
    text = DOUBLE.format(parallel=True).replace("x[i] + x[i]", f"{value} * 0 + x[i] + x[i]")
    kernel = load("double", text, [IN, OUT])
    assert type(kernel) is type(len)
    x, out = np.full(999, 0.5, F4), np.zeros(999, F4)
    kernel(x, out)
    assert (out == 1).all()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_forked_child_may_call_a_parallel_kernel() -> None:
    kernel = double(parallel=True)
    assert doubles(kernel, 9999)  # the parent's threads are there
    child = os.fork()
    if child == 0:
        os._exit(0 if doubles(kernel, 9999) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert doubles(kernel, 9999)
