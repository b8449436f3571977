"""What a layer that ends in a softmax, or a sigmoid, leaves to its loss."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from dout.check.exact.difference_route import judge_numerically
from dout.check.exact.exact_route import Examination
from dout.check.exact.ratio import ratio_of_floats
from dout.check.exact.subject import Subject, kept
from dout.graph import topological
from dout.judge.float_judge import in_float64
from dout.judge.judging_points import far, nearby
from dout.run import PlainRun, copied, otherwise

_CLOSE = 1e-5


def says_softmax(subject: Subject) -> bool:
    """Whether the layer's class calls itself a softmax."""
    return re.search(r"soft[ _-]?max", _said_of(subject)) is not None


def is_softmax(subject: Subject) -> bool:
    """Whether what comes out, or exp of it, is the softmax of what goes in, along an axis or over all numbers.

    Of that alone a cross entropy and the layer together have `y - t` as their gradient, and not of `x / sum(x)`.
    """

    def holds(x: Any, y: Any) -> bool:
        axes = [*((axis,) for axis in range(x.ndim) if x.shape[axis] > 1), tuple(range(x.ndim))]
        return any(np.allclose(found, softmax(x, axis), atol=_CLOSE) for found in (y, np.exp(y)) for axis in axes)

    with np.errstate(over="ignore"):
        return len(subject.inputs) == 1 and _holds_of(subject, lambda x, y: x.shape == y.shape and holds(x, y))


@otherwise(False)
def is_right_at_a_cross_entropy(subject: Subject) -> bool:
    """Whether a softmax, or the logarithm of one, is right for each `dout` of a cross entropy, averaged or not.

    That is `-t` of a logarithm, and `-t / y` of a softmax, for targets `t` with one 1 along the axis.
    """
    if not is_softmax(subject):
        return False
    ratios, samples = [], 1
    for x, y in _outputs(subject):
        axis = next(axis for axis in (-1, *range(x.ndim - 1)) if _is_along(axis, x, y))
        samples, targets = y.size // y.shape[axis], _targets(y, axis)
        dout = -targets if np.all(y <= 0) else np.where(targets == 1, -1 / y, 0.0)
        gradient, right = subject.run((copied(x),), (dout,)).gradients[0], softmax(x, axis) - targets
        ratios.append(float(np.sum(gradient * right) / np.sum(right * right)))
        if not np.allclose(gradient, ratios[-1] * right, atol=_CLOSE):
            return False
    return any(np.allclose(ratios, share, atol=_CLOSE) for share in (1, 1 / samples))


def _targets(y: Any, axis: int) -> Any:
    """Targets for probabilities, with one 1 along an axis, at another place in each sample."""
    places = np.arange(y.size // y.shape[axis]).reshape(np.delete(y.shape, axis)) % y.shape[axis]
    return np.moveaxis(np.eye(y.shape[axis])[places], -1, axis)


@otherwise(False)
def is_made_for_a_cross_entropy(subject: Subject) -> bool:
    """Whether a softmax is right for each `dout` of a cross entropy, and is no multiple of it."""
    nothing = tuple(np.zeros(np.shape(output)) for output in subject.forward())
    return is_right_at_a_cross_entropy(subject) and bool(np.any(subject.run(douts=nothing).gradients[0]))


def _is_along(axis: int, x: Any, y: Any) -> bool:
    return any(np.allclose(found, softmax(x, axis), atol=_CLOSE) for found in (y, np.exp(y)))


def softmax(x: Any, axis: int | tuple[int, ...] = -1) -> Any:
    """The softmax along one axis, or over several."""
    exp = np.exp(x - x.max(axis=axis, keepdims=True))
    return exp / exp.sum(axis=axis, keepdims=True)


def says_last(subject: Subject) -> bool:
    """Whether the layer's class says that it stands at the end, before its loss."""
    return re.search(r"output|entropy|loss|last layer", _said_of(subject)) is not None


def names_last(subject: Subject) -> bool:
    """Whether a layer with parameters says so: by a word of its class name, or as "the output layer", none hidden."""
    words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+", f"{subject.name} {type(subject.again()).__name__}")}
    said = _said_of(subject)
    told = "hidden" not in said and re.search(r"\b(output|last) layer", said) is not None
    return told or not words.isdisjoint({"output", "entropy", "loss"})


def is_last_sigmoid(subject: Subject) -> bool:
    """Whether this is a sigmoid that says that it stands at the end, before its loss."""
    if not says_last(subject):
        return False
    return _holds_of(subject, lambda x, y: x.shape == y.shape and np.allclose(y, 1 / (1 + np.exp(-x)), atol=_CLOSE))


@kept
def handed_on(subject: Subject) -> dict[str, float]:
    """How many times right each gradient is if `dout` is that of what the softmax at the end of the layer was given.

    Of `y = softmax(z)` and a `dout` that adds up to 0, as `y - t` does, `dout / y` upstream of `y` is `dout` upstream
    of `z`: so the gradients are judged under that.
    """
    try:
        first = subject.run()
        y = _probabilities(first)
        if y is None:
            return {}
        (given,) = first.douts  # along another axis, equal probabilities may add up to 1 by chance
        douts = [given - given.mean(axis=axis, keepdims=True) for axis in _axes_to_one(y)]
        ratios = max((_of_derived(subject, dout, y) for dout in douts), key=len)
        if not ratios:
            likeness = judge_numerically(
                subject, replace(subject.run(douts=(douts[0],)), douts=(douts[0] / y,))
            ).likeness
            ratios = {name: one.ratio for name, one in likeness.items() if one.ratio is not None}
    except Exception:  # the user's code, on another upstream gradient
        return {}
    told = any(map(math.isfinite, ratios.values()))  # a gradient of 0, as behind weights of 0, fits whatever they say
    return {name: 1.0 if told and math.isnan(ratio) else ratio for name, ratio in ratios.items()}


@otherwise({})
def _of_derived(subject: Subject, dout: Any, y: Any) -> dict[str, float]:
    """The same by the derived gradients of a recording; nothing where it cannot be recorded."""
    here = Examination(subject.recorded((dout,)))
    (seed,) = here.seeds.values()
    derived = {j.name: (j.gradient, j.derived) for j in here.judged if j.derived is not None}
    found = in_float64(topological(node for _, node in derived.values()), here.recorded | {seed: dout / y})
    ratios = {n: ratio_of_floats(found[node], here.data[got], _CLOSE) for n, (got, node) in derived.items()}
    return {name: ratio for name, ratio in ratios.items() if ratio is not None}


@otherwise(False)
def passes_a_sigmoid(subject: Subject, parameters: Collection[str]) -> bool:
    """Whether all gradients are right if `dout` is that of what a sigmoid at the end was given.

    Those of the parameters may all be averaged over the samples.
    """
    first = subject.run()
    (y,), (dout,) = first.outputs, first.douts
    if not (np.all(y > 0) and np.all(y < 1)):
        return False
    return _is_right_in(replace(first, douts=(dout / (y * (1 - y)),)), subject, parameters)


@otherwise(False)
def takes_targets_from_dout(subject: Subject, parameters: Collection[str]) -> bool:
    """Whether all gradients of a layer that ends in a softmax are right for the `dout` of a cross entropy, `-t / y`."""
    y = _probabilities(subject.run())
    axes = [] if y is None else [axis for (axis, *more) in _axes_to_one(y) if not more]
    runs = (subject.run(douts=(-_targets(y, axis) / y,)) for axis in axes)
    return any(_is_right_in(run, subject, parameters) for run in runs)


def _is_right_in(run: PlainRun, subject: Subject, parameters: Collection[str]) -> bool:
    """Whether all gradients of a run are right; those of the parameters may all be averaged over the samples."""
    (dout,), likeness = run.douts, judge_numerically(subject, run).likeness
    ratios = {name: math.nan if one.ratio is None else one.ratio for name, one in likeness.items()}
    own = [ratio for name, ratio in ratios.items() if name in parameters]
    others = [ratio for name, ratio in ratios.items() if name not in parameters]
    shares = (1.0, 1 / len(dout)) if np.ndim(dout) else (1.0,)
    one = any(np.allclose(own, share, rtol=1e-4, atol=0) for share in shares)
    return bool(ratios) and one and np.allclose(others, 1.0, rtol=1e-4, atol=0)


@otherwise(False)
def gives_diagonal(subject: Subject) -> bool:
    """Whether the gradient of the only input is `dout * y * (1 - y)`, of an output `y` that adds up to 1."""
    run = subject.run()
    y = _probabilities(run)
    if y is None or len(subject.inputs) != 1 or len(run.gradients) != 1:
        return False
    return bool(np.allclose(run.gradients[0], run.douts[0] * y * (1 - y), rtol=_CLOSE, atol=0))


def _probabilities(run: PlainRun) -> Any:
    """The only output of a run, where it is positive and adds up to 1 along an axis; else None."""
    y = np.asarray(run.outputs[0]) if len(run.outputs) == 1 else np.zeros(0)
    return y if y.size and y.dtype.kind == "f" and np.all(y > 0) and _axes_to_one(y) else None


def _axes_to_one(y: Any) -> list[tuple[int, ...]]:
    """The axes, longer than 1, along which numbers add up to 1: one of them, or all together."""
    axes = [*((axis,) for axis in range(y.ndim) if y.shape[axis] > 1), tuple(range(y.ndim))]
    return [axis for axis in axes if y.size > 1 and np.allclose(y.sum(axis=axis), 1, atol=_CLOSE)]


def _said_of(subject: Subject) -> str:
    """What a layer's class says of itself, in lower case."""
    cls = type(subject.again())
    return f"{subject.name} {cls.__name__} {cls.__doc__ or ''}".lower()


def _outputs(subject: Subject) -> Iterator[tuple[Any, Any]]:
    """Inputs, the given and others, each with what forward makes of it; arrays alone."""
    generator = np.random.default_rng(0)
    for move in (None, nearby, far(1.0)):
        x = subject.inputs[0] if move is None else move(subject.inputs[0], generator)
        (y,) = subject.forward((copied(x),))
        yield np.asarray(x, dtype=float), np.asarray(y, dtype=float)


@otherwise(False)
def _holds_of(subject: Subject, holds: Callable[[Any, Any], bool]) -> bool:
    return all(holds(x, y) for x, y in _outputs(subject))
