"""The time of a network by its layers, plain and compiled: who took how much of a forward and a backward.

Plain calls of layers are timed as they come; a layer that calls others counts without them. A compiled program has no
calls: its steps are timed, and belong to the layers whose code they come from. A kernel may do the work of several.
"""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any

from dout.engine.bench.bench_subject import BenchInputs, Side
from dout.engine.codegen.driver import MISS, write
from dout.engine.codegen.driver_steps import Leave, Means, StepWriter
from dout.engine.codegen.driver_text import DriverText
from dout.engine.compile.program_builder import build
from dout.engine.compile.recording_lock import turn
from dout.engine.ir.kernel_group import Step
from dout.engine.memory.pool import Pool
from dout.errors import UnsupportedError
from dout.graph import CallPlace, Node
from dout.run import mro_of, places, quiet, vars_of
from dout.trace.capture.budget import Budget
from dout.trace.capture.capture import capture
from dout.trace.capture.lenient_tracer import TooLongError
from dout.trace.session.layer_calls import KINDS, is_layer

OUTSIDE = "outside of layers"
BUDGET, ROUNDS = 0.5, (3, 101)  # seconds of calls, and how often at least and at most
TRIES = 4  # recordings: the second call of a network may find what the first has kept
Seconds = Mapping[tuple[str, ...], float]  # by the layers that share it


@dataclass(frozen=True)
class LayerTime:
    """The seconds of one layer, or of steps that several share, which no plain call has: `plain` is None there.

    `compiled` is None where there is no program to look into.
    """

    layers: tuple[str, ...]
    plain: float | None
    compiled: float | None
    shares: bool = False  # whether some of its compiled work is done in steps of several layers


def by_layer(target: Any, given: BenchInputs) -> tuple[tuple[LayerTime, ...], str]:
    """The times of a network's layers, in the order in which they are called, and why there are none compiled.

    There are no times where fewer than two layers are called.
    """
    side = Side(target)
    layers = layers_of(side.own)
    plain = _plainly(side, given, layers) if len(layers) > 1 else {}
    if len(plain) < 3:  # two layers, and what is outside
        return (), ""
    try:
        compiled: Seconds | None = _compiled(Side(target), given)
        why = ""
    except (TooLongError, UnsupportedError) as error:
        compiled, why = None, str(error) or "it takes too many operations to be recorded"
    order = [name for names in plain for name in names]
    found: dict[tuple[str, ...], float] = {}
    for names, seconds in (compiled or {}).items():
        key = tuple(sorted(names, key=order.index)) if set(names) <= set(order) else names
        found[key] = found.get(key, 0.0) + seconds
    shared = {name for layers in found if len(layers) > 1 for name in layers}
    rows = [
        LayerTime(names, seconds, None if compiled is None else found.get(names, 0.0), names[0] in shared)
        for names, seconds in plain.items()
    ]
    rows += [LayerTime(names, None, seconds) for names, seconds in found.items() if names not in plain]
    return tuple(rows), why


def layers_of(root: Any) -> list[tuple[str, Any]]:
    """The layers within reach of an object, with names: the key in a dict, or how they are reached, and the class."""
    found: dict[int, tuple[str, Any]] = {}
    root = getattr(root, "__self__", root)  # of a method
    for place in places(root):
        if place.item is root or isinstance(place.item, type) or not is_layer(type(place.item)):
            continue
        path, kind = place.path.removeprefix("self."), type(place.item).__name__
        has_key = path.endswith("']")
        name = path[path.rindex("['") + 2 : -2] if has_key else path
        if id(place.item) not in found or has_key:
            told = kind.lower() in name.rpartition(".")[2].lower()
            found[id(place.item)] = name if told else f"{name} {kind}", place.item
    return list(found.values())


def _rounds() -> Iterator[int]:
    """As many as fit into the budget."""
    end = time.perf_counter() + BUDGET
    for turn_number in range(ROUNDS[1]):
        if turn_number >= ROUNDS[0] and time.perf_counter() > end:
            return
        yield turn_number


def _medians(rounds: Sequence[Mapping[tuple[str, ...], float]]) -> dict[tuple[str, ...], float]:
    """By layer, what is outside at the end."""
    names = [one for one in dict.fromkeys(name for one in rounds for name in one) if one != (OUTSIDE,)]
    return {name: statistics.median(one.get(name, 0.0) for one in rounds) for name in [*names, (OUTSIDE,)]}


# --- plain ------------------------------------------------------------------------------------------------------------


def _plainly(side: Side, given: BenchInputs, layers: Sequence[tuple[str, Any]]) -> dict[tuple[str, ...], float]:
    calls = _Calls(layers)
    with calls.timed(), quiet():
        side.run(given, 1)
        return _medians([calls.of(lambda: sum(side.run(given, 1))) for _ in _rounds()])


class _Calls:
    """Clocks in the methods of layer classes, as long as these are timed."""

    def __init__(self, layers: Sequence[tuple[str, Any]]) -> None:
        self.names = {id(layer): name for name, layer in layers}
        self.classes = dict.fromkeys(cls for _, layer in layers for cls in mro_of(type(layer)) if cls is not object)
        self.spent: dict[tuple[str, ...], float] = {}
        self._inside: list[float] = []  # seconds of the calls in each call under way

    def of(self, run: Callable[[], float]) -> dict[tuple[str, ...], float]:
        """The seconds of a run by layer; each counts without those that it calls."""
        self.spent = {}
        total = run()
        return {**self.spent, (OUTSIDE,): max(0.0, total - sum(self.spent.values()))}

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Put clocks into the classes, and take them out again."""
        undo: list[tuple[type, str, Any]] = []
        try:
            for cls in self.classes:
                for kind in KINDS:
                    original = vars_of(cls).get(kind)
                    if hasattr(original, "__code__"):
                        undo.append((cls, kind, original))
                        type.__setattr__(cls, kind, self._method(original))
            yield
        finally:
            for cls, kind, original in undo:
                type.__setattr__(cls, kind, original)

    def _method(self, original: Any) -> Any:
        @functools.wraps(original)
        def method(layer: Any, *args: Any, **kwargs: Any) -> Any:
            name = (self.names.get(id(layer), OUTSIDE),)
            self.spent.setdefault(name, 0.0)  # in the order in which calls begin
            self._inside.append(0.0)
            start = time.perf_counter()
            try:
                return original(layer, *args, **kwargs)
            finally:
                took = time.perf_counter() - start
                self.spent[name] += took - self._inside.pop()
                if self._inside:
                    self._inside[-1] += took

        return method


# --- compiled ---------------------------------------------------------------------------------------------------------


def _compiled(side: Side, given: BenchInputs) -> dict[tuple[str, ...], float]:
    names = {id(layer): name for name, layer in layers_of(side.own)}
    calls = [_TimedCall(call, names) for call in side.calls]
    side.calls = calls

    def run() -> dict[tuple[str, ...], float]:
        for call in calls:
            call.spent = {}
        side.run(given, 1)
        found: dict[tuple[str, ...], float] = {}
        for call in calls:
            for layers, seconds in call.spent.items():
                found[layers] = found.get(layers, 0.0) + seconds
        return found

    with quiet():
        for _ in range(TRIES + 1):
            before = [call.tries for call in calls]
            run()
            if [call.tries for call in calls] == before:
                return _medians([run() for _ in _rounds()])
    raise UnsupportedError("no two of its first calls were alike")


class _TimedCall:
    """A function, by programs whose drivers look at the clock after each step."""

    def __init__(self, function: Callable[..., Any], names: Mapping[int, str]) -> None:
        self.function, self.names = function, names
        self.programs: list[tuple[Callable[..., Any], list[tuple[str, ...]], list[float]]] = []
        self.tries = 0
        self.spent: dict[tuple[str, ...], float] = {}
        self.pool = Pool()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for driver, layers, marks in self.programs:
            marks.clear()
            start = time.perf_counter()
            result = driver(*args, *kwargs.values())
            if result is not MISS:
                last, ends = start, [*marks, time.perf_counter()]
                for names, end in zip([*layers, (OUTSIDE,)], ends, strict=True):
                    self.spent[names] = self.spent.get(names, 0.0) + end - last
                    last = end
                return result
        return self._recorded(args, kwargs)

    def _recorded(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Run it as compiled code runs it first; raises UnsupportedError where no program stands for two such runs."""
        self.tries += 1
        with turn():
            run = capture(self.function, args, kwargs, budget=Budget(), lasting=False, layer=self._layer)
            if run.why_not is None:
                built = build(run, self.pool, Budget(), called="")
                layers: list[tuple[str, ...]] = []
                marks: list[float] = []

                def writer(text: DriverText, inputs: Mapping[Node, str]) -> StepWriter:
                    return _TimedWriter(text, inputs, built.means, layers, marks)

                self.programs.append((write(replace(built.program, writer=writer), "run")[0], layers, marks))
            elif self.tries > 1:
                raise UnsupportedError(run.why_not)
        return run.returned

    def _layer(self, frame: FrameType | None) -> str:
        """The innermost layer whose forward or backward runs."""
        while frame is not None:
            code = frame.f_code
            if code.co_name in KINDS and code.co_argcount:
                name = self.names.get(id(frame.f_locals.get(code.co_varnames[0])))
                if name is not None:
                    return name
            frame = frame.f_back
        return OUTSIDE


class _TimedWriter(StepWriter):
    """Writes a look at the clock behind each step, and notes the layers of the step."""

    def __init__(
        self,
        text: DriverText,
        inputs: Mapping[Node, str],
        means: Means,
        layers: list[tuple[str, ...]],
        marks: list[float],
    ) -> None:
        super().__init__(text, inputs, means)
        self.layers = layers
        self.mark = f"{text.constant(marks.append, 'mark')}({text.constant(time.perf_counter, 'clock')}())"

    def begin(self) -> None:
        """What comes before the steps is outside of layers."""
        super().begin()
        self.layers.append((OUTSIDE,))
        self.text.line(self.mark)

    def step(self, step: Step, leave: Leave | None) -> None:
        """Write a step."""
        super().step(step, leave)
        nodes = (step,) if isinstance(step, Node) else step.nodes
        found = dict.fromkeys(node.where.layer for node in nodes if isinstance(node.where, CallPlace))
        self.layers.append(tuple(found) or (OUTSIDE,))
        self.text.line(self.mark)
