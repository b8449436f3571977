"""Cases run compiled beside a plain twin: after each call both worlds must be the same."""

import itertools
import sys
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from compile_programs import Numbers, gradient_for, leaves

import dout
from dout.engine.bounds import bounds
from dout.engine.error_rules import EXACT
from dout.trace.capture import capture
from dout.trace.replay import same_bits


class World:
    """One of the twins: its object, and everything that its calls were given and gave."""

    def __init__(self, case, compiled=None):
        self.names = {"np": np}
        exec(compile(case.source, "<case>", "exec"), self.names)
        self.layer = self.names["Layer"](Numbers(0))
        self.compiled = compiled
        if compiled is not None:
            whole = case.backward is not None
            self.run = dout.compile(self.layer if whole else self.layer.forward, **compiled)
            self.forward = self.run.forward if whole else self.run
            self.backward = self.run.backward if whole else None
        else:
            self.forward = self.layer.forward
            self.backward = getattr(self.layer, "backward", None)
        self.held = []
        self.calls = 0

    def prepare(self, call):
        """Make the arguments of a call."""
        for line in call.before:
            exec(line, {"self": self.layer, "np": np, "draw": Numbers(call.seed + 1)})
        return self.names["setup"](Numbers(call.seed, **call.options))

    def call(self, call):
        """Make one call, and the backward that belongs to it."""
        for _ in self.steps(call):
            pass

    def steps(self, call):
        """Make one call, and the backward that belongs to it, and stop after each."""
        arguments = self.prepare(call)
        np.random.seed(call.seed)  # noqa: NPY002 - programs that draw from it
        self.held.append(arguments)
        self.held.append(self.outcome(self.forward, arguments))
        yield
        if self.backward is not None and not isinstance(self.held[-1], str):
            dout = gradient_for(self.held[-1])
            self.held.append(dout)
            self.held.append(self.outcome(self.backward, (dout,)))
            yield

    def outcome(self, function, arguments):
        """What a call gives, or how it fails."""
        self.calls += 1
        try:
            return function(*arguments)
        except Exception as error:
            return type(error).__name__

    def everything(self):
        """All that can be looked at afterwards."""
        return {
            "layer": vars(self.layer),
            "held": self.held[-12:],
            "noise": self.names["noise"],
            "global": np.random.get_state()[1],  # noqa: NPY002
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
        if type(one) is not type(two) or not same_item(one, two, strict):
            raise DifferenceError(f"{path}: {one!r} and plainly {two!r}")
    for kind, pattern in (("the same object", same_objects), ("shared memory", shared)):
        one, two = pattern(first), pattern(second)
        if one != two:
            raise DifferenceError(f"{kind}: {sorted(one - two)} and plainly {sorted(two - one)}")


def same_item(one, two, strict):
    """Whether two leaves are the same, their values within rounding."""
    if isinstance(one, np.ndarray | np.generic | float):
        if isinstance(one, np.ndarray) and one.flags.writeable != two.flags.writeable:
            return False
        return same_bits(one, two) or (not strict and close(np.asarray(one), np.asarray(two)))
    if isinstance(one, np.random.Generator):
        return one.bit_generator.state == two.bit_generator.state
    if isinstance(one, np.random.RandomState):
        return all(map(np.array_equal, one.get_state(), two.get_state()))
    return isinstance(one, dict | list | tuple) or one == two


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
    return [(path, item) for path, item in found if isinstance(item, kinds)]


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
    """What was tested: calls of compiled things, in how many of them the user's own code ran, cases, excused ones."""

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
    tally.cases += 1
    for number, call in enumerate(case.calls):
        with np.errstate(all="ignore"):
            theirs.call(call)
            with tally.counting(ours):
                ours.call(call)
        try:
            compare(ours, theirs, strict)
        except DifferenceError:
            if not strict and doubtful(case, number):
                tally.excused += 1
                return
            raise


def doubtful(case, number):
    """Whether rounding may turn a condition over in one of the calls so far, or nothing is known of it."""
    world = World(case)
    methods = [world.forward] if world.backward is None else [world.forward, world.backward]
    with np.errstate(all="ignore"):
        for call in case.calls[: number + 1]:
            arguments = world.prepare(call)
            for method in methods:
                run = capture(method, arguments, {})
                if any(_unsure(run.data[n], e) for n, e in bounds(run.graph.nodes, run.data).items()):
                    return True
                arguments = (gradient_for(run.returned),)
    return False


def _unsure(value, error):
    if error is EXACT:
        return False
    return np.asarray(value).dtype.kind != "f" or not np.all(np.isfinite(error))
