"""Penalties that backward adds: terms by a setting of the layer, and how strong they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from dout.check.exact.difference_route import judge_numerically
from dout.check.exact.subject import Subject, kept
from dout.judge.outcomes import CLOSE
from dout.run import attributes_of, flat, is_float_array, otherwise
from dout.trace.model.replay import same_bits_deep

BY_DIFFERENCES = 1e-4  # as far off may a difference be
_ROUNDING = 1e-9  # so much of a gradient is no penalty: of numbers that add up to 0, say


@kept
@otherwise("")
def strength_of_what_is_added(subject: Subject, name: str) -> str:
    """The number, held by a layer, without which the gradient of an input is right and its output the same; else ""."""
    run = subject.run()
    none = subject.run(douts=tuple(dout * 0 for dout in run.douts))
    place = subject.names.index(name)
    if place >= len(none.gradients) or not _size(none.gradients[place]) > _ROUNDING * _size(run.gradients[place]):
        return ""
    opposite = tuple(-1.5 * x if is_float_array(x) else x for x in subject.fresh_inputs())
    other = subject.run(opposite, douts=tuple(dout * 0 for dout in run.douts))
    if same_bits_deep(other.gradients[place], none.gradients[place]):  # the derivative of no penalty on numbers
        return ""
    for setting, number in attributes_of(subject.again()).items():
        if isinstance(number, bool) or not isinstance(number, int | float) or not number:
            continue
        without = replace(subject, make=partial(_without, subject, setting))
        there = without.run()
        if same_bits_deep(there.outputs, run.outputs):
            found = judge_numerically(without, there).verdicts
            if any(verdict.argument == name and verdict.word in CLOSE for verdict in found):
                return setting
    return ""


def _size(gradient: Any) -> float:
    """The largest number of a gradient, without its sign."""
    return max((float(np.max(np.abs(part), initial=0.0)) for part in flat(gradient)), default=0.0)


def _without(subject: Subject, setting: str) -> Any:
    """The layer with 0 for a number that it holds."""
    layer = subject.again()
    setattr(layer, setting, type(getattr(layer, setting))(0))
    return layer


class Penalty(NamedTuple):
    """A penalty in words, how strong its terms are, and the share of the right gradient that it is added to."""

    share: float
    strengths: list[float]
    said: str


def penalties_in(
    name: str, parameter: Any, mine: Any, right: Any, shares: Iterable[float], *, exact: bool
) -> Iterator[Penalty]:  # fmt: skip
    """The penalties on a parameter, λ·W, λ·sign(W) or both, that a gradient has more than a share of the right one."""
    known = {name: parameter, f"sign({name})": np.sign(parameter)}
    ways = [*([one] for one in known), [*known]][: 1 if np.size(parameter) < 3 else None]  # two signs fit by chance
    for share, names in product(shares, ways):
        strengths = _strengths(mine - share * right, [known[one] for one in names], exact=exact)
        if strengths:
            terms = (f"{strength:.4g}·{one}" for strength, one in zip(strengths, names, strict=True))
            yield Penalty(share, strengths, " + ".join(terms))


def _strengths(added: Any, penalties: Sequence[Any], *, exact: bool) -> list[float]:
    """How strong each penalty is, where they add up to just that; nothing where they do not."""
    if not all(map(np.ptp, penalties)) or np.size(added) <= len(penalties):  # as many as they are fit anything
        return []
    columns = np.stack([penalty.ravel() for penalty in penalties], axis=1)
    found = np.linalg.lstsq(columns, np.ravel(added), rcond=None)[0]
    close = 1e-6 if exact else BY_DIFFERENCES
    least = 1e-3 * close * np.max(np.abs(added))
    fits = np.allclose(np.ravel(added), columns @ found, rtol=close, atol=least)
    return found.tolist() if fits and np.all(found > 0) else []
