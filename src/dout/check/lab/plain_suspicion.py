"""Plain runs look for a suspicion, before exact arithmetic decides: a recording costs a hundred plain runs."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from dout.check.exact.subject import Subject
from dout.clock import count
from dout.run import PlainRun, arrays, attributes_of, central_difference, copied, flat, mapped, quiet, size_of, weighed
from dout.trace.session.pairing import Pair, pairs

_STEP = 1e-6
_TINY = 0.05  # `0.01 * randn` is
_CLOSE = 1e-5  # relative to the slope and to what goes into it: rounding, and the curvature along a step


class BackwardError(Exception):
    """Forward has run, and backward raises the cause of this."""


def is_suspicious(subject: Subject, douts_of: Callable[[list[Any]], tuple[Any, ...]]) -> bool:
    """Whether a gradient has another shape, or the slope of forward is not what the gradients say.

    Raises BackwardError where backward raises.
    """
    count(2 * subject.seconds)  # forward and backward, and forward on both sides
    layer = _of_usual_size(subject.again())
    before, inputs = dict(attributes_of(layer)), subject.fresh_inputs()
    with quiet():
        outputs = subject.runner.forward(layer, inputs)
        if not all(np.all(np.isfinite(output)) for output in outputs):
            return False
        douts = douts_of(outputs)
        try:
            gradients = subject.runner.backward(layer, tuple(map(copied, douts)), seed=0)
        except Exception as error:
            raise BackwardError from error
    run = PlainRun(layer, inputs, douts, outputs, gradients)
    learned = list(pairs(before, attributes_of(layer)))
    items = [*flat(run.inputs)]
    each = [*flat(run.gradients)] if len(items) > len(run.inputs) else run.gradients  # of a list, its arrays' own
    given = [(i, g) for i, g in enumerate(each[: len(items)]) if g is not None and is_moved(items[i])]
    if any(np.shape(g) != np.shape(items[i]) for i, g in given):
        return True
    if any(np.shape(pair.parameter) != np.shape(pair.gradient) for pair in learned):
        return True
    return _differs(subject, run, given, learned)


def _of_usual_size(layer: Any) -> Any:
    """The layer with numbers of usual size where all of an array are tiny: beside them no slope of a weight is seen."""
    for array in arrays(layer).values():
        size = np.max(np.abs(array), initial=0.0) if array.dtype.kind == "f" else 0.0
        if 0 < size < _TINY and array.flags.writeable:
            array /= size
    return layer


def is_moved(item: Any) -> bool:
    """Whether an input is made of floats: a step changes it."""
    return isinstance(item, np.ndarray | np.floating) and item.dtype.kind == "f"


def _kept(x: Any, moved: Any) -> Any:
    """What an input becomes, as the kind that it is: NumPy makes a number of an array without axes."""
    return moved[...] if isinstance(x, np.ndarray) else moved


def _differs(subject: Subject, run: PlainRun, given: list[tuple[int, Any]], learned: list[Pair]) -> bool:
    """Whether a central difference along one direction is far from the sum of the gradients along it."""
    generator = np.random.default_rng(0)
    items = [*flat(run.inputs)]
    ways = {i: generator.normal(size=np.shape(g)) * size_of(items[i]) for i, g in given}
    inner = {pair.name: generator.normal(size=np.shape(pair.gradient)) * size_of(pair.parameter) for pair in learned}
    parts = [np.sum(ways[i] * g) for i, g in given]
    parts += [np.sum(inner[pair.name] * np.asarray(pair.gradient)) for pair in learned]

    sizes: list[float] = []

    def loss(step: float) -> float:
        layer = _of_usual_size(subject.again())
        number = itertools.count()
        inputs = mapped(
            subject.fresh_inputs(), lambda x: _kept(x, x + step * ways[i]) if (i := next(number)) in ways else x
        )
        for pair in pairs(attributes_of(layer), attributes_of(run.layer)):
            if pair.name in inner:
                pair.put(layer, pair.parameter + step * inner[pair.name])
        outputs = subject.runner.forward(layer, inputs)
        sizes.append(float(weighed(map(np.abs, outputs), map(np.abs, run.douts))))
        return float(weighed(outputs, run.douts))

    with quiet():
        slope = central_difference(loss, _STEP)
    allowed = _CLOSE * (abs(slope) + sum(map(abs, parts))) + 1e-8 * sizes[0]
    return not abs(slope - sum(parts)) <= allowed
