"""From a layer as a program uses it, an example to judge it on: the same settings, at small and distinct sizes.

What is equal in the use stays equal, what divides another size still does, and numbers stay of their kind: labels,
shares, signs. Where the smaller layer does not run, the use itself is taken, with fewer samples, or as it was.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from itertools import count, product
from typing import Any, NamedTuple

import numpy as np

from dout.adapt.argument_names import names_switch, taken_by
from dout.adapt.interface.interface import Interface
from dout.adapt.interface.method_pairs import optional
from dout.adapt.search.example import Example
from dout.adapt.target import Target
from dout.adapt.trial.trial import Fit, Trials
from dout.check.program.layer_use import LayerUse
from dout.check.program.use_sizes import SAMPLES, UseSizes, arrays_in, is_permutation
from dout.files import near
from dout.run import attributes_of, flat

MOST_NUMBERS = 200_000  # of a layer as it was used that are judged
_LEAST = (5, 12)  # what lengths become, at the least: images may shrink to nothing in a layer of many windows
_MANY, _LEAST_OF_MANY = 1_000, 3  # numbers of the inputs, as where 8, 16, 32 and 64 become 6, 12, 24 and 48
_EMPTY = inspect.Parameter.empty
_SETTINGS = (bool, int, float, str, tuple)


class Closeness(Enum):
    """How an example comes from a use."""

    SMALLER = "as used in {}, at smaller sizes"
    FEWER = "as used in {}, with fewer samples"
    WHOLE = "as used in {}"


class _Way(NamedTuple):
    """What to build, with which arguments, and what to give it."""

    target: Any
    init: Mapping[str, Any]
    inputs: dict[str, Any]
    closeness: Closeness


@dataclass(frozen=True, eq=False)
class UsedExample:
    """What to judge, and on which example of a use."""

    use: LayerUse
    target: Any
    example: Example
    closeness: Closeness

    @property
    def place(self) -> str:
        """Where the program uses the layer."""
        return place_of(self.use)

    @property
    def said(self) -> str:
        """In words, how it comes from the program."""
        said = self.closeness.value.format(self.place)
        return said.replace("as used", f"as {self.use.instead_of} is used", 1) if self.use.instead_of else said

    def as_it_was(self) -> UsedExample | None:
        """The same with the numbers of the program, of few samples if it runs so; an index comes twice."""
        return _first_that_fits(self.use, [way._replace(inputs=_with_one_twice(way.inputs)) for way in _real(self.use)])


def place_of(use: LayerUse) -> str:
    """The line of a program that uses a layer."""
    at = use.called_at
    return f"{near(at.file)}:{at.line}" if at is not None else "the program"


def used_examples(uses: Sequence[LayerUse]) -> list[UsedExample]:
    """The examples that the uses of one class give, those at smaller sizes first; none where it runs on none.

    One channel, or one output, hides what is wrong of several: such a use comes after others.
    """
    found = [one for one in map(_of_use, uses) if one is not None]
    return sorted(found, key=lambda one: (one.closeness is not Closeness.SMALLER, _lengths_of_one(one.use)))


def _lengths_of_one(use: LayerUse) -> int:
    return sum(array.shape.count(1) for array in arrays_in(use.inputs))


def _of_use(use: LayerUse) -> UsedExample | None:
    """The example that a use gives; None where the layer does not run on it by itself, forward and backward."""
    return _first_that_fits(use, [*_smaller(use), *_real(use)])


def _of_what_is_learned(use: LayerUse, interface: Interface | None, given: Mapping[str, Any]) -> Interface | None:
    """The interface where one gradient is returned: it is that of the input which a layer gave, and of no target."""
    if interface is None:
        return None
    shapes = {name: np.shape(item) for name, item in given.items()}
    pair = (*interface.order, *use.learned)
    fits = (
        len(interface.order) == len(use.learned) == 1 and {*pair} <= {*shapes} and len({shapes[n] for n in pair}) == 1
    )
    return replace(interface, order=use.learned) if fits else interface


def _first_that_fits(use: LayerUse, ways: Sequence[_Way]) -> UsedExample | None:
    best: tuple[Fit, UsedExample | None] = (Fit.FORWARD, None)
    trials = Trials(Target(use.target).cls)
    for way in ways:
        given = _passed(Target(way.target), {name: _as_array(item) for name, item in way.inputs.items()})
        if not given:  # what it takes stands elsewhere
            continue
        tried = trials.run(partial(Target(way.target).instance, way.init), given)
        if tried.fit > best[0]:
            chosen = frozenset({*way.init, *given}) if way.closeness is not Closeness.WHOLE else frozenset()
            example = Example(way.init, given, chosen, interface=_of_what_is_learned(use, tried.interface, given))
            best = tried.fit, UsedExample(use, way.target, example, way.closeness)
        if tried.fit == Fit.ALL:
            break
    return best[1]


def _smaller(use: LayerUse) -> Iterator[_Way]:
    """The same layer rebuilt at other sizes, the smallest first; nothing where something was set on it by hand."""
    if use.init is None:
        return
    own = any(array.dtype.kind in "iu" for array in arrays_in(use.init))  # whole by chance, or places: try others first
    given = all(array.dtype.kind in "iu" for array in arrays_in(use.inputs))
    kinds = [*product((True, False)[not own :], (True, False)[not given :])]
    usual = UseSizes(use, _LEAST[0], True)
    many = sum(math.prod(usual.shape(x.shape)) for x in arrays_in(use.inputs)) > _MANY
    leasts = (*[_LEAST_OF_MANY] * many, *_LEAST)
    for several, (own, given), least, apart in product((True, False), kinds, leasts, (True, False)):
        sizes = UseSizes(use, least, apart)
        if (apart and not (sizes.sides or sizes.rows)) or (sizes.batch != 1 and not several):
            continue
        init = {name: sizes.setting(_as_floats(item) if own else item) for name, item in use.init.items()}
        if use.layer is not None and not _is_as_it_was_used(use, init):
            return
        numbers = {name: _as_floats(item) if given else item for name, item in use.inputs.items()}
        yield _Way(use.target, init, sizes.inputs(numbers, several), Closeness.SMALLER)


def _real(use: LayerUse) -> Iterator[_Way]:
    """The use itself, with its numbers: of the first samples alone, or whole."""
    fewer = _fewer(use.inputs)
    if use.init is not None and use.layer is None:
        for inputs, closeness in ((fewer, Closeness.FEWER), (use.inputs, Closeness.WHOLE)):
            if _numbers([use.init, inputs]) <= MOST_NUMBERS:
                yield _Way(use.target, use.init, inputs, closeness)
    if use.layer is not None and _numbers([dict(attributes_of(use.layer)), fewer]) <= MOST_NUMBERS:
        yield _Way(use.layer, {}, fewer, Closeness.FEWER)
        yield _Way(use.layer, {}, use.inputs, Closeness.WHOLE)


def _is_as_it_was_used(use: LayerUse, init: Mapping[str, Any]) -> bool:
    """Whether a layer that is built so has the flags and words of the one that was used: nobody set them by hand.

    Nor filled a list, as that of its parts.
    """
    with suppress(Exception):
        built, used = attributes_of(Target(use.target).fresh(init)), attributes_of(use.layer)
        plain = {k: v for k, v in used.items() if isinstance(v, bool | str | float)}
        filled = any(built.get(k) == [] and any(map(attributes_of, v)) for k, v in used.items() if type(v) is list)
        return not filled and all(k not in built or built[k] is v or built[k] == v for k, v in plain.items())
    return True


def _with_one_twice(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs with the first index in place of the last, too, where all are distinct by chance, and no permutation."""
    found = dict(inputs)
    for name, item in inputs.items():
        indices = isinstance(item, np.ndarray) and item.dtype.kind in "iu" and np.unique(item).size == item.size > 1
        if indices and not is_permutation(item):
            found[name] = item.copy()
            found[name].flat[-1] = item.flat[0]
    return found


def _as_floats(item: Any) -> Any:
    return item + 0.5 if isinstance(item, np.ndarray) and item.dtype.kind in "iu" else item


def _as_array(item: Any) -> Any:
    """An array of a list of numbers that are no indices: it has one gradient, `forward([3.0, 1.0, 0.2])`."""
    if not isinstance(item, list):
        return item
    parts = list(flat(item))
    are_numbers = all(type(part) in (int, float) for part in parts)
    are_numbers = are_numbers and any(type(part) is float or part < 0 for part in parts)
    with suppress(ValueError):  # rows of several lengths
        return np.array(item, dtype=float) if are_numbers else item
    return item


def _passed(target: Target, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
    """The inputs that are named as such; None where the call was to other arguments than forward's.

    A setting at its default is left out, as it was given; so is one that backward takes as well, with a default: both
    must have the same.
    """
    parameters = {p.name: p for p in taken_by(target.forward)}
    if any(p.kind is p.VAR_POSITIONAL and inputs.keys() & {f"{p.name}[0]"} for p in parameters.values()):
        return dict(inputs)
    if not set(inputs) <= set(parameters):
        return None
    pairs = [(ahead, back) for ahead, back in target.pairs[:1] if ahead != back]  # of one call nothing is said twice
    shared = {name for _, back in pairs for name in optional(getattr(target.cls, back))}
    shared = {name for name in shared if not names_switch(name)}  # of training backward is told by itself
    return {
        name: item
        for name, item in inputs.items()
        if parameters[name].default is _EMPTY or not (name in shared or _is_default(item, parameters[name].default))
    }


def _is_default(item: Any, default: Any) -> bool:
    return item is default or (type(item) is type(default) and isinstance(item, _SETTINGS) and item == default)


def _fewer(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs with the first samples alone, where several are as long as the first, and it has samples."""
    first = next((x for x in inputs.values() if np.ndim(x) > 1), None)
    other = {n for array in arrays_in(inputs) for n in array.shape[1:]}
    samples = next(n for n in count(SAMPLES) if n not in other)
    if first is None or len(first) <= samples:
        return dict(inputs)
    return {
        n: x[:samples] if isinstance(x, np.ndarray) and x.ndim and len(x) == len(first) else x
        for n, x in inputs.items()
    }


def _numbers(items: Sequence[Any]) -> int:
    return sum(array.size for item in items for array in arrays_in(item))
