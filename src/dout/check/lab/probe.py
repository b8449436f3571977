"""Plain runs of a layer for the contract checks: silent, from one random state, and never fatal."""

from __future__ import annotations

import dis
import functools
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import zip_longest
from typing import Any, TypeVar, cast

import numpy as np

from dout.adapt.interface.held_values import HeldShapeError
from dout.check.exact.subject import Subject, kept
from dout.check.lab.other_values import same
from dout.check.report.source_places import is_users, raised_at
from dout.clock import WorkBudget, count
from dout.judge.judged_run import is_label
from dout.run import PlainRun, arrays, attributes_of, copied, is_float_array, other_bits, upstream
from dout.run.held_objects import generators, of_class, snapshot
from dout.run.random_states import all_states
from dout.trace.session.pairing import pairs

_CALLS = 3  # that make a run: a fresh layer, forward, backward
MOST_SECONDS = 2.0  # for the contract of one layer, which takes about a hundred runs
_CLEARS = re.compile(r"zero|reset|clear", re.IGNORECASE)
_RAISE = dis.opmap["RAISE_VARARGS"]
T = TypeVar("T")


class CrashError(Exception):
    """The user's code raised `error` in a probe, at `where`; `refused` when by a `raise` or `assert` of its own."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(type(error).__name__)
        self.error = error
        self.refused = isinstance(error, MemoryError | HeldShapeError) or _by_hand(error)
        self.where = raised_at(error)

    def __str__(self) -> str:
        try:
            text = str(self.error).strip().splitlines()[0]
        except Exception:  # an exception of the user's that cannot be printed, or says nothing
            text = ""
        return f"{type(self.error).__name__}{f': {text}' if text else ''}"


@contextmanager
def users_code() -> Iterator[None]:
    """Turn an exception of the user's code into a CrashError.

    That includes `SystemExit` and whatever the code itself raises. Control-C and the guard's alarm pass.
    """
    try:
        with np.errstate(all="ignore"):
            yield
    except (Exception, SystemExit, GeneratorExit) as error:
        raise CrashError(error) from None
    except BaseException as error:
        if _by_hand(error):
            raise CrashError(error) from None
        raise


def _by_hand(error: BaseException) -> bool:
    """Whether a `raise` or `assert` in the user's own code raised it: no crash, but a refusal."""
    tb = error.__traceback__
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    if tb is None or not 0 <= tb.tb_lasti < len(tb.tb_frame.f_code.co_code):
        return False
    code = tb.tb_frame.f_code
    return bool(code.co_code[tb.tb_lasti] == _RAISE) and is_users(code.co_filename)


@dataclass(frozen=True, eq=False)
class Ran(PlainRun):
    """A plain run with the gradients that backward left for parameters, by the parameter's name."""

    learned: dict[str, Any] = field(default_factory=dict)


class SlowError(Exception):
    """The layer has taken all the time that there is for the contract."""


class Lab:
    """Runs a layer for the checks of its contract, for a limited time; each call starts from the same random state."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.names = subject.names
        self.budget = WorkBudget(MOST_SECONDS)
        self.slow = False
        self.runner = subject.runner
        with users_code():
            self.layer = self.runner.layer
        self.copyable = self.runner.copyable

    def _in_time(self) -> None:
        self.slow = self.slow or self.budget.is_over()
        if self.slow:
            raise SlowError
        count(self.subject.seconds / _CALLS)

    def rewind(self, seed: int = 0) -> None:
        """Put back every random state that is not the layer's own. Raises SlowError when the time is over."""
        self._in_time()
        self.runner.rewind(seed)

    def fresh(self) -> Any:
        """Another layer in its first state. Raises CrashError, and SlowError when the time is over."""
        self._in_time()
        with users_code():
            return self.runner.fresh()

    def forward(self, layer: Any, inputs: Sequence[Any], **keywords: Any) -> list[Any]:
        """The outputs of forward, flat. Raises CrashError, and SlowError when the time is over."""
        self._in_time()
        with users_code():
            return self.runner.forward(layer, inputs, **keywords)

    def backward(self, layer: Any, douts: Sequence[Any], seed: int = 0) -> list[Any]:
        """The gradients that backward returns, flat. Raises CrashError, and SlowError when the time is over."""
        self._in_time()
        with users_code():
            return self.runner.backward(layer, douts, seed)

    def run(self, inputs: Sequence[Any] | None = None, douts: Sequence[Any] | None = None, layer: Any = None) -> Ran:
        """Forward and backward once; `douts` stay in the run as backward was given them. Raises CrashError."""
        layer = self.fresh() if layer is None else layer
        before = dict(attributes_of(layer))
        inputs = self.inputs() if inputs is None else tuple(inputs)
        outputs = self.forward(layer, inputs)
        given = self.douts(outputs) if douts is None else tuple(douts)
        intact = tuple(map(copied, given))  # backward may write into them
        return Ran(layer, inputs, intact, outputs, self.backward(layer, given), learned=learned(before, layer))

    def trial(self, inputs: Sequence[Any], douts: Sequence[Any] | None = None) -> Ran | CrashError:
        """A run, or how it crashed."""
        try:
            return self.run(inputs, douts)
        except CrashError as crash:
            return crash

    def results(self, run: Ran) -> list[tuple[str, Any]]:
        """All that a run gave, with words for it: outputs, gradients of inputs, and those left for parameters."""
        found: list[tuple[str, Any]] = [("the output", output) for output in run.outputs]
        gradients = [*((self.name(i), g) for i, g in enumerate(run.gradients)), *run.learned.items()]
        return [*found, *((f"the gradient of {name}", gradient) for name, gradient in gradients)]

    def differing(self, one: Ran, two: Ran, rtol: float = 1e-9) -> tuple[str, Any, Any] | None:
        """The first result that is another in a second run: in words, and both values."""
        pairs = zip_longest(self.results(one), self.results(two), fillvalue=("", None))
        return next(((what or other, a, b) for (what, a), (other, b) in pairs if not same(a, b, rtol)), None)

    def inputs(self) -> tuple[Any, ...]:
        """The inputs, in memory of their own."""
        return self.subject.fresh_inputs()

    def douts(self, outputs: list[Any]) -> tuple[Any, ...]:
        """An upstream gradient for each output."""
        return upstream(outputs)

    @cached_property
    def base(self) -> Ran:
        """The plain run on the inputs as given; its arrays are copies, which nothing later changes."""
        run = self.run()
        left = {name: gradient.copy() for name, gradient in run.learned.items()}
        douts, outputs, gradients = (list(map(copied, items)) for items in (run.douts, run.outputs, run.gradients))
        return Ran(run.layer, run.inputs, tuple(douts), outputs, gradients, learned=left)

    @cached_property
    def repeatable(self) -> bool:
        """Whether runs from the same random state give the same: without that no two runs can be compared."""
        return alike(self.run(), self.base) and alike(self.run_elsewhere(), self.base)

    def run_elsewhere(self) -> Ran:
        """A run in which generators that the layer makes without a seed begin elsewhere."""
        with other_bits():
            return self.run()

    @cached_property
    def grown(self) -> tuple[str, ...]:
        """The paths of arrays that were absent or 0, and grow by the same amount with each backward.

        The gradient of an input that backward returns is none of them, unless the layer has a method to clear it.
        """
        layer = self.fresh()
        before = snapshot(layer)
        run = self.run(layer=layer)
        clears = any(map(_CLEARS.search, dir(type(layer))))
        given = [] if clears else zip(run.gradients, run.inputs, strict=False)
        returned = [g for g, x in given if is_float_array(x) and np.shape(g) == x.shape]
        held = {path for path, array in arrays(layer).items() if any(array is gradient for gradient in returned)}
        once = snapshot(layer)
        try:
            self.backward(layer, tuple(map(copied, self.base.douts)))
        except CrashError:  # it wants another forward first
            self.run(layer=layer)
        twice = snapshot(layer)
        return tuple(p for p in once if p not in held and _adds_up(before.get(p), once[p], twice.get(p)))

    def clear(self, layer: Any) -> None:
        """Set what adds up over calls of backward to 0, as people do before each step."""
        try:
            paths = self.grown
        except CrashError:
            return
        for path, array in arrays(layer).items():
            if path in paths and array.flags.writeable:
                array[...] = 0

    @cached_property
    def floats(self) -> tuple[int, ...]:
        """The positions of inputs that are arrays of floats, and no labels."""
        return tuple(i for i, x in enumerate(self.subject.inputs) if is_float_array(x) and not is_label(x))

    def name(self, position: int) -> str:
        """What forward calls an input."""
        return self.names[position] if position < len(self.names) else f"input {position}"


def _adds_up(before: Any, once: Any, twice: Any) -> bool:
    """Whether an array that was absent or 0 has grown by the same amount twice."""
    if twice is None or once.shape != twice.shape or not np.any(once) or np.any(before if before is not None else 0):
        return False
    return same(twice, 2 * once) and not same(twice, once)


def once(make: Callable[[Lab], T]) -> Callable[[Lab], T]:
    """Make a function of a lab one that runs once for each layer; a crash comes again without another run."""

    @functools.wraps(make)
    def made(lab: Lab) -> T:
        memo, key = lab.subject.memo, f"{make.__module__}.{make.__name__}"
        if key not in memo:
            try:
                memo[key] = make(lab)
            except CrashError as crash:
                memo[key] = crash
        found = memo[key]
        if isinstance(found, CrashError):
            raise found
        return cast(T, found)

    return made


@kept
def lab_of(subject: Subject) -> Lab:
    """The lab of a subject, made once."""
    return Lab(subject)


def alike(one: Ran, two: Ran) -> bool:
    """Whether two runs gave the same outputs and gradients."""
    return same(one.outputs, two.outputs) and same(one.gradients, two.gradients) and same(one.learned, two.learned)


def states(lab: Lab, layer: Any) -> list[Any]:
    """Every random state that a layer may draw from, to be compared."""
    return all_states([*generators(layer), *(generator for generator, _ in lab.runner.generators)])


def learned(before: dict[str, Any], layer: Any) -> dict[str, np.ndarray[Any, Any]]:
    """The gradients that backward left for parameters, by the parameter's name; `before`: the attributes till then."""
    return {pair.name: np.asarray(pair.gradient) for pair in pairs(before, {**of_class(layer), **attributes_of(layer)})}
