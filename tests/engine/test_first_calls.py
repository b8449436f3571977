"""A first call in a process that finds its machine code in the cache makes none, and loads only what it needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba")

LAYERS = '''
import numpy as np


class Sigmoid:
    def forward(self, x):
        out = 1 / (1 + np.exp(-x))
        self.out = out
        return out

    def backward(self, dout):
        return dout * (1.0 - self.out) * self.out


class Steps:
    """A loop that kernels might take."""

    def forward(self, x):
        total = np.zeros_like(x)
        for i in range(x.shape[0]):
            total[i] = total[i - 1] * 0.5 + x[i]
        return total

    def backward(self, dout):
        return dout


class Affine:
    def __init__(self):
        self.W = np.ones((300, 200), np.float32)

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T
'''
PROGRAM = """
import sys
import numpy as np
import dout, layers

made = []
if {warm}:
    from dout.engine.runtime import binding
    binding.object_of = made.append  # and a None for code would not be linked
layer = dout.compile(layers.{name}())
x = np.linspace(-3, 3, {size}, dtype=np.float32).reshape({shape})
out = layer.forward(x)
plain = layers.{name}()
assert np.allclose(plain.forward(x), out, atol=1e-5)
assert np.allclose(plain.backward(np.ones_like(out)), layer.backward(np.ones_like(out)), atol=1e-4)
assert not made
print(*(name for name in {watched!r} if name in sys.modules))
assert layer.forward.plan().functions[0].programs or "{name}" == "Steps"
"""
WATCHED = (
    "numba",
    "dout.engine.runtime.compiler",
    "dout.engine.loops.looped_function",
    "dout.trace.record.record",
)


@pytest.fixture
def loaded(tmp_path: Path):
    """A function: which of the watched modules the first calls of a layer load, with an empty cache and again."""
    (tmp_path / "layers.py").write_text(LAYERS)
    surroundings = {**os.environ, "DOUT_CACHE_DIR": str(tmp_path / "cache")}
    surroundings.pop("DOUT_NO_CACHE", None)

    def run(name: str, shape: tuple[int, ...]) -> list[set[str]]:
        found = []
        for warm in (False, True):
            size = shape[0] * (shape[1] if len(shape) > 1 else 1)
            program = PROGRAM.format(name=name, size=size, shape=shape, warm=warm, watched=WATCHED)
            done = subprocess.run(
                [sys.executable, "-c", program],
                cwd=tmp_path, env=surroundings, capture_output=True, text=True, timeout=120,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            found.append({*done.stdout.split()})
        return found

    return run


def test_the_next_process_makes_no_machine_code_and_loads_no_reader_of_loops(loaded) -> None:
    cold, warm = loaded("Sigmoid", (4096,))
    assert "dout.engine.runtime.compiler" in cold
    assert not warm


def test_machine_code_of_products_is_found_too(loaded) -> None:
    cold, warm = loaded("Affine", (400, 300))
    assert not warm - cold
    assert "dout.engine.runtime.compiler" not in warm


def test_a_function_with_a_loop_is_read(loaded) -> None:
    _, warm = loaded("Steps", (7,))
    assert "dout.engine.loops.looped_function" in warm
