"""What an argument that is no input may be: a size, a flag, an activation, a dict of settings, by its name and code."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from dout.adapt import source
from dout.adapt.argument_names import is_named, names_loss, names_rate, names_slope, stands_for, taken_by
from dout.adapt.interface.collaborators import Collaborator, two_parts
from dout.adapt.interface.interface import SLOPE
from dout.adapt.interface.method_pairs import pairs_of
from dout.adapt.sizes.axis_sizes import OF_AXES, SETTINGS, AxisSizes, alike_first, numbers_named, real_named, tuples_of
from dout.adapt.sizes.proposed_arrays import array_of, numbers
from dout.adapt.source import MISSING
from dout.adapt.source.attribute_reads import users_with


def _tanh(x: Any, *flags: Any, **named: Any) -> Any:
    return _tanh_slope(x) if any(map(bool, (*flags, *named.values()))) else np.tanh(x)


def _tanh_slope(x: Any, *others: Any, **named: Any) -> Any:
    return 1 - np.tanh(x) ** 2


def _tanh_by_outputs(x: Any, *flags: Any, **named: Any) -> Any:
    return _slope_at_output(x) if any(map(bool, (*flags, *named.values()))) else np.tanh(x)


def _slope_at_output(y: Any, *others: Any, **named: Any) -> Any:
    return 1 - y**2


for _function, _slope in ((_tanh, _tanh_slope), (_tanh_by_outputs, _slope_at_output)):
    vars(_function)[SLOPE] = _slope  # for a backward that is given the derivative of forward's function


def at_outputs(item: Any) -> Any:
    """A function that was chosen, or its slope, with a slope that takes what the function gives; None for all else."""
    return _slope_at_output if item is _tanh_slope else _tanh_by_outputs if item is _tanh else None


def _drawn(*shape: Any, **named: Any) -> Any:
    """What an initialiser that a constructor is given may draw."""
    sizes = tuple(shape[0]) if shape and isinstance(shape[0], tuple | list) else shape
    return numbers(tuple(int(n) for n in sizes), "W")


_OF_KIND: Mapping[str, Callable[[str], list[Any]]] = {
    "shape": lambda name: [*numbers_named(name)[:1], *tuples_of(name.lower(), None)],  # `np.ones(size)` takes both
    "form": lambda name: [(2, -1), (-1,)],
    "dtype": lambda name: [np.float64],
    "order": lambda name: [(1, 0), (0, 2, 1), (0, 2, 3, 1)],
    "axis": lambda name: [*numbers_named("axis")],
    "bool": lambda name: [True, False],
    "str": lambda name: ["layer"],
    "dict": lambda name: [{key: array_of(shape, key) for key, shape in (("W1", (3, 4)), ("b1", (4,)))}],
    "list": lambda name: [[4, 5], [3, 4, 5], [4, 3, 1], []],
    "array": lambda name: [numbers((3, 4), name), numbers((4,), name)],
    "generator": lambda name: [np.random.default_rng(0), np.random.RandomState(0)],
    "float": lambda name: [real_named(name)],
}
_WORDS = 5  # of a vocabulary, at the least
_KINDS = frozenset({"int", "tuple", "callable", *_OF_KIND})


_OF_A_DRAW = re.compile(r"_(std|stdev|scale|range|mean|sigma|var|value|val|bound|limit|factor|seed)$")  # no initialiser


_WINDOW = re.compile(r"kernel|filter|pool|window|stride|size|^[fks]$|^[fk][hw]$|^[hw][fk]$")  # p beside it is a padding


@dataclass(frozen=True, eq=False)
class ClassSettings:
    """The settings of one class, with the globals of its module; `owner` is None for a function."""

    cls: type
    constructor: Sequence[inspect.Parameter]
    owner: type | None
    globals: Mapping[str, Any]
    first: str = ""  # what forward calls its first argument
    ends: Mapping[str, int] = field(default_factory=dict)  # the lengths "in" and "out", where arrays are given

    def of(self, function: Any, name: str, parts: Mapping[str, Any] | None = None) -> list[Any]:
        """What an argument that is no input may be; `parts` are arrays that a dict must hold."""
        if function is self.cls and source.fills_parts(self.cls, name):
            forward, backward = next(iter(pairs_of(self.cls)), ("forward", "backward"))
            return [two_parts(forward, backward)]
        if function is self.cls and names_loss(name) and (made := self._losses(name)):
            return made
        kinds = source.kinds_for(function, name, self.owner)
        keys = source.keys_for(function, name, self.owner)
        strings = source.strings_for(function, name, self.owner)
        if strings and not keys and "callable" not in kinds[:1]:
            return [*strings[:4]]
        needed = [key for key, default in keys.items() if default is MISSING]
        if name in SETTINGS and set(needed) <= set(SETTINGS[name]):
            return [dict(SETTINGS[name])]
        if needed and not parts and source.is_counted(function, name, self.owner):  # a place for each word
            words = [*keys, *(f"word{i}" for i in range(_WORDS - len(keys)))]
            return [{word: place for place, word in enumerate(words)}]
        if keys:
            choices = alike_first(
                [[parts[k]] if parts and k in parts else self._key(function, name, k) for k in needed]
            )
            return [dict(zip(needed, chosen, strict=True)) for chosen in islice(choices, 8)]
        return self._of_kind(function, name, kinds)

    def _methods(self) -> list[Any]:
        """The constructor, forward and backward."""
        return [getattr(self.cls, name, None) for name in ("__init__", *next(iter(pairs_of(self.cls)), ("", "")))]

    def _losses(self, name: str) -> list[Any]:
        """The user's own losses that have what is read of an argument: `criterion.derivative()`."""
        read = source.asked_of_objects(self.cls, name, self.owner)
        known = [c for c in self.globals.values() if inspect.isclass(c) and c is not self.cls] if read else []
        known = [c for c in known if names_loss(c.__name__) and all(users_with(c, attribute) for attribute in read)]
        known = [c for c in known if not any(c in other.__mro__[1:] for other in known)]  # a base may have no code
        made = []
        for cls in (c for c in known if not wanted(c)):
            with suppress(Exception):  # whatever the user's code raises
                made.append(cls())
        return made

    def _key(self, function: Any, name: str, key: str) -> list[Any]:
        strings = source.strings_for(function, name, self.owner, key=key)
        if not strings and "tuple" in source.kinds_for(function, name, self.owner, key=key):
            return tuples_of(key.lower(), None)
        return [*strings[:2]] if strings else ["train"] if key == "mode" else numbers_named(key)

    def _of_kind(self, function: Any, name: str, kinds: Sequence[str]) -> list[Any]:
        lower = name.lower()
        steps = any(names_rate(p.name) for p in self.constructor)  # beta is a momentum there
        if (
            stands_for(name) and "int" not in kinds[:1] and function is self.cls and not (steps and lower == "beta")
        ):  # a parameter that is handed in
            sizes, every = AxisSizes({}, 0), source.shapes_for(function, self.owner)  # equal names, equal sizes
            shapes = {argument: sizes.of(axes) for argument, axes in every.items()}
            return [array_of(shapes[name], name)] if name in shapes else self._parameters(name)
        items = source.items_for(function, name, self.owner)
        first = next((k for k in kinds if k in _KINDS and not (k == "form" and function is self.cls)), "")
        if first in ("form", "order", "dtype"):
            return _OF_KIND[first](name)
        if (
            re.search(r"activ|nonlin|act_f|\bact\b|func|^f$|prime", lower)
            and first in ("", "callable", "str")
            and not items
        ):
            return self._activations(name, first)
        if (
            items
            or first == "tuple"
            or (re.fullmatch(r"(.*_)?(shape|dims?)(_.*)?", lower) and lower not in ("dim", "input_dim", "output_dim"))
        ):
            if kinds[:1] == ("int",) and not items:
                return numbers_named(name)[:1]
            if kinds[:1] == ("list",) and not items:  # of widths
                return _OF_KIND["list"](name)
            is_size = re.search(r"channels|features|filters|units|n_|num|dim$|(^|_)dim_|^axis$", lower)
            plain = (is_size and "shape" not in lower and not items) or {"int", "tuple"} <= {*kinds}
            return [*(numbers_named(name)[:1] if plain else ()), *tuples_of(lower, items)]
        if re.search(r"init", lower) and not _OF_A_DRAW.search(lower) and first in ("", "callable"):
            return [_drawn]
        if first == "callable":
            return self._activations(name, first)
        first = "str" if lower in ("name", "label", "scope") else first
        if first in _OF_KIND:
            return _OF_KIND[first](name)
        if "optim" in lower or (self._is_for_backward(name) and source.asked_of_objects(self.cls, name)):
            return [Collaborator()]
        padding = any(_WINDOW.search(p.name.lower()) for p in self.constructor if p.name != name)
        return numbers_named(name, share=lower == "p" and not padding)

    def _parameters(self, name: str) -> list[Any]:
        """A parameter of which nothing is said, with two axes, then more; or a number, as a regulariser has."""
        kind, kinds = stands_for(name), {stands_for(p.name) for p in self.constructor}
        by_shapes = dict[frozenset[Any], Mapping[str, Any]]()
        for axes in (axes for number in (2, 4, 3) for axes in OF_AXES[number]):
            by_shapes.setdefault(frozenset(item for item in axes.items() if item[0]), axes)  # whatever the inputs are
        every = [*by_shapes.values()]
        if kinds >= {"gamma", "b"}:  # a scale and a shift: one for each feature
            every = [{**axes, "b": axes["gamma"]} if {*axes} == {"", "gamma"} else axes for axes in every]
        every.sort(key=lambda axes: len(kinds - {"", *axes}))
        first = next(axes[kind] for axes in every if kind in axes)
        # All arguments have their arrays in the order of `every`, so that those in one place fit each other.
        arrays = [array_of(AxisSizes(self.ends, 0).of(axes.get(kind, first)), name) for axes in every]
        if "b" in kinds:  # or a row: `assert b.shape[0] == 1`
            arrays.append(np.atleast_2d(arrays[0]))
        every_number = numbers_named(name)
        return [*every_number, *arrays] if kind in ("h", stands_for(self.first)) else [*arrays, *every_number]

    def _activations(self, name: str, kind: str) -> list[Any]:
        """The user's own activations: an instance, the class, a name."""
        found: list[Any] = []
        for known, item in list(self.globals.items()):
            if re.fullmatch(r"_?(relu|sigmoid|tanh|leakyrelu|identity|linear)", known, re.IGNORECASE):
                found += [item()] if inspect.isclass(item) and not wanted(item) else [item]
        if kind == "str":
            return ["relu", "sigmoid", "tanh"]
        beside = [p.name for p in self.constructor if p.name != name]
        plain = [_tanh_slope] if self._is_slope(name) else [_tanh]
        asked = [p.name for p in taken_by(self._methods()[2]) if name in p.name and names_slope(p.name)]
        if self._is_slope(name) or any(map(self._is_slope, beside)) or asked:
            return plain  # a function and its derivative must be of one kind
        return [*found[:3], *plain, "relu", "sigmoid"]

    def _is_slope(self, name: str) -> bool:
        """Whether a function that a constructor takes is a derivative: by its name, or as backward alone reads it."""
        return names_slope(name) or self._is_for_backward(name)

    def _is_for_backward(self, name: str) -> bool:
        """Whether a constructor keeps an argument that backward reads, and forward does not."""
        built, first, second = self._methods()
        return (
            None not in (first, second)
            and source.keeps_for(built, name, second)
            and not source.keeps_for(built, name, first)
        )


def slopes_of(cls: type, names: Sequence[str]) -> list[inspect.Parameter]:
    """The optional derivatives of functions that a constructor must be given: `f_prime=None` beside `f`."""
    if not names:
        return []
    absent = [p for p in taken_by(cls) if p.default is None]
    return [p for p in absent if names_slope(p.name) and any(p.name.startswith(f"{n}_") for n in names)]


def wanted(function: Any, asked: Collection[str] = ()) -> list[inspect.Parameter]:
    """The arguments that must be given, and those `asked` for."""
    return [p for p in taken_by(function) if is_named(p) and (p.default is p.empty or p.name in asked)]
