"""Do the numbers stay right at other scales and at zero? What is computed plainly is compared with the exact value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from dout.check.exact.exact_route import Examination
from dout.check.lab.other_values import changed, is_number
from dout.check.lab.probe import CrashError, Lab, examined, users_code
from dout.check.lab.shared_recording import Recorded, recorded_of
from dout.check.report.source_places import users_line
from dout.check.report.verdicts import Finding
from dout.graph import Node, Where, topological
from dout.judge.ball_numbers import exact, middle
from dout.judge.ball_values import Balls, NoRuleError
from dout.judge.outcomes import Point
from dout.run import PlainRun, copied, flat, run_backward

LOST = 1e-8  # an error relative to the largest element that is worth a word …
EXPLAINED = 1e4  # … unless it is within so many times of what an ulp in the inputs does to the exact value
_SMALL = 0.01  # inputs near 0
TINY = 1e-6  # a value so much smaller than what it was made of is no loss

Change = Callable[[Any], Any]


class Stress(NamedTuple):
    """A change of the inputs: its words, whether accuracy is looked at there too, and whether training comes there."""

    words: str
    change: Change
    accuracy: bool
    usual: bool = True


def _zero_first(x: Any) -> Any:
    if not isinstance(x, np.ndarray) or not x.size:
        return x
    x = x.copy()
    x.flat[0] = 0.0
    return x


def _same_rows(x: Any) -> Any:
    return np.repeat(x[:1], len(x), axis=0) if isinstance(x, np.ndarray) and x.ndim and len(x) else x


STRESSES = (
    Stress("", lambda x: x, True),
    Stress("inputs × 1000", lambda x: x * 1e3, True),
    Stress("inputs × 0.001", lambda x: x * 1e-3, True),
    Stress("inputs × 1e-9", lambda x: x * 1e-9, True, usual=False),
    Stress("inputs − 1000.7", lambda x: x - 1000.7, True),
    Stress("inputs + 33.3", lambda x: x + 33.3, True),
    Stress("inputs + 654321.9", lambda x: x + 654321.9, True),  # no round number: its square has digits to lose
    Stress("rows that are the same", _same_rows, False),
    Stress("inputs that are all the same", lambda x: x * 0.0 + 0.75, False),
    Stress("inputs 0", lambda x: x * 0.0, False, usual=False),
    Stress("an input 0", _zero_first, False, usual=False),
)


@dataclass
class Flags:
    """What NumPy complained of during a run."""

    kinds: dict[str, Where | None] = field(default_factory=dict)

    def __call__(self, kind: str, flag: int) -> None:
        """Called by NumPy in the middle of an operation."""
        self.kinds.setdefault(kind.split()[0], users_line())


class StressedValue(NamedTuple):
    """Something to compare: as computed, as the same formula gives it exactly, and as it should be."""

    name: str
    argument: str | None
    got: Any
    exact: Any
    right: Any


@examined
def numbers(lab: Lab) -> Iterator[Finding]:
    """D401, D402, D403: overflow, lost digits, and what is not a number, at inputs where the exact value is finite.

    The exact value costs much more than a run: it is asked for where NumPy complains, where something is not finite, or
    where rounding the inputs changes the result a lot.
    """
    if not lab.repeatable:
        return
    recorded = recorded_of(lab)
    found: dict[str, Finding] = {}
    for stress in STRESSES:
        inputs = changed(lab.subject.inputs, stress.change)
        for one in _at(lab, recorded, inputs, stress):
            first = found.setdefault(one.code, one)
            if (first.severity, one.severity) == ("note", "warning"):
                found[one.code] = one
    yield from found.values()


def _at(lab: Lab, recorded: Recorded, inputs: tuple[Any, ...], stress: Stress) -> Iterator[Finding]:
    flags = Flags()
    at = f"at {stress.words} " if stress.words else ""
    try:
        run = _flagged(lab, inputs, flags)
    except CrashError as crash:
        if isinstance(crash.error, OverflowError | ZeroDivisionError) and not crash.refused:
            yield from _raised(lab, recorded, inputs, at, crash)
        return
    finite = all(np.isfinite(x).all() for x in (*run.outputs, *run.gradients) if is_number(x))
    if not flags.kinds and finite and not (stress.accuracy and _trembles(lab, run)):
        return
    examination = recorded.at(inputs)
    if examination is None:
        return
    point = _point(examination, inputs)
    targets = _targets(lab, examination, point, run)
    if targets is None:
        return
    bad = next(((t, i) for t in targets if (i := _not_finite(t)) is not None), None)
    if bad is not None:
        yield _broken(lab, at, bad[0], bad[1], flags)
    elif not stress.accuracy and (undefined := next((t for t in targets if _is_undefined(lab, t, run)), None)):
        yield _nowhere(lab, at, undefined, stress)
    elif flags.kinds and all(_finite(t.right).all() for t in targets):
        yield _noisy(lab, at, flags)
    elif stress.accuracy:
        for one in _lost(lab, examination, point, run, targets, at):
            yield one if stress.usual else replace(one, severity="note")


def _trembles(lab: Lab, run: PlainRun) -> bool:
    """Whether the result moves by much more than the inputs do, when those move by a few ulps.

    Near 0 an ulp is too small for that: there the result jumps where it should run straight.
    """
    generator = np.random.default_rng(0)

    def by_ulps(ulps: float, x: Any) -> Any:
        return x + ulps * np.spacing(x) * generator.choice([-1.0, 1.0], size=np.shape(x))

    def by_share(share: float, x: Any) -> Any:
        return x + x * share

    small = max((np.abs(run.inputs[i]).max(initial=0) for i in lab.floats), default=1.0) < _SMALL
    moves = (
        [partial(by_share, 1e-6), partial(by_share, -1e-6)] if small else [partial(by_ulps, 1.0), partial(by_ulps, 3.0)]
    )
    near = [_numbers(lab.run(changed(run.inputs, move), tuple(map(copied, run.douts)))) for move in moves]
    for mine, one, two in zip(_numbers(run), *near, strict=False):
        if np.shape(mine) == np.shape(one) == np.shape(two):
            away = np.abs(mine - (one + two) / 2) if small else np.maximum(np.abs(mine - one), np.abs(mine - two))
            if away.max(initial=0) > LOST * np.abs(mine).max(initial=0):
                return True
    return False


def _numbers(run: PlainRun) -> list[Any]:
    return [np.asarray(x, dtype=float) for x in (*run.outputs, *run.gradients) if is_number(x)]


def _flagged(lab: Lab, inputs: tuple[Any, ...], flags: Flags) -> PlainRun:
    """A run in which NumPy's complaints are noted, unless the user's code silences them itself."""
    layer, inputs = lab.fresh(), tuple(map(copied, inputs))
    lab.rewind()
    douts = tuple(map(copied, lab.base.douts))
    with users_code(), np.errstate(over="call", divide="call", invalid="call", call=flags):
        outputs = list(flat(layer.forward(*inputs)))
        gradients = list(flat(run_backward(layer, tuple(map(copied, douts)))))  # it may write into them
    return PlainRun(layer, inputs, douts, outputs, gradients)


def _point(examination: Examination, inputs: tuple[Any, ...]) -> Point:
    given = dict(examination.base)
    for node, x in zip(examination.call.inputs, inputs, strict=True):
        if node in given:
            given[node] = x
    return given


def _targets(lab: Lab, examination: Examination, point: Point, run: PlainRun) -> list[StressedValue] | None:
    """Outputs and gradients as computed, beside their exact values; None where those cannot be had."""
    call = examination.call
    gradients = list(call.gradients or ())
    if len(gradients) != len(run.gradients) or len(call.outputs) != len(run.outputs):
        return None
    judged = {j.node: j for j in examination.judged if not j.parameter}
    wanted = [*call.outputs, *(g for g in gradients if g is not None)]
    wanted += [examination.derived[node] for node in judged if node in examination.derived]
    try:
        balls = Balls(point)
        balls.compute(topological(wanted, known=balls.values))
    except (NoRuleError, ArithmeticError, ValueError, TypeError):
        return None
    found = []
    for node, got in zip(call.outputs, run.outputs, strict=True):
        value = exact(balls.values[node])
        found.append(StressedValue("the output", None, got, value, value))
    for i, (gradient, got) in enumerate(zip(gradients, run.gradients, strict=True)):
        if gradient is not None and i < len(call.inputs) and call.inputs[i] in judged:
            right = examination.expected(balls, judged[call.inputs[i]])
            found.append(
                StressedValue(f"the gradient of {lab.name(i)}", lab.name(i), got, exact(balls.values[gradient]), right)
            )
    return found


def _finite(value: Any) -> Any:
    """Where balls are finite, in float64's range too."""
    numbers = np.asarray(middle(value), dtype=float)
    certain = np.asarray(np.frompyfunc(lambda e: not hasattr(e, "is_finite") or e.is_finite(), 1, 1)(value), dtype=bool)
    return np.isfinite(numbers) & certain


def _not_finite(target: StressedValue) -> tuple[int, ...] | None:
    """Where something is not finite although the exact value is."""
    got = np.asarray(target.got)
    if got.dtype.kind != "f" or got.shape != np.shape(target.right):
        return None
    places = np.argwhere(~np.isfinite(got) & _finite(target.right))
    return tuple(int(i) for i in places[0]) if len(places) else None


def _is_undefined(lab: Lab, target: StressedValue, run: PlainRun) -> bool:
    """Whether a gradient is not finite, rightly, where the output is; or an output of one input is 0 / 0."""
    got = np.asarray(target.got)
    if got.dtype.kind != "f" or got.shape != np.shape(target.right):
        return False
    if target.argument is None:
        return len(lab.floats) == 1 and bool(np.any(np.isnan(got)))
    return not np.isfinite(got).all() and all(np.isfinite(x).all() for x in run.outputs if is_number(x))


def _nowhere(lab: Lab, at: str, target: StressedValue, stress: Stress) -> Finding:
    got = np.asarray(target.got)
    index = tuple(int(i) for i in np.argwhere(~np.isfinite(got))[0])
    message = (
        f"{at}{target.name} is {got[index]:g}{f' at {list(index)}' if index else ''}: the formula has none there; "
        "a small number inside the root, or beside the divisor, keeps it finite"
    )
    severity = "warning" if stress.usual and len(lab.floats) == 1 and target.argument else "note"
    return lab.finding("D403", message, severity=severity, argument=target.argument, index=index, cause="overflow")


def _broken(lab: Lab, at: str, target: StressedValue, index: tuple[int, ...], flags: Flags) -> Finding:
    expected = float(np.asarray(middle(target.right))[index])
    got = float(np.asarray(target.got)[index])
    kind = next((k for k in ("overflow", "divide", "invalid") if k in flags.kinds), None)
    code = "D401" if kind == "overflow" else "D403"
    cause = {"overflow": ": a number overflows on the way", "divide": ": something is divided by 0, or log(0) is taken"}
    place = f" at {list(index)}" if index else ""
    message = f"{at}{target.name} is {got}{place}, exactly {expected:.6g}{cause.get(kind or '', '')}"
    return lab.finding(
        code, message, flags.kinds.get(kind or ""), argument=target.argument, index=index,
        expected=expected, got=got, cause="overflow", because=_ADVICE.get(kind or "invalid", ""),
    )  # fmt: skip


_ADVICE = {
    "overflow": "take exp only of numbers that are not positive: subtract the maximum, or treat both signs apart",
    "divide": "replace the divisor or the argument of log where it is 0, before the operation and not after it",
    "invalid": "0 / 0, inf - inf and 0 * inf are not a number: avoid them before the operation, not after it",
}


def _noisy(lab: Lab, at: str, flags: Flags) -> Finding:
    kind = next(k for k in ("overflow", "divide", "invalid", *flags.kinds) if k in flags.kinds)
    words = {"overflow": "overflow", "divide": "division by zero", "invalid": "an invalid value"}.get(kind, kind)
    message = f"{at}NumPy warns of {words}, although the result is right: {_ADVICE.get(kind, '')}"
    code = "D401" if kind == "overflow" else "D403"
    return lab.finding(code, message, flags.kinds[kind], cause="overflow", because=_ADVICE.get(kind, ""))


def _raised(lab: Lab, recorded: Recorded, inputs: tuple[Any, ...], at: str, crash: CrashError) -> Iterator[Finding]:
    """Python's own numbers raise where NumPy warns."""
    base = lab.base
    examination = recorded.base
    if examination is None:
        return
    stand_ins = PlainRun(base.layer, inputs, base.douts, base.outputs, base.gradients)
    targets = _targets(lab, examination, _point(examination, inputs), stand_ins)
    if targets is None or not all(_finite(t.right).all() for t in targets):
        return
    kind = "overflow" if isinstance(crash.error, OverflowError) else "divide"
    message = f"{at}it raises {crash}, although the exact result is finite: {_ADVICE[kind]}"
    code = "D401" if kind == "overflow" else "D403"
    yield lab.finding(code, message, crash.where, cause="overflow", because=_ADVICE[kind])


# --- lost digits ------------------------------------------------------------------------------------------------------


def _lost(
    lab: Lab, examination: Examination, point: Point, run: PlainRun, targets: list[StressedValue], at: str
) -> Iterator[Finding]:
    """The worst loss of digits: an error beyond what rounding the inputs does to the exact value."""
    if any(
        isinstance(x, np.ndarray | np.floating) and x.dtype.kind == "f" and x.dtype != float for x in point.values()
    ):
        return  # every number has few digits there
    sizes = [np.abs(np.asarray(x, dtype=float)).max(initial=0) for x in run.inputs if is_number(x)]
    douts = [np.abs(np.asarray(d, dtype=float)).max(initial=0) for d in run.douts]
    suspects = []
    for t in targets:
        error, size = _error(t), _largest(t.exact)
        floor = min(1.0, max(sizes, default=1.0)) if t.argument is None else max(douts, default=1.0)
        if error is not None and size > TINY * floor and error[0] > LOST * size:
            suspects.append((error[0] / size, error, t))
    if not suspects:
        return
    relative, (error_size, index), worst = max(suspects, key=lambda suspect: suspect[0])
    i = next(i for i, t in enumerate(targets) if t is worst)
    moved = [m for seed in (1, 2) if (m := _moved(lab, examination, point, run, targets, i, seed)) is not None]
    if not moved or error_size <= EXPLAINED * max(moved):
        return
    expected, got = float(np.asarray(middle(worst.exact))[index]), float(np.asarray(worst.got)[index])
    message = (
        f"{at}{worst.name} is {got:.10g}{f' at {list(index)}' if index else ''}, exactly {expected:.10g}: "
        f"a relative error of {relative:.0e}, by a difference of nearly equal numbers; rearrange the formula"
    )
    because = f"to round the inputs explains {max(moved) / _largest(worst.exact):.0e}"
    yield lab.finding(
        "D402", message, argument=worst.argument, index=index, expected=expected, got=got,
        cause="cancellation", because=because,
    )  # fmt: skip


def _largest(value: Any) -> float:
    numbers = np.asarray(middle(value), dtype=float)
    return float(np.abs(numbers[np.isfinite(numbers)]).max(initial=0))


def _error(target: StressedValue) -> tuple[float, tuple[int, ...]] | None:
    got = np.asarray(target.got)
    if got.dtype.kind != "f" or got.shape != np.shape(target.exact) or not got.size or not _finite(target.exact).all():
        return None
    distance = np.abs(np.asarray(middle(exact(got) - target.exact), dtype=float))
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(distance)), distance.shape))
    return float(distance[index]), index


def _moved(
    lab: Lab, examination: Examination, point: Point, run: PlainRun, targets: list[StressedValue], i: int, seed: int
) -> float | None:
    """How far the exact value moves when every input, parameter and upstream gradient moves by an ulp."""
    generator = np.random.default_rng(seed)
    near = dict(point)
    nodes: dict[Node, None] = dict.fromkeys((*examination.varying, *examination.seeds.values()))
    for node in nodes:
        if node in near and np.asarray(near[node]).dtype.kind == "f":
            value = np.asarray(near[node], dtype=float)
            near[node] = (value + np.spacing(value) * generator.choice([-1.0, 1.0], size=value.shape))[()]
    others = _targets(lab, examination, near, run)
    if others is None or np.shape(others[i].exact) != np.shape(targets[i].exact):
        return None
    return _largest(others[i].exact - targets[i].exact)
