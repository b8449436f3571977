"""What prepares a layer before its first forward: methods that a network calls, attributes that it sets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dout.adapt.interface import OPTIMIZER, Interface, required, setups_of
from dout.trace.state import attributes_of

_MODES = ("is_training", "training", "train_mode")  # attributes that a network sets on its layers
_MODE = re.compile(r"_*(is_?)?train(ing)?(_?mode)?")
_SHAPES = re.compile(r".*in(put)?_?(shape|dims?|size|features)|n_in|in_shape")
Make = Callable[[Any], Any]  # from a class, an instance of it as the example has it
Setup = tuple[str, tuple[Any, ...]]


def prepared(
    cls: type, interface: Interface, make: Make, inputs: Mapping[str, Any], failures: Sequence[str]
) -> Iterator[Interface]:
    """The interface as it is, and with what may prepare a layer first; `failures` are the errors that it met so far."""
    shape = next((np.shape(x) for x in inputs.values() if np.ndim(x)), ())
    held = _attributes(cls, make)
    modes = _closed_modes(held)
    if modes:
        yield replace(interface, setup=tuple(modes))
    yield interface
    known = [*modes, *_open_attributes(held, shape)]
    tried = []
    sample, last = shape[1:] or shape, shape[-1] if shape else 1
    for given in ((sample, last), (sample, sample), (shape, last)):
        made = (_call(cls, name, given, inputs) for name in setups_of(cls))
        calls = sorted((call for call in made if call is not None), key=_settles)
        whole = [(*known, *calls)] if known or len(calls) > 1 else []
        for setup in (*whole, *((*known, call) for call in calls[:3])):
            if repr(setup) not in tried:
                tried.append(repr(setup))
                yield replace(interface, setup=setup)
    if any(name in failure for name in _MODES for failure in failures):
        yield replace(interface, setup=tuple((name, (True,)) for name in _MODES if name not in dir(cls)))


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
    """The attributes of a new layer that are None and are called as the shape of what will come."""
    last = shape[-1] if shape else 1
    names = [name for name, item in held.items() if item is None and _SHAPES.fullmatch(name)]
    return [(name, (shape[1:] if "shape" in name else last,)) for name in names]


def _call(cls: type, name: str, given: tuple[Any, Any], inputs: Mapping[str, Any]) -> Setup | None:
    """A call that prepares a layer, with what its arguments are called as; None where they are called otherwise.

    `given` is what a shape is, and what a dimension: of one sample, or of all of them.
    """
    shape, dimension = given
    found: list[Any] = []
    for argument in required(getattr(cls, name), bound=True):
        lower = argument.lower()
        if "opt" in lower:
            found.append(OPTIMIZER)
        elif re.search(r"rng|random|generator", lower):
            found.append(np.random.RandomState(0))
        elif "shape" in lower or lower in ("input", "inputs"):
            found.append(shape)
        elif re.search(r"size|dim|units|num|n_|nodes|features|prev|in", lower):
            found.append(dimension)
        elif lower in ("x", "data"):
            found.append(next(iter(inputs.values()), None))
        else:
            return None
    return name, tuple(found)


def _settles(call: Setup) -> int:
    """Shapes are settled before parameters are made of them."""
    name, arguments = call
    return 0 if name.startswith("set") and OPTIMIZER not in map(str, arguments) else 1
