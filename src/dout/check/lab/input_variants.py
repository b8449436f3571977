"""Other runs of a layer, on other sides of its conditions: other values, other sizes, the other value of a flag."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import starmap
from typing import Any, NamedTuple

import numpy as np

from dout.adapt.argument_names import taken_by
from dout.check.exact.difference_route import doubting, judge_numerically, uncontradicted
from dout.check.exact.judge import MOST_TRIES, Judgement, judge
from dout.check.exact.subject import Subject
from dout.check.lab.batch_axis import resized_along
from dout.check.report.verdicts import WORDS, Verdict
from dout.clock import WorkBudget
from dout.judge.judged_run import STABILISER, is_label, is_one_hot
from dout.judge.judging_points import SCALES, far, nearby, of_sign
from dout.judge.outcomes import Word
from dout.run import PlainRun, attributes_of, copied, is_float_array, otherwise
from dout.trace.capture.covered_sides import FALSE, ConditionPlace, Covered
from dout.trace.capture.watched_conditions import watched

MOST_SECONDS = 2.0  # for all variants
MOST_SIZE = 300  # of an axis, where a condition asks for so many
_LARGE = (30.0, 1e3, 1e5, 1e-3)
_COLUMNS = 4
_ON_PURPOSE = re.compile(r"clip|norm", re.IGNORECASE)  # a gradient is cut off


@dataclass(frozen=True, eq=False)
class Variant:
    """A subject in another state or with other inputs.

    What is wrong of one that is `trusted` is wrong of the layer: it takes such inputs. One `always` counts, also where
    it comes to no other side of a condition in the code. Its values may be `far` out, its inputs of another rank.
    """

    subject: Subject
    trusted: bool = True
    always: bool = False
    far: bool = False
    other_rank: bool = False


def variants(subject: Subject, places: Iterable[ConditionPlace]) -> Iterator[Variant]:
    """Runs that may come to other sides of these conditions."""
    tests = [place.condition for place in places]
    numbers = tuple(dict.fromkeys(number for test in tests for number in _numbers(test) if number))
    for seed, move in enumerate((nearby, *map(far, SCALES))):
        yield Variant(_moved(subject, seed, move), always=True)
    if not tests:
        return
    yield from (Variant(item, trusted=False) for item in _of_other_flags(subject, tests))
    yield from map(Variant, _of_labels_as_rows(subject))
    yield from map(Variant, _of_other_sizes(subject, numbers))
    yield from (Variant(item, other_rank=True) for item in _of_other_ranks(subject))
    for seed, move in enumerate([*map(far, _LARGE), of_sign(1, 10.0), of_sign(-1, 10.0), *map(_about, numbers)]):
        yield Variant(_moved(subject, 10 + seed, move), far=True)


@otherwise(None)
def with_more_columns(subject: Subject) -> Subject | None:
    """The layer on an input of several columns instead of one, of which nothing can be told, if forward takes it."""
    if len(subject.inputs) != 1 or np.shape(subject.inputs[0])[-1:] != (1,) or np.ndim(subject.inputs[0]) < 2:
        return None
    (x,) = subject.fresh_inputs()
    wider = replace(subject, inputs=(resized_along(x, x.ndim - 1, 1, _COLUMNS),))
    return wider if wider.forward() else None


@otherwise(None)
def within_limits(subject: Subject, judgement: Judgement) -> Subject | None:
    """The layer on numbers between 0 and 1, where it is right, if a limit that keeps numbers finite is passed as given.

    `log(maximum(x, 1e-8))` has the derivative 1/x where it is meant for.
    """
    if judgement.examination is None or not (beyond := _limits_come_upon(judgement)):
        return None
    inputs = tuple(x if is_label(x) or not is_float(x) else _share(x) for x in subject.fresh_inputs())
    inside = replace(subject, inputs=inputs)
    found = judge(inside.recorded(inside.run().douts), ends=inside.ends)
    is_right = bool(found.verdicts) and not found.refuted and found.examination is not None
    return inside if is_right and beyond - _limits_come_upon(found) else None


def _limits_come_upon(judgement: Judgement) -> set[tuple[ConditionPlace, str]]:
    """The sides that the run came upon of limits that are there to keep numbers finite."""
    conditions = judgement.examination.conditions  # type: ignore[union-attr]
    nodes = [node for node in conditions.nodes if conditions.is_excused(node)]
    seen = conditions.seen(conditions.trace.data, nodes)
    return {(place, side) for place, sides in seen.sides.items() for side in sides.seen}


def is_float(x: Any) -> bool:
    """Whether these are numbers that may be any."""
    return isinstance(x, float | np.floating) or is_float_array(x)


def _share(x: Any) -> Any:
    """Numbers between 0 and 1 that are as large beside each other."""
    size = np.abs(x) + (np.asarray(x) == 0)
    return (size / (1 + size))[()]


def is_on_purpose(place: ConditionPlace) -> bool:
    """Whether what is behind a condition is meant to be no derivative: a number kept from 0, a gradient cut off."""
    test = place.condition
    numbers = _numbers(test)
    tiny = any(0 < abs(n) <= STABILISER for n in numbers)
    is_zero = isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Eq) and 0 in numbers
    return tiny or is_zero or bool(_ON_PURPOSE.search(str(place)))


class OtherSides(NamedTuple):
    """A judgement, with what it is of; and one with wrong gradients on inputs that the layer may not be meant for."""

    judgement: Judgement
    subject: Subject
    doubtful: tuple[Judgement, Subject] | None = None


def on_other_sides(subject: Subject, judgement: Judgement, seen: Covered) -> OtherSides:
    """Judge a layer that is right so far on the sides of the conditions in its code that `seen` lacks.

    Where values steered the run, its recording holds for the way it went: then it is judged on other values anyway.
    The first variant that refutes speaks, if the layer is meant for its inputs.
    """
    doubtful: tuple[Judgement, Subject] | None = None
    covered, tried, budget = judgement.covered, Counter[tuple[ConditionPlace, str]](), WorkBudget(MOST_SECONDS)
    others: list[Judgement] = []
    doubted: set[ConditionPlace] = set()  # conditions behind which a gradient was less right than elsewhere

    def wanted() -> set[ConditionPlace]:
        return set(seen.sides) & set(covered.open)

    for variant in variants(subject, wanted()) if wanted() or judgement.only_here else ():
        is_asked = variant.always and judgement.only_here
        if budget.is_over() or not (wanted() or is_asked):
            break
        try:
            with watched(bounded=True) as found:
                run = variant.subject.run()
            gained = [side for side in covered.gains(found) if tried[side] < MOST_TRIES]
            if not gained and not is_asked:
                continue
            tried.update(gained)
            other = judge(variant.subject.recorded(run.douts), ends=subject.ends, far=variant.far).of_used()
        except Exception:  # the layer's own, or there is no rule: it does not take these
            continue
        other.covered.add(found)
        if other.refuted and variant.trusted and not any(is_on_purpose(place) for place, _ in gained):
            other = confirmed(other, variant.subject, run)
            if other.refuted:
                other.covered.add(covered)
                there = "" if is_asked else next((f"where {place} is {side}" for place, side in gained), "")
                not_asked = variant.other_rank and not (
                    any(starmap(_is_meant, gained)) and _does_the_same(subject, variant.subject)
                )
                other = replace(other, elsewhere=there, not_meant=not_asked)
                if not not_asked:
                    return OtherSides(other, variant.subject)
                doubtful = doubtful or (other, variant.subject)
                continue
        if _is_as_right(other, judgement):
            covered.add(Covered({place: side for place, side in other.covered.sides.items() if place not in doubted}))
        else:
            doubted |= {place for place, _ in gained}
        others += [other] if is_asked else []
    verdicts = tuple(_decided(v, others) for v in judgement.verdicts)
    return OtherSides(replace(judgement, verdicts=verdicts), subject, doubtful)


def _is_meant(place: ConditionPlace, side: str) -> bool:
    """Whether the code has something for a side: an `if x.ndim == 2` without `else` has nothing for other ranks."""
    test = place.condition
    is_equality = isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Eq)
    return not (is_equality and side == FALSE and place.has_no_else)


@otherwise(False)
def _does_the_same(one: Subject, other: Subject) -> bool:
    """Whether forward makes of inputs with an axis more what it makes of each of their parts, or the sum or mean of it.

    Labels with an axis more may be others: rows with one 1.
    """
    lower, higher = sorted((one, other), key=lambda subject: max(map(np.ndim, subject.inputs)))
    number = max(len(x) for x in higher.inputs if isinstance(x, np.ndarray))
    whole = higher.run().outputs
    given = [tuple(copied(x[i]) if np.ndim(x) else x for x in higher.inputs) for i in range(number)]
    each = [lower.run(inputs).outputs for inputs in given]
    parts = [np.array(part, dtype=float) for part in zip(*each, strict=True)]
    return all(
        any(np.shape(a) == np.shape(b) and np.allclose(a, b) for b in (part, part.sum(axis=0), part.mean(axis=0)))
        for a, part in zip(whole, parts, strict=True)
    )


def _is_as_right(other: Judgement, judgement: Judgement) -> bool:
    """Whether every gradient of another run is right, and no less so: far in, a wrong one may be next to nothing."""
    ranks = {verdict.argument: WORDS.index(verdict.word) for verdict in judgement.verdicts}
    wrong = (Word.INCONCLUSIVE, Word.REFUTED)
    return all(v.word not in wrong and WORDS.index(v.word) <= ranks.get(v.argument, 0) for v in other.verdicts)


def _decided(verdict: Verdict, elsewhere: list[Judgement]) -> Verdict:
    """What other recordings say, where this one says nothing."""
    if verdict.word != Word.INCONCLUSIVE:
        return verdict
    others = [v for judgement in elsewhere for v in judgement.verdicts if v.argument == verdict.argument]
    return next((v for v in others if v.word != Word.INCONCLUSIVE), verdict)


def confirmed(judgement: Judgement, subject: Subject, first: PlainRun) -> Judgement:
    """Where values steered the run, the recording is not the whole layer: plain runs have to refute as well.

    Else it is enough that they do not contradict it.
    """
    if not judgement.refuted:
        return judgement
    if not judgement.only_here:
        return uncontradicted(judgement, subject, first)
    plain = {verdict.argument: verdict.word for verdict in judge_numerically(subject, first).verdicts}
    return doubting(judgement, {n for n, o in judgement.refuted.items() if plain.get(o.judged.name) == Word.AGREES})


def _numbers(test: ast.expr | None) -> list[float]:
    """The numbers in a condition."""
    found = [node.value for node in ast.walk(test) if isinstance(node, ast.Constant)] if test is not None else []
    return [value for value in found if isinstance(value, int | float) and not isinstance(value, bool)]


def _moved(subject: Subject, seed: int, move: Callable[[Any, np.random.Generator], Any]) -> Subject:
    generator = np.random.default_rng(seed)
    inputs = (copied(i) if is_label(i) else move(i, generator) for i in subject.fresh_inputs())
    return replace(subject, inputs=tuple(inputs))


def _about(number: float) -> Callable[[Any, np.random.Generator], Any]:
    """Numbers on both sides of one, by chance all of them above or below."""
    return lambda value, generator: (number * generator.uniform(0.5, 3.0, size=np.shape(value)))[()]


def _of_other_sizes(subject: Subject, numbers: Iterable[float]) -> Iterator[Subject]:
    """Inputs of other lengths along an axis that they share."""
    arrays = [x for x in subject.inputs if isinstance(x, np.ndarray)]
    if not arrays:
        return
    sizes = [int(number) for number in numbers if 0 < number <= MOST_SIZE]
    asked = [size for n in sizes for size in (2 * n + 2, n + 1, n, n - 1) if size <= MOST_SIZE]
    for axis in range(arrays[0].ndim):
        length = arrays[0].shape[axis]
        for size in dict.fromkeys((*asked, length + 1, 2 * length, 1, 2, 3)):
            if size >= 1 and size != length:
                resized_ = tuple(resized_along(x, axis, length, size) for x in subject.inputs)
                yield replace(subject, inputs=resized_)


def _of_labels_as_rows(subject: Subject) -> Iterator[Subject]:
    """Labels that are whole numbers as rows with one 1, and the other way, if forward makes the same of them."""
    for found in with_labels_otherwise(subject):
        with suppress(Exception):  # the layer's own: it does not take these
            pairs = zip(subject.run().outputs, found.run().outputs, strict=True)
            if all(np.allclose(a, b) for a, b in pairs):
                yield found


def with_labels_otherwise(subject: Subject) -> Iterator[Subject]:
    """Labels that are whole numbers as rows with one 1, and the other way.

    They stand beside scores with a number for each class.
    """
    tables = [i for i, x in enumerate(subject.inputs) if np.ndim(x) == 2 and not is_one_hot(np.asarray(x))]
    for i, x in enumerate(subject.inputs if tables else ()):
        scores, labels = np.shape(subject.inputs[tables[0]]), np.asarray(x)
        other: Any = None
        if labels.shape == scores[:1] and labels.dtype.kind in "iu" and labels.max(initial=0) < scores[1]:
            other = np.eye(scores[1])[labels]
        elif labels.shape == scores and is_one_hot(labels):
            other = np.argmax(labels, axis=1)
        if other is None:
            continue
        inputs = (*subject.fresh_inputs()[:i], other, *subject.fresh_inputs()[i + 1 :])
        yield replace(subject, inputs=inputs)


def _of_other_ranks(subject: Subject) -> Iterator[Subject]:
    """Inputs with an axis more or less."""
    if not any(isinstance(x, np.ndarray) for x in subject.inputs):
        return
    more = tuple(
        np.stack([x, x if is_label(x) else x * 1.5]) if isinstance(x, np.ndarray) else x for x in subject.fresh_inputs()
    )
    less = tuple(x[0] if isinstance(x, np.ndarray) and x.ndim else x for x in subject.fresh_inputs())
    yield from (replace(subject, inputs=given) for given in (more, less))


def _of_other_flags(subject: Subject, tests: Iterable[ast.expr | None]) -> Iterator[Subject]:
    """The layer with the other value of a flag, or with the word that a condition asks for."""
    held = attributes_of(subject.again())
    for test in tests:
        for node in ast.walk(test) if test is not None else ():
            if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"):
                continue
            value = held.get(node.attr)
            others: list[Any] = [not value] if isinstance(value, bool) else []
            if isinstance(value, str) and isinstance(test, ast.Compare):
                sides = [test.left, *test.comparators]
                others = [s.value for s in sides if isinstance(s, ast.Constant) and isinstance(s.value, str)]
            for other in others:
                if other != value:
                    yield replace(subject, make=partial(_with, subject.make, node.attr, other))
    asked = {node.id for test in tests if test is not None for node in ast.walk(test) if isinstance(node, ast.Name)}
    for i, (name, default) in enumerate(_arguments(subject)[: len(subject.inputs) + 1]):
        value = subject.inputs[i] if i < len(subject.inputs) else default
        if isinstance(value, bool) and name in asked:
            yield replace(subject, inputs=(*subject.inputs[:i], not value, *subject.inputs[i + 1 :]))


def _arguments(subject: Subject) -> list[tuple[str, Any]]:
    """The arguments of forward, each with its default."""
    parameters = taken_by(subject.again().forward)
    return [(p.name, p.default) for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]


def _with(make: Callable[[], Any], name: str, value: Any) -> Any:
    layer = make()
    with suppress(AttributeError, TypeError):
        setattr(layer, name, value)
    return layer
