"""Where a layer cannot be traced: differences of plain runs, with an estimate of their own error.

Complex step first (Squire and Trapp, SIAM Review 40, 1998), where the layer computes on complex numbers as on real
ones; else Ridders' extrapolation of central differences (Advances in Engineering Software 4, 1982). A gradient is
refuted only where it lies outside what the estimate of the error allows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from dout.adapt.interface.adapted_layer import step_rate
from dout.adapt.sizes.proposed_arrays import size_of
from dout.check.exact.judge import Judgement
from dout.check.exact.ratio import Likeness, is_same, ratio_of_floats
from dout.check.exact.subject import PlainRun, Subject, copied, quiet
from dout.check.report.verdicts import Verdict
from dout.graph import INPUT, Node
from dout.judge.outcomes import Judged, Outcome, Word
from dout.trace.model.replay import flat
from dout.trace.session.attribute_swap import attributes_of
from dout.trace.session.pairing import pairs

ELEMENTS = 12  # of one gradient that are compared
TINY = 1e-30  # the complex step, as every step here relative to the size of the value
NEARBY = 1e-6  # a step across which there is hardly a kink, and how far a right gradient is from its slope
GOOD = 1e-5  # an estimate of the error beyond this part of the gradient's size says nothing
STEPS = (0.05, 5e-4, 5e-6)  # the first steps of an extrapolation: the later ones where a function bends much sooner
Loss = Callable[[Any], Any]  # the value of the input or parameter → ⟨dout, forward⟩


@dataclass(frozen=True, eq=False)
class _Place:
    """An input or parameter with its gradient as backward gave it, and the loss as a function of it."""

    name: str
    value: Any
    gradient: Any
    loss: Loss
    parameter: bool
    natural: float  # the size of a gradient of this output by this value, where nothing cancels
    lost: float = 0.0  # what rounding leaves out of a gradient that is known from a step of the parameter alone


def judge_numerically(subject: Subject, first: PlainRun) -> Judgement:
    """Judge the gradients of a plain run by differences."""
    ignores = _ignores_dout(subject, first)
    ones = tuple(np.ones(np.shape(output))[()] for output in first.outputs)
    first = PlainRun(first.layer, first.inputs, ones, first.outputs, first.gradients) if ignores else first
    verdicts, refuted, likeness, parameters = [], {}, {}, set()
    for place in _places(subject, first):
        outcome, route, ratio = _judged(place)
        verdicts.append(Verdict(place.name, outcome.word, route, because=outcome.because))
        passed = len(first.douts) == 1 and is_same(place.gradient, first.douts[0])
        likeness[place.name] = Likeness(ratio, passed, _constancy(place.value))
        parameters |= {place.name} if place.parameter else set()
        if outcome.word == Word.REFUTED:
            refuted[outcome.judged.node] = outcome
    return Judgement(
        tuple(verdicts),
        refuted,
        ignores_dout=ignores,
        is_loss=subject.ends or all(np.size(output) == 1 for output in first.outputs),
        likeness=likeness,
        parameters=frozenset(parameters),
        outputs=tuple(map(np.shape, first.outputs)),
    )


def _ignores_dout(subject: Subject, first: PlainRun) -> bool:
    """Whether another upstream gradient gives the same gradients."""
    try:
        other = subject.run(douts=subject.upstream(first.outputs, seed=1))
    except Exception:
        return False
    pairs = [(a, b) for a, b in zip(first.gradients, other.gradients, strict=False) if a is not None]
    return any(np.any(a) for a, _ in pairs) and all(np.array_equal(a, b) for a, b in pairs)


def _places(subject: Subject, first: PlainRun) -> Iterator[_Place]:
    names = [*subject.names, *(f"input {i}" for i in range(len(subject.names), len(subject.inputs)))]
    weighed = zip(first.outputs, first.douts, strict=True)
    output = sum(float(np.sum(np.abs(np.multiply(o, d), dtype=float))) for o, d in weighed)
    for i, (name, value, gradient) in enumerate(zip(names, subject.inputs, first.gradients, strict=False)):
        if gradient is not None and _is_float(value):
            loss = partial(_of_input, subject, first, i)
            yield _Place(name, value, gradient, loss, parameter=False, natural=output / size_of(value))
    rate = step_rate(first.layer, subject.interface) if subject.interface else None
    for pair in pairs(attributes_of(subject.again()), attributes_of(first.layer)):
        loss = partial(_of_parameter, subject, first, pair.name)
        size = size_of(pair.parameter)
        lost = 4 * np.finfo(float).eps * size / abs(rate) if rate else 0.0
        yield _Place(pair.name, pair.parameter, pair.gradient, loss, True, natural=output / size, lost=lost)


def _is_float(value: Any) -> bool:
    return type(value) in (int, float) or (isinstance(value, np.ndarray | np.generic) and value.dtype.kind == "f")


def _of_input(subject: Subject, first: PlainRun, number: int, value: Any) -> Any:
    inputs = tuple(copied(value if i == number else item) for i, item in enumerate(subject.inputs))
    return _weighted(subject.again(), inputs, first)


def _of_parameter(subject: Subject, first: PlainRun, name: str, value: Any) -> Any:
    layer = subject.again()
    if np.iscomplexobj(value):
        raise TypeError("a parameter stays real: it is written in place")
    for pair in pairs(attributes_of(layer), attributes_of(first.layer)):
        if pair.name == name:
            pair.parameter[...] = value
    return _weighted(layer, subject.fresh_inputs(), first)


def _weighted(layer: Any, inputs: tuple[Any, ...], first: PlainRun) -> Any:
    with quiet():
        outputs = list(flat(layer.forward(*inputs)))
    return sum(np.sum(np.asarray(o) * np.asarray(d)) for o, d in zip(outputs, first.douts, strict=True))


def _judged(place: _Place) -> tuple[Outcome, str, float | None]:
    """The outcome, the route that spoke, and how many times the derivative the gradient is, where it is one number."""
    value = np.asarray(place.value, dtype=float)
    got = np.asarray(place.gradient)
    node = Node(INPUT, (), {}, value.shape, value.dtype)
    judged = Judged(place.name, node, node, place.parameter)
    if got.shape != value.shape:
        shape = f"its shape is {got.shape}"
        return Outcome(judged, Word.REFUTED, np.zeros(value.shape), got, {}, shape), "shapes", None
    expected, error = np.array(got, dtype=float), np.full(value.shape, place.lost)
    route, compared = "complex step", []
    for index in _some(value):
        if _is_kink(place.loss, value, index):
            continue  # any slope between the two sides is right there
        slope = _complex_step(place.loss, value, index)
        if slope is None:
            route, (slope, unsure) = "differences", _settled(place.loss, value, index, float(got[index]))
            error[index] += unsure
        nearby = _nearby(place.loss, value, index)
        if abs(nearby - got[index]) <= NEARBY * abs(nearby):
            slope, error[index] = float(got[index]), place.lost  # where larger steps meet a kink that is not here
        expected[index] = slope
        compared.append(index)
    size = float(np.max(np.abs(expected), initial=0.0))
    off = np.abs(np.asarray(got, dtype=float) - expected)
    allowed = 4 * error + _precision(place.value) * (size + 1e-6 * place.natural)  # 0 may come out as 1e-16
    if not np.all(np.isfinite(expected)) or np.any(error > GOOD * (size + 1e-12 * place.natural)):
        settled = np.isfinite(expected) & (error <= 1e-2 * np.abs(expected) + 1e-6 * place.natural)
        wrong = bool(np.any((off > allowed + 1e-2 * size) & settled))
        word, because = (Word.REFUTED, "") if wrong else (Word.INCONCLUSIVE, "the differences do not settle")
    else:
        word, because = (Word.REFUTED, "") if np.any(~(off <= allowed)) else (Word.AGREES, "")
    pairs = [(expected[index], float(got[index])) for index in compared]
    ratio = ratio_of_floats([e for e, _ in pairs], [g for _, g in pairs], _constancy(place.value))
    return Outcome(judged, word, expected, np.asarray(got, dtype=float), {}, because), route, ratio


def _precision(value: Any) -> float:
    narrow = isinstance(value, np.ndarray | np.generic) and value.dtype.itemsize < 8
    return 1e-2 if narrow else 1e-6


def _constancy(value: Any) -> float:
    """How far a ratio may be from the same one, that of differences."""
    return max(1e-4, _precision(value))


def _some(value: np.ndarray[Any, Any]) -> list[tuple[int, ...]]:
    """A few elements, spread at random."""
    places = list(np.ndindex(*value.shape))
    chosen = np.random.default_rng(0).permutation(len(places))[:ELEMENTS]
    return [places[i] for i in sorted(chosen)]


def _is_kink(loss: Loss, value: np.ndarray[Any, Any], index: tuple[int, ...]) -> bool:
    """Whether the slopes on both sides differ, go on to differ nearer by, and each has come to a value of its own."""
    here, size = _moved(loss, value, index, 0.0), size_of(value)
    sides, gaps = [], []
    for step in (1e-3 * size, 1e-5 * size):
        right = (_moved(loss, value, index, step) - here) / step
        left = (here - _moved(loss, value, index, -step)) / step
        sides.append((left, right))
        gaps.append(abs(right - left) / (max(abs(right), abs(left)) or 1.0))
    (left, right), (left_, right_) = sides
    settles = abs(left - left_) + abs(right - right_) < abs(right_ - left_)
    return settles and gaps[1] > 1e-3 and gaps[1] > gaps[0] / 2


def _complex_step(loss: Loss, value: np.ndarray[Any, Any], index: tuple[int, ...]) -> float | None:
    """The slope by a complex step; None where the layer does not compute on complex numbers as on real ones."""
    moved, step = value.astype(complex), TINY * size_of(value)
    moved[index] += 1j * step
    try:
        result, real = loss(moved if value.shape else moved[()]), loss(value if value.shape else value[()])
    except Exception:
        return None
    agrees = np.iscomplexobj(result) and np.allclose(np.real(result), real, rtol=1e-9, atol=0)
    slope = float(np.imag(result)) / step if agrees else 0.0
    rough, error = _settled(loss, value, index, slope)  # abs and the like pass, silently and wrongly
    agrees = agrees and error < math.inf
    return slope if agrees and abs(slope - rough) <= 10 * error + 1e-4 * abs(rough) else None


def _settled(loss: Loss, value: np.ndarray[Any, Any], index: tuple[int, ...], guess: float) -> tuple[float, float]:
    """The slope by differences, and an estimate of its error: where the first is not the guess, of several together."""
    size, found = size_of(value), []
    own = abs(float(value[index]))
    for step in (*(size * s for s in STEPS), STEPS[0] * own if 0 < own < STEPS[1] * size else STEPS[0]):
        slope, error = _ridders(loss, value, index, step)
        if error <= GOOD * abs(slope) and abs(slope - guess) <= 4 * error + 1e-6 * abs(slope):
            return slope, error
        found.append((error, slope))
    (error, slope), (_, other), *_ = sorted(found)
    here, beside = (_moved(loss, value, index, step) for step in (0.0, float(np.spacing(own))))
    if abs(beside - here) > 1e-6 * abs(here):
        return slope, math.inf  # it bends from one float to the next: no step is small enough
    return slope, max(error, abs(slope - other))


def _ridders(loss: Loss, value: np.ndarray[Any, Any], index: tuple[int, ...], step: float) -> tuple[float, float]:
    """The slope by extrapolated central differences, and an estimate of its error."""
    shrink, size = 1.6, 8
    table = np.zeros((size, size))
    best, error = float("nan"), float("inf")
    for i in range(size):
        table[0, i] = (_moved(loss, value, index, step) - _moved(loss, value, index, -step)) / (2 * step)
        factor = 1.0
        for j in range(1, i + 1):
            factor *= shrink**2
            table[j, i] = (table[j - 1, i] * factor - table[j - 1, i - 1]) / (factor - 1)
            guess = max(abs(table[j, i] - table[j - 1, i]), abs(table[j, i] - table[j - 1, i - 1]))
            if guess <= error:
                best, error = float(table[j, i]), float(guess)
        if i and abs(table[i, i] - table[i - 1, i - 1]) >= 2 * error:
            break
        step /= shrink
    return best, error


def _nearby(loss: Loss, value: np.ndarray[Any, Any], index: tuple[int, ...]) -> float:
    """The slope between two points next to each other: rough, but hardly anything lies between them."""
    step = NEARBY * size_of(value)
    return (_moved(loss, value, index, step) - _moved(loss, value, index, -step)) / (2 * step)


def _moved(loss: Loss, value: np.ndarray[Any, Any], index: tuple[int, ...], step: float) -> float:
    moved = value.copy()
    moved[index] += step
    return float(loss(moved if value.shape else moved[()]))
