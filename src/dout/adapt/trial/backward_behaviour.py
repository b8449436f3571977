"""How a backward behaves: is it right for its input, and what does it make of the upstream gradient?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from dout.adapt.interface.interface import Interface
from dout.adapt.interface.learned_gradients import is_float_array
from dout.adapt.trial.setups import Make
from dout.run import (
    Runner,
    arrays,
    attributes_of,
    central_difference,
    copied,
    flat,
    otherwise,
    quiet,
    run_backward,
    size_of,
    sure_difference,
    weighed,
)
from dout.trace.session.pairing import GRADIENTS, Pair, pairs

RIGHT, SCALED = 2, 1  # how right: exactly, or up to a constant
_MOST_PAIRS = 8
_ROUNDING = 1e-12  # of a sum of outputs, whose differences are taken
_PRECISE = 1e-15  # the relative rounding of float64
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
        self.rounding = 0.0  # the relative one of the least precise floats of the layer that was run last

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
            returned = run_backward(layer, tuple(douts))
        self.rounding = _rounding(layer, outputs)
        return layer, returned

    def is_linear(self) -> bool:
        """Whether all that backward returns and changes doubles with what it is given; it does give or change some."""
        before = arrays(self.forward(list(self.inputs.values()))[0])
        (one, first), (two, second) = map(self.after_backward, (1.0, 2.0))
        made = list(zip(flat(first), flat(second), strict=True))
        now, later = arrays(one), arrays(two)
        for path in now.keys() & later.keys():
            held = before.get(path, now[path] * 0)
            steady = held if held.shape == now[path].shape else 0.0
            made.append((now[path] - steady, later[path] - steady))
        moved = [(a, b) for a, b in made if not np.array_equal(a, b)]
        return bool(moved) and all(is_twice(b, a) for a, b in moved)

    def hands_on(self) -> bool:
        """Whether every output is an input as it is: there each backward is right that hands dout on."""
        _, outputs = self.forward([*self.inputs.values()])
        return all(any(np.array_equal(output, x) for x in self.inputs.values()) for output in outputs)

    def takes_a_side(self) -> bool:
        """Whether gradients change with what backward is given, and none doubles: that is one side of a difference.

        An upstream gradient does nothing but multiply.
        """
        found = zip(self.gradients(1.0), self.gradients(2.0), strict=True)
        moved = [(one, two) for one, two in found if not np.array_equal(one, two)]
        return bool(moved) and not any(is_twice(two, one) for one, two in moved)

    @otherwise(0)
    def rightness(self, gradients: list[Any]) -> int:
        """Whether the first gradient is right for its input, along two directions: RIGHT, SCALED, or 0."""
        if self.place is None or not gradients:
            return 0
        inputs = [np.array(x, dtype=float)[()] if i == self.place else x for i, x in enumerate(self.inputs.values())]
        if np.shape(gradients[0]) != np.shape(inputs[self.place]):
            return 0
        shape = np.shape(gradients[0])
        return _agreement(self._slopes(gradients[0], inputs, direction) for direction in _directions(shape))

    def rightness_of_parameters(self) -> int:
        """Whether the gradient of a parameter, maybe of a part, is right: RIGHT, SCALED, or 0, of the most right."""
        layer = self.runner.fresh()
        before = [dict(attributes_of(part)) for part in _with_parts(layer)]
        with quiet(seed=1):
            outputs = self.runner.forward(layer, [copied(item) for item in self.inputs.values()])
            self.douts = [np.ones(np.shape(o))[()] for o in outputs]
            run_backward(layer, tuple(self.douts))
        self.rounding = _rounding(layer, outputs)
        owners = enumerate(zip(before, _with_parts(layer), strict=False))
        every = ((place, part, pair) for place, (held, part) in owners for pair in pairs(held, attributes_of(part)))
        return max((self._rightness_of(*one) for one in islice(every, _MOST_PAIRS)), default=0)

    def _rightness_of(self, place: int, after: Any, pair: Pair) -> int:
        """Whether one parameter's gradient is right, along two directions; it is one of the part at a place."""
        gradient, step = np.asarray(pair.gradient, dtype=float), 1e-5 * size_of(pair.parameter)
        if gradient.shape != np.shape(pair.parameter) or not np.any(gradient):
            return 0

        def loss(direction: Any, way: float) -> float:
            layer = self.runner.fresh()
            part = _with_parts(layer)[place]
            for other in pairs(attributes_of(part), attributes_of(after)):
                if other.name == pair.name:
                    other.put(part, other.parameter + way * direction)
            with quiet():
                outputs = self.runner.forward(layer, [copied(item) for item in self.inputs.values()])
            return float(weighed(outputs, self.douts))

        ways = _directions(gradient.shape)
        slopes = ((*self._slope(partial(loss, d), step), d) for d in ways)
        return _agreement((slope, float(np.sum(gradient * d)), lost) for slope, lost, d in slopes)

    def _slope(self, loss: Callable[[float], float], step: float) -> tuple[float, float]:
        """The slope by differences, and what rounding does to it where the layer computes in float32."""
        if self.rounding > _PRECISE:
            return sure_difference(loss, step, self.rounding)
        return central_difference(loss, step), 0.0

    def _slopes(self, gradient: Any, inputs: list[Any], direction: Any) -> tuple[float, float, float]:
        """The slope by differences, that of the gradient, and what rounding may do to the first."""
        sizes = []
        step = 1e-5 * size_of(inputs[self.place])  # type: ignore[index]

        def loss(way: float) -> float:
            moved = [x + way * direction if i == self.place else x for i, x in enumerate(inputs)]
            outputs = self.forward(moved)[1]
            sizes.append(float(weighed(map(np.abs, outputs), map(np.abs, self.douts))))
            return float(weighed(outputs, self.douts))

        slope, lost = self._slope(loss, step)
        return slope, float(np.sum(gradient * direction)), lost + _ROUNDING * sum(sizes) / step


def _rounding(layer: Any, outputs: Sequence[Any]) -> float:
    """The relative rounding of the least precise floats that a layer holds and returns."""
    kinds = {np.asarray(x).dtype for x in (*arrays(layer).values(), *outputs)}
    return max((float(np.finfo(kind).eps) for kind in kinds if kind.kind == "f"), default=0.0)


def _with_parts(layer: Any) -> list[Any]:
    """A layer and the objects that it holds, also in lists."""
    held = (part for item in attributes_of(layer).values() for part in (item if isinstance(item, list) else [item]))
    return [layer, *(part for part in held if isinstance(getattr(part, "__dict__", None), dict))]


def _agreement(slopes: Iterable[tuple[float, float, float]]) -> int:
    """How right a gradient is, by slopes, its own and what rounding may do to the first, along some directions.

    No more of them are taken once it is wrong.
    """
    found: list[tuple[float, float, float]] = []
    for slope in slopes:
        found.append(slope)
        if not _agrees(found):
            return 0
    return _agrees(found)


def _agrees(found: Sequence[tuple[float, float, float]]) -> int:
    if all(abs(slope - mine) <= 1e-4 * max(abs(slope), abs(mine)) + lost for slope, mine, lost in found):
        return RIGHT
    ratios = [mine / slope if abs(slope) > 10 * lost else np.nan for slope, mine, lost in found]
    return SCALED if np.ptp(ratios) <= 1e-3 * abs(ratios[0]) and ratios[0] > 1e-3 else 0


def _directions(shape: tuple[int, ...]) -> list[Any]:
    one = _weights(shape)
    return [one, one[::-1] * (-1.0) ** np.arange(one.size).reshape(shape) if one.ndim else one * 2]


def _weights(shape: tuple[int, ...]) -> Any:
    size = int(np.prod(shape))
    return (np.arange(1, size + 1) * 0.61803398875 % 1 + 0.25).reshape(shape)


def is_twice(two: Any, one: Any) -> bool:
    """Whether a gradient is twice another one, up to rounding; NaN is twice nothing."""
    size = np.max(np.abs(two), initial=0.0)
    return np.shape(one) == np.shape(two) and bool(np.all(np.abs(np.multiply(one, 2) - two) <= 1e-9 * size))
