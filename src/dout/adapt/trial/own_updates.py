"""The step that a layer takes itself, in its backward: which arrays it changes, and at which rate."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from dout.adapt.argument_names import names_rate
from dout.adapt.interface.collaborators import Collaborator
from dout.adapt.interface.interface import RATE_ROLE, Interface
from dout.adapt.interface.learned_gradients import OURS, OWN_RATE, is_float_array
from dout.run import arrays, attributes_of
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


def own_rate(interface: Interface, layer: Any, before: Mapping[str, Any], network: bool) -> str | None:
    """The attribute with the learning rate, where backward is given none and has itself changed parameters.

    A whole `network` may step by its gradients themselves: then it is `OWN_RATE`.
    """
    now = own_floats(layer)
    kept = [place for place in before if place in now and now[place].shape == before[place].shape]
    stepped = [place for place in kept if not np.array_equal(now[place], before[place], equal_nan=True)]
    if RATE_ROLE in interface.roles or not stepped:
        return None
    held = attributes_of(layer).items()
    own = [n for n, item in held if names_rate(n) and isinstance(item, int | float) and item]
    return next(
        iter(own + [f"{n}.learning_rate" for n, item in held if isinstance(item, Collaborator)]),
        OWN_RATE if network else None,
    )
