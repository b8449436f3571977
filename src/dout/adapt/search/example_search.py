"""The search for an example: what the source proposes is tried, and what was raised is mended."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from dout.adapt.argument_names import names_label, stands_for
from dout.adapt.interface.collaborators import ContainedPart
from dout.adapt.interface.interface import Interface
from dout.adapt.interface.network_loss import NetworkLoss, loss_of
from dout.adapt.search.example_repair import alike, as_labels, mended
from dout.adapt.search.failure import Failure
from dout.adapt.search.own_faults import more_telling
from dout.adapt.search.proposals import constructor_arguments, proposals
from dout.adapt.search.raising_lines import asks_for_what_is_missing
from dout.adapt.sizes.proposed_arrays import array_of, between, one_hot, single
from dout.adapt.target import Target, copies, names_passed, passed
from dout.adapt.trial.gradient_owners import is_finite, may_mean
from dout.adapt.trial.trial import Fit, Trials, Tried
from dout.clock import WorkBudget, count
from dout.run import REFUSALS, as_exception, copied, counted_lines, flat, quiet
from dout.trace.model.user_source import is_user_code

MOST_SECONDS = 1.2  # of trials
_A_LINE = 0.3e-6  # seconds for a line of Python, as measured
_A_TURN = 1.5e-3  # seconds for what is not the user's in a turn, as measured
_NO_NUMBERS = ("W", "Wh", "W2", "b", "b2")
_ANY_NUMBER = ((3, 4), (3,), (3, 2, 4, 6))  # shapes of each of `*xs`
_FACTORS = ((3, 4), (4, 2))  # of two whose product is taken


@dataclass(frozen=True)
class Example:
    """Constructor arguments and inputs that a layer takes; `chosen` names those that nobody gave.

    `refused` are inputs with more axes that forward takes, and what a backward raises that takes `dout` alone. `before`
    is the first example that forward took, where backward raised on that, and gives another shape on this one.
    """

    init: Mapping[str, Any]
    inputs: Mapping[str, Any]
    chosen: frozenset[str] = field(default_factory=frozenset)
    interface: Interface | None = None
    mended: bool = False  # whether it was found by the errors that a layer raised, or is one sample alone
    refused: tuple[Mapping[str, Any], Exception] | None = None
    before: Example | None = None

    @property
    def chosen_init(self) -> dict[str, Any]:
        """The constructor arguments that were chosen."""
        return {name: value for name, value in self.init.items() if name in self.chosen}

    @property
    def stand_ins(self) -> tuple[str, ...]:
        """The arguments and attributes that hold layers of ours, for a container that is given none."""
        held = {**self.chosen_init, **dict(self.interface.setup if self.interface else ())}
        return tuple(name for name, item in held.items() if any(isinstance(x, ContainedPart) for x in flat([item])))

    @property
    def chosen_inputs(self) -> dict[str, Any]:
        """The inputs that were chosen."""
        return {name: value for name, value in self.inputs.items() if name in self.chosen}


class ExampleSearch:
    """Tries examples; `last` is the last error of the user's code."""

    def __init__(
        self, target: Target, parameters: list[inspect.Parameter], init: dict[str, Any], named: dict[str, Any],
        interface: Interface | None = None,
    ) -> None:  # fmt: skip
        self.target, self.parameters, self.init, self.named = target, parameters, init, named
        self.last: Exception | None = None
        self.failures: dict[tuple[str, ...], Failure] = {}
        self.quiet = False  # whether one ran through, and gave no gradient
        self.empty = False  # whether one ran forward, and gave nothing
        self.hopeless = False  # whether forward asks for objects of a library that is not there
        self.refused: list[tuple[Example, Exception]] = []  # by backward: forward gave finite numbers
        self.known: dict[int, tuple[Example, Fit]] = {}  # how examples fit, by their identity
        self.misshapen: Example | None = None  # the first that ran back to a gradient of another shape
        self.before: Example | None = None  # the first of those refused before that one
        self.turn, self.seconds = 0, 0.0  # examples that were tried, and about how long one takes
        self.budget = WorkBudget(MOST_SECONDS)
        self.defaults = {
            p.name: p.default for p in target.constructor if p.default is not p.empty and p.name not in init
        }
        self.trials = Trials(target.cls, interface) if interface is not None or target.has_both else None

    def first_taken(self, needed: list[str], open_: list[str]) -> Example | None:
        """The first example that fits, else the first that runs and gives finite numbers, else one that runs at all."""
        self.budget = WorkBudget(MOST_SECONDS)
        fit, one = self._best(self._with_targets(self._proposed(needed, open_)))
        if fit == Fit.ALL and one is not None and self.misshapen is not None and self._is_flat(one):
            meant = self._as_returned(self.misshapen)
            one = meant if meant is not None and self.fits(meant) == Fit.ALL else one
        if fit == Fit.ALL and one is not None:
            refused = self._refused_with_more_axes(one)
            return one if refused is None else replace(one, refused=refused)
        if fit in (Fit.SHAPES, Fit.INPUTS) and one is not None:
            one = replace(self._as_returned(one) or one, before=self.before)
        read = self._as_read(one) if fit == Fit.FORWARD and one is not None else None
        if read is not None and (better := self.run(read).fit) > fit:
            fit, one = better, read
        if fit == Fit.FORWARD and one is not None and any(names_label(name) for name in one.chosen_inputs):
            other = self._mended()  # with one sample alone, labels of another kind may only seem to do
            if other is not None and self.run(other).fit == Fit.ALL:
                return other
        if fit == Fit.FORWARD and one is not None:  # backward may take one sample alone
            self.budget = WorkBudget(MOST_SECONDS)
            numbers = one.interface is not None and one.interface.local  # `1 if x > 0 else 0`
            ways = single(one.chosen_inputs, numbers)
            fit, other = self._best(replace(one, inputs={**one.inputs, **way}, mended=True) for way in ways)
            one = other if fit >= Fit.INPUTS else one
        one = replace(one, mended=True) if one is not None and fit <= Fit.RUNS else one
        return one if self.quiet or self.hopeless or fit > Fit.FORWARD else self._mended() or one

    def _is_flat(self, one: Example) -> bool:
        """Whether inputs have axes of 1, along which a sum and its parts have one shape."""
        return any(1 in np.shape(x) for x in one.chosen_inputs.values())

    def _refused_with_more_axes(self, one: Example) -> tuple[Mapping[str, Any], Exception] | None:
        if one.interface is None or one.interface.is_plain:
            for choice, error in self.refused:
                if any(np.ndim(x) > np.ndim(one.inputs[name]) for name, x in choice.chosen_inputs.items()):
                    return choice.inputs, error
        return None

    def _with_targets(self, choices: Iterable[Example]) -> Iterator[Example]:
        """The choices; of a network before each those with a target in the shape of what its forward gives."""
        network, seen = loss_of(self.target.cls), set[tuple[int, ...]]()
        for choice in (one for every in choices for one in _of_one_sample(every, network)):
            name = network.shaped_target if network else ""
            shape = self.output_shape(network.forward, choice, name) if network and name in choice.chosen else ()
            if len(shape) in (1, 2) and 0 not in shape and shape not in seen:
                seen.add(shape)
                classes = [np.arange(shape[axis]) % shape[1 - axis] for axis in (0, 1)] if shape[1:] else []  # of rows
                hot = one_hot(shape) if shape[1:] else np.eye(shape[0])[-1]
                hots = [hot] if hot.size > 1 else []  # of one number a 1 does not tell losses apart
                for target in (*hots, array_of(shape, name), *classes):
                    yield replace(choice, inputs={**choice.inputs, name: target})
            yield choice

    def output_shape(self, forward: str, choice: Example, target: str) -> tuple[int, ...]:
        """The shape of what a network's forward gives without the target; () where it does not run."""
        found = self.output(forward, choice, target)
        return () if found is None else np.shape(found)

    def output(self, forward: str, choice: Example, target: str) -> Any:
        """What a network's forward gives first without the target; None where it does not run."""
        with suppress(*REFUSALS), quiet():
            layer, network = self.target.instance(choice.init, self.target.cls), loss_of(self.target.cls)
            given = {name: copied(item) for name, item in choice.inputs.items() if name != target}
            result = getattr(layer, forward)(*given.values())
            if network is not None and network.handed:
                return network.output_in(result, given)
            return next(iter(flat(result)), 0.0)
        return None

    @property
    def optional(self) -> tuple[str, ...]:
        """The inputs that are None where nobody gives them, and were not given."""
        return tuple(p.name for p in self.parameters if p.default is None and p.name not in self.named)

    def _as_returned(self, one: Example) -> Example | None:
        """The same with inputs in the shapes in which their gradients come, where those may be what was meant.

        So with arrays in place of numbers for parameters. Where the first input was repeated, and cannot be longer
        either, it stays a doubtful one.
        """
        first = next(iter(one.inputs), "")
        inputs, init = dict(one.inputs), dict(one.init)
        for name, shape in self.run(one).returned.items():
            if name in one.chosen and name in init and np.ndim(init[name]) == 0:
                init[name] = array_of(shape, name)
            elif name in one.chosen and name in init and self._reads_no_more(one, name, shape):
                init[name] = init[name][tuple(map(slice, shape))]
            elif name in one.chosen and name in inputs and may_mean(np.shape(inputs[name]), shape, name, name == first):
                inputs[name] = alike(inputs[name], shape, name)
            else:
                return None
        tried = self.run(replace(one, init=init, inputs=inputs))
        if tried.fit == Fit.ALL:
            return replace(one, init=init, inputs=inputs, interface=tried.interface)
        return replace(one, mended=True) if first and inputs[first] is not one.inputs[first] else None

    def _as_read(self, one: Example) -> Example | None:
        """The same without what forward does not read at the ends of axes: channels more than it was built for."""
        budget = WorkBudget(MOST_SECONDS)
        inputs, whole = dict(one.inputs), self._outputs(one, one.inputs)
        for name, x in one.chosen_inputs.items() if whole else ():
            for axis in range(np.ndim(x)) if isinstance(x, np.ndarray) else ():
                while (length := inputs[name].shape[axis]) > 1 and not budget.is_over():
                    fewer = {**inputs, name: inputs[name].take(range(length - 1), axis)}
                    found = self._outputs(one, fewer)
                    if len(found) != len(whole) or not all(map(np.array_equal, found, whole)):
                        break
                    inputs = fewer
        return replace(one, inputs=inputs) if any(x is not one.inputs[n] for n, x in inputs.items()) else None

    def _outputs(self, one: Example, inputs: Mapping[str, Any]) -> list[Any]:
        """What forward gives of inputs in the interface of an example, flat; nothing where it does not run."""
        count(self.seconds)
        with suppress(Exception):  # whatever the user's code raises
            if self.trials is not None and one.interface is not None:
                return self.trials.outputs(one.interface, partial(self.target.instance, one.init), inputs)
        return []

    def _reads_no_more(self, one: Example, name: str, shape: tuple[int, ...]) -> bool:
        """Whether forward gives the same of an array's first elements alone: it was chosen too long."""
        if not isinstance(one.init[name], np.ndarray) or np.ndim(one.init[name]) != len(shape):
            return False
        part = one.init[name][tuple(map(slice, shape))]
        forward = one.interface.forward if one.interface else self.target.forward_name
        outputs = [self.output(forward, replace(one, init={**one.init, name: x}), "") for x in (one.init[name], part)]
        return part.shape == shape and all(x is not None for x in outputs) and np.array_equal(*outputs)

    def _mended(self) -> Example | None:
        """An example that raised, changed by its errors until each input has a gradient."""
        taken: list[tuple[Fit, Example]] = []

        def retry(init: Mapping[str, Any], inputs: Mapping[str, Any]) -> Failure | None:
            own = {name: item for name, item in init.items() if item is not self.defaults.get(name, ...)}
            choice = Example(own, inputs, frozenset({*own, *inputs} - {*self.init, *self.named}), mended=True)
            tried = self.run(choice)
            self.last = more_telling(tried.error, self.last)
            if tried.misfits:
                return self._failure(choice, tried)
            if tried.fit == Fit.ALL or (tried.fit == Fit.FORWARD and tried.error is None):
                taken.append((tried.fit, self._labelled(replace(choice, interface=tried.interface), tried)))
            return None if tried.fit == Fit.ALL else self._failure(choice, tried)

        next(mended(self.failures.values(), retry), None)
        return max(taken, key=lambda t: t[0])[1] if taken else None

    def _labelled(self, choice: Example, tried: Tried) -> Example:
        """The same with labels that are labels, where it takes them: what was chosen blindly may be none."""
        for inputs in as_labels(choice.inputs, choice.chosen) if tried.ends else ():
            other = self.run(replace(choice, inputs=inputs))
            if other.fit == tried.fit:
                return replace(choice, inputs=inputs, interface=other.interface)
        return choice

    def _failure(self, choice: Example, tried: Tried) -> Failure:
        """What was raised, and what may change: only labels where backward raised, else what is wrong is tried away.

        A backward that turns the axes of an array, `x.transpose(0, 2, 1)`, says how many its layer is meant for.
        """
        later = [name for name in choice.inputs if name in choice.chosen][1:]
        error, optional = tried.error or ValueError(), self.optional
        only_labels = tried.fit > Fit.NOTHING and "axes don't match array" not in str(error)
        free = {*later, *optional} if only_labels else {*choice.chosen, *self.defaults, *optional}
        return Failure({**self.defaults, **choice.init}, choice.inputs, error, frozenset(free), optional)

    def _proposed(self, needed: list[str], open_: list[str]) -> Iterator[Example]:
        """What the source itself proposes, where it says anything that names do not; arrays alike for `*xs`."""
        items, chosen = [name for name in open_ if "[" in name], frozenset({*needed, *open_})
        shapes = [(shape,) * len(items) for shape in _ANY_NUMBER] + ([_FACTORS] if len(items) == 2 else [])
        made = [map(make, one, items) for make in (array_of, between) for one in shapes] if items else []
        every = [dict(zip(items, arrays, strict=True)) for arrays in made] or [{}]
        if items and len(items) == len(open_):
            for init, arrays in product(constructor_arguments(self.target, self.init), every):
                yield Example(init, {**self.named, **arrays}, chosen)
            return
        for init, inputs, changed in proposals(self.target, self.init, self.named, lambda: self.last, open_):
            yield from (Example(init, {**inputs, **arrays}, chosen, mended=changed) for arrays in every)

    def _best(self, choices: Iterable[Example]) -> tuple[Fit, Example | None]:
        """The first choice that fits best, and how it fits."""
        best: tuple[Fit, Example | None] = (Fit.NOTHING, None)
        network, misfit = loss_of(self.target.cls), False  # one sample is a line, a column or a row: gradients tell
        for choice in choices:
            tried = self.run(choice)
            misfits = tried.misfits and network is not None and bool(network.one)
            self.last = more_telling(tried.error, self.last)
            self.quiet |= tried.fit == Fit.FORWARD and tried.error is None
            self.empty |= tried.fit == Fit.NOTHING and tried.error is None
            if tried.error is not None:
                failure = self._failure(choice, tried)
                self.failures.setdefault(failure.key, failure)
                known = replace(choice, interface=tried.interface)
                self.refused += [(known, tried.error)] if tried.fit == Fit.FORWARD else []
            if tried.fit == Fit.SHAPES and self.misshapen is None:
                self.misshapen = replace(choice, interface=tried.interface)
                self.before = next((one for one, _ in self.refused), None)
            if (tried.fit, misfit) > (best[0], misfits) and not _tries_away(best, choice):
                best, misfit = (tried.fit, (one := replace(choice, interface=tried.interface))), misfits
                self.known[id(one)] = one, tried.fit
            self.hopeless = asks_for_what_is_missing(tried.error)
            if (tried.fit == Fit.ALL and not misfits) or self.hopeless or self.budget.is_over():
                break
        return best

    def fits(self, choice: Example) -> Fit:
        """How an example fits; it runs for that once."""
        if id(choice) not in self.known:
            self.known[id(choice)] = choice, self.run(choice).fit
        return self.known[id(choice)][1]

    def run(self, choice: Example) -> Tried:
        """Run it, and say how it fits. The user's lines are counted in every turn that is a power of two."""
        self.turn += 1
        count(self.seconds)
        if self.turn & (self.turn - 1):
            return self._tried(choice)
        with counted_lines(counts=is_user_code) as lines:
            tried = self._tried(choice)
        self.seconds = _A_TURN + _A_LINE * lines.number
        return tried

    def _tried(self, choice: Example) -> Tried:
        if self.trials is None:
            return _function_runs(self.target, self.parameters, choice)
        ordered, keywords = passed(self.parameters, copies(choice.inputs))
        names = names_passed(self.parameters, choice.inputs) + [f"input{i}" for i in range(len(ordered))]
        inputs = dict(zip(names, ordered, strict=False)) | keywords
        return self.trials.run(partial(self.target.instance, choice.init), inputs)


def _of_one_sample(choice: Example, network: NetworkLoss | None) -> list[Example]:
    """The choice, or what is left of it for a network whose backward takes one sample: a line, a column or a row."""
    first: str = next(iter(choice.inputs), "")
    x: Any = choice.inputs.get(first, 0.0)
    if network is None or not network.one or np.ndim(x) != 2:
        return [choice]
    ones = [x[0]] if network.one == "outer" else [x[:, :1], x[:1]]
    return [replace(choice, inputs={**choice.inputs, first: one}) for one in ones]


def _tries_away(best: tuple[Fit, Example | None], choice: Example) -> bool:
    """Whether another choice fits only because what goes with the first input has other axes: a bias for each row.

    A gradient of a wrong shape must not be tried away; nor a backward that raises, by a number in place of weights.
    Labels are no parameters: they may be what they are called.
    """
    if best[1] is not None and best[0] == Fit.FORWARD:
        arrays = {name for name, item in best[1].init.items() if np.ndim(item) and stands_for(name) in _NO_NUMBERS}
        return any(np.ndim(choice.init[name]) == 0 for name in arrays & choice.init.keys())
    if best[0] not in (Fit.SHAPES, Fit.INPUTS) or best[1] is None:
        return False
    mine, theirs = ({**e.init, **dict(list(e.inputs.items())[1:])} for e in (choice, best[1]))
    return any(
        np.ndim(mine[key]) != np.ndim(theirs[key])
        for key in mine.keys() & theirs.keys()
        if (_is_array(mine[key]) or _is_array(theirs[key])) and not names_label(key)
    )


def _is_array(item: Any) -> bool:
    return isinstance(item, np.ndarray | np.generic)


def _function_runs(target: Target, parameters: list[inspect.Parameter], choice: Example) -> Tried:
    """How a function, or an object with forward alone, takes an example."""
    try:
        with quiet():
            inputs, keywords = passed(parameters, copies(choice.inputs))
            made = target.fresh(choice.init)
            outputs = list(flat(getattr(made, target.forward_name, made)(*inputs, **keywords)))
    except MemoryError:
        raise
    except REFUSALS as error:
        return Tried(Fit.NOTHING, None, as_exception(error))
    return Tried(Fit.ALL if outputs and all(map(is_finite, outputs)) else Fit.RUNS)
