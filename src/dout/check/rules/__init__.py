"""The contract of a layer, examined by running it plainly. Each check takes a subject and yields findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dout.check.exact.subject import Subject
from dout.check.report.verdicts import Finding
from dout.check.rules.batch_rows import rows
from dout.check.rules.broadcast_shapes import broadcast, plain_numbers, without_axes
from dout.check.rules.determinism import draws, evaluation, repeats, seeds, unfinished
from dout.check.rules.kept_dtypes import precision, whole_numbers
from dout.check.rules.kept_state import instances_share, parameters_change, second_backward, second_round, used_twice
from dout.check.rules.memory_layouts import layouts
from dout.check.rules.memory_owners import aliases, kept, overwrites
from dout.check.rules.scale_numerics import numbers
from dout.check.rules.square_roots import roots

CONTRACT: tuple[Callable[[Subject], Iterable[Finding]], ...] = (
    overwrites,
    aliases,
    kept,
    second_backward,
    second_round,
    used_twice,
    instances_share,
    parameters_change,
    precision,
    whole_numbers,
    numbers,
    roots,
    broadcast,
    plain_numbers,
    without_axes,
    rows,
    layouts,
    repeats,
    seeds,
    draws,
    evaluation,
    unfinished,
)
