"""A loss whose backward gives the gradient of its softmax or sigmoid as well: `pred - target`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from dout.check.conventions.softmax import softmax
from dout.check.exact.subject import Subject
from dout.judge.judging_points import nearby
from dout.run import PlainRun, attributes_of, copied, otherwise, sure_difference, weighed
from dout.trace.session.pairing import pairs

_CLOSE, _NEAR = 1e-6, 1e-3
_STEP = 1e-5
_AXES = (-1, 0)  # along which the numbers of a sample may lie
_NOTHING = 1e-12  # of a gradient: what rounding leaves of one that is 0


@otherwise(None)
def times_of_both(subject: Subject, name: str) -> float | None:
    """How many times prediction minus target the gradient of a loss is, on several inputs; None where it is not.

    That is the gradient of cross entropy and softmax together, or of binary cross entropy and sigmoid (Bishop, Pattern
    Recognition and Machine Learning, 4.3), of a forward that is given the probabilities. A square has it by itself.
    """
    if name not in subject.names or len(subject.inputs) < 2:
        return None
    place = subject.names.index(name)
    generator = np.random.default_rng(0)
    ratios = [_ratio(subject, place, None), _ratio(subject, place, generator)]
    return _follows(subject, place, raw=not all(r is not None and r > 0 for r in ratios))


def _follows(subject: Subject, place: int, *, raw: bool) -> float | None:
    """How many times what differentiating loss and activation together gives it is; None where it is no multiple.

    The absolute error of probabilities has another gradient, whatever its backward says. A `raw` one is given what the
    activation is given, and computes that by itself.
    """
    axes = _AXES[: np.ndim(subject.inputs[place])]
    found = (_times_derivative(subject, place, axis, raw) for axis in (*axes, None))
    return next((times for times in found if times is not None), None)


@otherwise(None)
def _times_derivative(subject: Subject, place: int, axis: int | None, raw: bool) -> float | None:
    """The same of a softmax along an axis; without one, of a sigmoid."""
    activation = _sigmoid if axis is None else partial(softmax, axis=axis)
    generator = np.random.default_rng(1)
    z = generator.normal(size=np.shape(subject.inputs[place]))
    inputs = [
        _as_labels(item, axis) if axis is not None and np.shape(item) == z.shape else _mixed(item, generator)
        for item in subject.inputs
    ]

    ones = tuple(np.ones(np.shape(output))[()] for output in subject.run().outputs)  # it may not be given any other

    def run(at: Any, activation: Callable[[Any], Any] = activation) -> PlainRun:
        return subject.run((*inputs[:place], activation(at), *inputs[place + 1 :]), ones)

    first = run(z, np.asarray) if raw else run(z)
    ratios = []
    for _ in range(3):
        way = generator.normal(size=z.shape)
        slope = sure_difference(partial(_moved, run, z, way), _STEP)[0]
        ratios.append(float(np.sum(first.gradients[place] * way)) / float(slope))
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
    return _with_ones_at(np.argmax(item, axis=axis), np.shape(item)[axis], axis)


def _with_ones_at(places: Any, length: int, axis: int) -> Any:
    return np.moveaxis(np.eye(length)[places], -1, axis)


def _sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def _ratio(subject: Subject, place: int, generator: np.random.Generator | None) -> float | None:
    inputs = [copied(item) for item in subject.inputs]
    if generator is not None:
        inputs[place] = np.clip(nearby(inputs[place], generator), 1e-3, 1 - 1e-3)
    prediction = np.array(inputs[place], dtype=float)
    run = subject.run(tuple(inputs))
    gradient = run.gradients[place] if place < len(run.gradients) else None
    if gradient is None or np.shape(gradient) != prediction.shape:
        return None
    for i, other in enumerate(subject.inputs):
        for target in _targets(other, prediction) if i != place else ():
            step = prediction - target
            ratio = float(np.sum(gradient * step) / np.sum(step * step))
            if np.all(np.abs(gradient - ratio * step) <= _CLOSE * abs(ratio) * np.max(np.abs(step), initial=0.0)):
                return ratio
    return None


def _targets(item: Any, prediction: Any) -> Iterator[Any]:
    """What a target may be beside a prediction: itself, lines with one 1 where it says the place."""
    given = np.asarray(item)
    if given.shape == prediction.shape:
        yield given.astype(float)
        yield from (_as_labels(given, axis) for axis in _AXES[: given.ndim])
        return
    for axis in _AXES[: prediction.ndim]:
        if given.dtype.kind in "iu" and given.size == prediction.size // prediction.shape[axis]:
            places = given.reshape(np.delete(prediction.shape, axis))
            yield _with_ones_at(places, prediction.shape[axis], axis)


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
