"""A layer under examination: how to get a fresh one, and how to run it plainly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from dout.adapt.interface.interface import Interface
from dout.check.report.source_places import backward_of
from dout.graph import Where
from dout.run import PlainRun, Runner, copied, deep_copy, one_or_all, quiet
from dout.trace.record.record import record
from dout.trace.record.trace import Trace


@dataclass(frozen=True, eq=False)
class Subject:
    """A layer, the inputs it is examined on, and how to make another one of it in the same state."""

    name: str
    make: Callable[[], Any]
    inputs: tuple[Any, ...]
    names: tuple[str, ...]
    foreign: bool = False  # another library computes: there is nothing to record
    memo: dict[str, Any] = field(default_factory=dict, init=False, repr=False)  # of what the checks share: a run of it

    @classmethod
    def of(cls, target: Any, inputs: tuple[Any, ...], names: tuple[str, ...]) -> Subject:
        """The subject for a class (built without arguments) or an instance (which is copied, never changed).

        Raises TargetError where an instance cannot be copied.
        """
        if isinstance(target, type):
            return cls(target.__qualname__, target, inputs, names)
        return cls(type(target).__qualname__, partial(deep_copy, deep_copy(target)), inputs, names)

    @cached_property
    def runner(self) -> Runner:
        """What runs the layer."""
        return Runner(self.make)

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
    def ends(self) -> bool:
        """Whether backward takes no upstream gradient, as that of a loss: it assumes that it is 1."""
        return self.interface is not None and self.interface.ends

    def fresh_inputs(self) -> tuple[Any, ...]:
        """The inputs in memory of their own, in their own order."""
        return tuple(map(copied, self.inputs))

    def recorded(self, douts: tuple[Any, ...]) -> Trace:
        """A recording of a fresh layer with these upstream gradients, in silence."""
        layer = self.again()
        with quiet():
            self.runner.rewind()
            return record(layer, *self.fresh_inputs(), dout=one_or_all(douts))

    def run(self, inputs: tuple[Any, ...] | None = None, douts: tuple[Any, ...] | None = None) -> PlainRun:
        """Run forward and backward once, plainly, in silence, from the same random state each time."""
        return self.runner.run(self.fresh_inputs() if inputs is None else inputs, douts)


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
