"""Random functions with loops: their gradient is the exact derivative, and their trace is drawn."""

import linecache

import numpy as np
import pytest
from jets import ExactNumPy, KinkError, base, jets, lift, slope_along

import dout
from tests.support.loop_programs import LoopProgram


def made(seed, numpy=np):
    """The function, with its source where `inspect` looks for it."""
    source, file = LoopProgram(seed).source, f"<loops {seed}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    namespace = {"np": numpy}
    exec(compile(source, file, "exec"), namespace)
    return namespace["program"]


@np.errstate(all="ignore")
def compare(seed):
    """Compare the slope along a random direction; False where the function raises, or stands at a kink."""
    rng, program = np.random.default_rng(seed), made(seed)
    given = [rng.normal(size=shape).round(2) for shape in ((3, 3, 3), (3, 3), (3, 3, 3))]
    directions = [rng.integers(-8, 8, size=item.shape) / 8 for item in given]
    labels, weight = rng.integers(0, 3, 3), rng.integers(-8, 8, size=(3, 3, 3)) / 8

    def run(x, y, out, program=program):
        return program(x, y, labels, out, 1.25, 2)[:2]

    def loss(x, y, out):
        changed, total = run(x, y, out.copy())
        return np.sum(changed * weight) + total

    try:
        loss(*given)
        changed, total = run(*map(jets, given, directions), program=made(seed, ExactNumPy()))
        exact = float(slope_along(weight, changed)) + float(base(lift(total).slope))
    except (KinkError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError):
        return False
    if not np.isfinite(exact):
        return False  # numbers grow beyond all floats
    gradients = dout.grad(loss, argnums=(0, 1, 2))(*given)
    slope = sum(float(np.sum(g * d)) for g, d in zip(gradients, directions, strict=True))
    assert slope == pytest.approx(exact, rel=1e-9, abs=1e-9), f"seed {seed}\n{LoopProgram(seed).source}"
    assert str(dout.trace(loss, *given).draw())
    return True


@pytest.mark.parametrize("first", range(0, 500, 50))
def test_the_gradient_of_loops_is_exact_and_they_are_drawn(first):
    assert sum(map(compare, range(first, first + 50))) > 10


@pytest.mark.long
@pytest.mark.parametrize("first", range(500, 20_500, 500))
def test_the_gradient_of_many_more_loops_is_exact(first):
    assert sum(map(compare, range(first, first + 500))) > 100
