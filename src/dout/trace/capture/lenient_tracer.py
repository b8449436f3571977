"""A tracer for runs that must go on: where another would refuse, it records no more and the code runs plainly."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from dout.clock import spent
from dout.errors import EscapeError, UnsupportedError
from dout.graph import Node, Primitive
from dout.run import flat
from dout.trace.capture.budget import TOO_LONG, Budget
from dout.trace.model import user_source
from dout.trace.session.side_effects import MOST_COPIED
from dout.trace.tracer.random_draws import generator_of
from dout.trace.tracer.run_record import there
from dout.trace.tracer.traced import Traced, TracedArray, plain
from dout.trace.tracer.tracer import Tracer, attempting

_FILES = {"load", "loadtxt", "genfromtxt", "fromfile", "fromregex", "save", "savez", "savez_compressed", "savetxt"}
# The effects of these outlast the call, or change other calls, and no node records them. Of a generator: later draws.
_EFFECTS = {"seed", "set_state", "set_bit_generator", "seterr", "seterrcall", "setbufsize", "set_printoptions",
            "set_string_function"}  # fmt: skip
_CAPTURE = str(Path(__file__).with_name("capture.py"))  # where the user's code is called
LASTING = frozenset(_FILES | _EFFECTS)  # names of functions whose effects outlast a call
_HEARD = frozenset({"raise", "call", "print", "log"})  # NumPy's reactions to a division by zero, besides a warning


# Returns another object under other settings.
error_settings: Callable[[], Any] = np._core.umath._extobj_contextvar.get  # type: ignore[attr-defined]


def errors_are_heard() -> bool:
    """Whether NumPy was told to raise or report floating-point errors."""
    return not _HEARD.isdisjoint(np.geterr().values())


def _has_numbers(item: Any) -> bool:
    return type(item) in (TracedArray, np.ndarray) and item.dtype.kind in "biufc"


class TooLongError(Exception):
    """A recording was broken off in the middle of the user's code, and all that the code did is undone."""


def _around(frame: FrameType | None) -> Iterator[FrameType]:
    """What runs around a place, besides our code, as far as to the call that is captured; the innermost first."""
    while frame is not None and frame.f_code.co_filename != _CAPTURE:
        if not user_source.is_ours(frame.f_code.co_filename):
            yield frame
        frame = frame.f_back


@attempting
class Yielding(Tracer):
    """A tracer that steps aside where it would refuse: it records no more, and the user's code runs on plainly."""

    def __init__(self, budget: Budget | None = None) -> None:
        super().__init__()
        self.budget = budget  # of a recording that may end at any time; None: it has to be whole
        self._under_way = False  # an answer, which is whole before the next is asked for
        self.sizing: dict[Node, None] = {}  # arrays whose values give a shape that was asked for
        self.may_break_off: Callable[[], bool] = lambda: False  # whether all that the code did can be undone
        self.overlaps: set[Node] = set()  # contents of arrays that share memory with a written array
        self.met: list[Any] = []  # generators
        self.settings = error_settings()
        self.hushed = False  # whether something was computed where the code has other settings for errors
        # Arrays and their contents when it stepped aside, as later writes are not seen. None: they are too many.
        self.aside: list[tuple[Any, Any]] | None = []

    def call(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer a call of a NumPy function, plainly where it cannot be recorded."""
        name = getattr(function, "__name__", "")
        if name in _FILES and self.live:
            self._effect(f"it calls {name}, which reads or writes a file")
        if name in _EFFECTS and self.live:
            self._effect(f"it calls {name}, which changes later results")
        if function is np.array_equal and self.live and not kwargs and all(map(_has_numbers, args)):
            return self._equal(*args)
        return self.attempt(super().call, function, args, kwargs)

    def _equal(self, one: Any, other: Any) -> bool:
        """`np.array_equal` as its steps, so that a program can compute the answer again."""
        self.look([one, other])
        if np.shape(plain(one)) != np.shape(plain(other)):
            return False
        return bool(self.call(np.all, (self.call(np.equal, (one, other), {}),), {}))

    def record(self, primitive: Primitive, inputs: tuple[Node, ...], static: dict[str, Any], value: Any) -> Node:
        """Make a node. Kernels raise no floating-point errors, so they cannot replace code in which NumPy does."""
        if errors_are_heard():
            self._effect("NumPy was told to raise or report floating-point errors")
        self.hushed = self.hushed or error_settings() is not self.settings
        return super().record(primitive, inputs, static, value)

    def _effect(self, what: str) -> None:
        if not self.effects:
            self.effects.append(f"{what}, at {user_source.line_of(sys._getframe(1)) or 'an unknown place'}")

    def overlapped(self, before: Node, after: Node) -> None:
        """Remember them: they matter only if something is computed with that array."""
        self.overlaps.update((before, after))

    def tell_outcome(self, kind: str, outcome: Any) -> None:
        """Say nothing: nobody reads it, and to find its text takes a third of a recording."""

    def taken_as_is(self, item: Traced) -> None:
        """The program holds for this value alone; a value of several elements is not watched."""
        if isinstance(item.value, np.ndarray) and item.value.ndim:
            self.as_text()
        else:
            self.outcome("index", item, item.value)

    def look(self, item: Any) -> None:
        """A program compares the shapes itself."""
        super().look(item)
        for part in flat(item):
            if isinstance(part, TracedArray):
                self.steered_by_size(self.sized_by.get(part.node, ()))

    def steered_by_size(self, arrays: Iterable[Node]) -> None:
        """As `look`."""
        self.sizing.update(dict.fromkeys(arrays))

    def as_text(self, item: Traced | None = None) -> None:
        """A whole number is a part of names and keys: then the program holds for this number."""
        if item is not None and type(item.value) is int:
            self.outcome("index", item, item.value)
        else:
            super().as_text(item)

    drawn_with = taken_as_is

    def flags(self, item: TracedArray) -> Any:
        """The flags of an array: a program sets none."""
        return _Flags(super().flags(item), self._set_flag)

    def _set_flag(self, name: str) -> None:
        if self.live:
            self._effect(f"it sets the flag {name} of an array")

    def wrap(self, item: Any, name: str | None = None) -> Any:
        """The stand-in of an argument; an object that cannot be traced stays as it is."""
        return self.attempt(super().wrap, item, name) if self.recording else item

    def attempt(self, answer: Callable[..., Any], *given: Any) -> Any:
        """Answer; plainly if that is refused or enough is recorded. `answer` asks whether this tracer is live."""
        outermost = not self._under_way
        budget = self.budget if outermost and self.live else None
        if budget and budget.ends_recording(len(self.nodes)):
            self._end(sys._getframe(1))
        self._under_way = True
        start = spent() if budget else 0.0
        try:
            return answer(*given)
        except (UnsupportedError, EscapeError):
            if not self.recording:
                raise
            self._step_out()
            return answer(*given)
        finally:
            self._under_way = not outermost
            if budget:
                budget.seconds += spent() - start
                budget.plain = self.computing

    def _end(self, frame: FrameType) -> None:
        """Enough is recorded: break off, so that the call can run plainly from its beginning, or else step aside."""
        around = list(_around(frame))
        loop = next(filter(None, map(user_source.loop_in, filter(user_source.in_user_code, around))), there())
        why_not = f"{TOO_LONG}, at {loop}"
        notices_errors = any(place.f_code.co_exceptiontable for place in around)  # except, finally, with
        if self.may_break_off() and not notices_errors:
            raise TooLongError(why_not)
        self.refuse(UnsupportedError(why_not))
        self._step_out()

    def _step_out(self) -> None:
        self.recording = False
        arrays = [item.value for item in self.known.values()]
        many = sum(array.nbytes for array in arrays) > MOST_COPIED
        self.aside = None if many else [(array, array.copy()) for array in arrays]

    def generator(self, generator: Any) -> Any:
        """Take a random generator."""
        self.met.append(generator_of(generator))
        return super().generator(generator)


class _Flags:
    """The flags of an array; reports each flag that is set."""

    __slots__ = ("_flags", "_told")

    def __init__(self, flags: Any, told: Callable[[str], None]) -> None:
        object.__setattr__(self, "_flags", flags)
        object.__setattr__(self, "_told", told)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._flags, name)

    def __getitem__(self, name: str) -> Any:
        return self._flags[name]

    def __setattr__(self, name: str, value: Any) -> None:
        self._told(name)
        setattr(self._flags, name, value)

    def __setitem__(self, name: str, value: Any) -> None:
        self[name]
        self._told(name.lower())
        self._flags[name] = value

    def __repr__(self) -> str:
        return repr(self._flags)
