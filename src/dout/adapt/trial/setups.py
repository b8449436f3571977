"""What prepares a layer before its first forward: methods that a network calls, attributes that it sets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, cached_property, partial
from typing import Any, NamedTuple

import numpy as np

from dout.adapt.argument_names import (
    names_optimizer,
    names_penalty,
    names_random_state,
    names_rate,
    names_size,
    stands_for,
)
from dout.adapt.interface.collaborators import RATE, Collaborator, two_parts
from dout.adapt.interface.interface import Interface
from dout.adapt.interface.method_pairs import attributes_used, required, setups_of, writers_for
from dout.adapt.source import asked_of_objects, attributes_read, kinds_for, parts_in, words_of_attribute
from dout.run import attributes_of, flat

_MODES = ("is_training", "training", "train_mode")  # attributes that a network sets on its layers
_MODE = re.compile(r"_*(is_?)?train(ing)?(_?mode)?")
_SHAPES = re.compile(r".*in(put)?_?(shape|dims?|size|features)|n_in|in_shape")
Make = Callable[[Any], Any]  # from a class, an instance of it as the example has it
Setup = tuple[str, tuple[Any, ...]]


class Preparations:
    """What may prepare the layers of a class; its source is read once."""

    def __init__(self, cls: type) -> None:
        self.cls = cls
        self._used = cache(partial(attributes_used, cls))
        self._asked = cache(partial(_asked_by, cls))

    @cached_property
    def _parts(self) -> str:
        return parts_in(self.cls)

    @cached_property
    def _calls(self) -> list[str]:
        return setups_of(self.cls)

    def of(
        self, interface: Interface, make: Make, inputs: Mapping[str, Any], failures: Sequence[str]
    ) -> Iterator[Interface]:
        """The interface as it is, and with what may prepare a layer first; `failures`: the errors that it met so far.

        A container without parts gets two.
        """
        shape = next((np.shape(x) for x in flat(list(inputs.values())) if np.ndim(x)), ())
        cls, held = self.cls, _attributes(self.cls, make)
        modes = _closed_modes(held)
        parts = self._parts
        filled: list[Setup] = []
        if parts and isinstance(held.get(parts, 0), list | tuple | dict | None) and not held[parts]:
            two = two_parts(interface.forward, interface.backward)
            filled = [(parts, (dict(zip("ab", two, strict=True)) if isinstance(held[parts], dict) else two,))]
            yield replace(interface, setup=(*modes, *filled))
        if modes:
            yield replace(interface, setup=tuple(modes))
        yield interface
        known = [*modes, *_open_attributes(held, shape)]
        names = [name for name in self._calls if name != interface.forward]
        yield from self._with_calls(interface, names, known, inputs)
        yield from (replace(interface, setup=(*known, word)) for word in self._words(interface, failures))
        drawn = [(name, (np.random.RandomState(0),)) for name in _lacking(failures) if names_random_state(name)]
        if drawn:
            yield from self._with_calls(interface, names, [*known, *drawn], inputs)
        pair = interface.forward, interface.backward
        more = [name for name in writers_for(self._used(*pair), *pair, held) if name not in names]
        if more:
            yield from self._with_calls(interface, [*names, *more], known, inputs)
        if any(name in failure for name in _MODES for failure in failures):
            yield replace(interface, setup=tuple((name, (True,)) for name in _MODES if name not in dir(cls)))

    def _words(self, interface: Interface, failures: Sequence[str]) -> Iterator[Setup]:
        """Attributes that a layer lacks and another method sets, with a word that forward compares them with."""
        others = self._used(interface.forward, interface.backward)
        for name in _lacking(failures):
            words = words_of_attribute(getattr(self.cls, interface.forward), name)
            if words and any(name in writes for _, writes in others.values()):
                yield name, words[:1]

    def _with_calls(
        self, interface: Interface, names: Sequence[str], known: Sequence[Setup], inputs: Mapping[str, Any]
    ) -> Iterator[Interface]:
        """With all of these methods called, and with each alone, after what is `known`."""
        tried = []
        shape = next((np.shape(x) for x in flat(list(inputs.values())) if np.ndim(x)), ())
        sample, last = shape[1:] or shape, shape[-1] if shape else 1
        for given in ((sample, last), (sample, sample), (shape, last), (shape, shape)):
            made = (_call(name, self._asked(name), given, inputs) for name in names)
            every = sorted((call for call in made if call is not None), key=_settles)
            sure = [call for call in every if not self._is_guessed(call)]
            whole = [(*known, *calls) for calls in (sure, every) if known or len(calls) > 1]
            alone = sorted(every, key=self._is_guessed)[:3]
            for setup in (*whole, *((*known, call) for call in alone)):
                if repr(setup) not in tried:
                    tried.append(repr(setup))
                    yield replace(interface, setup=setup)

    def _is_guessed(self, call: Setup) -> bool:
        """Whether a method is given something of which only is known that it keeps it."""
        name, arguments = call
        given = zip(self._asked(name), arguments, strict=False)
        return any(
            isinstance(a, Collaborator) and "opt" not in one.name.lower() and not one.of_objects for one, a in given
        )


class _Asked(NamedTuple):
    """An argument that a method must be given: whether attributes of it are read, those of no array, and its kind."""

    name: str
    is_read: bool
    of_objects: bool
    kind: str


def _asked_by(cls: type, method: str) -> tuple[_Asked, ...]:
    """What the source says of the arguments that a method must be given."""
    function = getattr(cls, method)
    return tuple(
        _Asked(
            name, bool(attributes_read(function, name, cls)), bool(asked_of_objects(function, name, cls)),
            next(iter(kinds_for(function, name, cls)), ""),
        )
        for name in required(function, bound=True)
    )  # fmt: skip


def _lacking(failures: Sequence[str]) -> list[str]:
    """The attributes that a layer was found not to have."""
    return list(dict.fromkeys(name for text in failures for name in re.findall(r"has no attribute '(\w+)'", text)))


def _attributes(cls: type, make: Make) -> Mapping[str, Any]:
    """What a new layer holds, and the flags that its class holds for it; nothing where none can be made."""
    flags = {name: item for base in reversed(cls.__mro__) for name, item in vars(base).items() if item is False}
    try:
        return {**flags, **attributes_of(make(cls))}
    except Exception:
        return {}


def _closed_modes(held: Mapping[str, Any]) -> list[Setup]:
    """The attributes of a new layer that say that it is not in training: a network would set them."""
    return [(name, (True,)) for name, item in held.items() if item is False and _MODE.fullmatch(name)]


def _open_attributes(held: Mapping[str, Any], shape: tuple[int, ...]) -> list[Setup]:
    """The attributes of a new layer that are None and are called as the shape of what will come, or as an optimizer."""
    last = shape[-1] if shape else 1
    empty = [name for name, item in held.items() if item is None]
    shapes = [(name, (shape[1:] if "shape" in name else last,)) for name in empty if _SHAPES.fullmatch(name)]
    return [*shapes, *((name, (Collaborator(shape),)) for name in empty if names_optimizer(name))]


def _call(
    name: str, asked: Sequence[_Asked], given: tuple[Any, Any], inputs: Mapping[str, Any]
) -> Setup | None:  # fmt: skip
    """A call that prepares a layer, with what its arguments are called as; None where they are called otherwise.

    `given` is what a shape is, and what a dimension: of one sample, or of all of them.
    """
    shape, dimension = given
    found: list[Any] = []
    for argument, is_read, of_objects, kind in asked:
        lower = argument.lower()
        if names_random_state(lower) or kind == "generator":
            found.append(np.random.RandomState(0))
        elif kind == "dtype":
            found.append(np.float64)
        elif names_rate(lower) or names_penalty(lower):
            found.append(RATE if names_rate(lower) else 0.0)
        elif "opt" in lower or of_objects:
            found.append(Collaborator(shape, dimension))
        elif name == "__call__":
            return None  # forward itself, or of another use
        elif argument in inputs or lower in ("x", "data") or (is_read and not stands_for(argument)):
            found.append(inputs.get(argument, next(iter(inputs.values()), None)))
        elif "shape" in lower or lower in ("input", "inputs"):
            found.append(shape)
        elif names_size(lower):
            found.append(dimension)
        elif is_read:
            return None  # an array of some shape
        else:
            found.append(Collaborator(shape, dimension))  # what is only kept
    return (name, tuple(found)) if found or name != "__call__" else None


def _settles(call: Setup) -> int:
    """Shapes are settled before parameters are made of them."""
    name, arguments = call
    settles = name.startswith("set") or "shape" in name
    return 0 if settles and not any(isinstance(a, Collaborator) for a in arguments) else 1
