"""Cases run compiled beside a plain twin: after each call both worlds must be the same."""

import itertools
import sys
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from enum import Enum
from types import ModuleType

import numpy as np
from compile_arguments import Numbers
from compile_programs import arrays_in, gradient_for, leaves

import dout
from dout.engine.validate.error_bounds import bounds
from dout.engine.validate.rounded_step import EXACT
from dout.trace.capture.capture import capture
from dout.trace.model.replay import same_bits

ENDED = object()


class Failed(str):
    """How a call failed: the name of the error's type."""

    __slots__ = ()


def loaded(source, name):
    """The names of a file, as it is when it has been imported."""
    module = sys.modules[name] = ModuleType(name)
    module.__file__ = f"<{name}>"
    module.np = np
    exec(compile(source, module.__file__, "exec"), vars(module))
    return vars(module)


class World:
    """One of the twins: its object, and everything that its calls were given and gave."""

    def __init__(self, case, compiled=None):
        self.case = case
        self.names = loaded(case.source, "plain_case" if compiled is None else "compiled_case")
        self.layer = self.names["Layer"](Numbers(0))
        self.held = []
        self.calls = 0
        self.last = self.gradient = self.drawn = None
        self.forward, self.backward = self.layer.forward, getattr(self.layer, "backward", None)
        self.compiled = compiled

    def compile(self):
        """From here on run compiled."""
        whole = self.backward is not None
        self.run = dout.compile(self.layer if whole else self.layer.forward, **self.compiled)
        self.forward = self.run.forward if whole else self.run
        self.backward = self.run.backward if whole else None

    def steps(self, call):
        """Make the calls of a `Call`, one at each turn, and hold what they were given and gave."""
        self.change(call.by_hand)
        for number, method in enumerate(call.methods):
            np.random.seed(call.seed + number)  # noqa: NPY002 - programs that draw from it
            if method == "forward":
                arguments = dict(
                    zip(self.case.arguments, self.names["setup"](Numbers(call.seed, **call.options)), strict=True)
                )
                self.change(call.given, arguments)
                given = [arguments[name] for name in self.case.arguments]
                result = self.outcome(self.forward, given)
                found = [*arrays_in(result), None]
                self.gradient, self.last = {"dout": gradient_for(result, call.seed)}, found[0]
            elif self.backward is None or self.gradient is None:
                continue
            else:
                self.change(call.gradient, self.gradient)
                given = [self.gradient["dout"]]
                result = self.outcome(self.backward, given)
            self.held = [*self.held, given, result][-self.case.holds :]
            del given, result
            self.drawn = np.random.get_state()[1]  # noqa: NPY002
            yield

    def change(self, lines, variables=None):
        """What the user does by hand; what goes wrong there is held."""
        variables = {} if variables is None else variables
        names = {**self.names, "self": self.layer, "draw": Numbers(1), "last": self.last}
        for line in lines:
            self.held.append(self.outcome(exec, (line, names, variables), counted=False))

    def outcome(self, function, arguments, counted=True):
        """What a call gives, or how it fails."""
        self.calls += counted
        try:
            return function(*arguments)
        except Exception as error:
            return Failed(type(error).__name__)

    def broke(self, other):
        """Whether the last call raised what no program here raises by a condition, and that of the other did not."""
        ours, theirs = self.held[-1], other.held[-1]
        return isinstance(ours, Failed) and ours != theirs and ours in ("TypeError", "RuntimeError", "AttributeError")

    def everything(self):
        """All that can be looked at afterwards."""
        return {
            "layer": vars(self.layer),
            "shared": getattr(type(self.layer), "shared", None),
            "state": self.names["STATE"],
            "best": self.names["Record"].best,
            "held": self.held,
            "noise": self.names["noise"],
            "drawn": self.drawn,
        }


# --- the comparison ---------------------------------------------------------------------------------------------------


class DifferenceError(AssertionError):
    """Two worlds differ."""


def compare(ours, theirs, strict):
    """Raise DifferenceError where a world is not as its twin."""
    first, second = list(leaves(ours.everything())), list(leaves(theirs.everything()))
    if [path for path, _ in first] != [path for path, _ in second]:
        raise DifferenceError(f"parts: {[p for p, _ in first]} and plainly {[p for p, _ in second]}")
    for (path, one), (_, two) in zip(first, second, strict=True):
        if type(one).__name__ != type(two).__name__ or not same_item(one, two, strict):
            raise DifferenceError(f"{path}: {one!r} and plainly {two!r}")
    for kind, pattern in (("the same object", same_objects), ("shared memory", shared)):
        one, two = pattern(first), pattern(second)
        if one != two:
            raise DifferenceError(f"{kind}: {sorted(one - two)} and plainly {sorted(two - one)}")


def same_item(one, two, strict):
    """Whether two leaves are the same, their values within rounding."""
    if isinstance(one, np.ndarray | np.generic | float):
        if isinstance(one, np.ndarray) and flags_of(one) != flags_of(two):
            return False
        if isinstance(one, np.ndarray) and one.dtype == two.dtype == object:
            parts = zip(one.flat, two.flat, strict=True)
            return one.shape == two.shape and all(type(a) is type(b) and same_item(a, b, strict) for a, b in parts)
        return same_bits(one, two) or (not strict and close(np.asarray(one), np.asarray(two)))
    if isinstance(one, np.random.Generator):
        return one.bit_generator.state == two.bit_generator.state
    if isinstance(one, np.random.RandomState):
        return all(map(np.array_equal, one.get_state(), two.get_state()))
    if isinstance(one, Enum):
        return one is type(one)[two.name]  # each file has classes of its own
    return isinstance(one, dict | list | tuple) or type(one).__name__ == "Record" or one == two


def flags_of(array):
    """Whether it may be written, and its order in memory."""
    return array.flags.writeable, array.flags.c_contiguous, array.flags.f_contiguous


def close(one, two):
    """Within rounding, as far as that is known without the program."""
    if one.dtype != two.dtype or one.shape != two.shape or one.dtype.kind != "f":
        return False
    with np.errstate(all="ignore"):
        far = np.abs(one - two)
        finite = np.where(np.isfinite(two), np.abs(two), 0)
        largest = np.maximum(1, np.max(finite, initial=0))
        single = (one == one.astype("f4")) & (two == two.astype("f4"))  # also in float64: np.tanh(x_f4, out=y_f8)
        eps = np.where(single, np.finfo("f4").eps, np.finfo(one.dtype).eps)
        return bool(np.all((far <= 1e4 * eps * largest) | (one == two) | (one != one) & (two != two)))


def _objects(found):
    kinds = np.ndarray | dict | list | np.random.Generator
    return [(path, item) for path, item in found if isinstance(item, kinds) or type(item).__name__ == "Record"]


def same_objects(found):
    """Which places hold the same object."""
    by_identity = {}
    for path, item in _objects(found):
        by_identity.setdefault(id(item), []).append(path)
    return {tuple(paths) for paths in by_identity.values() if len(paths) > 1}


def shared(found):
    """Which arrays lie in the same memory."""
    arrays = [(path, item) for path, item in found if isinstance(item, np.ndarray)]
    return {(one, two) for (one, a), (two, b) in itertools.combinations(arrays, 2) if np.shares_memory(a, b)}


@dataclass
class Tally:
    """What was tested: cases, excused ones; and of every other one the calls, and in how many the user's code ran."""

    calls: int = 0
    ran: int = 0
    cases: int = 0
    excused: int = 0

    @property
    def answered(self):
        """The share of the calls that a program answered: one runs nothing of the user's code."""
        return 1 - self.ran / self.calls

    @contextmanager
    def counting(self, world):
        """Count the calls that a world makes inside, and the runs of its functions."""
        methods = [getattr(world.layer, name, None) for name in ("forward", "backward")]
        codes = {method.__code__ for method in methods if method is not None}
        before, outer = world.calls, sys.gettrace()

        def see(frame, event, _):
            self.ran += frame.f_code in codes

        sys.settrace(see)
        try:
            yield
        finally:
            sys.settrace(outer)
            self.calls += world.calls - before


def check(case, tally, *, strict):
    """Run a case compiled and plainly, and compare after each call."""
    theirs, ours = World(case), World(case, {"strict": strict})
    counts = tally.cases % 2 == 0  # to see all that runs takes as long as the call
    tally.cases += 1
    for number, call in enumerate(case.calls):
        if number == case.ahead:
            ours.compile()
        first, second, more = theirs.steps(call), ours.steps(call), True
        while more:
            with np.errstate(all="ignore"):
                more = next(first, ENDED) is not ENDED
                with tally.counting(ours) if counts and number >= case.ahead else nullcontext():
                    next(second, None)
            try:
                compare(ours, theirs, strict)
            except DifferenceError:
                if not strict and not ours.broke(theirs) and doubtful(case, number):
                    check(case, Tally(), strict=True)  # to the bit, there is nothing to excuse
                    tally.excused += 1
                    return
                raise


class Watched(World):
    """A plain twin that is recorded: whether rounding may turn a condition over, or nothing is known of it."""

    def __init__(self, case):
        super().__init__(case)
        self.doubtful = False

    def outcome(self, function, arguments, counted=True):
        if not counted:
            return super().outcome(function, arguments, counted)
        try:
            run = capture(function, arguments, {})
        except Exception as error:
            return Failed(type(error).__name__)
        self.doubtful = self.doubtful or any(
            _unsure(run.data[n], e) for n, e in bounds(run.graph.nodes, run.data).items()
        )
        return run.returned


def doubtful(case, number):
    """Whether rounding may turn a condition over in one of the calls so far, or nothing is known of it."""
    world = Watched(case)
    with np.errstate(all="ignore"):
        for call in case.calls[: number + 1]:
            for _ in world.steps(call):
                if world.doubtful:
                    return True
    return False


def _unsure(value, error):
    if error is EXACT:
        return False
    return np.asarray(value).dtype.kind != "f" or not np.all(np.isfinite(error))


def shortened(case, error, *, strict):
    """A part of the case, as small as possible, that fails too; and how it does."""
    shorter = True
    while shorter:
        shorter = False
        for part in _parts(case):
            try:
                check(part, Tally(), strict=strict)
            except DifferenceError as other:
                case, error, shorter = part, other, True
                break
            except Exception:  # a line is missing on which others depend
                continue
    return case, error


def _parts(case):
    """The case with one thing less."""
    for name in ("calls", "forward", "backward", "state"):
        lines = getattr(case, name) or ()
        for i in range(len(lines)):
            yield replace(case, **{name: (*lines[:i], *lines[i + 1 :])})
    if case.backward is not None:
        yield replace(case, backward=None)
    if case.result != "0":
        yield replace(case, result="0")
    if case.ahead:
        yield replace(case, ahead=0)
    for i, call in enumerate(case.calls):
        plainer = [{"options": {}}, {"by_hand": ()}, {"given": ()}, {"gradient": ()}, {"methods": ("forward",)}]
        for fields in plainer:
            if (other := replace(call, **fields)) != call:
                yield replace(case, calls=(*case.calls[:i], other, *case.calls[i + 1 :]))
