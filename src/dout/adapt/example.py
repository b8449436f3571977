"""A small example for a layer or function that has none: how to build it and what to feed it, by bounded trial."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice, product
from typing import Any

import numpy as np

from dout.adapt.arrays import first_sample, is_input
from dout.adapt.beside import given_beside
from dout.adapt.faults import more_telling
from dout.adapt.given import is_finite
from dout.adapt.guess import Setting, looks_like_a_loss, settings
from dout.adapt.hints import switches_for
from dout.adapt.interface import Interface, pairs_of
from dout.adapt.layer import as_layer, copy_of, layer_class
from dout.adapt.proposals import proposals
from dout.adapt.refusals import name_of, needs, nothing_taken, takes_target
from dout.adapt.repair import Failure, as_labels, mended
from dout.adapt.silence import in_silence
from dout.adapt.trial import Fit, Trials, Tried
from dout.clock import spent
from dout.errors import TargetError
from dout.trace.model import Trace
from dout.trace.record import record
from dout.trace.replay import flat
from dout.trace.source import behind

MOST_SECONDS = 1.2  # of trials
MOST_CHOICES = 48  # of one setting


@dataclass(frozen=True)
class Example:
    """Constructor arguments and inputs that a layer takes; `chosen` names those that nobody gave."""

    init: Mapping[str, Any]
    inputs: Mapping[str, Any]
    chosen: frozenset[str] = field(default_factory=frozenset)
    interface: Interface | None = None

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
            raise TargetError(f"{name_of(target)} is not a class: --init has nothing to build")
        return lambda: target
    wanted = _parameters(target)
    missing = [p.name for p in wanted if p.default is p.empty and p.name not in options and _is_named(p)]
    unknown = set(options) - {p.name for p in wanted} if all(map(_is_named, wanted)) else set()
    if unknown:
        raise TargetError(f"{name_of(target)} has no argument {', '.join(sorted(unknown))}")
    if missing:
        raise TargetError(needs(target, missing))
    return lambda: target(**_copies(options))


def record_example(target: Any, init: Mapping[str, Any], inputs: Mapping[str, Any]) -> tuple[Trace, dict[str, Any]]:
    """Record a layer class, a layer or a function on `inputs`, or on small ones that it takes; return those too.

    It is a copy of a layer that runs. Raises TargetError where an input is unknown or none that was tried is taken,
    with the last error of the user's code as its cause; and what the user's code raises on inputs that were given.
    """
    build(target, init)
    found = example(target, init, inputs, build_it=False, to_look_at=True)
    layer, given = as_found(target, found)
    if layer is not target:
        return record(_own(layer, init), *map(copy.deepcopy, given)), dict(found.inputs)
    ordered, keywords = _arguments(_inputs_of(target), _copies(found.inputs))
    return record(_own(target, init), *ordered, **keywords), dict(found.inputs)


def adapted(
    target: Any, init: Mapping[str, Any], inputs: tuple[Any, ...], named: Mapping[str, Any],
    interface: Interface | None = None,
) -> tuple[Any, list[Any], Example]:  # fmt: skip
    """A class or an instance as a layer with `forward(*inputs)` and `backward(dout)`, its inputs, and its example.

    `target` itself where it is written so; of an instance in another interface it is a copy. Raises as `example`.
    """
    by_place = {str(i): item for i, item in enumerate(inputs)}
    found = example(target, init, {**by_place, **named}, interface=interface)
    layer, ordered = as_found(target, found)
    return layer, ordered, found


def as_found(target: Any, found: Example) -> tuple[Any, list[Any]]:
    """A class or an instance as a layer in the interface of an example, and its inputs by place.

    It is `target` itself where that is plain. What is neither an array nor a float is fixed, and no input any more.
    """
    parameters = _inputs_of(target, found.interface)
    ordered, _ = _arguments(parameters, found.inputs)
    names = [p.name for p in parameters][: len(ordered)]
    if found.interface is None or getattr(target, "dout_interface", None) or len(names) < len(ordered):
        return target, ordered
    plain = found.interface.is_plain  # whole numbers are inputs there: `mul.forward(100, 2)`
    fixed = {
        n: item for n, item in zip(names, ordered, strict=True) if not (is_input(item) or (plain and type(item) is int))
    }
    cls = target if inspect.isclass(target) else type(target)
    made = layer_class(cls, found.interface, names, fixed)
    inputs = [item for name, item in zip(names, ordered, strict=True) if name not in fixed]
    if made is cls:
        return target, inputs
    return (made if inspect.isclass(target) else as_layer(copy.deepcopy(target), made)), inputs


def example(
    target: Any, init: Mapping[str, Any], inputs: Mapping[str, Any], *, build_it: bool = True, to_look_at: bool = False,
    interface: Interface | None = None,
) -> Example:  # fmt: skip
    """Constructor arguments and inputs with which a class, a layer or a function runs: those given, the others chosen.

    Trials run in silence, each on a layer and arrays of its own, for a few seconds at most. With `build_it` missing
    constructor arguments are guessed. What is `to_look_at` is small and prints whole; else sizes are distinct.
    `interface` is how the layer is called; else that is found out. What `dout_example()` beside it gives comes first.
    Raises TargetError where an argument is unknown, or nothing is taken.
    """
    parameters = _inputs_of(target, interface)
    named = {_placed(key, parameters): value for key, value in inputs.items()}
    beside = None if inputs and not build_it else given_beside(target, [p.name for p in parameters])
    if beside is not None:
        init, named = {**(beside[0] if inspect.isclass(target) else {}), **init}, {**beside[1], **named}
    named = {**_switched_on(target, interface), **named}
    _refuse_unknown(target, parameters, named)
    needed = _missing(target, init) if build_it else []
    if not needed:
        build(target, init)  # says what is wrong with the arguments that were given
    open_ = [p.name for p in parameters if _is_named(p) and p.default is p.empty and p.name not in named]
    any_number = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), None)
    if any_number and not open_ and not named:
        open_ = [f"{any_number}[{i}]" for i in range(2)]
    if not (open_ or needed):
        return Example(init, named, interface=_interface(target, parameters, init, named, interface))
    trial = _Trial(target, parameters, dict(init), named, interface)
    if trial.trials is not None and not trial.trials.interfaces:
        raise TargetError(takes_target(target))
    found = trial.first_taken(needed, open_, to_look_at)
    if found is None and any_number and not named:
        found = trial.first_taken(needed, open_[:1], to_look_at)
    if found is None:
        raise TargetError(nothing_taken(target, needed, open_, trial.last)) from trial.last
    return found


def _interface(
    target: Any, parameters: list[inspect.Parameter], init: Any, inputs: Any, given: Interface | None
) -> Interface | None:
    """The interface in which a layer takes what it was given; None where it is the plain one, or none runs."""
    cls = target if inspect.isclass(target) else type(target)
    if inspect.isroutine(target) or not has_both(cls):
        return None
    trial = _Trial(target, parameters, dict(init), dict(inputs), given)
    _, found = trial._best([Example(init, inputs)])
    return found.interface if found else None


class _Trial:
    """Tries examples; `last` is the last error of the user's code."""

    def __init__(
        self, target: Any, parameters: list[inspect.Parameter], init: dict[str, Any], named: dict[str, Any],
        interface: Interface | None = None,
    ) -> None:  # fmt: skip
        self.target, self.parameters, self.init, self.named = target, parameters, init, named
        self.last: Exception | None = None
        self.failures: dict[tuple[str, ...], Failure] = {}
        self.quiet = False  # whether one ran through, and gave no gradient
        self.until = spent() + MOST_SECONDS
        cls = target if inspect.isclass(target) else type(target)
        kept = _parameters(target) if inspect.isclass(target) else []
        self.defaults = {p.name: p.default for p in kept if p.default is not p.empty and p.name not in init}
        self.trials = Trials(cls, interface) if interface is not None or has_both(cls) else None

    def first_taken(self, needed: list[str], open_: list[str], to_look_at: bool = False) -> Example | None:
        """The first example that fits, else the first that runs and gives finite numbers, else one that runs at all."""
        ways = [partial(self._of_source, needed, open_), partial(self._of_settings, needed, open_)]
        found = []
        for way in reversed(ways) if to_look_at else ways:
            self.until = spent() + MOST_SECONDS
            fit, one = way()
            if fit == Fit.ALL:
                return one
            found.append((fit, one))
        fit, one = max(found, key=lambda f: f[0])
        if fit == Fit.FORWARD and one is not None:  # backward may take one sample alone
            fit, other = self._best([replace(one, inputs={**one.inputs, **first_sample(one.chosen_inputs)})])
            one = other if fit >= Fit.INPUTS else one
        return one if self.quiet or fit > Fit.FORWARD else self._mended() or one

    def _mended(self) -> Example | None:
        """An example that raised, changed by its errors until each input has a gradient."""
        taken: list[tuple[Fit, Example]] = []

        def retry(init: Mapping[str, Any], inputs: Mapping[str, Any]) -> Failure | None:
            own = {name: item for name, item in init.items() if item is not self.defaults.get(name, ...)}
            choice = Example(own, inputs, frozenset({*own, *inputs} - {*self.init, *self.named}))
            tried = self._run(choice)
            if tried.misfits:
                return self._failure(choice, tried)
            if tried.fit == Fit.ALL or (tried.fit == Fit.FORWARD and tried.error is None):
                taken.append((tried.fit, self._labelled(replace(choice, interface=tried.interface), tried)))
            return None if tried.fit == Fit.ALL else self._failure(choice, tried)

        mended(self.failures.values(), retry)
        return max(taken, key=lambda t: t[0])[1] if taken else None

    def _labelled(self, choice: Example, tried: Tried) -> Example:
        """The same with labels that are labels, where it takes them: what was chosen blindly may be none."""
        for inputs in as_labels(choice.inputs, choice.chosen) if tried.ends else ():
            other = self._run(replace(choice, inputs=inputs))
            if other.fit == tried.fit:
                return replace(choice, inputs=inputs, interface=other.interface)
        return choice

    def _failure(self, choice: Example, tried: Tried) -> Failure:
        """What was raised, and what may change: only labels where backward raised, else what is wrong is tried away."""
        optional = tuple(p.name for p in self.parameters if p.default is None and p.name not in self.named)
        later = [name for name in choice.inputs if name in choice.chosen][1:]
        free = {*later, *optional} if tried.fit > Fit.NOTHING else {*choice.chosen, *self.defaults, *optional}
        error = tried.error or ValueError()
        return Failure({**self.defaults, **choice.init}, choice.inputs, error, frozenset(free), optional)

    def _of_source(self, needed: list[str], open_: list[str]) -> tuple[Fit, Example | None]:
        """The best that the source itself proposes."""
        return self._best(self._proposed(needed, open_))

    def _of_settings(self, needed: list[str], open_: list[str]) -> tuple[Fit, Example | None]:
        """The first setting that fits, and how.

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
                return fit, found
            first = first or (found and (fit, found, setting)) or None
            if (first and first[0] == Fit.ALL) or spent() > self.until:
                break
        return (first[0], first[1]) if first else (Fit.NOTHING, None)

    def _proposed(self, needed: list[str], open_: list[str]) -> Iterator[Example]:
        """What the source itself proposes, where it says anything that names do not."""
        for init, inputs in proposals(self.target, self.init, self.named, lambda: self.last):
            yield Example(init, inputs, frozenset({*needed, *open_}))

    def _choices(self, setting: Setting, needed: list[str], open_: list[str], order: list[str]) -> Iterator[Example]:
        loss = looks_like_a_loss(name_of(self.target))
        places = {name: order.index(name) if name in order else i for i, name in enumerate(open_)}
        values = [setting.argument(name, *order[:1]) for name in needed]
        values += [setting.input(name, places[name], loss, order) for name in open_]
        for chosen in islice(product(*values), MOST_CHOICES):
            init = dict(zip(needed, chosen, strict=False))
            inputs = dict(zip(open_, chosen[len(needed) :], strict=True))
            yield Example(self.init | init, self.named | inputs, frozenset({*init, *inputs}))

    def _best(self, choices: Iterable[Example]) -> tuple[Fit, Example | None]:
        """The first choice that fits best, and how it fits."""
        best: tuple[Fit, Example | None] = (Fit.NOTHING, None)
        for choice in choices:
            tried = self._run(choice)
            self.last = more_telling(tried.error, self.last)
            self.quiet |= tried.fit == Fit.FORWARD and tried.error is None
            if tried.error is not None:
                failure = self._failure(choice, tried)
                self.failures.setdefault(failure.key, failure)
            if tried.fit > best[0] and not _tries_away(best, choice):
                best = tried.fit, replace(choice, interface=tried.interface)
            if tried.fit == Fit.ALL or spent() > self.until:
                break
        return best

    def _run(self, choice: Example) -> Tried:
        """Run it, and say how it fits."""
        if self.trials is None:
            return _function_runs(self.target, self.parameters, choice)
        ordered, keywords = _arguments(self.parameters, _copies(choice.inputs))
        names = [p.name for p in self.parameters] + [f"input{i}" for i in range(len(ordered))]
        inputs = dict(zip(names, ordered, strict=False)) | keywords
        return self.trials.run(partial(_instance, self.target, choice.init), inputs)


def _tries_away(best: tuple[Fit, Example | None], choice: Example) -> bool:
    """Whether another choice fits only because what goes with the first input has other axes: a bias for each row.

    A gradient of a wrong shape must not be tried away.
    """
    if best[0] != Fit.SHAPES or best[1] is None:
        return False
    mine, theirs = ({**e.init, **dict(list(e.inputs.items())[1:])} for e in (choice, best[1]))
    return any(
        np.ndim(mine[key]) != np.ndim(theirs[key]) for key in mine.keys() & theirs.keys() if _is_array(mine[key])
    )


def _is_array(item: Any) -> bool:
    return isinstance(item, np.ndarray | np.generic)


def _instance(target: Any, init: Mapping[str, Any], cls: type) -> Any:
    """A layer of its own: of the class as it is called here, or a copy of the instance that was given."""
    return cls(**_copies(init)) if inspect.isclass(target) else as_layer(copy.deepcopy(target), cls)


def _function_runs(target: Any, parameters: list[inspect.Parameter], choice: Example) -> Tried:
    """How a function, or an object with forward alone, takes an example."""
    try:
        with in_silence():
            inputs, keywords = _arguments(parameters, _copies(choice.inputs))
            made = _own(target, choice.init)
            outputs = list(flat(getattr(made, "forward", made)(*inputs, **keywords)))
    except MemoryError:
        raise
    except Exception as error:
        return Tried(Fit.NOTHING, None, error)
    return Tried(Fit.ALL if outputs and all(map(is_finite, outputs)) else Fit.RUNS)


def _may_replace(fit: Fit, first: Setting, later: Setting) -> bool:
    if fit == Fit.INPUTS:
        return first.family == later.family
    square = len({*later.shapes.get("W", (0, 1))}) == 1  # where every product fits, right or wrong
    return not square and np.ndim(later.inputs[0]) > np.ndim(first.inputs[0])


def _asks_for(target: Any, needed: list[str], open_: list[str], order: list[str]) -> tuple[bool, bool]:
    """Whether an example must hold weights, and whether it must hold labels."""
    later = [name for name in open_ if name in order[1:]]
    probe = Setting("", (0.0,), dict.fromkeys(("W", "Wh", "W2", "b", "b2", "h", "gamma"), ()), (None,))
    weights = any(isinstance(probe.argument(name)[0], np.floating) for name in needed)
    weights |= any(isinstance(probe.input(name, 1, loss=False)[0], np.floating) for name in later)
    sizes = bool(needed) and not weights
    loss = looks_like_a_loss(name_of(target))
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
        raise TargetError(f"{name_of(target)}.forward takes {takes}, not {', '.join(sorted(set(named) - set(names)))}")


def _inputs_of(target: Any, interface: Interface | None = None) -> list[inspect.Parameter]:
    known = interface is not None and not hasattr(target, "dout_interface")
    found = _parameters(behind(getattr(target, interface.forward)) if known and interface else forward_of(target))
    return [p for i, p in enumerate(found) if p.name != "self" and not (i == 0 and p.name in ("ctx", "context"))]


def _switched_on(target: Any, interface: Interface | None) -> dict[str, bool]:
    """The flags of forward without which backward would find nothing."""
    cls = target if inspect.isclass(target) else type(target)
    if inspect.isroutine(target) or not has_both(cls) or hasattr(cls, "dout_interface"):
        return {}
    forward = getattr(target, interface.forward) if interface else forward_of(target)
    return dict.fromkeys(switches_for(behind(forward)), True)


def has_both(cls: type) -> bool:
    """Whether a class has a forward and a backward, whatever they are called."""
    return bool(pairs_of(cls))


def forward_of(target: Any) -> Any:
    """What a target's inputs are given to: its forward, whatever that is called, or the function itself."""
    cls = target if inspect.isclass(target) else type(target)
    pairs = [] if inspect.isroutine(target) else pairs_of(cls)
    return behind(getattr(target, pairs[0][0]) if pairs else getattr(target, "forward", target))


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
    return {key: copy_of(item) for key, item in values.items()}


__all__ = ["Example", "adapted", "arguments", "as_found", "build", "example", "record_example"]
