"""Other points to judge at: near the given one and generic, further away to come to other branches, and on kinks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dout.judge.judged_run import JudgedRun
from dout.judge.outcomes import Point
from dout.ops import primitives

if TYPE_CHECKING:  # numpy.random is loaded late
    Move = Callable[[Any, np.random.Generator], Any]  # a value → another one


def nearby(value: Any, generator: np.random.Generator) -> Any:
    """A value near this one: no number is special any more, and none changes its sign."""
    value = np.asarray(value, dtype=float)
    moved = value * (1 + generator.uniform(-0.25, 0.25, value.shape))
    return np.where(value == 0, _size(value) * generator.uniform(-0.25, 0.25, value.shape), moved)[()]


def far(scale: float) -> Move:
    """A value of both signs and of another scale."""
    return lambda value, generator: (scale * _size(np.asarray(value)) * generator.normal(size=np.shape(value)))[()]


SCALES = (1.0, 3.0, 0.3, 10.0)


def generic(run: JudgedRun, seed: int) -> Point:
    """A point near the base."""
    return _moved(run, nearby, np.random.default_rng(seed))


def spread_out(run: JudgedRun, seed: int) -> Point:
    """A point far from the base, to come to other branches."""
    return _moved(run, far(SCALES[seed % len(SCALES)]), np.random.default_rng(1000 + seed))


def beyond(run: JudgedRun, limits: Sequence[float]) -> Iterator[tuple[Point, bool]]:
    """Points on other sides of conditions, each with whether it is far out; `limits` are what is compared with.

    Numbers about the limits, of one sign, of unusual size, all alike; other labels; upstream gradients of other sizes.
    """
    yield from ((spread_out(run, seed), False) for seed in range(MOST_SPREAD))
    about = _about(limits)
    moves = [*map(_picked, [about] * 4), _picked(limits)] if about else []
    for seed, move in enumerate((*moves, *_MOVES)):
        yield _moved(run, move, np.random.default_rng(2000 + seed)), True
    for seed, other in enumerate(_LABELS if run.labels else ()):
        given = {node: other(run.base[node], limits) for node in run.labels}
        yield {**generic(run, seed), **given}, False
    for seed, move in enumerate(() if run.ignores_dout else (*_MOVES, *map(_picked, [about] * 2 if about else []))):
        point, generator = generic(run, seed), np.random.default_rng(3000 + seed)
        yield {**point, **{dout: move(point[dout], generator) for dout in run.seeds.values()}}, False


def mirrored(run: JudgedRun, point: Point) -> Point:
    """The same point with all signs turned: two conditions together have more sides than each by itself."""
    return {**point, **{node: -np.asarray(point[node])[()] for node in run.varying}}


def further(run: JudgedRun, point: Point) -> Point:
    """A point in the same direction, ten times as far."""
    return {**point, **{node: (np.asarray(point[node]) * 10.0)[()] for node in run.varying}}


def _some(move: Move) -> Move:
    """Half of the numbers changed, the others near."""

    def moved(value: Any, generator: np.random.Generator) -> Any:
        chosen = generator.random(np.shape(value)) < 0.5
        return np.where(chosen, move(value, generator), nearby(value, generator))[()]

    return moved


def of_sign(sign: float, scale: float) -> Move:
    """A value of one sign and of another scale."""
    return lambda value, generator: sign * np.abs(far(scale)(value, generator))


def _alike(value: Any, generator: np.random.Generator) -> Any:
    """All numbers the same."""
    return np.full(np.shape(value), _size(np.asarray(value)))[()]


def _picked(numbers: Sequence[float]) -> Move:
    return _some(lambda value, generator: generator.choice(numbers, size=np.shape(value)))


_HALF = 2.0317  # about two: what lies between whole numbers is no kink of floor or round


def _about(limits: Sequence[float]) -> list[float]:
    """Numbers at, below and above limits, and between two of them."""
    near = [c * share for c in limits[:MOST_LIMITS] for share in (0.7391, 1.2713, 2.0317, -0.7391, -1.2713)]
    pairs = [(a, b) for i, a in enumerate(limits[:MOST_LIMITS]) for b in limits[:i]]
    between = [(a + b) / _HALF for a, b in pairs]
    return near + between + [c for a, b in pairs for c in (a + b / _HALF, a - b / _HALF, b + a / _HALF, b - a / _HALF)]


ACROSS = ((-3.0, 1.5), (50.0, 0.0), (1e-3, 0.0))  # factors and offsets: out of most bounds, and below most floors
BOUNDS = primitives("clip maximum minimum where")  # where a value may be the same as one before it, and is not always
MOST_SPREAD = 12
MOST_LIMITS = 6
_MOVES: tuple[Move, ...] = (
    of_sign(1, 1.0), of_sign(-1, 1.0), of_sign(1, 30.0), of_sign(-1, 30.0),
    *(_some(far(scale)) for scale in (30.0, 100.0, 1e3, 1e4, 1e6, 1e9)),
    *(far(scale) for scale in (1e-2, 1e-4, 1e-8, 100.0, 1e4, 1e6)),
    of_sign(1, 1e3), of_sign(-1, 1e3), _alike,
)  # fmt: skip


def _other_labels(value: Any, limits: Sequence[float]) -> Any:
    """Labels with those that are compared with among them, or, of noughts and ones, the other one."""
    value = np.array(value)
    if value.dtype.kind == "f":
        return (1 - value) if np.isin(value, (0, 1)).all() and value.ndim < 2 else value
    whole = [int(c) for c in limits if c == int(c)]
    value.flat[::2] = np.resize(whole or [0], value.flat[::2].shape) if value.dtype.kind == "i" else value.flat[::2]
    return value


_LABELS: tuple[Callable[[Any, Sequence[float]], Any], ...] = (
    _other_labels,
    lambda value, limits: np.zeros_like(value),
    lambda value, limits: np.ones_like(value),
)


def with_kinks(run: JudgedRun) -> Iterator[Point]:
    """Points where one number is 0, or two neighbours are the largest together: where hand-written backwards differ."""
    base = generic(run, seed=7)
    for node in run.varying:
        value = np.array(base[node], dtype=float)
        if value.size:
            zero = value.copy()
            zero.flat[0] = 0.0
            yield {**base, node: zero[()]}
        if value.size and value.shape[-1:] > (1,):
            tie = value.copy()
            tie[(0,) * (value.ndim - 1)][:2] = 2 * np.max(np.abs(value)) or 1.0
            yield {**base, node: tie}


def _moved(run: JudgedRun, move: Move, generator: np.random.Generator) -> Point:
    point = {**run.base, **{n: move(run.base[n], generator) for n in run.varying}}
    return point | run.ones if run.ignores_dout else upstream(run, point, generator)


def upstream(run: JudgedRun, point: Point, generator: np.random.Generator | None = None) -> Point:
    """A point with another upstream gradient, of no special numbers."""
    generator = generator or np.random.default_rng(5)
    return {**point, **{dout: generator.normal(size=dout.shape)[()] for dout in run.seeds.values()}}


def _size(value: Any) -> float:
    """The root mean square; 1 of zeros."""
    return float(np.sqrt(np.mean(value**2))) or 1.0 if value.size else 1.0
