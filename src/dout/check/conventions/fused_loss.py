"""A loss whose backward gives the gradient of its softmax or sigmoid as well: `pred - target` of a cross entropy."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from dout.check.conventions.softmax import softmax
from dout.check.exact.subject import Subject
from dout.run import PlainRun, attributes_of, copied, otherwise, sure_difference, weighed
from dout.trace.session.pairing import pairs

_NEAR = 1e-3
_POINTS, _WAYS = 2, 3  # at which, and along which, the gradient is compared
_STEP = 1e-5
_AXES = (-1, 0)  # along which the numbers of a sample may lie
_NOTHING = 1e-12  # of a gradient: what rounding leaves of one that is 0


@otherwise(None)
def times_of_both(subject: Subject, name: str) -> float | None:
    """How many times the gradient of a loss and its softmax or sigmoid together its own is; None if no multiple.

    Of a cross entropy that is prediction minus target (Bishop, Pattern Recognition and Machine Learning, 4.3). In which
    form the target comes does not matter: what is compared is the slope of forward behind the activation.
    """
    if name not in subject.names or len(subject.inputs) < 2:
        return None
    place = subject.names.index(name)
    axes = _AXES[: np.ndim(subject.inputs[place])]
    ways = ((axis, raw) for raw in (False, True) for axis in (*axes, None))
    found = (_times_derivative(subject, place, axis, raw) for axis, raw in ways)
    return next((times for times in found if times is not None), None)


@otherwise(None)
def _times_derivative(subject: Subject, place: int, axis: int | None, raw: bool) -> float | None:
    """The same of a softmax along an axis; without one, of a sigmoid.

    A `raw` one is given what the activation is given, and its backward computes the activation by itself.
    """
    activation = _sigmoid if axis is None else partial(softmax, axis=axis)
    shape = np.shape(subject.inputs[place])
    mixing = np.random.default_rng(0)
    inputs = [
        _as_labels(item, axis) if axis is not None and np.shape(item) == shape else _mixed(item, mixing)
        for item in subject.inputs
    ]

    ones = tuple(np.ones(np.shape(output))[()] for output in subject.run().outputs)  # it may not be given any other

    def run(at: Any, activation: Callable[[Any], Any] = activation) -> PlainRun:
        return subject.run((*inputs[:place], activation(at), *inputs[place + 1 :]), ones)

    ratios = []
    for seed in range(1, 1 + _POINTS):
        generator = np.random.default_rng(seed)
        z = generator.normal(size=shape)
        gradient = (run(z, np.asarray) if raw else run(z)).gradients[place]
        for _ in range(_WAYS):
            way = generator.normal(size=shape)
            slope = sure_difference(partial(_moved, run, z, way), _STEP)[0]
            ratios.append(float(np.sum(gradient * way)) / float(slope))
    is_multiple = min(ratios) > 0 and max(ratios) - min(ratios) <= _NEAR * max(ratios)
    return float(np.mean(ratios)) if is_multiple else None


def _moved(run: Callable[[Any], PlainRun], z: Any, way: Any, step: float) -> float:
    moved = run(z + step * way)
    return float(weighed(moved.outputs, moved.douts))


def _mixed(item: Any, generator: np.random.Generator) -> Any:
    """A copy; of labels one in which they repeat: of a permutation, `d[t, n]` may be `d[n, t]`."""
    if not isinstance(item, np.ndarray) or item.dtype.kind not in "iu" or item.size < 2:
        return copied(item)
    labels = generator.choice(item.ravel(), item.shape)
    labels.flat[-1] = labels.flat[0]
    return labels


def _as_labels(item: Any, axis: int) -> Any:
    """Lines with one 1 where the item has its largest number."""
    return np.moveaxis(np.eye(np.shape(item)[axis])[np.argmax(item, axis=axis)], -1, axis)


def _sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


@otherwise(False)
def takes_the_target(subject: Subject) -> bool:
    """Whether all gradients are 0 where `dout` is what forward gives, and where it is 0 they are not."""
    before = attributes_of(subject.again())

    def size(run: PlainRun) -> float:
        found = [*run.gradients, *(pair.gradient for pair in pairs(before, attributes_of(run.layer)))]
        return max((float(np.max(np.abs(g), initial=0.0)) for g in found if g is not None), default=0.0)

    outputs = subject.run().outputs
    zeros = subject.run(douts=tuple(np.zeros(np.shape(output)) for output in outputs))
    return size(subject.run(douts=tuple(outputs))) <= _NOTHING * size(zeros) > 0
