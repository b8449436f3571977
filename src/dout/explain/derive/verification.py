"""A class with a derived backward in; whether it is the derivative, stays finite, and keeps dtypes and arrays out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np

from dout.clock import check_time
from dout.explain.derive.forward_runs import ForwardSubject, is_same, same_structure
from dout.explain.model.explanation import Phrase
from dout.grad import backpropagate
from dout.graph import CONSTANT, Node, topological
from dout.judge.ball_numbers import middle
from dout.judge.exact_judge import ExactJudge
from dout.judge.float_judge import outcomes_in_float64
from dout.judge.judged_run import is_label
from dout.judge.judging_points import beyond, generic, spread_out
from dout.judge.kinks import outcomes_at
from dout.judge.outcomes import RIGHT, Judged, NoRuleError, Point, Word
from dout.ops import primitives
from dout.run import copied, flat, is_float_array, quiet, run_backward, upstream
from dout.run.held_objects import cast, member_of, places
from dout.trace.record.record import record
from dout.trace.record.trace import Trace

Make = Callable[[ForwardSubject], Any]  # a fresh layer of the written class
_FINE = RIGHT | {Word.SUBGRADIENT, Word.AGREES}
_FAR = 1000.0
_INFINITE = 1e6  # a number of the code that stands for infinity: scores that a mask takes out
_MOST_SIDES = 17  # points on other sides of conditions
_CHOOSING = primitives(
    "less less_equal greater greater_equal equal not_equal maximum minimum clip absolute sign floor ceil max min where"
)
_MOST_BALLS = 3_000_000  # at all points of all subjects: a batch of images through a network has 100,000 at each
_LARGE = 100_000  # at one point: several seconds
_NUDGE = 1e-6  # so little that no condition comes out otherwise
_THOROUGH = 2  # so many subjects, the smallest, are judged at all points: the others tell lengths apart


@dataclass(frozen=True)
class Verdicts:
    """What was verified: by gradient its word, and the reason why the class is not to be shown, if there is one."""

    words: Mapping[str, str]
    because: Phrase | None = None

    @property
    def is_limited(self) -> bool:
        """Whether the class is right, but for a dtype or for very large numbers."""
        return self.because is not None and self.because.key in ("derive float32", "derive not finite")


@dataclass
class _Budget:
    """How many numbers are judged exactly in all: of a layer with few, at every point of every subject.

    What is beyond it, the images that a network takes by default, is judged in float64.
    """

    left: int = _MOST_BALLS

    def pays(self, judge: ExactJudge) -> bool:
        """Whether another point of a judge is within the budget, which it is taken from."""
        self.left -= _balls_of(judge)
        return self.left > 0


def _balls_of(judge: ExactJudge) -> int:
    """How many numbers are judged at one point."""
    return sum(math.prod(node.shape) for node in judge.nodes)


def verified(
    subjects: Sequence[ForwardSubject], make: Make, wanted: Sequence[str], *, run: Sequence[ForwardSubject] = (),
    limits: bool = True,
) -> Verdicts:  # fmt: skip
    """Judge a written class at the sizes of several subjects; `wanted` are the gradients that it must have.

    With those to `run` it must do no more than forward does, in the same bits. With `limits`, it keeps float32 and is
    finite wherever the derivative is.
    """
    words: dict[str, str] = {}
    budget = _Budget()
    try:
        if because := _lost(next(iter(subjects)), wanted):
            return Verdicts(words, because)
        for subject in run:
            if because := _runs_alike(subject, make):
                return Verdicts(words, because)
        for i, subject in enumerate(sorted(subjects, key=elements_of)):
            check_time()
            because = _runs_alike(subject, make) or _judged(
                subject, make, wanted, words, budget, thorough=i < _THOROUGH
            )
            if not because and i == 0:  # what fails here need not be judged at all sizes
                first = subjects[0]
                because = _second_call(first, make)
                because = because or (limits and (_in_float32(first, make) or _finite(first, make))) or None
            if because:
                return Verdicts(words, because)
        return Verdicts(words)
    except Exception as error:  # whatever it is, the written class does not do
        return Verdicts(words, Phrase("derive raises", {"error": f"{type(error).__name__}: {error}"}))


def _lost(subject: ForwardSubject, wanted: Sequence[str]) -> Phrase | None:
    """Whether the output follows numbers that have no gradient: a function of another library is on the way."""
    plain = _outputs(subject)
    for name, item in subject.inputs.items():
        if name in wanted or not is_float_array(item):
            continue
        if np.array_equal(item, np.round(item)):  # labels, and what is compared
            continue
        moved = _outputs(replace(subject, inputs={**subject.inputs, name: item * (1 + _NUDGE)}))
        pairs = zip(plain, moved, strict=True) if len(plain) == len(moved) else ()
        if any(a.shape == b.shape and not np.allclose(a, b, rtol=_NUDGE * 1e-4, atol=0) for a, b in pairs):
            return Phrase("derive lost", {"name": name})
    return None


def _outputs(subject: ForwardSubject) -> list[Any]:
    """The arrays of floats that forward gives."""
    found = [np.asarray(item) for item in flat(subject.run(subject.seed))]
    return [item for item in found if item.dtype.kind == "f"]


def elements_of(subject: ForwardSubject) -> int:
    """How many numbers a subject is given: each is a ball at every point where it is judged."""
    given = flat([*subject.inputs.values(), *subject.init.values()])
    return sum(item.size for item in given if isinstance(item, np.ndarray))


def _runs_alike(subject: ForwardSubject, make: Make) -> Phrase | None:
    """Whether forward gives the bits of the original, and neither dout nor an input is written to or returned."""
    ordered, keywords = subject.arguments
    mine, keyed = subject.arguments
    layer = make(subject)
    expected = list(flat(subject.run()))
    with quiet():
        outputs = list(flat(layer.forward(*mine, **keyed)))
        if len(outputs) != len(expected) or not all(is_same(a, b) for a, b in zip(outputs, expected, strict=True)):
            return Phrase("derive other bits")
        douts = upstream(outputs)
        given = [copied(d) for d in douts]
        gradients = [g for g in flat(run_backward(layer, tuple(given))) if g is not None]
    if not all(is_same(a, b) for a, b in zip(given, douts, strict=True)):
        return Phrase("derive writes dout")
    if not all(_same_item(a, b) for a, b in zip((*mine, *keyed.values()), (*ordered, *keywords.values()), strict=True)):
        return Phrase("derive writes input")
    for gradient in gradients:
        for other in (*given, *mine):
            if isinstance(gradient, np.ndarray) and isinstance(other, np.ndarray) and np.shares_memory(gradient, other):
                return Phrase("derive shares memory")
    return None


def _second_call(subject: ForwardSubject, make: Make) -> Phrase | None:
    """Whether a layer that has run already is right, too."""
    layer = make(subject)
    ordered, keywords = subject.arguments
    with quiet():
        run_backward(layer, upstream(list(flat(layer.forward(*ordered, **keywords)))))
    return Phrase("derive state") if judged_again(subject, lambda _: layer) else None


def judged_again(subject: ForwardSubject, make: Make) -> Phrase | None:
    """Why a written class does not hold for a subject; None where it does."""
    try:
        judge = judge_of(_recorded(subject, make), subject)
        is_large = _balls_of(judge) > _LARGE  # other steps differ by more than by rounding
        outcomes = outcomes_in_float64(judge, judge.base)[0] if is_large else outcomes_at(judge, judge.base)[0]
    except NoRuleError:
        return None
    except Exception as error:  # whatever it is, the written class does not do
        return Phrase("derive raises", {"error": f"{type(error).__name__}: {error}"})
    wrong = [outcome.judged.name for outcome in outcomes if outcome.word == Word.REFUTED]
    return Phrase("derive refuted", {"name": wrong[0]}) if wrong else None


def _recorded(subject: ForwardSubject, make: Make) -> Trace:
    """The recording of a written class on the subject's example."""
    with quiet():
        ordered, keywords = subject.arguments
        return record(make(subject), *ordered, **keywords)


def _same_item(a: Any, b: Any) -> bool:
    pairs = list(zip(flat(a), flat(b), strict=False))
    return all(is_same(x, y) for x, y in pairs if isinstance(x, np.ndarray | float | int))


def _judged(
    subject: ForwardSubject,
    make: Make,
    wanted: Sequence[str],
    words: dict[str, str],
    budget: _Budget,
    *,
    thorough: bool,
) -> Phrase | None:
    judge = judge_of(_recorded(subject, make), subject)
    found = {j.name for j in judge.judged}
    plain = {name.replace("'", '"') for name in found}
    paths = [name.removeprefix("self.") for name in wanted]
    missing = [name for name, path in zip(wanted, paths, strict=True) if plain.isdisjoint(_names_of(path, paths))]
    if missing:
        return Phrase("derive missing", {"names": ", ".join(missing)})
    at_one = _kept_upstream(judge)
    for i, point in enumerate(_points(judge) if thorough else _few_points(judge)):
        check_time()
        is_paid = budget.pays(judge)
        if not is_paid and (i or not thorough):
            break
        point = {**point, **at_one}
        try:
            outcomes = outcomes_at(judge, point)[0] if is_paid else outcomes_in_float64(judge, point)[0]
        except (NoRuleError, ValueError, IndexError, TypeError):
            continue
        for outcome in outcomes:
            name = outcome.judged.name
            if outcome.word == Word.REFUTED:
                return Phrase("derive refuted", {"name": name})
            if outcome.word in _FINE or name not in words:
                words.setdefault(name, outcome.word)
                words[name] = outcome.word if words[name] == Word.INCONCLUSIVE else words[name]
    undecided = [name for name in found if words.get(name, Word.INCONCLUSIVE) == Word.INCONCLUSIVE]
    return Phrase("derive undecided", {"name": undecided[0]}) if undecided else None


def _kept_upstream(judge: ExactJudge) -> Point:
    """The upstream gradient 1 of a loss, which no gradient depends on; else nothing."""
    read = set(topological([judged.gradient for judged in judge.judged]))
    douts = judge.seeds.values()
    return {} if any(dout in read or dout.shape for dout in douts) else {dout: judge.base[dout] for dout in douts}


def _points(judge: ExactJudge) -> Iterator[Point]:
    """The points to judge at: near the example, and on the other sides of all comparisons."""
    yield from (judge.base, generic(judge, 0), generic(judge, 1), spread_out(judge, 0))
    if _chooses(judge):
        numbers = [node.static["value"] for node in judge.nodes if node.primitive is CONSTANT]
        limits = [float(n) for n in dict.fromkeys(numbers) if isinstance(n, int | float) and 0 < abs(n) < _INFINITE]
        yield from (point for point, _ in islice(beyond(judge, limits), 1, _MOST_SIDES))


def _few_points(judge: ExactJudge) -> Iterator[Point]:
    """One generic point; with comparisons the example too, where two numbers may be equal."""
    yield from (judge.base,) if _chooses(judge) else ()
    yield generic(judge, 0)


def _chooses(judge: ExactJudge) -> bool:
    return any(node.primitive in _CHOOSING for node in judge.nodes)


def _names_of(path: str, paths: Sequence[str]) -> set[str]:
    """The names that a parameter may have: its path, the object that holds it alone, or its key in a dict."""
    holder = member_of(path)[0]
    alone = holder and [member_of(other)[0] for other in paths].count(holder) == 1
    found = {path, holder} if alone else {path}
    return found | {one.rpartition("[")[2].removesuffix("]").strip('"') for one in found}


def judge_of(trace: Trace, subject: ForwardSubject) -> ExactJudge:
    """The exact judge of a recorded layer call, with the subject's names for what forward is given."""
    call = trace.calls[0]
    arguments = subject.argument_names(len(call.inputs))
    pairs = zip(call.outputs, call.douts or (), strict=False)
    seeds = {output: dout for output, dout in pairs if dout is not None}
    derived = backpropagate(seeds).of if seeds else {}
    judged: dict[Node, Judged] = {}
    for name, node, gradient in zip(arguments, call.inputs, call.gradients or (), strict=False):
        if gradient is not None:
            judged[node] = Judged(name, node, gradient, derived=derived.get(node))
    for p in call.parameters:
        judged.setdefault(p.node, Judged(p.name, p.node, p.gradient, True, derived.get(p.node)))
    others = (node for node in trace.graph.inputs.values() if node.shape and node.kind == "f")
    held = [node for node in others if node not in trace.backward and node not in trace.draws and node in trace.data]
    given = dict.fromkeys((*call.inputs, *held))  # parameters of parts are special at first: ones, zeros
    inputs = tuple(node for node in given if node not in seeds.values())
    return ExactJudge(trace.graph.nodes, trace.data, trace.backward, tuple(judged.values()), seeds, inputs)


def _in_float32(subject: ForwardSubject, make: Make) -> Phrase | None:
    """Whether float32 stays float32, where forward keeps it."""
    layer = make(subject)
    ordered, keywords = subject.arguments
    cast(layer, _single)
    with quiet():
        outputs = list(
            flat(layer.forward(*map(_single_in, ordered), **{k: _single_in(v) for k, v in keywords.items()}))
        )
        if not all(o.dtype == np.float32 for o in outputs if isinstance(o, np.ndarray | np.generic)):
            return None
        gradients = list(flat(run_backward(layer, upstream(outputs))))
    gradients += [place.item for place in places(layer) if place.path.rpartition(".")[2].startswith(("d", "grads"))]
    wide = [g for g in gradients if isinstance(g, np.ndarray) and g.dtype == np.float64]
    return Phrase("derive float32") if wide else None


def _single(item: Any) -> Any:
    return item.astype(np.float32) if item.dtype == np.float64 else item


def _single_in(item: Any) -> Any:
    return _single(item) if isinstance(item, np.ndarray | np.generic) else item


def _finite(subject: ForwardSubject, make: Make) -> Phrase | None:
    """Whether gradients are finite at ±1000 wherever the derivative is, if forward takes the same steps there."""
    near = _recorded(subject, make)
    for signs in (1.0, -1.0, (-1.0, 1.0), (1.0, -1.0)):
        far = replace(subject, inputs={n: _far(v, signs) for n, v in subject.inputs.items()})
        try:
            trace = _recorded(far, make)
            if same_structure(near.graph.nodes, trace.graph.nodes) is not None:
                continue
            judge = judge_of(trace, far)
            if _balls_of(judge) > _LARGE and signs != (-1.0, 1.0):
                continue
            with quiet():
                balls = judge.balls(judge.recorded)
        except (NoRuleError, ValueError, IndexError, TypeError, ArithmeticError):
            continue
        for judged in judge.judged:
            expected = np.asarray(middle(judge.expected(balls, judged)), dtype=float)
            got = np.asarray(trace.data[judged.gradient], dtype=float)
            if expected.shape == got.shape and np.any(
                np.isfinite(expected) & ~np.isfinite(got) & (np.abs(expected) < 1e300)
            ):
                return Phrase("derive not finite", {"name": judged.name, "size": f"{_FAR:g}"})
    return None


def _far(value: Any, signs: float | tuple[float, float]) -> Any:
    """Numbers about a thousand: of one sign, or of two in turn."""
    if not is_float_array(value) or is_label(value):
        return value
    size = np.abs(value) / (np.max(np.abs(value), initial=0.0) or 1.0) * _FAR
    return np.resize(signs, value.shape) * size
