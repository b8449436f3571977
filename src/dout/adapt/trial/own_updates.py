"""The step that a layer takes itself, in its backward: which arrays it changes, and at which rate."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import FunctionType, MethodType
from typing import Any

import numpy as np

from dout.adapt.argument_names import names_rate
from dout.adapt.interface.collaborators import Collaborator
from dout.adapt.interface.interface import RATE_ROLE, Interface
from dout.adapt.interface.learned_gradients import OURS, OWN_RATE, is_float_array
from dout.adapt.interface.method_pairs import reads_and_writes
from dout.adapt.source.syntax import read
from dout.run import arrays, attributes_of, mro_of, vars_of
from dout.trace.session.pairing import is_named_as_gradient, is_residual


def own_floats(layer: Any) -> dict[str, Any]:
    """Copies of the float arrays that a layer itself holds, by their places, but for gradients and what it keeps."""
    found = {}
    for place, item in arrays(layer).items():
        first, *inside = re.findall(r"\w+", place.removeprefix("self."))
        own = "." not in place.removeprefix("self.") and first not in OURS and is_float_array(item)
        if own and not any(is_named_as_gradient(name) or is_residual(name) for name in (first, *inside)):
            found[place] = np.array(item)
    return found


def own_rate(interface: Interface, layer: Any, network: bool) -> str | None:
    """The attribute with the learning rate, where backward is given none and has itself changed parameters.

    A whole `network` may step by its gradients themselves: then it is `OWN_RATE`.
    """
    if RATE_ROLE in interface.roles:
        return None
    held = attributes_of(layer).items()
    own = [n for n, item in held if names_rate(n) and isinstance(item, int | float) and item]
    return next(
        iter(own + [f"{n}.learning_rate" for n, item in held if isinstance(item, Collaborator) and not item.updates]),
        OWN_RATE if network else None,
    )


def asked_by_backward(cls: type, interface: Interface, layer: Any) -> tuple[str, ...]:
    """The attributes with the user's objects, or functions, that backward alone reads."""
    ahead, back = (reads_and_writes(cls, name)[0] for name in (interface.forward, interface.backward))
    held = attributes_of(layer)
    return tuple(name for name in held if name in back - ahead and _may_step(held[name]))


def has_stepped(layer: Any, before: Mapping[str, Any]) -> bool:
    """Whether an array of the layer's holds other numbers than it did before backward."""
    now = own_floats(layer)
    kept = [place for place in before if place in now and now[place].shape == before[place].shape]
    return any(not np.array_equal(now[place], before[place], equal_nan=True) for place in kept)


def _may_step(item: Any) -> bool:
    """Whether this is an object of the user's, or a function, or holds nothing else."""
    if type(item) in (list, dict):
        items = list(item.values() if type(item) is dict else item)
        return bool(items) and all(map(_may_step, items))
    methods = (method for base in mro_of(type(item)) for method in vars_of(base).values())
    return type(item) in (FunctionType, MethodType) or any(map(read, methods))
