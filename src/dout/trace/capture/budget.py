"""What may be spent on a program before it is certain that there will be one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from dout.clock import TimeIsOver, spent, within
from dout.errors import UnsupportedError
from dout.graph import Node
from dout.ops import primitives
from dout.trace.capture.loop_length import turns_around

MOST_OPERATIONS = 30_000  # of one run: more take too much memory
MOST_TURNS = 32  # of a loop in one program
LEAST = 2  # operations of a turn, besides sums and copies: a shorter one takes less time than the call of a program
MOST_SECONDS = 2.0  # that are spent for nothing
MOST_TIMES = 20  # or so many times what the call takes by itself
_SEEN = 2  # turns that show what each does, where it is known how many there are
_FEW_INSIDE = 8  # turns of a loop inside another that are as if they stood there one after the other
_OF_RECORDING = 0.5  # the rest is left to the passes over what was recorded, and to the comparison
_MOVING = primitives("setitem add_at add copy astype")  # besides views: all that a loop over windows does
TOO_LONG = "it takes too many operations to be recorded, as a loop over single elements does"


def too_long(nodes: Iterable[Node]) -> str:
    """Say that a run has too many operations, and on which line most of them are."""
    lines = Counter(node.where for node in nodes if node.where is not None)
    return TOO_LONG + (f", at {lines.most_common(1)[0][0]}" if lines else "")


class Budget:
    """Seconds that a recording, the passes over it and the comparison take, and those that the call takes anyway.

    Machine code is no part of it: there is a program when it is made, and the next process finds it in the cache.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.plain = 0.0  # those of NumPy's own functions
        self.exceeded = False
        self.turned = False  # whether a loop that computes has come to more turns than one program is to have
        self._since: float | None = None  # while something is done that counts

    def is_over(self, share: float = 1.0) -> bool:
        """Whether more is spent than may be spent for nothing."""
        running = 0.0 if self._since is None else spent() - self._since
        self.exceeded = self.seconds + running - self.plain > share * self.most
        return self.exceeded

    @property
    def most(self) -> float:
        """The seconds that may be spent for nothing."""
        return max(MOST_SECONDS, MOST_TIMES * self.plain)

    def ends_recording(self, operations: int) -> bool:
        """Whether a recording of so many operations is too long, or took what must be left for what comes after."""
        self.exceeded = self.turned or operations >= MOST_OPERATIONS or self.is_over(_OF_RECORDING)
        return self.exceeded

    def check(self) -> None:
        """Raise UnsupportedError if too much is spent."""
        if self.is_over():
            raise UnsupportedError(TOO_LONG)

    @contextmanager
    def spending(self) -> Iterator[None]:
        """Count what is done inside, and end it when more is spent than may be. Raises UnsupportedError then."""
        self._since = spent()
        try:
            with within(max(0.0, self.most - (self.seconds - self.plain))):
                yield
        except TimeIsOver as over:
            self.exceeded = True
            raise UnsupportedError(TOO_LONG) from over
        finally:
            self.seconds += spent() - self._since
            self._since = None


@dataclass
class _Coming:
    """How often code has come to an instruction, at which calls first and last, and how many nodes there were first."""

    first: int
    start: int
    times: int = 0
    last: int = 0

    def is_inner(self, others: Iterable[_Coming]) -> bool:
        """Whether these are turns of a short loop inside another, which alone counts: it has turned meanwhile."""
        turns = (one.times for one in others if one.last > self.first)
        return any(_SEEN <= times <= MOST_TURNS and times < self.times <= times * _FEW_INSIDE for times in turns)


class CountedTurns:
    """How often the code in each frame has come to the same call, and which `nodes` were recorded meanwhile."""

    def __init__(self, budget: Budget, nodes: Sequence[Node]) -> None:
        self.budget, self.nodes = budget, nodes
        self._clock = 0  # calls so far
        self._calls: dict[int, dict[int, _Coming]] = {}  # by frame and instruction

    def come(self, frame: FrameType) -> None:
        """The code in a frame makes a call."""
        calls = self._calls.setdefault(id(frame), {})
        self._clock += 1
        here = calls.setdefault(frame.f_lasti, _Coming(self._clock, len(self.nodes)))
        over = here.times >= MOST_TURNS and not here.is_inner(calls.values())
        if over or (here.times == _SEEN and turns_around(frame) > MOST_TURNS):
            computed = sum(map(_computes, self.nodes[here.start :]))
            self.budget.turned = self.budget.turned or computed >= LEAST * here.times
        if over:
            here = calls[frame.f_lasti] = _Coming(self._clock, len(self.nodes))
        here.times += 1
        here.last = self._clock

    def leave(self, frame: FrameType) -> None:
        """The code in a frame returns."""
        self._calls.pop(id(frame), None)


def _computes(node: Node) -> bool:
    """Whether a node is more than a view, a copy, or the sum of a loop over windows."""
    row = node.primitive
    return bool(node.inputs and node.shape) and row.write_back is None and row not in _MOVING
