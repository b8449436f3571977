"""A layer under examination: how to get a fresh one, and how to run it plainly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import numpy as np

from dout.adapt.interface.interface import Interface
from dout.check.report.source_places import backward_of
from dout.clock import count
from dout.graph import Node, Where
from dout.judge.judged_run import elements
from dout.run import PlainRun, Runner, arrays, copied, deep_copy, one_or_all, quiet
from dout.trace.record.record import record
from dout.trace.record.trace import Trace

# Seconds, as measured. What a layer holds is copied for each run, and its gradients are as many.
_A_RUN, _A_STEP, _A_NUMBER, _A_HELD = 0.6e-3, 2.5e-6, 5e-9, 20e-9


class RunCost:
    """About how long a plain run takes, by what the layer holds, and what a recording of it holds."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def learn(self, layer: Any, nodes: Sequence[Node] = ()) -> None:
        """Take it from a layer, and the nodes of its recording, if there is one."""
        held = sum(array.size for array in arrays(layer).values())
        self.seconds = _A_RUN + _A_HELD * held + _A_STEP * len(nodes) + _A_NUMBER * elements(nodes)


@dataclass(frozen=True, eq=False)
class Subject:
    """A layer, the inputs it is examined on, and how to make another one of it in the same state."""

    name: str
    make: Callable[[], Any]
    inputs: tuple[Any, ...]
    names: tuple[str, ...]
    foreign: bool = False  # another library computes: there is nothing to record
    memo: dict[str, Any] = field(default_factory=dict, init=False, repr=False)  # of what the checks share: a run of it
    cost: RunCost = field(default_factory=RunCost, repr=False)  # the same of the layer at other settings
    runners: dict[int, Runner] = field(default_factory=dict, repr=False)  # by what makes the layer: one on all inputs

    @classmethod
    def of(cls, target: Any, inputs: tuple[Any, ...], names: tuple[str, ...]) -> Subject:
        """The subject for a class (built without arguments) or an instance (which is copied, never changed).

        Raises TargetError where an instance cannot be copied.
        """
        if isinstance(target, type):
            return cls(target.__qualname__, target, inputs, names)
        return cls(type(target).__qualname__, partial(deep_copy, deep_copy(target)), inputs, names)

    @property
    def runner(self) -> Runner:
        """What runs the layer: the same one on other inputs."""
        return self.runners.setdefault(id(self.make), Runner(self.make))  # it keeps `make`, so that its identity stays

    @property
    def seconds(self) -> float:
        """About how long a run takes."""
        if not self.cost.seconds:
            self.cost.learn(self.runner.layer)
        return self.cost.seconds

    @cached_property
    def place(self) -> Where | None:
        """Where backward is written."""
        return backward_of(self.runner.layer)

    def again(self) -> Any:
        """The same layer anew."""
        return self.runner.fresh()

    @property
    def interface(self) -> Interface | None:
        """The interface from which the layer was adapted; None where it is the plain one."""
        return getattr(self.runner.layer, "dout_interface", None)

    @property
    def forward_name(self) -> str:
        """What the user calls forward."""
        return self.interface.forward if self.interface else "forward"

    @property
    def backward_name(self) -> str:
        """What the user calls backward."""
        return self.interface.backward if self.interface else "backward"

    @property
    def ends(self) -> bool:
        """Whether backward takes no upstream gradient, as that of a loss: it assumes that it is 1."""
        return self.interface is not None and self.interface.ends

    def fresh_inputs(self) -> tuple[Any, ...]:
        """The inputs in memory of their own, in their own order."""
        return tuple(map(copied, self.inputs))

    def recorded(self, douts: tuple[Any, ...]) -> Trace:
        """A recording of a fresh layer with these upstream gradients, in silence; of the same ones the same again."""
        given = [(np.asarray(dout).dtype, np.shape(dout), np.asarray(dout).tobytes()) for dout in douts]
        if self.memo.get("recorded", ((), None))[0] != given:
            layer = self.again()
            with quiet():
                self.runner.rewind()
                trace = record(layer, *self.fresh_inputs(), dout=one_or_all(douts))
            self.cost.learn(self.runner.layer, trace.graph.nodes)
            self.memo["recorded"] = given, trace
        return cast(Trace, self.memo["recorded"][1])

    def forward(self, inputs: tuple[Any, ...] | None = None) -> list[Any]:
        """The outputs of a fresh layer's forward alone, in silence: backward may write into them."""
        with quiet():
            return self.runner.forward(self.again(), self.fresh_inputs() if inputs is None else inputs)

    def run(self, inputs: tuple[Any, ...] | None = None, douts: tuple[Any, ...] | None = None) -> PlainRun:
        """Run forward and backward once, plainly, in silence, from the same random state each time."""
        count(self.seconds)
        return self.runner.run(self.fresh_inputs() if inputs is None else inputs, douts)


def axis_with(item: Any, shape: tuple[int, ...], axis: int) -> int | None:
    """The axis of an input that goes with one of another: as long, and at that place from the end or the beginning.

    The labels (n,) go with the rows of scores (n, k), or with the columns of (k, n), and those of steps (n, t) with
    (n, t, k).
    """
    beginning = axis % len(shape)
    for place in (beginning - len(shape), beginning) if isinstance(item, np.ndarray) else ():
        if -item.ndim <= place < item.ndim and item.shape[place] == shape[axis]:
            return place
    return None


Rest = ParamSpec("Rest")
Found = TypeVar("Found")


def kept(make: Callable[Concatenate[Subject, Rest], Found]) -> Callable[Concatenate[Subject, Rest], Found]:
    """Make a function of a subject one that runs once for each."""

    @wraps(make)
    def made(subject: Subject, /, *rest: Rest.args, **more: Rest.kwargs) -> Found:
        key = f"{make.__module__}.{make.__name__}"
        if key not in subject.memo:
            subject.memo[key] = make(subject, *rest, **more)
        return cast(Found, subject.memo[key])

    return made
