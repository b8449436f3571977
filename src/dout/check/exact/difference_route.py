"""Where a layer cannot be traced: numerical differences of plain runs, with an estimate of their own error.

A gradient is refuted only where it lies outside what the estimate of the error allows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from dout.adapt.interface.adapted_layer import users_class
from dout.adapt.interface.method_pairs import reads_and_writes
from dout.adapt.interface.users_backward import step_rate
from dout.check.exact.judge import Judgement
from dout.check.exact.ratio import Likeness, is_same, ratio_of_floats
from dout.check.exact.subject import Subject
from dout.check.report.verdicts import Verdict
from dout.errors import TargetError
from dout.graph import INPUT, Node
from dout.judge.float_judge import outcomes_in_float64
from dout.judge.outcomes import Judged, Outcome, Word
from dout.run import (
    Line,
    PlainRun,
    arrays,
    attributes_of,
    central_difference,
    copied,
    places,
    quiet,
    size_of,
    upstream,
    weighed,
)
from dout.run.numerical_difference import GOOD
from dout.trace.session.pairing import pairs, parts_of

ELEMENTS = 12  # of one gradient that are compared
_DIRECTIONS = 3
_PROPORTIONAL = 1e-6  # how far the ratio of a right gradient to the derivative is from 1
NEARBY = 1e-6  # a step across which there is hardly a kink, and how far a right gradient is from its slope
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
    lost: float = 0.0  # the rounding error of a gradient that is known only by the parameter's step


def judge_numerically(subject: Subject, first: PlainRun, *, repeats: bool = True, may_ignore: bool = True) -> Judgement:
    """Judge the gradients of a plain run by differences; nothing is wrong of a forward that differs at each call.

    Two runs say whether it `repeats`, unless it is known that it does not. A backward that ignores dout is judged at
    ones, if it `may_ignore` it. Raises TargetError where forward returns no numbers.
    """
    for output in first.outputs:
        if np.asarray(output).dtype.kind not in "biufc":
            raise TargetError(f"{subject.name}.forward returns {type(output).__qualname__}, which is no number")
    other = _on_another_dout(subject, first)
    ignores = may_ignore and other is not None and _has_same_gradients(subject, first, other)
    repeats &= other is None or all(map(is_same, first.outputs, other.outputs))
    ones = tuple(np.ones(np.shape(output))[()] for output in first.outputs)
    first = PlainRun(first.layer, first.inputs, ones, first.outputs, first.gradients) if ignores else first
    verdicts, refuted, likeness, parameters = [], {}, {}, set()
    for place in _places(subject, first):
        outcome, route, ratio = _judged(place)
        if outcome.word == Word.REFUTED and not repeats:
            outcome = replace(outcome, word=Word.INCONCLUSIVE, because="forward gives other numbers at each call")
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


class Slopes(NamedTuple):
    """A gradient as backward gave it, and the slopes of forward along some directions that it has to have.

    `place` is that of an input, None of a parameter.
    """

    name: str
    gradient: Any
    place: int | None
    along: list[tuple[Any, float]]


def slopes(subject: Subject, first: PlainRun) -> Iterator[Slopes]:
    """The slopes of forward by each input and parameter of which backward gave a gradient; of kinks there are none."""
    generator = np.random.default_rng(2)
    numbers = {name: i for i, name in enumerate(subject.names)}
    for place in _places(subject, first):
        value = np.asarray(place.value, dtype=float)
        ways = [generator.normal(size=value.shape) * size_of(value) for _ in range(_DIRECTIONS)]
        lines = (Line(partial(_all_moved, place.loss, value, way), 0.0, 1.0) for way in ways)
        along = [(way, line.steady_slope()[0]) for way, line in zip(ways, lines, strict=True)]
        number = None if place.parameter else numbers.get(place.name)
        yield Slopes(place.name, place.gradient, number, [(way, slope) for way, slope in along if np.isfinite(slope)])


def uncontradicted(judgement: Judgement, subject: Subject, first: PlainRun) -> Judgement:
    """The judgement without the refutations that plain runs contradict: the recording has lost something there."""
    examination = judgement.examination
    if examination is None or not judgement.refuted:
        return judgement
    point = examination.base
    run = replace(first, douts=tuple(point[dout] for dout in examination.seeds.values()))
    here = {outcome.judged.node: outcome for outcome in outcomes_in_float64(examination, point, confirm=False)[0]}
    doubted = {node for node in judgement.refuted if node in here and _speak_for(subject, run, here[node])}
    return doubting(judgement, doubted)


def doubting(judgement: Judgement, nodes: Collection[Node]) -> Judgement:
    """The judgement with these gradients inconclusive."""
    names = {outcome.judged.name for node, outcome in judgement.refuted.items() if node in nodes}
    because = "differences of plain runs do not confirm it"
    verdicts = (replace(v, word=Word.INCONCLUSIVE, because=because) if v.argument in names else v
                for v in judgement.verdicts)  # fmt: skip
    refuted = {node: outcome for node, outcome in judgement.refuted.items() if node not in nodes}
    return replace(judgement, verdicts=tuple(verdicts), refuted=refuted)


def _speak_for(subject: Subject, first: PlainRun, outcome: Outcome) -> bool:
    """Whether plain runs speak for a gradient that a recording refutes.

    The slope of forward along the difference of the two gradients tells them apart.
    """
    expected, got = np.asarray(outcome.expected, dtype=float), np.asarray(outcome.got, dtype=float)
    place = next((place for place in _places(subject, first) if place.name == outcome.judged.name), None)
    if place is None or np.shape(place.value) != got.shape or expected.shape != got.shape:
        return False
    way = got - expected
    apart = float(np.sum(way * way))
    if not 0 < apart < np.inf:
        return False
    value = np.asarray(place.value, dtype=float)
    resolution = np.finfo(np.asarray(place.value).dtype if np.ndim(place.value) else float).eps
    near = NEARBY if resolution < NEARBY**2 else resolution ** (1 / 3)  # float32 sees no smaller step
    step = near * size_of(place.value) / float(np.max(np.abs(way)))
    slope = central_difference(lambda share: float(place.loss((value + share * way)[()])), step)
    return bool(abs(slope - float(np.sum(got * way))) <= 1e-3 * apart)


def _on_another_dout(subject: Subject, first: PlainRun) -> PlainRun | None:
    try:
        return subject.run(douts=upstream(first.outputs, seed=1))
    except Exception:  # the layer's own
        return None


def _has_same_gradients(subject: Subject, first: PlainRun, other: PlainRun) -> bool:
    both = [[place.gradient for place in _places(subject, run)] for run in (first, other)]
    return any(map(np.any, both[0])) and all(map(np.array_equal, *both))


def _places(subject: Subject, first: PlainRun) -> Iterator[_Place]:
    names = [*subject.names, *(f"input {i}" for i in range(len(subject.names), len(subject.inputs)))]
    output = float(weighed(map(np.abs, first.outputs), map(np.abs, first.douts)))
    for i, (name, value, gradient) in enumerate(zip(names, subject.inputs, first.gradients, strict=False)):
        if gradient is not None and _is_float(value):
            loss = partial(_of_input, subject, first, i)
            yield _Place(name, value, gradient, loss, parameter=False, natural=output / size_of(value))
    rate = step_rate(first.layer, subject.interface) if subject.interface else None
    fresh = subject.again()
    held = {place.path: place.item for place in places(fresh)}
    paths = {id(item): path for layer in (first.layer, fresh) for path, item in _arrays_by_path(layer)}
    cls = users_class(type(fresh))
    ahead, back = (reads_and_writes(cls, name) for name in (subject.forward_name, subject.backward_name))
    for pair in pairs(_unchanged(fresh, first.layer, back[1] & ahead[0]), attributes_of(first.layer)):
        path = paths.get(id(pair.parameter), f"self.{pair.name}")
        if not _is_float(held.get(path)):  # forward or backward has made it
            continue
        loss = partial(_of_parameter, subject, first, path)
        if pair.by == "shape" and pair.name in back[1] - ahead[0]:  # an optimizer keeps it
            continue
        size = size_of(held[path])
        lost = 4 * np.finfo(float).eps * size / abs(rate) if rate else 0.0
        yield _Place(pair.name, held[path], pair.gradient, loss, True, natural=output / size, lost=lost)


def _arrays_by_path(layer: Any) -> list[tuple[str, Any]]:
    """The arrays that a layer holds, the first place of each last."""
    return list(arrays(layer).items())[::-1]


def _unchanged(before: Any, after: Any, stepped: Collection[str]) -> dict[str, Any]:
    """The attributes of a fresh layer, as the arrays of the one that ran where it still holds the same numbers.

    Or others, where backward has `stepped`. A gradient of another shape is that of a parameter only if the layer still
    holds this. Objects are those of the layer that ran: in a parameter that is one its gradient stands.
    """
    now = attributes_of(after)

    def is_kept(name: str, item: Any) -> bool:
        other: Any = now.get(name)
        if any(attributes_of(part) for part in (item, *parts_of(item))):
            return name in now
        is_array = _is_float(item) and _is_float(other) and np.shape(item) == np.shape(other)
        return is_array and (name in stepped or is_same(item, other))

    return {name: now[name] if is_kept(name, item) else item for name, item in attributes_of(before).items()}


def _is_float(value: Any) -> bool:
    return type(value) in (int, float) or (isinstance(value, np.ndarray | np.generic) and value.dtype.kind == "f")


def _of_input(subject: Subject, first: PlainRun, number: int, value: Any) -> Any:
    value = np.asarray(value) if isinstance(subject.inputs[number], np.ndarray) else value  # also one without axes
    inputs = tuple(copied(value if i == number else item) for i, item in enumerate(subject.inputs))
    return _weighted(subject, subject.again(), inputs, first)


def _of_parameter(subject: Subject, first: PlainRun, path: str, value: Any) -> Any:
    """The loss with another value of the parameter at a path."""
    layer = subject.again()
    if np.iscomplexobj(value):
        raise TypeError("a parameter stays real: it is written in place")
    place = next(place for place in places(layer) if place.path == path)
    if isinstance(place.item, np.ndarray):
        place.item[...] = value
    else:
        place.put(value)
    return _weighted(subject, layer, subject.fresh_inputs(), first)


def _weighted(subject: Subject, layer: Any, inputs: tuple[Any, ...], first: PlainRun) -> Any:
    with quiet():
        return weighed(subject.runner.forward(layer, inputs), first.douts)


def _judged(place: _Place) -> tuple[Outcome, str, float | None]:
    """The outcome, the route that spoke, and how many times the derivative the gradient is, where it is one number."""
    value = np.asarray(place.value, dtype=float)
    got = np.asarray(place.gradient)
    got = got.astype(float) if got.dtype == object else got  # of numbers that are objects, as of a tape's tensor
    node = Node(INPUT, (), {}, value.shape, value.dtype)
    judged = Judged(place.name, node, node, place.parameter)
    if got.shape != value.shape:
        shape = f"its shape is {got.shape}"
        return Outcome(judged, Word.REFUTED, np.zeros(value.shape), got, {node: value}, shape), "shapes", None
    told = _along_directions(place, value, got)
    if told.times is not None:
        word, times = (Word.AGREES, 1.0) if abs(told.times - 1) <= _PROPORTIONAL else (Word.REFUTED, told.times)
        numbers = np.asarray(got, dtype=float)
        return Outcome(judged, word, numbers / times, numbers, {node: value}), told.route, times
    expected, error = np.array(got, dtype=float), np.full(value.shape, place.lost)
    route, compared = "complex step", []
    for index in dict.fromkeys([*told.wrong, *_some(value)]):
        line = Line(partial(_moved, place.loss, value, index), float(value[index]), size_of(value))
        if line.is_kink():
            continue  # any slope between the two sides is right there
        slope, unsure, in_one_step = line.slope(guess=float(got[index]))
        route = route if in_one_step else "differences"
        error[index] += unsure
        nearby = line.nearby(NEARBY)
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
    elif value.size and not compared:
        word, because = Word.INCONCLUSIVE, "the differences meet a kink everywhere"
    else:
        word, because = (Word.REFUTED, "") if np.any(~(off <= allowed)) else (Word.AGREES, "")
    pairs = [(expected[index], float(got[index])) for index in compared]
    ratio = ratio_of_floats([e for e, _ in pairs], [g for _, g in pairs], _constancy(place.value))
    return Outcome(judged, word, expected, np.asarray(got, dtype=float), {node: value}, because), route, ratio


class _Along(NamedTuple):
    """How many times the derivative a whole gradient is, where that is one number; else elements that are wrong."""

    times: float | None = None
    route: str = "differences"
    wrong: tuple[tuple[int, ...], ...] = ()


def _along_directions(place: _Place, value: np.ndarray[Any, Any], got: Any) -> _Along:
    """What the slopes along random directions say, in which all elements move at once.

    They are the gradient's, divided by a number, if the gradient is the derivative times it, and hardly else. So most
    right gradients take some twenty runs, not some twenty for each element. Float64 alone is fine enough; a gradient
    that is known only to `lost` is not. Complex steps that contradict the gradient lead to an element that is wrong.
    """
    if not value.size or _precision(place.value) > _PROPORTIONAL or place.lost or not np.all(np.isfinite(got)):
        return _Along()
    generator, ratios, route = np.random.default_rng(0), list[float](), "complex step"
    signs = np.where(got == 0, generator.choice([-1.0, 1.0], size=value.shape), np.sign(got))
    for _ in range(_DIRECTIONS):
        way = generator.uniform(-0.5, 1.5, size=value.shape) * signs * size_of(value)  # along which little cancels
        along = float(np.sum(got * way))
        slope, is_complex = Line(partial(_all_moved, place.loss, value, way), 0.0, 1.0).steady_slope()
        if not along or not abs(slope) > 1e-3 * abs(along):  # nan, too
            return _Along()
        ratios.append(along / slope)
        route = route if is_complex else "differences"
    if max(ratios) - min(ratios) <= _PROPORTIONAL / 10 * abs(ratios[0]):
        return _Along(ratios[0], route)
    return _Along(wrong=_first_wrong(place, value, got, way) if route == "complex step" else ())


def _first_wrong(
    place: _Place, value: np.ndarray[Any, Any], got: Any, way: np.ndarray[Any, Any]
) -> tuple[tuple[int, ...], ...]:
    """An element in a half of a half that the slope along `way` contradicts, halved until one is left."""
    left = np.arange(value.size)
    while len(left) > 1:
        half = left[: len(left) // 2]
        part = np.where(np.isin(np.arange(value.size), half).reshape(value.shape), way, 0.0)
        slope, is_complex = Line(partial(_all_moved, place.loss, value, part), 0.0, 1.0).steady_slope()
        if not is_complex and np.any(got.reshape(-1)[half]):
            return ()
        along = float(np.sum(got * part))
        is_wrong = abs(along - slope) > _PROPORTIONAL * (abs(along) + abs(slope))
        left = half if is_wrong else left[len(left) // 2 :]
    return (tuple(int(i) for i in np.unravel_index(left[0], value.shape)),)


def _precision(value: Any) -> float:
    narrow = isinstance(value, np.ndarray | np.generic) and value.dtype.itemsize < 8
    return 1e-2 if narrow else 1e-6


def _constancy(value: Any) -> float:
    """How far two ratios of differences may lie apart and count as the same."""
    return max(1e-4, _precision(value))


def _some(value: np.ndarray[Any, Any]) -> list[tuple[int, ...]]:
    """A few elements, spread at random."""
    places = list(np.ndindex(*value.shape))
    chosen = np.random.default_rng(0).permutation(len(places))[:ELEMENTS]
    return [places[i] for i in sorted(chosen)]


def _all_moved(loss: Loss, value: np.ndarray[Any, Any], way: np.ndarray[Any, Any], step: Any) -> Any:
    """The loss where all elements have moved some way."""
    return loss((value + step * way)[()])


def _moved(loss: Loss, value: np.ndarray[Any, Any], index: tuple[int, ...], step: Any) -> Any:
    """The loss where one element is a step away: a real number, or a complex one."""
    is_complex = isinstance(step, complex)
    moved = value.astype(complex if is_complex else float)
    moved[index] += step
    found = loss(moved if value.shape else moved[()])
    return found if is_complex else float(found)
