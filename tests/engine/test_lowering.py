"""Kernels as machine code give what their text gives when Python runs it."""

from __future__ import annotations

import gc
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

from cached_kernels import new_process, place

from dout.engine.lowering.entry_point import ArrayType
from dout.engine.runtime.kernel_cache import load

__all__ = ["new_process", "place"]  # fixtures

HEAD = "import numpy as np\nfrom numba import njit, prange\n\n@njit(error_model='numpy')\n"
WHOLE = np.array([-7, -3, -1, 0, 1, 2, 5, 9], np.int64)
REAL = np.array([-2.5, -0.0, 0.0, 1.5, np.nan, np.inf, -np.inf, 3.0])

CASES = {
    "a quotient rounds down": ("for i in range(x.size):\n    out[i] = x[i] // -2 * 100 + x[i] % 3", WHOLE),
    "the remainder has the divisor's sign": ("for i in range(x.size):\n    out[i] = x[i] % -4", WHOLE),
    "a break ends its own loop": (
        "for i in range(x.size):\n    n = 0\n    for j in range(100):\n        if j > x[i]:\n            break\n"
        "        if j % 2 == 1:\n            continue\n        n += j\n    out[i] = n",
        WHOLE,
    ),
    "what comes after `and` is not looked at": (
        "for i in range(x.size):\n    ok = i + 1 < x.size and x[i + 1] > x[i]\n    out[i] = 1 if ok else 0",
        WHOLE,
    ),
    "comparisons in a row": ("for i in range(x.size):\n    out[i] = 1 if -2 < x[i] <= 2 else 0", WHOLE),
    "a loop counts down": (
        "n = 0\nfor i in range(x.size - 1, -1, -1):\n    n = n * 2 + x[i]\n    out[i] = n",
        WHOLE,
    ),
    "a number outlives its loop": ("last = 0\nfor i in range(x.size):\n    last = x[i]\nout[0] = last", WHOLE),
    "two names change at once": (
        "a, b = 0, 1\nfor i in range(x.size):\n    a, b = b, a + b\n    out[i] = a",
        WHOLE,
    ),
    "min and max of whole numbers": ("for i in range(x.size):\n    out[i] = min(x[i], 2) - max(x[i], -2, 0)", WHOLE),
    "NaN is less than nothing": (
        "for i in range(x.size):\n    out[i] = 1 if x[i] < 1 else 2 if x[i] != 1 else 3",
        REAL,
    ),
    "a sign stays": ("for i in range(x.size):\n    out[i] = -x[i] + abs(x[i]) * 0.5", REAL),
    "truth values count": ("n = 0\nfor i in range(x.size):\n    n += x[i] > 0\n    out[i] = n", REAL),
    "not of a number": ("for i in range(x.size):\n    out[i] = 1 if not x[i] else 0", REAL),
    "bits": ("for i in range(x.size):\n    out[i] = (x[i] & 6 | 1) ^ 3", WHOLE),
}


def by_python(text: str, *given: Any) -> Any:
    names: dict[str, Any] = {}
    exec(HEAD + text, names)
    return names["run"].py_func(*given)


def text_of(body: str) -> str:
    return "def run(x, out):\n" + "\n".join(f"    {line}" for line in body.split("\n")) + "\n"


@pytest.mark.parametrize("case", CASES)
def test_machine_code_gives_what_python_gives(case: str) -> None:
    body, x = CASES[case]
    text, kind = text_of(body), ArrayType(x.dtype, 1)
    got, expected = np.zeros_like(x), np.zeros_like(x)
    load("run", HEAD + text, [kind, kind._replace(written=True)])(x, got)
    with np.errstate(all="ignore"):
        by_python(text, x, expected)
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(np.signbit(got), np.signbit(expected))


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "u1", "u2", "u4", "u8"])
def test_narrow_whole_numbers_wrap_in_memory(dtype: str) -> None:
    x = np.array([np.iinfo(dtype).max, 0, 1, 100], dtype)
    text = text_of("for i in range(x.size):\n    out[i] = x[i] * x[i] + x[i]")
    kind, got = ArrayType(x.dtype, 1), np.zeros_like(x)
    load("run", HEAD + text, [kind, kind._replace(written=True)])(x, got)
    np.testing.assert_array_equal(got, x * x + x)


def test_an_array_that_is_made_in_a_loop_does_not_pile_up() -> None:
    resource = pytest.importorskip("resource")
    lines = ["a = np.empty(1000000)", "a[0] = x[i]", "a[999999] = 1.0", "out[i] = a[0] + a[999999]"]
    body = "for i in range(x.size):\n" + "\n".join(f"    {line}" for line in lines)
    kind, x = ArrayType(np.dtype(float), 1), np.arange(4000.0)
    run, out = load("run", HEAD + text_of(body), [kind, kind._replace(written=True)]), np.zeros(4000)
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run(x, out)
    np.testing.assert_array_equal(out, x + 1)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes; all would be 32 GB


@pytest.mark.parametrize("many", [2, 5])
def test_results_are_apart_from_what_is_read_where_llvm_would_compare_too_many_arrays(many: int) -> None:
    from dout.engine.lowering.kernel_code import kernel_code

    names = [f"x{i}" for i in range(many)]
    text = f"""
import numpy as np
from numba import njit

@njit(error_model="numpy")
def both({", ".join(names)}, more, less):
    for i in range(more.size):
        more[i] = {" + ".join(f"{name}[i]" for name in names)}
        less[i] = -more[i]
"""
    types = [ArrayType(np.dtype(np.float32), 1, "C", written=place >= many) for place in range(many + 2)]
    assert str(kernel_code("both", text, types, ())).count("noalias") == (2 if many == 5 else 0)
    arrays = [np.arange(40, dtype=np.float32) + place for place in range(many + 2)]
    total = np.sum(arrays[:many], axis=0)
    load("both", text, types)(*arrays)
    np.testing.assert_array_equal(arrays[-2:], [total, -total])


def test_shapes_that_do_not_fit_are_an_error() -> None:
    kind = ArrayType(np.dtype(float), 1)
    text = text_of("a = x.reshape((2, 3))\nout[0] = a[1, 2]")
    run, out = load("run", HEAD + text, [kind, kind._replace(written=True)]), np.zeros(1)
    run(np.arange(6.0), out)
    assert out[0] == 5
    with pytest.raises(RuntimeError, match="shapes that do not fit"):
        run(np.arange(7.0), out)


def test_what_a_kernel_cannot_compute_is_named() -> None:
    kind = ArrayType(np.dtype(float), 1)
    with pytest.raises(TypeError, match="go over x"):
        load("run", HEAD + text_of("for one in x:\n    out[0] = one"), [kind, kind])


@pytest.mark.parametrize(
    "body",
    [
        "n = 0\nwhile n < 3:\n    n += 1",
        "with x as y:\n    out[0] = y[0]",
        "out[0] = sum([one for one in x])",
        "for i in range(3):\n    n = i\nelse:\n    out[0] = n",
        "n: int = 0\nout[0] = n",
        "out[0] = (n := 3) + n",
    ],
)
def test_what_nobody_lowers_is_named(body: str) -> None:
    kind = ArrayType(np.dtype(float), 1)
    with pytest.raises(TypeError, match="a kernel has no"):
        load("run", HEAD + text_of(body), [kind, kind._replace(written=True)])


def test_a_first_call_does_not_load_numba(place: object) -> None:
    program = """
import sys, numpy as np, dout
layer = dout.compile(lambda x: 1 / (1 + np.exp(-x)) + np.sin(x).sum(axis=0))
layer(np.ones((3, 4), np.float32)), layer(np.ones((3, 4), np.float32))
assert layer.plan().functions[0].programs and "numba" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
