"""The two sides of a bench: the user's own forward and backward, plain or compiled, and their arguments."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dout.adapt.interface.adapted_layer import as_written, own_arguments
from dout.adapt.target import Target
from dout.engine.compile.compiled import compile as compiled
from dout.errors import TargetError
from dout.run import HeldMemory, attributes_of, copied, deep_copy, douts_taken, flat, quiet
from dout.trace.session.layer_calls import KINDS, is_layer


@dataclass(frozen=True)
class BenchInputs:
    """The arguments of forward, by place and by name, and of backward; `left` are attributes that backward reads."""

    inputs: Sequence[Any]
    named: Mapping[str, Any]
    douts: Sequence[Any] = ()
    left: Mapping[str, Any] = field(default_factory=dict)

    def copied(self) -> BenchInputs:
        """The same in memory of its own."""
        return BenchInputs(*deep_copy((self.inputs, self.named, self.douts, self.left)))


class Side:
    """A layer or a function to call. One in an interface of its own is called as that says, as its users do."""

    def __init__(self, target: Any, *, fast: bool = False) -> None:
        interface = getattr(type(target), "dout_interface", None)
        self.own = Target(target).fresh({}) if interface is None else as_written(target)
        names = KINDS if interface is None else (interface.forward, interface.backward)
        layer = is_layer(type(target))
        self.kinds: Sequence[str] = KINDS if layer else ["call"]
        calls = [getattr(self.own, name) for name in names] if layer else [getattr(self.own, "forward", self.own)]
        if fast and layer and names == KINDS:
            made = compiled(self.own)
            calls = [made.forward, made.backward]
        elif fast:
            calls = [compiled(call) for call in calls]
        self.calls: Sequence[Callable[..., Any]] = calls
        self._as_made = HeldMemory(self.own)

    def renew(self) -> None:
        """Put its attributes back: a layer may have learned at each call."""
        self._as_made.put_back()

    @quiet()
    def results(self, given: BenchInputs) -> list[list[Any]]:
        """All that each call gives, and the attributes that backward leaves, safe from later calls."""
        found = [self.calls[0](*given.inputs, **given.named)]
        if len(self.calls) > 1:
            self._leave(given)
            taken = [copied(item) for item in given.douts]
            found.append(self.calls[1](*taken))
            found[-1] = [found[-1], *(item for item in taken if isinstance(item, dict)), attributes_of(self.own)]
        return [[copied(part) for part in flat(item)] for item in found]

    def run(self, given: BenchInputs, loops: int) -> list[float]:
        """The seconds that each call takes, forward and backward in turns."""
        forward, backward = self.calls[0], self.calls[1] if len(self.calls) > 1 else None
        inputs, named, douts = given.inputs, given.named, given.douts
        clock, times = time.perf_counter, [0.0] * len(self.calls)
        for _ in range(loops):
            start = clock()
            out = forward(*inputs, **named)
            times[0] += clock() - start
            if backward is not None:
                self._leave(given)
                start = clock()
                dx = backward(*douts)
                times[1] += clock() - start
                del dx
            del out
        return [one / loops for one in times]

    def _leave(self, given: BenchInputs) -> None:
        for name, value in given.left.items():
            setattr(self.own, name, value)


@quiet()
def given_to(target: Any, inputs: Sequence[Any], named: Mapping[str, Any]) -> BenchInputs:
    """The arguments of a target's calls for these inputs; the upstream gradient is drawn at random.

    Raises what the user's code raises.
    """
    first = Target(target).fresh({})
    if not is_layer(type(first)):
        return BenchInputs(inputs, named)
    arrives = upstream(first.forward(*(copied(item) for item in inputs), **named))
    douts = douts_taken(first.backward, arrives)
    if not hasattr(type(first), "dout_interface"):
        return BenchInputs(inputs, named, douts)
    ahead, arguments, left = own_arguments(first, inputs, douts)
    return BenchInputs(ahead, named, arguments, left)


def cast(item: Any, dtype: Any) -> Any:
    """The item, floats in it of this dtype; as it is without one."""
    floats = isinstance(item, np.ndarray | np.generic) and item.dtype.kind == "f"
    return item.astype(dtype) if floats and dtype is not None else item


def upstream(out: Any) -> Any:
    """Random numbers in the shape of an output, as its upstream gradient; 1 for a loss."""
    if isinstance(out, tuple | list):
        return tuple(map(upstream, out))
    if isinstance(out, np.ndarray) and out.ndim:
        drawn: np.ndarray[Any, Any] = np.asarray(np.random.default_rng(1).normal(size=out.shape))
        return drawn.astype(out.dtype if out.dtype.kind == "f" else float)
    if isinstance(out, np.ndarray | np.generic | int | float):
        return np.ones((), out.dtype)[()] if isinstance(out, np.floating) else 1.0
    raise TargetError(f"its forward gives a {type(out).__qualname__}, and no array: there is nothing to measure")
