"""A small example for a layer or function that has none: how to build it and what to feed it, by bounded trial."""

from __future__ import annotations

import copy
import inspect
import io
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import islice, product
from typing import Any

import numpy as np

from dout.adapt.guess import Setting, looks_like_a_loss, settings
from dout.errors import TargetError
from dout.trace.draws import random_states_kept
from dout.trace.model import Trace
from dout.trace.record import record
from dout.trace.replay import flat

MOST_SECONDS = 3.0  # of trials
MOST_CHOICES = 48  # of one setting


@dataclass(frozen=True)
class Example:
    """Constructor arguments and inputs that a layer takes; `chosen` names those that nobody gave."""

    init: Mapping[str, Any]
    inputs: Mapping[str, Any]
    chosen: frozenset[str] = field(default_factory=frozenset)

    @property
    def chosen_init(self) -> dict[str, Any]:
        """The constructor arguments that were chosen."""
        return {name: value for name, value in self.init.items() if name in self.chosen}

    @property
    def chosen_inputs(self) -> dict[str, Any]:
        """The inputs that were chosen."""
        return {name: value for name, value in self.inputs.items() if name in self.chosen}


def build(target: Any, options: Mapping[str, Any]) -> Callable[[], Any]:
    """Return a function that gives a fresh instance of a class with these constructor arguments, or `target` itself.

    Raises TargetError naming the arguments that are missing or unknown.
    """
    if not inspect.isclass(target):
        if options:
            raise TargetError(f"{_name(target)} is not a class: --init has nothing to build")
        return lambda: target
    wanted = _parameters(target)
    missing = [p.name for p in wanted if p.default is p.empty and p.name not in options and _is_named(p)]
    unknown = set(options) - {p.name for p in wanted} if all(map(_is_named, wanted)) else set()
    if unknown:
        raise TargetError(f"{_name(target)} has no argument {', '.join(sorted(unknown))}")
    if missing:
        raise TargetError(_needs(target, missing))
    return lambda: target(**_copies(options))


def record_example(target: Any, init: Mapping[str, Any], inputs: Mapping[str, Any]) -> tuple[Trace, dict[str, Any]]:
    """Record a layer class, a layer or a function on `inputs`, or on small ones that it takes; return those too.

    It is a copy of a layer that runs. Raises TargetError where an input is unknown or none that was tried is taken,
    with the last error of the user's code as its cause; and what the user's code raises on inputs that were given.
    """
    build(target, init)
    named = dict(example(target, init, inputs, build_it=False).inputs)
    ordered, keywords = _arguments(_inputs_of(target), _copies(named))
    return record(_own(target, init), *ordered, **keywords), named


def example(target: Any, init: Mapping[str, Any], inputs: Mapping[str, Any], *, build_it: bool = True) -> Example:
    """Constructor arguments and inputs with which a class, a layer or a function runs: those given, the others chosen.

    Trials run in silence, each on a layer and arrays of its own, for a few seconds at most. With `build_it` missing
    constructor arguments are guessed by their names. Raises TargetError where one is unknown, or nothing is taken.
    """
    parameters = _inputs_of(target)
    named = {_placed(key, parameters): value for key, value in inputs.items()}
    _refuse_unknown(target, parameters, named)
    needed = _missing(target, init) if build_it else []
    if not needed:
        build(target, init)  # says what is wrong with the arguments that were given
    open_ = [p.name for p in parameters if _is_named(p) and p.default is p.empty and p.name not in named]
    any_number = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), None)
    if any_number and not open_ and not named:
        open_ = [f"{any_number}[{i}]" for i in range(2)]
    if not (open_ or needed):
        return Example(init, named)
    trial = _Trial(target, parameters, dict(init), named)
    found = trial.first_taken(needed, open_)
    if found is None and any_number and not named:
        found = trial.first_taken(needed, open_[:1])
    if found is None:
        raise TargetError(_nothing_taken(target, needed, open_, trial.last)) from trial.last
    return found


class _Trial:
    """Tries examples; `last` is the last error of the user's code."""

    def __init__(self, target: Any, parameters: list[inspect.Parameter], init: dict[str, Any], named: dict[str, Any]):
        self.target, self.parameters, self.init, self.named = target, parameters, init, named
        self.last: Exception | None = None
        self.until = time.monotonic() + MOST_SECONDS

    def first_taken(self, needed: list[str], open_: list[str]) -> Example | None:
        """The first example that fits, else the first that runs and gives finite numbers, else one that runs at all.

        One that fits is taken in place of an earlier one only if that may have run by accident of broadcasting: where
        it has more axes, or weights of other shapes for the same input. A wrong backward must not be tried away.
        """
        order = [p.name for p in self.parameters]
        weights, labels = _asks_for(self.target, needed, open_, order)
        first: tuple[Fit, Example, Setting] | None = None
        for setting in settings(weights, labels):
            fit, found = self._best(self._choices(setting, needed, open_, order))
            if found is not None and fit > Fit.RUNS and (first is None or first[0] == Fit.RUNS):
                first = fit, found, setting
            elif (
                found is not None and fit == Fit.ALL and first is not None and _may_replace(first[0], first[2], setting)
            ):
                return found
            first = first or (found and (fit, found, setting)) or None
            if (first and first[0] == Fit.ALL) or time.monotonic() > self.until:
                break
        return first[1] if first else None

    def _choices(self, setting: Setting, needed: list[str], open_: list[str], order: list[str]) -> Iterator[Example]:
        loss = looks_like_a_loss(_name(self.target))
        places = {name: order.index(name) if name in order else i for i, name in enumerate(open_)}
        values = [setting.argument(name) for name in needed]
        values += [setting.input(name, places[name], loss) for name in open_]
        for chosen in islice(product(*values), MOST_CHOICES):
            init = dict(zip(needed, chosen, strict=False))
            inputs = dict(zip(open_, chosen[len(needed) :], strict=True))
            yield Example(self.init | init, self.named | inputs, frozenset({*init, *inputs}))

    def _best(self, choices: Iterable[Example]) -> tuple[Fit, Example | None]:
        """The first choice that fits best, and how it fits."""
        best: tuple[Fit, Example | None] = (Fit.RUNS, None)
        for choice in choices:
            try:
                fit = self._run(choice)
            except MemoryError:
                raise
            except Exception as error:  # not taken: the next one may be
                self.last = error
                continue
            if best[1] is None or fit > best[0]:
                best = fit, choice
            if fit == Fit.ALL or time.monotonic() > self.until:
                break
        return best

    def _run(self, choice: Example) -> Fit:
        """Run it, and say how it fits. Raises what the constructor or forward does."""
        with _in_silence():
            layer = _own(self.target, choice.init)
            inputs, keywords = _arguments(self.parameters, _copies(choice.inputs))
            outputs = list(flat(getattr(layer, "forward", layer)(*inputs, **keywords)))
            if not (outputs and all(map(_is_finite, outputs))):
                return Fit.RUNS
            backward = getattr(layer, "backward", None)
            if not callable(backward):
                return Fit.ALL
            try:
                gradients = list(flat(backward(*(np.full(np.shape(out), 0.75)[()] for out in outputs))))
            except MemoryError:
                raise
            except Exception as error:
                self.last = error
                return Fit.FORWARD
            if any(_differs(x, g) for x, g in zip(inputs, gradients, strict=False)):
                return Fit.FORWARD
            kept = [(value, getattr(layer, f"d{name}", None)) for name, value in choice.init.items()]
            return Fit.INPUTS if any(_differs(value, gradient) for value, gradient in kept) else Fit.ALL


class Fit(IntEnum):
    """How well an example fits, from worst to best."""

    RUNS = 0  # forward runs
    FORWARD = 1  # and gives finite numbers
    INPUTS = 2  # and backward runs, and gives each input a gradient of its shape
    ALL = 3  # and each parameter, too


def _may_replace(fit: Fit, first: Setting, later: Setting) -> bool:
    if fit == Fit.INPUTS:
        return first.family == later.family
    square = len({*later.shapes.get("W", (0, 1))}) == 1  # where every product fits, right or wrong
    return not square and np.ndim(later.inputs[0]) > np.ndim(first.inputs[0])


def _differs(value: Any, gradient: Any) -> bool:
    """Whether a gradient that is there has another shape than its value."""
    is_float = isinstance(value, float | np.floating) or (isinstance(value, np.ndarray) and value.dtype.kind == "f")
    return is_float and gradient is not None and np.shape(value) != np.shape(gradient)


def _asks_for(target: Any, needed: list[str], open_: list[str], order: list[str]) -> tuple[bool, bool]:
    """Whether an example must hold weights, and whether it must hold labels."""
    later = [name for name in open_ if name in order[1:]]
    probe = Setting("", (0.0,), dict.fromkeys(("W", "Wh", "W2", "b", "b2", "h", "gamma"), ()), (None,))
    weights = any(isinstance(probe.argument(name)[0], np.floating) for name in needed)
    weights |= any(isinstance(probe.input(name, 1, loss=False)[0], np.floating) for name in later)
    sizes = bool(needed) and not weights
    loss = looks_like_a_loss(_name(target))
    labels = any(probe.input(name, 1, loss)[0] is None for name in later)
    return weights or sizes, labels


def _own(target: Any, init: Mapping[str, Any]) -> Any:
    """A layer that may be changed."""
    if inspect.isclass(target):
        return target(**_copies(init))
    if inspect.isroutine(target):
        return target
    try:
        return copy.deepcopy(target)
    except Exception:
        return target


@contextmanager
def _in_silence() -> Iterator[None]:
    """Nothing printed, no floating-point warning, and the global random states as they were."""
    with random_states_kept(), np.errstate(all="ignore"), redirect_stdout(io.StringIO()):
        yield


def _is_finite(output: Any) -> bool:
    try:
        return bool(np.all(np.isfinite(output)))
    except TypeError:
        return False


def _arguments(parameters: list[inspect.Parameter], named: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """How to pass them: by place, with the defaults of those left out before; by name what goes by name only."""
    if not any(p.name in named for p in parameters) and any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return list(named.values()), {}
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    while places and places[-1].name not in named:
        places.pop()
    ordered = [named.get(p.name, p.default) for p in places]
    names = {p.name for p in places}
    return ordered, {key: value for key, value in named.items() if key not in names}


def arguments(target: Any, inputs: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """How to pass inputs, by name, to a target's forward: a list by place, and the rest by name."""
    return _arguments(_inputs_of(target), inputs)


def _missing(target: Any, init: Mapping[str, Any]) -> list[str]:
    if not inspect.isclass(target):
        return []
    wanted = _parameters(target)
    return [p.name for p in wanted if p.default is p.empty and p.name not in init and _is_named(p)]


def _refuse_unknown(target: Any, parameters: list[inspect.Parameter], named: Mapping[str, Any]) -> None:
    names = {p.name: None for p in parameters}
    if all(map(_is_named, parameters)) and set(named) - set(names):
        takes = ", ".join(names) or "nothing"
        raise TargetError(f"{_name(target)}.forward takes {takes}, not {', '.join(sorted(set(named) - set(names)))}")


def _needs(target: Any, missing: list[str]) -> str:
    give = " ".join(f"--init '{name}=…'" for name in missing)
    return f"{_name(target)} needs {', '.join(missing)} to be built: give {give}"


def _nothing_taken(target: Any, needed: list[str], open_: list[str], last: Exception | None) -> str:
    why = f"({type(last).__name__}: {last})"
    if needed:
        return f"{_needs(target, needed)} {why}"
    give = " ".join(f"--input '{name}=…'" for name in open_)
    return f"{_name(target)} took none of the small inputs tried {why}: give {give}"


def _inputs_of(target: Any) -> list[inspect.Parameter]:
    return [p for p in _parameters(getattr(target, "forward", target)) if p.name != "self"]


def _parameters(function: Any) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return []


def _is_named(parameter: inspect.Parameter) -> bool:
    return parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)


def _placed(key: str, parameters: list[inspect.Parameter]) -> str:
    """An input given without a name is for the argument in its place."""
    return parameters[int(key)].name if key.isdigit() and int(key) < len(parameters) else key


def _copies(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: v.copy() if isinstance(v, np.ndarray) else v for key, v in values.items()}


def _name(target: Any) -> str:
    return getattr(target, "__qualname__", None) or type(target).__qualname__


__all__ = ["Example", "arguments", "build", "example", "record_example"]
