"""The parts of a plan as frozen data: functions, their programs, and the steps of these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from dout.engine.runtime.roofline import Arithmetic, Bandwidth

How = Literal["kernel", "NumPy", "view", "copy"]


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One step: what it computes, how, from which line of the user's, and the bytes that it reads and writes.

    `over` is the name of the array that it overwrites with its result. `products` are the operations of matrix products
    in it, in float32 or a larger dtype of `itemsize` bytes.
    """

    text: str
    how: How
    place: str
    nbytes: int
    parallel: bool = False
    over: str = ""
    products: int = 0
    itemsize: int = 4

    def seconds(self, memory: Bandwidth, arithmetic: Arithmetic) -> float:
        """The least time: that of its bytes through memory, or of its products where that is longer."""
        return max(memory.seconds(self.nbytes), arithmetic.seconds(self.products, self.itemsize))


@dataclass(frozen=True, slots=True)
class Kept:
    """A value that a call leaves, and the attributes that hold it, "the result" among them.

    `given` says that it lies in an array that was the user's before, and takes no more memory.
    """

    names: tuple[str, ...]
    nbytes: int
    given: bool = False


@dataclass(frozen=True)
class ProgramPlan:
    """A program, which answers calls of one kind.

    `arguments` say of which kind, `guards` what else has to be as it was, in a line for each kind. `nbytes` are read
    and written by all steps; a call takes `fresh` bytes from the pool and `own` from NumPy, and `peak` is the most at
    any time, temporaries included. `source` is the text of the driver, `kernels` those of the kernels by name.
    """

    arguments: tuple[str, ...]
    guards: tuple[str, ...]
    steps: tuple[PlanLine, ...]
    kept: tuple[Kept, ...]
    fresh: int
    own: int
    peak: int
    source: str
    kernels: Mapping[str, str]

    @property
    def nbytes(self) -> int:
        """The bytes that all steps read and write."""
        return sum(step.nbytes for step in self.steps)

    def seconds(self, memory: Bandwidth, arithmetic: Arithmetic) -> float:
        """The least time of a call on a machine like this, where no cache helps."""
        return sum(step.seconds(memory, arithmetic) for step in self.steps)


@dataclass(frozen=True, slots=True)
class LoopPlan:
    """A loop: its line, the turns of its latest call, the text of the kernel that stands for it, or why none does."""

    place: str
    turns: int
    kernel: str
    plainly: str = ""


@dataclass(frozen=True)
class FunctionPlan:
    """A compiled function: its programs, the latest first, and why calls that none of them stands for run plainly.

    Where kernels stand for loops of it, or its `parts` are compiled by themselves, the rest runs as it is written, and
    there are no programs.
    """

    name: str
    programs: tuple[ProgramPlan, ...]
    plainly: tuple[str, ...]
    loops: tuple[LoopPlan, ...] = ()
    parts: tuple[str, ...] = ()
