"""One layer of the corpus: derived, judged and timed."""

from __future__ import annotations

import ast
import inspect
import signal
import textwrap
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from time import process_time
from typing import Any

import numpy as np

import dout
from benchmarks.checker.oracle import far
from benchmarks.derive.gradients import (
    Gradients,
    backward,
    by_torch,
    exactly,
    forward,
    run,
    scaled,
    torch,
    upstream,
)  # fmt: skip
from benchmarks.derive.rows import OTHER, SMALL, TIMED, Example, ForwardRow, hand_written
from benchmarks.derive.table import MeasuredLayer

TURN = 0.004  # seconds
PLACES = 15  # in memory: where arrays lie by accident makes one of two equal calls up to a tenth slower


class TooLongError(Exception):
    """A layer that takes more time than it is given."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise TooLongError after some time of the processor, where the system can."""

    def late(*_: Any) -> None:
        raise TooLongError(f"more than {seconds:g} s")

    if not hasattr(signal, "SIGPROF"):
        yield
        return
    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def examined(row: ForwardRow, rounds: int, patience: float) -> MeasuredLayer:
    """Everything that is measured of a layer. Raises TooLongError."""
    line = MeasuredLayer(row.family, row.name)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        with limited(patience):
            derived = _judged(line, row)
        by_hand = hand_written(row)
        if derived is not None and by_hand is not None:
            line.lines = code_lines(derived.source), code_lines(inspect.getsource(by_hand))
            if rounds:  # not under a timer: while one runs, the system counts the processor's time in steps of 4 ms
                _noted(line, lambda line, row, layer: _timed(line, row, layer, by_hand, rounds), row, derived.layer)
    return line


def _judged(line: MeasuredLayer, row: ForwardRow) -> Any:
    """Derive a layer and note how right it is. None where it is not derived."""
    example = row.example(SMALL, np.random.default_rng(1))
    start = process_time()
    try:
        derived = dout.derive(row.layer, *example.arguments, init=dict(example.init))
    except Exception as error:  # whatever it is, it is a row of the table
        line.why = f"{type(error).__name__}: {error}"
        return None
    finally:
        line.seconds = process_time() - start
    line.derived = True
    for measure in (_verdict, _at_thousand, _float32, _against_torch):
        _noted(line, measure, row, derived.layer)
    return derived


def _noted(
    line: MeasuredLayer, measure: Callable[[MeasuredLayer, ForwardRow, type], None], row: ForwardRow, layer: type
) -> None:
    """Measure; what goes wrong on the way is noted."""
    try:
        measure(line, row, layer)
    except TooLongError:
        raise
    except Exception as error:
        line.why += f"{measure.__name__.strip('_')}: {type(error).__name__}: {error}; "


def _verdict(line: MeasuredLayer, row: ForwardRow, layer: type) -> None:
    """The worst verdict of `dout.check` at two sizes, and findings of severity error."""
    words: set[str] = set()
    for sizes in (SMALL, OTHER):
        example = row.example(sizes, np.random.default_rng(2))
        report = dout.check(layer, *example.arguments, init=dict(example.init))
        words |= {str(verdict.word) for verdict in report.verdicts} or {"raises"}
        line.findings += [f"{f.code} {f.message}" for f in report.findings if f.severity == "error"]
        line.warnings += [f"{f.code} {f.message}" for f in report.findings if f.severity == "warning"]
    line.verdict = next((word for word in VERDICTS if word in words), max(words))


VERDICTS = (
    "refuted",
    "no verdict",
    "inconclusive",
    "exact up to a stabiliser",
    "exact up to rounded constants",
    "exact",
)


def _at_thousand(line: MeasuredLayer, row: ForwardRow, layer: type) -> None:
    """Whether gradients are finite, and right, at large inputs, wherever the true ones are finite."""
    example = scaled(row, 1000.0)
    try:
        true: Gradients | None = exactly(row, example)
        line.judge = "exact"
    except TooLongError:
        raise
    except Exception as error:
        line.judge = "torch" if torch is not None and row.torch else f"{type(error).__name__}: {error}"
        true = by_torch(row, example)
    if true is None:
        return
    found = run(row, example.made(layer), example)
    missing = sorted(set(true) - set(found))
    places = {name: np.isfinite(want) for name, want in true.items() if name in found}
    bad = [name for name, where in places.items() if not np.isfinite(np.reshape(found[name], where.shape)[where]).all()]
    line.finite = not bad
    line.why += f"no gradient of {', '.join(missing)}; " if missing else ""
    line.why += f"not finite at ±1000: {', '.join(bad)}; " if bad else ""
    if not bad and not row.random:
        off = [name for name, where in places.items() if _is_off(found[name], true[name], where)]
        line.accurate = not off


def _is_off(got: Any, want: Any, where: Any) -> bool:
    got = np.asarray(got, float).reshape(np.shape(want))
    return bool(np.any(far(got[where], np.asarray(want)[where])))


def _float32(line: MeasuredLayer, row: ForwardRow, layer: type) -> None:
    example = row.example(SMALL, np.random.default_rng(3), np.float32)
    out = forward(example.made(row.layer), example)
    found = {np.asarray(g).dtype for g in run(row, example.made(layer), example).values()}
    kept = found == {np.dtype(np.float32)}
    widens = any(np.asarray(o).dtype != np.float32 for o in out)
    line.float32 = None if widens and not kept else kept


def _against_torch(line: MeasuredLayer, row: ForwardRow, layer: type) -> None:
    """The largest difference to PyTorch's gradients, each as a share of its largest number."""
    worst = 0.0
    for sizes in (SMALL, OTHER):
        example = row.example(sizes, np.random.default_rng(4))
        want = by_torch(row, example)
        if want is None:
            return
        found = run(row, example.made(layer), example)
        for name, gradient in want.items():
            if name in found:
                largest = np.abs(gradient).max(initial=0.0) or 1.0
                difference = np.abs(np.asarray(found[name]).reshape(gradient.shape) - gradient).max(initial=0.0)
                worst = max(worst, float(difference / largest))
    line.torch = worst


def code_lines(source: str) -> int:
    """Lines of code: blank lines, comments and docstrings do not count."""
    tree = ast.parse(textwrap.dedent(source))
    texts: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            texts |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = enumerate(textwrap.dedent(source).splitlines(), 1)
    return sum(1 for i, text in lines if i not in texts and text.strip() and not text.strip().startswith("#"))


def _timed(line: MeasuredLayer, row: ForwardRow, layer: type, by_hand: type, rounds: int) -> None:
    """Time as a multiple of the hand-written layer's: forward and backward together, and backward alone."""
    both, alone = [], []
    for place in range(PLACES):
        example = row.example(TIMED, np.random.default_rng(6 + place))
        ours, theirs = (_bound(example.made(cls), example) for cls in (layer, by_hand))
        both.append(_ratio(ours[0], theirs[0], rounds))
        alone.append(_ratio(ours[1], theirs[1], rounds))
    line.both, line.backward = median(both), median(alone)


def _bound(layer: Any, example: Example) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Forward with backward, and backward alone, as calls without arguments."""
    inputs, douts = example.arguments, upstream(forward(layer, example))

    def both() -> None:
        layer.forward(*inputs)
        backward(layer, douts)

    return both, lambda: backward(layer, douts)


def _ratio(ours: Callable[[], Any], theirs: Callable[[], Any], rounds: int) -> float:
    """The ratio of the best times of two calls that take turns."""
    times = min(_seconds(call, 1) for call in (theirs, theirs, theirs))
    calls = max(1, int(TURN / max(times, 1e-7)))
    turns = [(_seconds(ours, calls), _seconds(theirs, calls)) for _ in range(rounds)]
    mine, other = (min(each) for each in zip(*turns, strict=True))
    return mine / other


def _seconds(call: Callable[[], Any], calls: int) -> float:
    """Seconds of the processor: those of other programs do not count."""
    start = process_time()
    for _ in range(calls):
        call()
    return process_time() - start
