"""Kernels are compiled once, found by the next process, and never wrong, whatever happens to the cache folder."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

from dout.engine.runtime import binding, cache_folder, compiler, kernel_cache
from dout.engine.runtime.entry_point import ArrayType
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
    """The name of each kernel that Numba compiles."""
    names: list[str] = []
    original = compiler.compiled

    def count(dispatcher: Any, *rest: Any) -> bytes | None:
        names.append(dispatcher.py_func.__name__)
        return original(dispatcher, *rest)

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


@pytest.mark.parametrize("harm", ["cut", "flip", "empty", "other"])
def test_damaged_entry_is_compiled_again(harm: str, compiled: list[str], place: Path) -> None:
    double()
    (entry,) = place.glob("*.bin")
    whole = entry.read_bytes()
    flipped = bytes([*whole[:-100], whole[-100] ^ 4, *whole[-99:]])
    entry.write_bytes({"cut": whole[:-300], "flip": flipped, "empty": b"", "other": b"no kernel"}[harm])
    assert doubles(again())
    assert compiled == ["double", "double"]
    assert cache_folder.read(entry.name)


def test_damaged_text_is_never_read(place: Path) -> None:
    double()
    (entry,) = place.glob("*.py")
    entry.write_text("out[i] = 0")
    assert doubles(again())


def test_every_bit_of_an_entry_is_checked(place: Path) -> None:
    cache_folder.write("entry", b"code")
    path = place / "entry"
    whole = path.read_bytes()
    for at in range(8 * len(whole)):
        path.write_bytes(bytes(byte ^ (1 << at % 8 if index == at // 8 else 0) for index, byte in enumerate(whole)))
        assert cache_folder.read("entry") is None


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no POSIX permissions")
@pytest.mark.parametrize("what", ["folder", "file"])
def test_entry_that_others_may_write_is_not_used(what: str, compiled: list[str], place: Path) -> None:
    double()
    (entry,) = place.glob("*.bin")
    (place if what == "folder" else entry).chmod(0o777)
    with pytest.warns(RuntimeWarning, match="others can write"):
        assert doubles(again())
    with warnings.catch_warnings():  # it is said once
        warnings.simplefilter("error")
        assert doubles(again())
    assert compiled == ["double"] * (3 if what == "folder" else 2)


def test_files_of_another_user_are_not_used_but_for_those_of_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    trusted = {
        user: cache_folder._own(os.stat_result((0o600, 0, 0, 1, user, 0, 0, 0, 0, 0))) for user in (0, 1000, 1001)
    }
    assert trusted == {0: True, 1000: True, 1001: False}


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no POSIX permissions")
def test_new_folder_is_the_users_alone(place: Path) -> None:
    cache_folder.write("entry", b"")
    assert place.stat().st_mode & 0o777 == 0o700
    assert (place / "entry").stat().st_mode & 0o777 == 0o600


def test_full_disk_is_a_warning(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    class Full:
        def __init__(self, handle: int, mode: str) -> None:
            os.close(handle)

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *error: object) -> None: ...

        def write(self, data: bytes) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fdopen", Full)
    with pytest.warns(RuntimeWarning, match="No space left on device") as said:
        assert doubles(double())
    assert len(said) == 1
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("path", ["/dev/null/cache", "/proc/cache"])
def test_folder_that_cannot_be_made_is_a_warning(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOUT_CACHE_DIR", path)
    with pytest.warns(RuntimeWarning, match="set DOUT_CACHE_DIR"):
        assert doubles(double())


def test_read_only_folder_is_still_read(compiled: list[str], place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    double()

    def refuse(**_: object) -> None:  # root may write anywhere, so permissions would not show it
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    assert doubles(again())
    assert compiled == ["double"]


def test_code_of_another_processor_is_not_used(compiled: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    double()
    monkeypatch.setattr(binding, "host", lambda: ("generic", ""))
    kernel_cache._surroundings.cache_clear()
    assert doubles(again())
    assert compiled == ["double", "double"]
    kernel_cache._surroundings.cache_clear()


@pytest.mark.parametrize(
    "part", ["row_access", "accumulate", "vector_math", "vector_math_exp", "vector_math_rare", "entry_point"]
)
def test_code_that_was_made_with_other_code_of_ours_is_not_used(
    part: str, compiled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    double()
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path) + b"#" * (path.name == f"{part}.py"))
    kernel_cache._surroundings.cache_clear()
    assert doubles(again())
    assert compiled == ["double", "double"]
    kernel_cache._surroundings.cache_clear()


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
