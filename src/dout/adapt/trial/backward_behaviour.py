"""How a backward behaves: is it right for its input, and what does it make of the upstream gradient?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from dout.adapt.interface.interface import Interface
from dout.adapt.interface.learned_gradients import is_float_array
from dout.adapt.trial.setups import Make
from dout.run import Runner, attributes_of, central_difference, copied, flat, quiet, run_backward, size_of, weighed
from dout.trace.session.pairing import GRADIENTS

RIGHT, SCALED = 2, 1  # how right: exactly, or up to a constant
_ROUNDING = 1e-12  # of a sum of outputs, whose differences are taken
LINEAR, IGNORED = 2, 1  # how the upstream gradient is treated


class Runs:
    """A class in one interface, run again and again on one example."""

    def __init__(self, cls: type, make: Make, inputs: Mapping[str, Any], interface: Interface) -> None:
        self.runner, self.inputs = Runner(partial(make, cls)), inputs
        names = list(inputs)
        wanted = next((name for name in names if name in interface.order), None)  # gradients come in the inputs' order
        first = next((i for i, x in enumerate(inputs.values()) if is_float_array(x) or isinstance(x, float)), None)
        self.place = names.index(wanted) if wanted else first
        self.all_ones = interface.ends

    def forward(self, inputs: Sequence[Any]) -> tuple[Any, list[Any]]:
        """A new layer after its forward, and the outputs, flat."""
        layer = self.runner.fresh()
        with quiet():
            return layer, self.runner.forward(layer, [copied(item) for item in inputs])

    def gradients(self, scale: float) -> list[Any]:
        """What backward returns, flat, when each upstream gradient is a fixed one times `scale`."""
        layer, result = self.after_backward(scale)
        if isinstance(result, tuple) and len(result) == len(self.inputs):  # the first that has a gradient
            self.place = next((i for i, g in enumerate(result) if g is not None), self.place)
        found = [np.asarray(g, dtype=float) for g in flat(result) if g is not None]
        kept = attributes_of(layer).get(GRADIENTS, {})
        return found + [np.asarray(g, dtype=float) for g in kept.values()]

    def after_backward(self, scale: float = 1.0) -> tuple[Any, Any]:
        """A new layer after its forward and backward, and what that returned."""
        layer, outputs = self.forward(list(self.inputs.values()))
        self.douts = [np.ones(np.shape(o))[()] if self.all_ones else _weights(np.shape(o))[()] for o in outputs]
        douts = [dout * scale for dout in self.douts]
        with quiet(seed=1):
            return layer, run_backward(layer, tuple(douts))

    def rightness(self, gradients: list[Any]) -> int:
        """Whether the first gradient is right for its input, along two directions: RIGHT, SCALED, or 0."""
        if self.place is None or not gradients:
            return 0
        inputs = [np.array(x, dtype=float)[()] if i == self.place else x for i, x in enumerate(self.inputs.values())]
        if np.shape(gradients[0]) != np.shape(inputs[self.place]):
            return 0
        found = [self._slopes(gradients[0], inputs, direction) for direction in _directions(np.shape(gradients[0]))]
        if all(abs(slope - mine) <= 1e-4 * max(abs(slope), abs(mine)) + lost for slope, mine, lost in found):
            return RIGHT
        ratios = [mine / slope if abs(slope) > 10 * lost else np.nan for slope, mine, lost in found]
        return SCALED if np.ptp(ratios) <= 1e-3 * abs(ratios[0]) and ratios[0] > 1e-3 else 0

    def _slopes(self, gradient: Any, inputs: list[Any], direction: Any) -> tuple[float, float, float]:
        """The slope by differences, that of the gradient, and what rounding may do to the first."""
        sizes = []
        step = 1e-5 * size_of(inputs[self.place])  # type: ignore[index]

        def loss(way: float) -> float:
            moved = [x + way * direction if i == self.place else x for i, x in enumerate(inputs)]
            outputs = self.forward(moved)[1]
            sizes.append(float(weighed(map(np.abs, outputs), map(np.abs, self.douts))))
            return float(weighed(outputs, self.douts))

        slope = central_difference(loss, step)
        return slope, float(np.sum(gradient * direction)), _ROUNDING * sum(sizes) / step


def _directions(shape: tuple[int, ...]) -> list[Any]:
    one = _weights(shape)
    return [one, one[::-1] * (-1.0) ** np.arange(one.size).reshape(shape) if one.ndim else one * 2]


def _weights(shape: tuple[int, ...]) -> Any:
    size = int(np.prod(shape))
    return (np.arange(1, size + 1) * 0.61803398875 % 1 + 0.25).reshape(shape)
