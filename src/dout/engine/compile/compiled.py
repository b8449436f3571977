"""`dout.compile`: functions and layers that run the user's own code once for each kind of call, and a program after."""

from __future__ import annotations

import copy
import inspect
import math
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from functools import partial
from time import perf_counter
from types import CodeType
from typing import TYPE_CHECKING, Any

import numpy as np

from dout.clock import spent
from dout.engine.codegen.driver import MISS, computed
from dout.engine.compile.call_stub import stub
from dout.engine.compile.program_builder import BuiltProgram, build, without_values
from dout.engine.compile.recording_lock import inside_a_trace, plainly, turn
from dout.engine.guards.class_attributes import Settled
from dout.engine.memory.pool import Pool
from dout.engine.validate.comparison import Difference, ProgramFailure, first_difference
from dout.errors import DoutError, TargetError, UnsupportedError
from dout.graph import Graph
from dout.trace.capture.budget import MOST_OPERATIONS, Budget, too_long
from dout.trace.capture.capture import Capture, capture
from dout.trace.capture.lenient_tracer import TooLongError
from dout.trace.capture.loop_length import may_turn
from dout.trace.capture.rollback import PERHAPS
from dout.trace.model.bulk_objects import collection_paused
from dout.trace.session.layer_calls import KINDS, is_layer
from dout.trace.session.session import reaches
from dout.trace.tracer.user_functions import under_way

if TYPE_CHECKING:
    from dout.engine.compile.plan import Plan
    from dout.engine.loops.compiled_parts import CompiledParts
    from dout.engine.loops.looped_function import LoopedFunction

MOST = 16  # programs of one function: where every call needs another one, they are of no use
MOST_NODES = 100_000  # and operations in all of them: a loop that ends when it has converged may take minutes each time
at_once = ContextVar("at_once", default=False)  # whether a bench asks for every size to be recorded when it comes
PATIENCE = 5  # times as long as a recording plain calls of another size take before that is recorded, too
TRIES = 2  # runs without a program: the first may have prepared data that all others use
Form = tuple[Any, ...]  # how a function is called: the number of arguments by position, the names of the others


def compile(target: Any, *, strict: bool = False) -> Any:
    """Return `target`, a layer or a function in plain NumPy, so that it runs at the speed of the machine.

    A layer keeps its interface: `forward`, `backward`, and all its attributes, which are what a plain run leaves. A
    function (also a method, as in `compile(net.gradient)`, and what `dout.grad` and `dout.value_and_grad` return) keeps
    its signature. It still changes your arrays, attributes and dicts as before, and draws new numbers from your own
    random generator. The result may be written into `out=`.

    The first call with arguments of some shape and dtype *is* the plain run: dout records it, fuses its steps into
    kernels, and compares their results with those of the run. Later calls run the kernels while nothing that steered
    the run has changed; otherwise dout records again. Code that cannot be compiled runs plainly: `compiled.plan()` says
    which line, and why. `strict=True` gives every bit that NumPy gives, and is slower. Only plain runs give NumPy's
    floating-point warnings.

    Raises TargetError if `target` is neither a layer nor a function. Calls raise whatever your code raises.

    >>> import numpy as np
    >>> def bell(x):
    ...     return np.exp(-x * x)
    >>> fast = compile(bell)
    >>> fast(np.array([0.0, 1.0]))
    array([1.        , 0.36787944])
    """
    if inspect.isclass(target) and is_layer(target):
        target = target()
    if not inspect.isclass(target) and is_layer(type(target)):
        return CompiledLayer(target, strict=strict)
    if inspect.isclass(target) or not callable(target):
        name = getattr(target, "__qualname__", type(target).__qualname__)
        raise TargetError(
            f"{name} is neither a layer (an object with forward and backward) nor a function; "
            "of a network, compile the method that does the work, as in dout.compile(net.gradient)"
        )
    return Compiled(target, strict=strict).stub


class Compiled(Settled):
    """A function with the programs that stand for its calls."""

    def __init__(self, function: Callable[..., Any], *, strict: bool = False, pool: Pool | None = None) -> None:
        self.derives = getattr(function, "derives", None)
        self.function = function
        self.pool = pool or Pool()
        self.strict = strict
        self.programs: dict[Form, list[BuiltProgram]] = {}
        self.by_form: dict[Form, tuple[Callable[..., Any], ...]] = {}
        self.runs: tuple[Callable[..., Any], ...] = ()  # those of calls by position alone
        self.why_not: list[str] = []  # the reasons of runs that gave no program
        self.failed = 0  # and how many they were
        self.given_up = False  # whether no more programs are made
        self.missed = 0  # calls since then that no program stood for
        self.unanswered = 0  # calls that no program has answered
        self.answering: set[Callable[..., Any]] = set()  # programs that have answered one since then
        self.worth: Callable[[Graph], bool] | None = None  # asked of the first recording, whether to go on with it
        self.loops: LoopedFunction | None = None  # the function with kernels for its loops, or with compiled parts
        self.without_kernel: list[str] = []  # why there is none for a loop
        self._read = False  # whether its loops have been looked for
        self.cost = 0.0  # seconds that the latest recording took, without machine code
        self.plain_seconds: dict[Form, float] = {}  # of calls of other sizes; infinite once one has been recorded
        self.stub = stub(self)
        self.stub.compiled = self  # type: ignore[attr-defined]
        if hasattr(function, "compiled") or not hasattr(function, "plan"):
            self.stub.plan = self.plan  # type: ignore[attr-defined]

    def plan(self) -> Plan:
        """What a call does now: steps, bytes, memory, and what runs plainly and why."""
        from dout.engine.compile.plan import plan_of

        with turn():
            return plan_of(self)

    def slowly(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Answer a call that no program stands for yet: run it, and make one."""
        self.unanswered += 1
        if self.vain:
            return plainly(self.function, args, kwargs)
        form = (len(args), *kwargs)
        looped = self._looped(args, kwargs)
        kind = (form, *map(_size, (*args, *kwargs.values())))
        if looped is None and self._waits(kind):
            start = perf_counter()
            try:
                return plainly(self.function, args, kwargs)
            finally:
                self.plain_seconds[kind] += perf_counter() - start
        with turn() as may_record:
            traced = inside_a_trace()
            if not traced and looped is None:
                for run in self.by_form.get(form, ()):  # another thread was faster, or recorded
                    result = run(*args, *kwargs.values())
                    if result is not MISS:
                        return result
                if may_record and not self._gives_up(form):
                    self.plain_seconds[kind] = math.inf
                    try:
                        return self._recorded(form, args, kwargs)
                    except TooLongError:
                        looped = self.loops
        if traced or looped is None:
            return plainly(self.function, args, kwargs)
        return self._by_loops(looped, form, args, kwargs)

    def _waits(self, kind: Form) -> bool:
        """Whether a call runs plainly for now: all calls of another size are to take at most a fifth longer."""
        return not at_once.get() and self.plain_seconds.setdefault(kind, 0.0) < PATIENCE * self.cost

    def _looped(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> LoopedFunction | None:
        """The function with its loops, unless it has none, or no kernel can stand for any at its first call."""
        if not self._read and not under_way:
            with turn():  # CPython 3.11 mixes up the syntax trees that two threads read at the same time
                looped = self._with_kernels() if not self.derives else None
            self.loops = looped if looped and looped.may_take(args, kwargs) else None
            self._read = True
        return self.loops

    def _with_kernels(self) -> LoopedFunction | None:
        """The function with sites before its loops; None where it has no loop that a kernel might take."""
        code = getattr(getattr(self.function, "__func__", self.function), "__code__", None)
        if not isinstance(code, CodeType) or not may_turn(code):
            return None
        from dout.engine.loops.looped_function import looped_function

        return looped_function(self.function, self._parts(), strict=self.strict)

    def _parts(self) -> CompiledParts:
        from dout.engine.loops.compiled_parts import CompiledParts

        return CompiledParts(lambda function: Compiled(function, strict=self.strict, pool=self.pool))

    @property
    def used(self) -> bool:
        """Whether something compiled answers calls."""
        return any(self.programs.values()) or (self.loops is not None and self.loops.pays())

    @property
    def vain(self) -> bool:
        """Whether all calls run plainly, now and later."""
        return self.given_up and not any(self.by_form.values()) and self.loops is None

    def _by_loops(self, looped: LoopedFunction, form: Form, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Run it with its loops; from now on without a recording, if kernels or parts pay."""
        result = plainly(looped.run, args, kwargs)
        if looped.pays():
            self.why_not.clear()  # of the recording, which nothing needs now
            count, names = len(args), tuple(kwargs)

            def run(*given: Any) -> Any:
                if under_way:
                    return MISS
                return plainly(looped.run, given[:count], dict(zip(names, given[count:], strict=True)) if names else {})

            self.by_form[form] = (run,)
            if not names:
                self.runs = self.by_form[form]
        else:
            self.loops = None
            self.without_kernel = looped.why_not() or self.without_kernel
        return result

    def _gives_up(self, form: Form) -> bool:
        made = self.programs.get(form, [])
        nodes = sum(len(program.program.capture.graph.nodes) for program in made)
        too_long = len(made) > 1 and nodes >= MOST_NODES  # the first may be of a run that prepares all others
        if (len(made) >= MOST or too_long) and not self.given_up:
            together = f", which had {nodes} operations in all" if too_long else ""
            self.why_not.append(f"no two of the first {len(made)} calls were alike{together}")
            self.given_up = True
        if self.given_up and self.programs:
            self._forget_idle()
        return self.given_up

    def _forget_idle(self) -> None:
        """Forget programs that answer none of the calls of which `MOST` run plainly: each call looks at all guards."""
        self.missed += 1
        for form, made in self.programs.items() if self.missed in (1, MOST) else ():
            if self.missed == MOST:
                made[:] = [program for program in made if program.driver in self.answering]
            run = partial(partial, self._noted) if self.missed == 1 else lambda driver: driver
            self._offer(form, [run(program.driver) for program in made])

    def _noted(self, driver: Callable[..., Any], *given: Any) -> Any:
        result = driver(*given)
        if result is not MISS:
            self.answering.add(driver)
        return result

    def _recorded(self, form: Form, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Run it, and make a program of that if one can be made."""
        budget = Budget()
        start = spent()
        try:
            run_once = self._captured(args, kwargs, budget)
        except TooLongError as error:
            self._takes_too_long(str(error))
            raise
        except Exception as error:
            if PERHAPS in getattr(error, "__notes__", ()):
                self._fails("an error was raised during the recording, and the effects until then could not be undone")
            raise
        self.cost, recording = spent() - start, budget.seconds
        why_not = run_once.why_not or self._made(form, run_once, budget)
        self.cost += budget.seconds - recording
        if why_not is not None and budget.exceeded:
            self._takes_too_long(why_not)
        elif why_not is not None:
            self._fails(why_not)
        elif not self.given_up:
            self.why_not.clear()  # it was a run that prepares others
        return run_once.returned

    def _takes_too_long(self, why_not: str) -> None:
        """It is never recorded again: its parts are."""
        self.given_up = True
        if not self.derives:
            from dout.engine.loops.looped_function import turned_function

            self.loops = turned_function(self.function, self._parts())
        self.why_not += [f"no kernel takes the place of its loop: {why}" for why in self.without_kernel]
        self._fails(why_not)

    def _fails(self, why_not: str) -> None:
        if why_not not in self.why_not:
            self.why_not.append(why_not)
        self.failed += 1
        self.given_up = self.given_up or self.failed >= TRIES

    def _captured(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], budget: Budget) -> Capture:
        if self.derives is None:
            return capture(self.function, args, kwargs, budget=budget, lasting=False)
        from dout.engine.compile.derived_program import with_gradient

        return with_gradient(capture(self.derives.function, args, kwargs, or_plainly=False), self.derives)

    def _made(self, form: Form, run_once: Capture, budget: Budget) -> str | None:
        """Make a program of a run and compare the two; say why there is none."""
        if len(run_once.graph.nodes) > MOST_OPERATIONS:
            return too_long(run_once.graph.nodes)
        if self.worth is not None and not self.worth(run_once.graph):
            self.given_up = True
            return "all its calls together take too few operations"
        graph, better, self.worth = run_once.graph, run_once.better, None
        others = {node: better.outputs[name] for name, node in graph.outputs.items()} if better else {}
        difference: Difference | ProgramFailure | None
        name = getattr(self.function, "__qualname__", "function")
        try:
            with collection_paused():
                program = build(run_once, self.pool, budget, called=name.rpartition("<locals>.")[2], strict=self.strict)
                with np.errstate(all="ignore"):  # what the user's code heard of floating-point errors it has heard
                    difference = first_difference(graph.nodes, run_once.data, computed(program.program), others)
        except UnsupportedError as error:
            return too_long(graph.nodes) if budget.exceeded else str(error)
        except DoutError:
            raise
        except Exception as error:  # ours: the user's own run is whole, and its result is there
            difference = ProgramFailure(error)
        if difference is not None:
            warnings.warn(difference.warning(name), stacklevel=_users_level())
            self.given_up = True
            return str(difference)
        self._add(form, without_values(program))
        return None

    def _add(self, form: Form, program: BuiltProgram) -> None:
        made = self.programs.setdefault(form, [])
        made.insert(0, program)
        self._offer(form, [p.driver for p in made])

    def _offer(self, form: Form, runs: Iterable[Callable[..., Any]]) -> None:
        """From now on these are tried first at a call of this form."""
        self.by_form[form] = tuple(runs)
        if len(form) == 1:
            self.runs = self.by_form[form]


def _size(item: Any) -> Any:
    """What is another for arguments of another size."""
    return (item.shape, item.dtype) if type(item) is np.ndarray else type(item)


def _users_level() -> int:
    """How many calls above its caller the user's code is, as `warnings.warn` counts."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).partition(".")[0] == "dout":
        frame, level = frame.f_back, level + 1
    return level


class CompiledLayer:
    """A layer whose forward and backward are compiled; everything else is the layer's own.

    `plan()` says what they do, unless the layer has something of that name itself: then `forward.plan()` does. `layer`
    is the layer, unless it has something of that name itself.
    """

    def __init__(self, layer: Any, *, strict: bool = False) -> None:
        pool = Pool()
        vars(self).update(
            _dout_layer=layer,
            _dout_strict=strict,
            forward=Compiled(layer.forward, strict=strict, pool=pool).stub,
            backward=Compiled(layer.backward, strict=strict, pool=pool).stub,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the layer as its own class does, with the compiled forward."""
        kind = type(self._dout_layer)
        for cls in kind.__mro__:
            if "__call__" in vars(cls):
                return vars(cls)["__call__"].__get__(self, kind)(*args, **kwargs)
        raise TypeError(f"{kind.__qualname__!r} object is not callable")

    def __getattr__(self, name: str) -> Any:
        own = vars(self)
        if "_dout_layer" not in own:  # while it is made from a copy
            raise AttributeError(name)
        try:
            return getattr(own["_dout_layer"], name)
        except AttributeError:
            if name == "layer":
                return own["_dout_layer"]
            if name != "plan":
                raise
        return self._plan

    def _plan(self) -> Plan:
        """What forward and backward do now."""
        from dout.engine.compile.plan import plan_of

        return plan_of(*(vars(self)[kind].compiled for kind in KINDS))

    def __setattr__(self, name: str, value: Any) -> None:
        if name in KINDS:
            raise AttributeError(
                f"{name} of a compiled layer cannot be replaced: set it on the layer itself, and compile that again"
            )
        reaches(self._dout_layer, f"it sets {name} of a compiled layer")
        setattr(self._dout_layer, name, value)

    def __delattr__(self, name: str) -> None:
        reaches(self._dout_layer, f"it deletes {name} of a compiled layer")
        delattr(self._dout_layer, name)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles are of the layer; what was compiled is compiled again."""
        return _compiled_layer, (self._dout_layer, self._dout_strict)

    def __copy__(self) -> CompiledLayer:
        return CompiledLayer(copy.copy(self._dout_layer), strict=self._dout_strict)

    def __repr__(self) -> str:
        return f"<compiled {type(self._dout_layer).__qualname__}>"


def _compiled_layer(layer: Any, strict: bool) -> CompiledLayer:
    return CompiledLayer(layer, strict=strict)
