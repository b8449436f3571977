"""D601: two runs from the same random state differ, or a generator has no seed."""

from __future__ import annotations

from typing import Any

import numpy as np

from dout.check.lab.other_values import few
from dout.check.lab.probe import Lab
from dout.check.report.rule import Findings, Rule
from dout.check.report.source_places import written_at
from dout.run import differs_at, places, state_of

RULE = Rule("D601", "warning", "not deterministic")


def check(lab: Lab) -> Findings:
    """Yield a finding for runs that differ; a note for a generator without a seed, of a layer that repeats."""
    yield from _unseeded(lab) if lab.repeatable else _two_runs(lab)


def _two_runs(lab: Lab) -> Findings:
    what, a, b = lab.differing(lab.run(), lab.run_elsewhere()) or ("the result", 0, 0)
    numbers = ""
    if np.shape(a) == np.shape(b):
        index = differs_at(a, b)
        at = f" at {list(index)}" if index else ""
        numbers = f": {few(np.asarray(a)[index])} and {few(np.asarray(b)[index])}{at}"
    message = (
        f"two runs from the same random state differ, {what} is not the same{numbers}; "
        "it depends on a clock, a counter outside the layer, or a generator without a seed"
    )
    where = written_at(getattr(type(lab.layer), "forward", None)) if what == "the output" else None
    yield RULE.about(lab.subject, message, where, cause="random")


def _unseeded(lab: Lab) -> Findings:
    """A generator that the layer draws from, and that another instance made alike does not have."""
    layer = lab.fresh()
    unseeded = [place for place in places(layer) if _has_no_seed(place.item)]
    before = [repr(state_of(place.item)) for place in unseeded]
    lab.run(layer=layer)
    drawn = next((p for p, was in zip(unseeded, before, strict=True) if repr(state_of(p.item)) != was), None)
    if drawn is not None:
        message = f"{drawn.path} has no seed: no two runs of a program give the same; default_rng(seed) does"
        where = written_at(getattr(type(lab.layer), "forward", None))
        yield RULE.about(lab.subject, message, where, severity="note", cause="random")


def _has_no_seed(item: Any) -> bool:
    """Whether the operating system chose where a generator starts: that is a number of 128 bits."""
    sequence = getattr(getattr(item, "bit_generator", None), "seed_seq", None)
    entropy = getattr(sequence, "entropy", None)
    return isinstance(item, np.random.Generator) and isinstance(entropy, int) and entropy >= 2**64
