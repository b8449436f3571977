"""A trace under way: replacements in the user's modules, classes and objects, put back whatever happens."""

from __future__ import annotations

import inspect
import os
import sys
import threading
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from types import FunctionType, ModuleType
from typing import Any

from dout.clock import count
from dout.errors import UnsupportedError
from dout.judge.judged_run import elements
from dout.run import flat, is_class, module_of, mro_of, names_of, vars_of
from dout.trace.model import user_source
from dout.trace.session import user_modules
from dout.trace.session.attribute_swap import Namespace
from dout.trace.session.function_layers import PairsOf, function_layer, no_pairs
from dout.trace.session.layer_calls import KINDS, LayerMethods, MethodsOf, is_layer, plain_methods, recording
from dout.trace.session.reached_names import ReachedNames, functions_of
from dout.trace.session.swaps import Swaps
from dout.trace.session.users_warnings import users_warnings
from dout.trace.tracer import traced_modules
from dout.trace.tracer.traced import Traced
from dout.trace.tracer.tracer import Tracer
from dout.trace.tracer.user_functions import current, under_way

_ABSENT = object()
_DEEP = 100  # calls inside each other; user's code that goes deeper calls itself
_A_NODE, _A_NUMBER = 60e-6, 10e-9  # seconds that a recording takes, as measured
recordings = threading.RLock()  # one thread traces at a time; a trace inside a trace is the same thread
_open: list[Session] = []  # in which the user's code runs now, the innermost last
_begun: list[Session] = []  # those, and those of which things are being replaced or put back


class Patches:
    """Names in the user's modules and classes that lead elsewhere for the time of a trace."""

    def __init__(
        self, is_user_class: Any, methods_of: MethodsOf, pairs_of: PairsOf, met_layer: Callable[[], None]
    ) -> None:
        self.is_user_class = is_user_class
        self._pairs_of = pairs_of
        self.met_layer = met_layer
        self._methods_of = methods_of
        self._methods: dict[int, tuple[type, LayerMethods | None]] = {}  # by identity: a metaclass may refuse to hash
        self.layers = True  # whether the calls of layers are recorded
        self.undo: list[tuple[Any, str, Any, Any]] = []
        self.seen: set[int] = set()

    def methods_of(self, cls: type) -> LayerMethods | None:
        """The methods of a layer, asked for once."""
        if id(cls) not in self._methods:
            self._methods[id(cls)] = cls, self._methods_of(cls)
        return self._methods[id(cls)][1]

    def namespace(self, names: dict[str, Any], only: Collection[str] | None = None) -> None:
        """Lead a module's names of numpy and math to the tracing versions, and record its layers' calls.

        `only` these names where given; else all, and the calls of pairs of functions too.
        """
        if id(names) in self.seen:
            return
        for name in traced_modules.BUILTINS.keys() - names.keys():
            if only is None or name in only:
                names[name] = traced_modules.BUILTINS[name]
                self.undo.append((names, name, _ABSENT, names[name]))
        for name, item in list(names.items()) if only is None else [(name, names[name]) for name in only]:
            if is_class(item):
                if self.is_user_class(item):
                    self.layer(item)
            elif (version := traced_modules.tracing_version(item)) is not item:
                names[name] = version
                self.undo.append((names, name, item, version))
        if only is None:
            self.seen.add(id(names))
            self.functions(names)

    def functions(self, names: dict[str, Any]) -> None:
        """Record the calls of pairs of functions that a module has, a forward and its backward."""
        for pair in list(self._pairs_of(names)):
            cls = function_layer(names[pair.forward], names[pair.backward])
            self._methods[id(cls)] = cls, LayerMethods(takes_dout=pair.takes_dout)
            self.layer(cls)
            instance = cls()
            for name, kind in zip(pair[:2], KINDS, strict=True):
                self.undo.append((names, name, names[name], getattr(instance, kind)))
                names[name] = self.undo[-1][-1]

    def layer(self, cls: type) -> None:
        """Record the calls of a layer class's forward and backward."""
        if id(cls) in self.seen or not self.layers or (names := self.methods_of(cls)) is None:
            return
        self.seen.add(id(cls))
        self.met_layer()
        for base in mro_of(cls):
            for kind, name in zip(KINDS, names[:2], strict=True):
                original = vars_of(base).get(name)
                if original is not None and hasattr(original, "__code__") and not hasattr(original, "__recorded__"):
                    method = recording(kind, original, current, self.methods_of)
                    method.__recorded__ = original  # type: ignore[attr-defined]
                    type.__setattr__(base, name, method)  # a metaclass may refuse
                    self.undo.append((base, name, original, method))

    def put_back(self) -> None:
        """Undo everything that the user's code did not itself replace meanwhile."""
        for holder, name, original, version in reversed(self.undo):
            if type(holder) is dict:
                if holder.get(name) is version:
                    holder[name] = original
                    if original is _ABSENT:
                        del holder[name]
            elif vars_of(holder).get(name) is version:
                type.__setattr__(holder, name, original)


def user_class_test(packages: set[str], given: set[type]) -> Any:
    """Return the test whether a class is the user's: written in their code, in one of these packages, or given."""

    def is_user_class(cls: type) -> bool:
        if any(cls is one for one in given):
            return True
        module = module_of(cls)
        if not module or module == "builtins":
            return False
        package = module.partition(".")[0]
        if package == "dout":
            return module.startswith(user_source.TAUGHT)
        if module == "__main__" or package in packages:
            return True
        home = sys.modules.get(module)
        return home is None or user_modules.is_of_user(module, home)

    return is_user_class


class Session:
    """The replacements in the user's modules, classes and objects while one trace is under way."""

    def __init__(
        self, tracer: Tracer, packages: set[str], given: set[type], methods_of: MethodsOf, pairs_of: PairsOf
    ) -> None:
        is_user_class = user_class_test(packages, given)
        self.tracer = tracer
        self.patches = Patches(is_user_class, methods_of, pairs_of, tracer.met_layer)
        self.swaps = Swaps(is_user_class, self._meet, tracer)
        self.adopted: set[str] = set()
        self.names: ReachedNames | None = None  # those that a target can use; None for a script: all
        self.gave_way = False  # whether all that was replaced has been put back, for another thread
        self.outputs: list[Any] = []  # results of the user's code; in the end as a plain run would give them
        self.besides: list[Any] = []  # objects of the user's that nothing led to, and that code of theirs wrote into

    def _meet(self, found: Any) -> None:
        """Take a class, function or module within reach, or the class of an instance; some modules are not loaded."""
        if is_class(found):
            self.patches.layer(found)
        if self.names is not None:
            self.names.learn(found)
            return
        if isinstance(found, ModuleType):
            self.patches.namespace(vars(found))
            return
        functions = [found] if type(found) is FunctionType else functions_of(found)
        for names in [f.__globals__ for f in functions if user_source.is_user_code(f.__code__.co_filename)]:
            if id(names) not in self.patches.seen:
                self.patches.namespace(names)
                if not user_modules.is_loaded(names):  # nobody else adopts it
                    self.swaps.swap_in(Namespace(names), self.tracer.source)

    def adopt(self, users: Iterable[ModuleType]) -> None:
        """Take modules as the user's: their numpy traces, their layers are recorded, their arrays are inputs."""
        traced_modules.learn()
        new = [module for module in users if module.__name__ not in self.adopted]
        self.adopted.update(module.__name__ for module in new)
        for module in new:
            self.patches.namespace(module.__dict__)
        for module in new:
            self.swaps.swap_in(module, self.tracer.source)

    def begin(self, loaded: Iterable[ModuleType]) -> None:
        """Look at those names of `loaded` modules alone that the code of a target can use."""
        traced_modules.learn()
        self.names = ReachedNames(loaded, self.swaps.reach.is_users)
        self.swaps.reach.by_names = True

    def target(self, target: Any, *, numbers: bool) -> None:
        """Take the layer or function that will run. With `numbers`, the numbers it holds become inputs too."""
        assert self.names is not None
        own = target.__func__ if inspect.ismethod(target) else target
        functions = [*([own] if isinstance(own, FunctionType) else []), *functions_of(type(own))]
        for item in (target, *functions):
            self.names.learn(item)
        for function in functions:
            if id(function.__globals__) not in self.names.spaces:  # not the user's: where their layer is adapted
                self.patches.namespace(function.__globals__)
        self.swaps.swap_in(target, self.tracer.source, numbers=numbers)
        self._look_at_names(self.names)

    def _look_at_names(self, names: ReachedNames) -> None:
        """Take the names that code within reach can use, until they lead to no more code."""
        while found := [*names.fresh()]:
            for module in names.loaded if names.is_open else ():
                self.patches.namespace(names_of(module))
            for space, fresh in found:
                self.patches.namespace(space.__dict__, fresh)
                for name in fresh:
                    names.learn(space.__dict__[name])
                self.swaps.swap_in(space, self.tracer.source, numbers=self.swaps.everywhere, only=fresh)

    def loaded_since(self) -> list[str]:
        """The names of the user's modules that were loaded after the others had been taken."""
        known = {module.__name__ for module in self.names.loaded} if self.names is not None else self.adopted
        return [module.__name__ for module in user_modules.user_modules() if module.__name__ not in known]

    def argument(self, item: Any, name: str | None) -> Any:
        """Take an argument of the code that will run. A list or dict stays itself: the code may write into it."""
        if type(item) is tuple:
            parts = tuple(self.argument(part, None) for part in item)
            return item if all(a is b for a, b in zip(parts, item, strict=True)) else parts
        if self.names is not None:
            self.names.learn(item)  # it may be a function, a layer or a module
            self._look_at_names(self.names)
        if type(item) in (list, dict):
            self.swaps.swap_in(item, self.tracer.source, numbers=True, name=name or "")
            return item
        taken = self.tracer.wrap(item, name)
        self.tracer.given.update(part.resolve() for part in flat(taken) if isinstance(part, Traced))
        return taken


def place_of_recording() -> tuple[int, int] | None:
    """The tracing thread's current frame and instruction, or None when nothing runs. Unchanged while it is blocked."""
    innermost = _open[-1:]  # another thread may close it meanwhile
    frame = sys._current_frames().get(innermost[0].tracer.thread) if innermost else None
    return (id(frame), frame.f_lasti) if frame is not None else None


def give_way() -> bool:
    """Put back all that is replaced while another thread traces; that goes on plainly. Whether one traced."""
    for state in reversed(_open):
        if not state.gave_way:
            state.gave_way = True
            state.tracer.step_aside("it waits for another thread")
            state.patches.put_back()
            state.swaps.swap_out(state.besides)
    return bool(_open)


def reaches(item: Any, why_not: str | None = None) -> None:
    """Tell the traces of this thread that code may write into an object that is hidden behind one of ours.

    `why_not` says why no program can do the same, where nothing else tells.
    """
    for state in _open:
        if state.tracer.thread == threading.get_ident():
            state.besides.append(item)
            if why_not is not None:
                state.tracer.effects.append(why_not)


def gave_way() -> bool:
    """Whether the traced code now runs on plainly."""
    return bool(_open) and all(state.gave_way for state in _open)


@contextmanager
def session(
    tracer: Tracer,
    target: Any = None,
    *,
    numbers: bool = False,
    everywhere: bool = False,
    methods_of: MethodsOf = plain_methods,
    pairs_of: PairsOf = no_pairs,
) -> Iterator[Session]:
    """Trace the code that runs inside, from `target` or, without one, from the modules that the caller adopts.

    The calls of layers are recorded: of the classes of which `methods_of` knows the names of forward and backward,
    and of the functions that `pairs_of` finds in the user's modules.
    `numbers` that the target holds become inputs where asked; `everywhere`: those of its module too, and what methods
    close over.
    """
    home = target.__module__ if inspect.isroutine(target) else module_of(type(target))
    if not home or home.partition(".")[0] in user_modules.ANSWERED:  # made by `exec`; or np.mean itself is the target
        home = ""
    with recordings, ExitStack() as ends:
        given = {type(target)} if is_layer(type(target)) else set()
        state = Session(tracer, {home.partition(".")[0]} - {"dout", "builtins"}, given, methods_of, pairs_of)
        state.swaps.everywhere = everywhere
        state.patches.layers = not everywhere  # a program needs no calls, and code may look into methods
        under_way.append(tracer)
        _begun.append(state)
        ends.callback(_begun.remove, state)  # these are called from the last to the first
        ends.callback(state.swaps.swap_out, state.outputs, state.besides)
        ends.callback(state.patches.put_back)
        ends.callback(_end_recording, state)
        try:
            if target is not None:
                state.begin(user_modules.user_modules(home))
                state.target(target, numbers=numbers)
            _open.append(state)
            with users_warnings():
                yield state
        except BaseException as error:
            state.outputs.append(error)
            if isinstance(error, RecursionError):
                _refuse_depth(error)
            raise


def _end_recording(state: Session) -> None:
    if state in _open:
        _open.remove(state)
    try:
        state.tracer.stop()
    finally:
        state.tracer.recording = False
        under_way.remove(state.tracer)
        count(_A_NODE * len(state.tracer.nodes) + _A_NUMBER * elements(state.tracer.nodes))


def _after_fork() -> None:
    """A forked child has no other thread: put back the replacements of other threads there, and release their lock."""
    for state in reversed(_begun):
        state.tracer.leave()
        if state.tracer.thread != threading.get_ident():
            state.tracer.recording = False
            state.patches.put_back()
            state.swaps.swap_out(state.besides)
    under_way[:] = [tracer for tracer in under_way if tracer.thread == threading.get_ident()]
    _begun[:] = [state for state in _begun if state.tracer.thread == threading.get_ident()]
    _open[:] = [state for state in _open if state in _begun]
    if not recordings._is_owned():  # type: ignore[attr-defined]
        recordings._at_fork_reinit()  # type: ignore[attr-defined]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _refuse_depth(error: RecursionError) -> None:
    """Raise a clearer error if not the user's code recursed too deep, but ours in a list that holds itself."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    users = [frame for frame in frames if user_source.in_user_code(frame)]
    if user_source.is_ours(frames[-1].f_code.co_filename) and len(users) < _DEEP:
        where = user_source.line_of(users[-1]) if users else ""
        raise UnsupportedError(
            "a list, tuple or dict that holds itself, or lies too deep in others, cannot be traced"
            f"{f', at {where}' if where else ''}; give the arrays themselves"
        ) from None
