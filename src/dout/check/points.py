"""Other points to judge at: near the given one and generic, further away to come to other branches, and on kinks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from dout.graph import PYTHON_NUMBERS

if TYPE_CHECKING:
    from dout.check.exact import Examination, Point

Move = Callable[[Any, np.random.Generator], Any]  # a value → another one


def is_label(value: Any) -> bool:
    """Whether a value is one of a few that mean something: whole numbers, ones among zeros, rows that add up to one."""
    if type(value) in PYTHON_NUMBERS:
        return isinstance(value, bool)
    array = np.asarray(value)
    if array.dtype.kind != "f":
        return True
    if array.ndim == 0 or not array.size:
        return False
    whole = bool(np.all((array == 0) | (array == 1)))
    rows = np.sum(array, axis=-1) if array.shape[-1] > 1 else np.zeros(1)
    return (whole and array.size > 1) or bool(np.all(array >= 0) and np.all(np.abs(rows - 1) < 1e-6))


def nearby(value: Any, generator: np.random.Generator) -> Any:
    """A value near this one: no number is special any more, and none changes its sign."""
    value = np.asarray(value, dtype=float)
    moved = value * (1 + generator.uniform(-0.25, 0.25, value.shape))
    return np.where(value == 0, _size(value) * generator.uniform(-0.25, 0.25, value.shape), moved)[()]


def far(scale: float) -> Move:
    """A value of both signs and of another scale."""
    return lambda value, generator: (scale * _size(np.asarray(value)) * generator.normal(size=np.shape(value)))[()]


SCALES = (1.0, 3.0, 0.3, 10.0)


def generic(examination: Examination, seed: int) -> Point:
    """A point near the base."""
    return _moved(examination, nearby, np.random.default_rng(seed))


def spread_out(examination: Examination, seed: int) -> Point:
    """A point far from the base, to come to other branches."""
    return _moved(examination, far(SCALES[seed % len(SCALES)]), np.random.default_rng(1000 + seed))


def with_kinks(examination: Examination) -> Iterator[Point]:
    """Points where one number is 0, or two neighbours are the largest together: where hand-written backwards differ."""
    base = generic(examination, seed=7)
    for node in examination.varying:
        value = np.array(base[node], dtype=float)
        if value.size:
            zero = value.copy()
            zero.flat[0] = 0.0
            yield {**base, node: zero[()]}
        if value.size and value.shape[-1:] > (1,):
            tie = value.copy()
            tie[(0,) * (value.ndim - 1)][:2] = 2 * np.max(np.abs(value)) or 1.0
            yield {**base, node: tie}


def _moved(examination: Examination, move: Move, generator: np.random.Generator) -> Point:
    point = {**examination.base, **{n: move(examination.base[n], generator) for n in examination.varying}}
    return point | examination.ones if examination.ignores_dout else upstream(examination, point, generator)


def upstream(examination: Examination, point: Point, generator: np.random.Generator | None = None) -> Point:
    """A point with another upstream gradient, of no special numbers."""
    generator = generator or np.random.default_rng(5)
    return {**point, **{dout: generator.normal(size=dout.shape)[()] for dout in examination.seeds.values()}}


def _size(value: Any) -> float:
    """The root mean square; 1 of zeros."""
    return float(np.sqrt(np.mean(value**2))) or 1.0 if value.size else 1.0
