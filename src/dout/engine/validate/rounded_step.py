"""A step with its values and the errors of its inputs, as the rules of rounding read it."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dout.graph import Node, Shape

Error = Any  # an array of float64 with the shape of the value; EXACT where it is zero everywhere
EXACT = 0.0
IN_A_ROW = 256  # elements that a good program, as NumPy, adds up one after the other; blocks of as many in pairs
LANES = 8  # sums side by side in such a block


@dataclass(frozen=True, eq=False)
class RoundedStep:
    """A node with its values, `given` and `result`, which become float64 where a rule asks for `x` and `out`."""

    node: Node
    given: Sequence[Any]
    result: Any
    errors: Sequence[Error]
    epsilon: float

    @cached_property
    def x(self) -> list[Any]:
        """The inputs. TypeError of complex numbers."""
        return [real(item) for item in self.given]

    @cached_property
    def out(self) -> Any:
        """The result. TypeError of complex numbers."""
        return real(self.result)

    @property
    def shape(self) -> Shape:
        """That of the result."""
        return np.shape(self.result)

    def error(self, i: int) -> Any:
        """The error of an input, in its own shape."""
        error = self.errors[i]
        return np.zeros(np.shape(self.given[i])) if error is EXACT else np.asarray(error)

    def forward(self, *inputs: Any, without: Collection[str] = ()) -> Any:
        """The row's own function, over float64."""
        static = {key: item for key, item in self.node.static.items() if key not in without}
        if "dtype" in static:
            static["dtype"] = np.dtype(float)
        return self.node.primitive.forward(*inputs, **static)


def real(value: Any) -> Any:
    """A value as float64. TypeError of complex numbers."""
    if np.iscomplexobj(value):
        raise TypeError("no bound over complex numbers")
    return np.asarray(value, float)


def additions(count: int, along_memory: bool = True) -> float:
    """How many roundings one element meets where so many are added up."""
    count = max(count, 1)
    return min(count, IN_A_ROW) / LANES + math.log2(count) if along_memory else 1 + count / 2  # half an ulp each
