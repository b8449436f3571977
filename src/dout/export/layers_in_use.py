"""Layers as they are used: which flags say that one trains, and what was turned off for its export."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from dout.adapt.search.example import Example
from dout.run import attributes_of, filled_cells


def within_reach(root: Any) -> list[Any]:
    """What may hold layers that run: a net; of a function, also what it closes over and reads from its module."""
    if type(root) is not FunctionType:
        return [root]
    names = [root.__globals__.get(name) for name in root.__code__.co_names]
    held = [cell.cell_contents for _, cell in filled_cells(root)] + names
    return [root, *(item for item in held if not isinstance(item, type | ModuleType | FunctionType))]


def built_anew(name: str, chosen: Mapping[str, Any]) -> str:
    """What is to say of the parameters of a layer that was built for its export."""
    how = f"and chose {', '.join(chosen)}" if chosen else "with the parameters that it begins with"
    return f"{name} is a class: dout built one, {how}; export an object for parameters that were learned"


def trains(parameter: inspect.Parameter, found: Example) -> bool:
    """Whether a flag says that the layer trains, or has a value that was chosen for want of a default."""
    value = found.inputs.get(parameter.name, parameter.default)
    return value is True or (parameter.default is parameter.empty and np.ndim(value) == 0)


def switched_off(before: Sequence[tuple[Any, dict[str, Any]]], told: Any) -> Iterator[str]:
    """What was turned off in parts of a net: attributes, and arguments of the forward of each that is not `told`."""
    for part, held in before:
        name = type(part).__name__
        for key, value in attributes_of(part).items():
            if key in held and held[key] is not value and not callable(value):
                yield f"exported as it is used: {name}.{key} = {value!r}"
            elif key == "forward" and key not in held and part is not told:
                yield f"exported as it is used: {name}.forward is told that it does not train"
