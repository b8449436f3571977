"""The contract of a layer, examined by running it plainly. Each check takes a subject and yields findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dout.check.contract.determinism import draws, evaluation, repeats, seeds, unfinished
from dout.check.contract.dtypes import precision, whole_numbers
from dout.check.contract.layouts import layouts
from dout.check.contract.memory import aliases, kept, overwrites
from dout.check.contract.numerics import numbers
from dout.check.contract.roots import roots
from dout.check.contract.rows import rows
from dout.check.contract.shapes import broadcast, plain_numbers, without_axes
from dout.check.contract.state import instances_share, parameters_change, second_backward, second_round, used_twice
from dout.check.model import Finding
from dout.check.subject import Subject

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
