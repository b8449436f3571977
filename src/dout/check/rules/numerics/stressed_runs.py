"""Plain runs at other scales and at zero: what goes wrong there although the exact value is finite.

The exact value costs much more than a run. It is computed if NumPy complains, if something is not finite, or if moving
the inputs by a rounding error changes the result a lot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from dout.check.lab.other_values import changed, is_number
from dout.check.lab.probe import CrashError, Lab, once, users_code
from dout.check.lab.shared_recording import Recorded, recorded_of
from dout.check.report.source_places import users_line
from dout.check.report.verdicts import Finding
from dout.check.rules.numerics.exact_targets import ExactTarget, exact_targets, finite, point_of
from dout.check.rules.numerics.rounding_errors import LOST, LostDigits, lost_digits
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
    """Why a number is not what it should be, by the name that NumPy has for it; the first of several counts."""

    OVERFLOW = "overflow"
    DIVIDE = "divide"
    INVALID = "invalid"


@dataclass(frozen=True)
class NotFinite:
    """An element that is infinite or NaN; `expected` is the exact value, None where the formula has none."""

    target: ExactTarget
    index: tuple[int, ...]
    got: float
    expected: float | None


@dataclass(frozen=True)
class Complaint:
    """NumPy warns, although the result is right."""


@dataclass(frozen=True)
class Trouble:
    """What goes wrong under a stress: an element, a warning of NumPy's, or an error of Python's own numbers."""

    stress: Stress
    kind: TroubleKind
    what: NotFinite | Complaint | CrashError
    where: Where | None = None


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
def stressed_runs(lab: Lab) -> tuple[tuple[Trouble, ...], tuple[tuple[Stress, LostDigits], ...]]:
    """Return all troubles, and the digits that were lost, each with its stress."""
    troubles: list[Trouble] = []
    lost: list[tuple[Stress, LostDigits]] = []
    if lab.repeatable:
        for stress in STRESSES:
            for found in _under(lab, recorded_of(lab), stress):
                if isinstance(found, Trouble):
                    troubles.append(found)
                else:
                    lost.append((stress, found))
    return tuple(troubles), tuple(lost)


def first_serious(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield the first finding that is no note; the first note if there is no other."""
    yield from sorted(findings, key=lambda finding: finding.severity == "note")[:1]


def _under(lab: Lab, recorded: Recorded, stress: Stress) -> Iterator[Trouble | LostDigits]:
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
    first = flags.first or TroubleKind.INVALID
    broken = next(((t, t.not_finite) for t in targets if t.not_finite is not None), None)
    undefined = next((t for t in targets if t.is_undefined(lab, run)), None) if not stress.accuracy else None
    if broken is not None:
        target, index = broken
        got, right = float(np.asarray(target.got)[index]), float(np.asarray(middle(target.right))[index])
        yield Trouble(stress, first, NotFinite(target, index, got, right), flags.kinds.get(first))
    elif undefined is not None:
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(np.asarray(undefined.got)))[0])
        yield Trouble(
            stress, TroubleKind.INVALID, NotFinite(undefined, index, float(np.asarray(undefined.got)[index]), None)
        )
    elif flags.kinds and all(finite(t.right).all() for t in targets):
        yield Trouble(stress, first, Complaint(), flags.kinds[first])
    elif stress.accuracy:
        yield from lost_digits(lab, examination, point, run, targets)


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
        yield Trouble(stress, kind, crash, crash.where)


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
