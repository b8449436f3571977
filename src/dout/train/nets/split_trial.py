"""A net and a batch in; how the numbers of its parts make those of the whole out: tried with copies, not declared.

A mean over samples is the mean of its parts, each by its samples, and a sum is their sum. Batch normalization is
neither, and a moving mean follows from the steps that one process has seen. Such nets are refused, with the layer that
shows it first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dout.errors import TrainingError
from dout.run import copied, deep_copy, evaluating, flat, generators_of, global_states, mapped
from dout.run.random_states import all_states
from dout.train.nets.layer_watch import LayerPass, called, layers_of, watched_layers
from dout.train.nets.parameters import Array
from dout.train.nets.train_step import TrainStep

_NUDGE = 1.001  # of the parameters: what a worker is sent has to follow its own
_DIGITS = 16  # of the longest gradient so far: what is left of it in a net that has learned everything is rounding


@dataclass(frozen=True)
class BatchSplit:
    """How a batch is split: whether its loss is a mean, whether the net draws, whether it gives few scores."""

    is_mean: bool
    draws: bool
    few_scores: bool

    def check_loss(self, loss: Any, scores: Any, t: Any, found: float, where: str) -> None:
        """Raise TrainingError where the loss of a batch is not that of its parts: some labels are ignored, say."""
        whole = float(loss.forward(copied(scores), copied(t)))
        if not _near(whole, found, abs(whole) * _rounding(scores)):
            said = f"{type(loss).__name__} is {whole:.6g} for the batch, and {found:.6g} put together from its parts"
            why = "the weight of a sample depends on the other samples of the batch, so the batch cannot be split"
            raise TrainingError(f"{where}: {said}: {why}; train without a client")


@dataclass(frozen=True)
class _Trial:
    """A step of a copy: its loss, gradients and scores, and what each layer gave."""

    loss: float
    gradients: Mapping[str, Array]
    scores: Any
    passes: Sequence[LayerPass]

    def is_sum_of(self, parts: Sequence[_Trial], shares: Sequence[float]) -> bool:
        """Whether it has the numbers of some parts, each times its share, and their scores."""
        every = list(zip(parts, shares, strict=True))
        error = _rounding(*self.gradients.values())
        size = max((_largest(gradient) for gradient in self.gradients.values()), default=0.0)
        return (
            _near(self.loss, sum(part.loss * share for part, share in every), error * abs(self.loss))
            and all(part.gradients.keys() == self.gradients.keys() for part in parts)
            and all(
                _near(gradient, sum(part.gradients[name] * share for part, share in every), error * size)
                for name, gradient in self.gradients.items()
            )
            and _is_joined(self.scores, [part.scores for part in parts])
        )


def samples_of(x: Any, t: Any, where: str) -> int:
    """How many samples a batch has. Raises TrainingError where the first axis does not count them."""
    lengths = {len(one) if np.ndim(one) else 0 for one in (*(x if isinstance(x, tuple) else (x,)), t)}
    if len(lengths) != 1 or 0 in lengths:
        raise TrainingError(f"{where}: the first axis of x and of t has to count the samples: workers get some each")
    return lengths.pop()


def part_of(data: Any, chosen: Any) -> Any:
    """Some samples of an array, or of each in a tuple."""
    return mapped(data, lambda one: np.asarray(one)[chosen])


def split_of(step: TrainStep, x: Any, t: Any, sent: Callable[[TrainStep], TrainStep], where: str) -> BatchSplit | None:
    """How batches of a net are split; None where this one has a single sample. Raises TrainingError where they cannot.

    `sent` gives the step as a worker has it: that one computes the parts.
    """
    count = samples_of(x, t, where)
    if count < 2:
        return None
    order = np.argsort(np.reshape(t, (count, -1))[:, 0], kind="stable")  # classes may have weights: parts of other ones
    x, t = part_of(x, order), part_of(t, order)
    put_back = global_states(generators_of(**step.roots))
    try:
        drawing = _drawing(step, x, t)
        if drawing and _drawing(step, x, t, drawing):
            said = "draws random numbers, and no flag says that it trains: how parts make the whole cannot be tried"
            raise TrainingError(f"{drawing[0]} {said}; give it a `self.training = True`, or train without a client")
        whole, fresh = _nudged(deep_copy(step)), _nudged(deep_copy(step))
        cut = max(count // 3, 1)
        of_all = _trial(whole, x, t, drawing)
        parts = [_trial(_nudged(sent(step)), part_of(x, one), part_of(t, one), drawing)
                 for one in (slice(cut), slice(cut, None))]  # fmt: skip
        is_mean = of_all.is_sum_of(parts, [cut / count, 1 - cut / count])
        if not is_mean and not of_all.is_sum_of(parts, [1.0, 1.0]):
            said = "gives other numbers for two parts of a batch than for the whole; GroupNorm and LayerNorm do not"
            raise _refused(step, of_all, parts, said)
        put_back()
        again = [_trial(one, part_of(x, slice(None, None, -1)), part_of(t, slice(None, None, -1)), drawing)
                 for one in (whole, fresh)]  # fmt: skip
        with evaluating(whole.roots, fresh.roots):
            seen, unseen = (float(one.loss_of(copied(x), copied(t))[0]) for one in (whole, fresh))
        if not again[0].is_sum_of(again[1:], [1.0]) or not _near(seen, unseen, abs(seen) * _rounding(of_all.scores)):
            said = "keeps something of a step that the next one, or an evaluation, depends on: workers see other steps"
            raise _refused(step, again[0], again[1:], said)
        sent_numbers = step.registry.size() + sum(map(np.size, flat(x)))
        return BatchSplit(is_mean, bool(drawing), np.size(of_all.scores) <= sent_numbers)
    finally:
        put_back()


def check_whole(
    step: TrainStep, x: Any, t: Any, gradients: Mapping[str, Array], scales: tuple[float, float], where: str
) -> None:
    """Raise TrainingError where gradients put together from parts are not those of a copy that has the whole batch.

    `scales` are the lengths of the gradients of the parts, added up, now and at most so far: rounding grows with both.
    One unit of a ReLU may switch by rounding, hence a bound far above the last digits.
    """
    put_back = global_states(generators_of(**step.roots))
    try:
        whole = _trial(deep_copy(step), x, t, ()).gradients
    finally:
        put_back()
    digit = _rounding(*whole.values()) ** 2
    error = digit ** (1 / 3) * scales[0] + _DIGITS * digit * scales[1]
    for name, gradient in whole.items():
        found = float(np.linalg.norm(np.subtract(gradient, gradients.get(name, 0.0))))
        if not found <= error:
            said = f"the gradient of {name} differs by {found:.2g} from the one put together from parts of the batch"
            why = "a layer looks at the whole batch or counts its steps, or the loss weighs samples by the others"
            raise TrainingError(f"{where}: {said}: {why}; train without a client")


def _nudged(step: TrainStep) -> TrainStep:
    """A copy with other parameters."""
    for array in step.registry.arrays().values():
        array *= array.dtype.type(_NUDGE)
    step.registry.put_numbers()
    return step


def _trial(
    step: TrainStep, x: Any, t: Any, used: Iterable[str], hear: Callable[[str], object] = lambda path: None
) -> _Trial:
    """A step of a copy in which some layers behave as they are used; `hear` is told when a layer has run."""
    passes: list[LayerPass] = []

    def heard(one: LayerPass) -> None:
        hear(one.path)
        if one.way == "forward":
            passes.append(LayerPass(one.path, one.layer, one.way, (), copied(one.returned)))

    layers = layers_of(**step.roots)
    with evaluating(*(layer for path, layer in layers if path in used)), watched_layers(layers, heard):
        loss, scores = step.run(copied(x), copied(t))
    return _Trial(float(loss), copied(step.registry.gradients()), copied(scores), passes)


def _drawing(step: TrainStep, x: Any, t: Any, used: Iterable[str] = ()) -> list[str]:
    """The paths of the innermost layers that draw random numbers, while those that are `used` do not train."""
    step, found = deep_copy(step), dict[str, None]()
    own = generators_of(**step.roots)
    states = [repr(all_states(own))]

    def hear(path: str) -> None:
        states.append(repr(all_states(own)))
        if states[-1] != states[-2]:
            found[path] = None

    _trial(step, x, t, used, hear)
    hear("net")
    return list(found)


def _near(one: Any, other: Any, error: float) -> bool:
    return bool(np.shape(one) == np.shape(other) and _largest(np.subtract(one, other)) <= error)


def _is_joined(whole: Any, parts: Sequence[Any]) -> bool:
    """Whether an output is that of the parts, one after the other."""
    if not isinstance(whole, np.ndarray) or not whole.ndim or whole.dtype.kind != "f":
        return True
    if any(np.shape(part)[1:] != whole.shape[1:] for part in parts):
        return False
    return _near(whole, np.concatenate(parts), _rounding(whole) * _largest(whole))


def _largest(array: Any) -> float:
    return float(np.max(np.abs(array), initial=0))


def _rounding(*arrays: Any) -> float:
    """How much of the largest number rounding may change."""
    kinds = [array.dtype for array in map(np.asarray, arrays) if array.dtype.kind == "f"]
    return math.sqrt(max((float(np.finfo(kind).eps) for kind in kinds), default=float(np.finfo(float).eps)))


def _refused(step: TrainStep, whole: _Trial, parts: Sequence[_Trial], said: str) -> TrainingError:
    """Why a net cannot be spread, with the first layer whose outputs show it."""
    for one, *others in zip(whole.passes, *(part.passes for part in parts), strict=False):
        if not _is_joined(one.returned, [other.returned for other in others]):
            return TrainingError(f"{called(one.path, one.layer)} {said}; train it without a client")
    who = type(step.net if step.loss is None else step.loss).__name__
    return TrainingError(f"{who} {said}; train it without a client")
