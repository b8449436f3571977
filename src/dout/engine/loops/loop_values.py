"""What names and expressions in a loop stand for, besides numbers: arrays, tuples, objects that do not change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dout.engine.loops.loop_numbers import LoopNumber

ONE = "1"  # the length of an axis of which it is known


@dataclass(frozen=True)
class LoopArray:
    """An array, or an expression over arrays that nothing has computed yet.

    `lengths` are the texts of its shape, `letter` is that of its dtype, `element` gives the text of one element, and
    `reads` are the arrays whose memory it lies in or comes from. Into a `view` can be written.
    """

    lengths: tuple[str, ...]
    letter: str
    element: Callable[[Sequence[str]], str]
    reads: frozenset[str]
    view: bool = False
    in_order: bool = True  # whether what NumPy makes of it lies in C order


@dataclass(frozen=True)
class Items:
    """A tuple."""

    items: tuple[Value, ...]


@dataclass(frozen=True)
class Known:
    """An object of the user's surroundings, the same at every call: a module, a function, a type."""

    item: Any


Value = LoopNumber | LoopArray | Items | Known
