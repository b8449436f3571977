"""The step that a layer takes itself: at which rate its backward does, and whose a gradient is by an update method.

`self.layer1.weights -= rate * self.dW1` says what no name does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from dout.adapt.argument_names import names_rate
from dout.adapt.interface.collaborators import RATE, Collaborator
from dout.adapt.interface.held_values import held_at, places_of
from dout.adapt.interface.interface import RATE_ROLE, Interface
from dout.adapt.interface.learned_gradients import OURS, OWN_RATE, is_float_array
from dout.adapt.interface.method_pairs import methods, required
from dout.run import arrays, attributes_of, deep_copy
from dout.trace.session.pairing import is_named_as_gradient, is_residual, multiple_of

_UPDATES = (r"_*(update|step|apply|optimi[sz]e|(gradient_)?descent|sgd)\w*",)
Owned = tuple[tuple[str, str], ...]  # the place of a parameter, and that of its gradient


def owners_by_update(cls: type, layer: Any) -> Owned:
    """The parameters of parts that an update method of the class moves, each with the gradient that it moves along.

    Empty unless each array that moves is moved along just one kept array. The layer has had its backward.
    """
    before = {place: np.array(item) for place, item in places_of(layer).items() if is_float_array(item)}
    for method, rates in _updates(cls):
        stepped = deep_copy(layer)
        try:
            getattr(stepped, method)(*rates)
        except Exception:  # the user's own
            continue
        after = {place: item for place, item in places_of(stepped).items() if is_float_array(item)}
        steps = {p: a - after[p] for p, a in before.items() if p in after and after[p].shape == a.shape}
        moved = {p: step for p, step in steps.items() if np.any(step)}
        still = {q: a for q, a in before.items() if q not in moved}
        along = {p: [q for q, a in still.items() if multiple_of(step, a) > 0] for p, step in moved.items()}
        if moved and all(len(gradients) == 1 for gradients in along.values()):
            return tuple((p, _list_of_one(layer, gradients[0])) for p, gradients in along.items() if "." in p)
    return ()


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


def _list_of_one(layer: Any, place: str) -> str:
    """The place of the list whose only item stands at a place, to which each round appends; else the place itself."""
    head = place.removesuffix("[0]")
    return head if head != place and len(held_at(layer, head)) == 1 else place


def _updates(cls: type) -> Iterator[tuple[str, tuple[float, ...]]]:
    """The methods that are called as an update and need nothing but a rate."""
    for name in methods(cls, _UPDATES):
        wanted = required(getattr(cls, name), bound=True)
        if all(map(names_rate, wanted)):
            yield name, (RATE,) * len(wanted)
