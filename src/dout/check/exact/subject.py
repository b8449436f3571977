"""A layer under examination: how to get a fresh one, and how to run it plainly."""

from __future__ import annotations

import copy
import io
import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from dout.adapt.interface.interface import Interface
from dout.check.report.source_places import backward_of
from dout.errors import TargetError
from dout.graph import Where
from dout.trace.model.replay import flat
from dout.trace.record.record import takes_each
from dout.trace.tracer.random_draws import random_states_kept


@dataclass(frozen=True, eq=False)
class PlainRun:
    """One plain run: the outputs of forward, and the gradients that backward returned, as flat lists."""

    layer: Any
    inputs: tuple[Any, ...]
    douts: tuple[Any, ...]
    outputs: list[Any]
    gradients: list[Any]
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Subject:
    """A layer, the inputs it is examined on, and how to make another one of it in the same state."""

    name: str
    make: Callable[[], Any]
    inputs: tuple[Any, ...]
    names: tuple[str, ...]
    foreign: bool = False  # another library computes: there is nothing to record
    memo: dict[str, Any] = field(default_factory=dict, repr=False)  # what the checks share: a plain run is made once

    @classmethod
    def of(cls, target: Any, inputs: tuple[Any, ...], names: tuple[str, ...]) -> Subject:
        """The subject for a class (built without arguments) or an instance (which is copied, never changed).

        Raises TargetError where an instance cannot be copied.
        """
        if isinstance(target, type):
            return cls(target.__qualname__, target, inputs, names)
        try:
            pristine = copy.deepcopy(target)
        except Exception as error:
            what = type(target).__qualname__
            raise TargetError(f"{what} cannot be copied ({error}): give the class instead") from None
        return cls(type(target).__qualname__, lambda: copy.deepcopy(pristine), inputs, names)

    @cached_property
    def place(self) -> Where | None:
        """Where backward is written."""
        return backward_of(self.make())

    def again(self) -> Any:
        """The same layer anew: a copy of one that was made once, since what is drawn in a constructor may differ."""
        if "pristine" not in self.memo:
            self.memo["pristine"] = self.make()
        try:
            return copy.deepcopy(self.memo["pristine"])
        except Exception:
            return self.make()

    @cached_property
    def interface(self) -> Interface | None:
        """The interface from which the layer was adapted; None where it is the plain one."""
        return getattr(self.make(), "dout_interface", None)

    @property
    def ends(self) -> bool:
        """Whether backward takes no upstream gradient, as that of a loss: it assumes that it is 1."""
        return self.interface is not None and self.interface.ends

    def fresh_inputs(self) -> tuple[Any, ...]:
        """The inputs in memory of their own, in their own order."""
        return tuple(map(copied, self.inputs))

    def upstream(self, outputs: list[Any], seed: int = 0) -> tuple[Any, ...]:
        """An upstream gradient for each output: random dyadic numbers, none of them 0 or 1, in the output's dtype."""
        generator = np.random.default_rng(seed)
        return tuple(_random_like(generator, output) for output in outputs)

    def run(
        self, inputs: tuple[Any, ...] | None = None, douts: tuple[Any, ...] | None = None, layer: Any = None
    ) -> PlainRun:
        """Run forward and backward once, plainly, in silence, from the same random state each time."""
        layer = self.again() if layer is None else layer
        inputs = self.fresh_inputs() if inputs is None else inputs
        with quiet():
            outputs = list(flat(layer.forward(*inputs)))
            douts = self.upstream(outputs) if douts is None else douts
            gradients = list(flat(run_backward(layer, tuple(map(copied, douts)))))  # it may write into them
        return PlainRun(layer, inputs, douts, outputs, gradients)


def run_backward(layer: Any, douts: tuple[Any, ...]) -> Any:
    """What backward returns: it takes the gradients of several outputs one by one, or as a tuple."""
    return layer.backward(*(douts if len(douts) == 1 or takes_each(layer.backward, douts) else (douts,)))


def one_or_all(douts: tuple[Any, ...]) -> Any:
    """The upstream gradient of the only output, or those of all, as a recording takes them."""
    return douts[0] if len(douts) == 1 else douts


def copied(item: Any) -> Any:
    """An array in memory of its own, in its own order; anything else as it is."""
    return item.copy("K") if isinstance(item, np.ndarray) else copy.deepcopy(item) if isinstance(item, list) else item


def _random_like(generator: np.random.Generator, output: Any) -> Any:
    shape = np.shape(output)
    numbers = np.asarray(generator.integers(33, 127, size=shape) / 64 * generator.choice([-1.0, 1.0], size=shape))
    if isinstance(output, np.ndarray | np.generic):
        dtype = output.dtype if output.dtype.kind == "f" else np.dtype(float)
        return numbers.astype(dtype) if isinstance(output, np.ndarray) else dtype.type(numbers)
    return float(numbers)


@contextmanager
def quiet(seed: int = 0) -> Iterator[None]:
    """Run the user's code without output, floating-point warnings, or a trace in the global random state."""
    silent = redirect_stdout(io.StringIO())
    with random_states_kept(), np.errstate(all="ignore"), silent, warnings.catch_warnings():
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002 - the state users draw from
        warnings.simplefilter("ignore")
        yield
