"""Plain runs at other scales and at zero: what goes wrong there although the exact value is finite.

The exact value costs much more than a run. It is computed if NumPy complains, if something is not finite, or if moving
the inputs by a rounding error changes the result a lot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from dout.check.lab.other_values import changed, is_number
from dout.check.lab.probe import CrashError, Lab, once, users_code
from dout.check.lab.shared_recording import Recorded, recorded_of
from dout.check.report.rule import Findings, Rule
from dout.check.report.source_places import users_line
from dout.check.rules.numerics.exact_targets import (
    LOST,
    ExactTarget,
    LostDigits,
    exact_targets,
    finite,
    lost_digits,
    point_of,
)
from dout.graph import Where
from dout.judge.ball_numbers import middle
from dout.run import PlainRun, copied, flat, run_backward

_SMALL = 0.01  # inputs near 0


class Stress(NamedTuple):
    """A change of the inputs: its words, whether accuracy is looked at there too, and whether training comes there."""

    words: str
    change: Callable[[Any], Any]
    accuracy: bool
    usual: bool = True

    def at(self, what: str) -> str:
        """Say of something at which inputs it is so; nothing more of the inputs as they are."""
        return f"at {self.words} {what}" if self.words else what


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


class TroubleKind(Enum):
    """Why a number is not what it should be, by NumPy's names, of which the first counts; or it has lost digits."""

    OVERFLOW = "overflow"
    DIVIDE = "divide"
    INVALID = "invalid"
    LOST = "lost digits"


class KindWords(NamedTuple):
    """A kind of trouble: as NumPy warns of it, as the cause of a wrong number, and how to avoid it."""

    warning: str
    cause: str
    advice: str


_WORDS = {
    TroubleKind.OVERFLOW: KindWords(
        "overflow",
        ": a number overflows on the way",
        "only take exp of values ≤ 0: subtract the maximum, or handle positive and negative x separately",
    ),
    TroubleKind.DIVIDE: KindWords(
        "division by zero",
        ": something is divided by 0, or log(0) is taken",
        "replace the divisor or the argument of log where it is 0, before the operation and not after it",
    ),
    TroubleKind.INVALID: KindWords(
        "an invalid value",
        "",
        "0 / 0, inf - inf and 0 * inf are not a number: avoid them before the operation, not after it",
    ),
}


@dataclass(frozen=True)
class Trouble:
    """What goes wrong under a stress: in words, with the user's line and what else a finding tells of it."""

    kind: TroubleKind
    message: str
    where: Where | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Flags:
    """The kinds of errors that NumPy saw in a run, each with the user's line that came to it first."""

    kinds: dict[TroubleKind, Where | None] = field(default_factory=dict)

    def __call__(self, kind: str, flag: int) -> None:
        """Called by NumPy in the middle of an operation: `kind` is `divide by zero`, say."""
        self.kinds.setdefault(TroubleKind(kind.split()[0]), users_line())

    @property
    def first(self) -> TroubleKind | None:
        """The kind that explains the others."""
        return next((kind for kind in TroubleKind if kind in self.kinds), None)


@once
def stressed_runs(lab: Lab) -> tuple[Trouble, ...]:
    """Return all troubles, stress by stress."""
    return tuple(found for stress in STRESSES for found in _under(lab, recorded_of(lab), stress))


def worst_trouble(rule: Rule, lab: Lab, *kinds: TroubleKind) -> Findings:
    """Yield the finding on the first trouble of these kinds that is more than a note; else on the first of all."""
    mine = [trouble for trouble in (stressed_runs(lab) if lab.repeatable else ()) if trouble.kind in kinds]
    findings = [rule.about(lab.subject, one.message, one.where, **one.details) for one in mine]
    yield from sorted(findings, key=lambda finding: finding.severity == "note")[:1]


def _under(lab: Lab, recorded: Recorded, stress: Stress) -> Iterator[Trouble]:
    inputs, flags = changed(lab.subject.inputs, stress.change), Flags()
    try:
        run = _flagged(lab, inputs, flags)
    except CrashError as crash:
        if isinstance(crash.error, OverflowError | ZeroDivisionError) and not crash.refused:
            yield from _raised(lab, recorded, inputs, stress, crash)
        return
    all_finite = all(np.isfinite(x).all() for x in (*run.outputs, *run.gradients) if is_number(x))
    if not flags.kinds and all_finite and not (stress.accuracy and _trembles(lab, run)):
        return
    examination = recorded.at(inputs)
    if examination is None:
        return
    point = point_of(examination, inputs)
    targets = exact_targets(lab, examination, point, run)
    if targets is None:
        return
    found = _first_trouble(lab, stress, run, flags, targets)
    if found is None and stress.accuracy and (lost := lost_digits(lab, examination, point, run, targets)) is not None:
        found = _of_lost_digits(stress, lost)
    yield from [found] if found is not None else ()


def _first_trouble(
    lab: Lab, stress: Stress, run: PlainRun, flags: Flags, targets: Sequence[ExactTarget]
) -> Trouble | None:
    """The first result that is not finite, else what NumPy complains of."""
    kind = flags.first or TroubleKind.INVALID
    warning, cause, advice = _WORDS[kind]
    broken = next(((t, t.not_finite) for t in targets if t.not_finite is not None), None)
    undefined = next((t for t in targets if t.is_undefined(lab, run)), None) if not stress.accuracy else None
    if broken is not None:
        target, index = broken
        got, right = float(np.asarray(target.got)[index]), float(np.asarray(middle(target.right))[index])
        message = f"{target.name} is {got}{_place(index)}, exactly {right:.6g}{cause}"
        numbers = {"argument": target.argument, "index": index, "expected": right, "got": got}
        details = {"cause": "overflow", "because": advice, **numbers}
        return Trouble(kind, stress.at(message), flags.kinds.get(kind), details)
    if undefined is not None:
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(np.asarray(undefined.got)))[0])
        says = "the formula has no value there; a small number inside the root, or beside the divisor, keeps it finite"
        message = f"{undefined.name} is {float(np.asarray(undefined.got)[index]):g}{_place(index)}: {says}"
        is_likely = stress.usual and len(lab.floats) == 1 and undefined.argument
        details = {"argument": undefined.argument, "index": index, "cause": "overflow"}
        details["severity"] = "warning" if is_likely else "note"
        return Trouble(TroubleKind.INVALID, stress.at(message), None, details)
    if flags.kinds and all(finite(t.right).all() for t in targets):
        message = f"NumPy warns of {warning}, although the result is right: {advice}"
        return Trouble(kind, stress.at(message), flags.kinds[kind], {"cause": "overflow", "because": advice})
    return None


def _of_lost_digits(stress: Stress, lost: LostDigits) -> Trouble:
    message = f"{lost.target.name} is {lost.got:.10g}{_place(lost.index)}, exactly {lost.expected:.10g}"
    message += f": a relative error of {lost.error:.0e}, by a difference of nearly equal numbers; rearrange the formula"
    numbers = {"argument": lost.target.argument, "index": lost.index, "expected": lost.expected, "got": lost.got}
    because = f"rounding the inputs explains a relative error of {lost.explained:.0e}"
    details = {"severity": "warning" if stress.usual else "note", "cause": "cancellation", "because": because}
    return Trouble(TroubleKind.LOST, stress.at(message), None, {**details, **numbers})


def _place(index: tuple[int, ...]) -> str:
    return f" at {list(index)}" if index else ""


def _flagged(lab: Lab, inputs: tuple[Any, ...], flags: Flags) -> PlainRun:
    """A run in which NumPy's complaints are noted, unless the user's code silences them itself."""
    layer, inputs = lab.fresh(), tuple(map(copied, inputs))
    lab.rewind()
    douts = tuple(map(copied, lab.base.douts))
    with users_code(), np.errstate(over="call", divide="call", invalid="call", call=flags):
        outputs = list(flat(layer.forward(*inputs)))
        gradients = list(flat(run_backward(layer, tuple(map(copied, douts)))))  # it may write into them
    return PlainRun(layer, inputs, douts, outputs, gradients)


def _raised(
    lab: Lab, recorded: Recorded, inputs: tuple[Any, ...], stress: Stress, crash: CrashError
) -> Iterator[Trouble]:
    """Python's own numbers raise an error where NumPy warns."""
    base, examination = lab.base, recorded.base
    if examination is None:
        return
    stand_ins = PlainRun(base.layer, inputs, base.douts, base.outputs, base.gradients)
    targets = exact_targets(lab, examination, point_of(examination, inputs), stand_ins)
    if targets is not None and all(finite(t.right).all() for t in targets):
        kind = TroubleKind.OVERFLOW if isinstance(crash.error, OverflowError) else TroubleKind.DIVIDE
        message = f"it raises {crash}, although the exact result is finite: {_WORDS[kind].advice}"
        yield Trouble(kind, stress.at(message), crash.where, {"cause": "overflow", "because": _WORDS[kind].advice})


def _trembles(lab: Lab, run: PlainRun) -> bool:
    """Whether the result moves by much more than the inputs do, when those move by a few ulps.

    Near 0 an ulp is too small for that. There the inputs move by a share, and the result has to move in a line.
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
