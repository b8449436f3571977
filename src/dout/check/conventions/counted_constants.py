"""Right up to a number that is counted, of samples, steps or places: averages and sums, of losses and parameters."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import product

from dout.check.conventions.refuted_gradient import RefutedGradient
from dout.check.conventions.sample_scaling import Axes, Constant, CountedLengths
from dout.check.conventions.squares import depends_by_squares
from dout.check.exact.judge import Convention
from dout.check.exact.ratio import Likeness
from dout.judge.outcomes import Word

_SAMPLES, _LAST = Axes("N", (0,), "samples"), Axes("N", (-1,), "samples")
_STEPS = Axes("T", (1,), "steps")
_NEAR = 1e-3  # of a constant, taken of differences


def of_a_loss(gradient: RefutedGradient) -> Convention | None:
    """Averaged over the samples or the elements where forward sums, or the other way; ½ or 2 of a square dropped."""
    if not gradient.is_of_a_loss:
        return None
    squared = depends_by_squares(gradient.judgement.examination, gradient.outcome.judged.node)
    shape, output = gradient.samples.lengths
    last = [_LAST] if len(shape) == 2 and (output == shape or math.prod(output) == 1) else []  # else there is one a row
    guesses = _factors_of_a_loss(len(shape), (1.0, 0.5, 2.0) if squared else (1.0,), last)
    return _scaled(gradient, filter(gradient.samples.may_count, guesses))


def _factors_of_a_loss(axes: int, numbers: Iterable[float], last: Iterable[Axes]) -> Iterator[Constant]:
    rest = Axes("C", tuple(range(1, axes)), "numbers a sample")
    counted: list[tuple[Axes, ...]] = [(_SAMPLES,), *((axes,) for axes in last)]
    counted += [(_SAMPLES, _STEPS)] if axes > 2 else []
    counted += [(_SAMPLES, rest), (rest,)] if axes > 1 else []
    for number in numbers:
        yield from (Constant(number, these, power) for these, power in product(counted, (-1, 1)))
        if number != 1:
            yield Constant(number)


def of_both(gradient: RefutedGradient) -> Convention | None:
    """A loss that is given probabilities, and gives the gradient of what they were made of."""
    times, because = gradient.times_of_both, "of the loss and its softmax or sigmoid together"
    if times is None:
        return None
    if math.isclose(times, 1, rel_tol=_NEAR):
        return Convention(Word.JOINED, because)
    lengths = gradient.samples.lengths
    factors = _factors_of_a_loss(len(lengths.input), (1.0,), ())
    factor = next((one for one in factors if math.isclose(one.at(lengths), times, rel_tol=_NEAR)), None)
    if factor is None:
        return None
    undivided = factor.at(lengths) > 1
    return Convention(Word.JOINED, because, factor.symbol if undivided else "", undivided=undivided)


def of_parameters(gradient: RefutedGradient) -> Convention | None:
    """Averaged over the samples in the layer instead of in the loss; what goes on to other layers is not."""
    judgement = gradient.judgement
    names = {outcome.judged.name for outcome in judgement.refuted.values()} - judgement.parameters
    inputs_are_scaled = any(judgement.likeness.get(name, Likeness()).ratio is not None for name in names)
    if gradient.is_of_a_loss or not gradient.is_of_a_parameter or inputs_are_scaled:
        return None
    return _scaled(gradient, averages(gradient.samples.lengths))


def averages(lengths: CountedLengths) -> Iterator[Constant]:
    """What people divide a parameter's gradient by: the samples, the steps too, the places of a picture."""
    axes, out = len(lengths.input), len(lengths.output)
    yield from (Constant(1.0, (where,), -1) for where in (_SAMPLES, _LAST)[:axes])
    if axes > 2:
        yield Constant(1.0, (_SAMPLES, _STEPS), -1)
    for places in (tuple(range(2, out)), tuple(range(1, out - 1))) if out > 2 else ():
        yield Constant(1.0, (_SAMPLES, Axes("P", places, "places", output=True)), -1)


def _scaled(gradient: RefutedGradient, guesses: Iterable[Constant]) -> Convention | None:
    constant = gradient.constant(guesses)
    if constant is None:
        return None
    undivided = gradient.is_of_a_loss and constant.power > 0
    return Convention(Word.SCALED, constant.says(gradient.samples.lengths), constant.symbol, undivided=undivided)


def compounds(gradient: RefutedGradient) -> str | None:
    """Of an input that is averaged in the middle of a network: no convention, although it looks like one."""
    if gradient.is_of_a_loss or gradient.is_of_a_parameter:
        return None
    constant = gradient.constant(averages(gradient.samples.lengths))
    if constant is None:
        return None
    return f"it is {constant.says(gradient.samples.lengths)}, and with every such layer once more: divide in the loss"


def is_no_share_of_both(gradient: RefutedGradient) -> str | None:
    """Of a loss and its activation together, but for a constant that no count of samples explains."""
    times, both = gradient.times_of_both, "the gradient of the loss and its softmax or sigmoid together"
    return None if times is None else f"it is {times:.3g} times {both}"
