"""The user's backward, run in its interface: upstream gradients in; those of the inputs out, the others kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dout.adapt.array_makers import Maker, as_broadcast
from dout.adapt.interface.array_holders import arrays_held, as_asked, bare, in_holders, left_in
from dout.adapt.interface.collaborators import RATE, Collaborator, Overheard
from dout.adapt.interface.function_pairs import arrays_in_cells
from dout.adapt.interface.held_values import gradients_at, held_at, places_of, put_at
from dout.adapt.interface.interface import (
    BUFFER,
    CACHE,
    CONTEXT,
    DOUT,
    EACH,
    FIRST,
    GRADS,
    OPTIMIZER,
    OUTPUT,
    PENALTY,
    RATE_ROLE,
    ROWS,
    SHARED,
    SLOPE,
    Interface,
)
from dout.adapt.interface.learned_gradients import (
    KEPT,
    OWN_RATE,
    arrays_of_parts,
    by_owner,
    collaborators_of,
    is_float_array,
    is_number,
    learn,
    owned_by,
    parameters_of,
    take_recorded,
    take_updates,
    take_updates_of_parts,
    without_pairs,
)
from dout.adapt.interface.method_pairs import optional, reads_and_writes, required_by
from dout.adapt.interface.users_forward import AGAIN, GIVEN, HELD
from dout.adapt.source import switches_for
from dout.run import attributes_of
from dout.trace.session.pairing import is_named_as_gradient, stem

_INPUTS = ("x", "in", "input", "inputs")  # what keys of a dict call an input, whatever forward calls it
# What an argument is for that could be nothing else.
_CERTAIN = {DOUT, CACHE, FIRST, CONTEXT, RATE_ROLE, GRADS, OPTIMIZER, ROWS, "True", "None", PENALTY}


def is_certain(interface: Interface, *, but_for: Collection[str] = ()) -> bool:
    """Whether backward takes an upstream gradient, and nothing that could be for anything else."""
    told = {role for role in interface.roles if role.endswith("=") or role.startswith(SLOPE)}
    guessed = {*interface.roles} - told - _CERTAIN - {*but_for}
    return DOUT in interface.roles and not guessed


def is_told(cls: type, interface: Interface) -> bool:
    """Whether backward takes an upstream gradient, and what else it takes is what its names say."""
    asked = required_by(cls, interface.backward)
    named = {role for role, name in zip(interface.roles, asked, strict=False) if role == name}
    return is_certain(interface, but_for=named)


def run_backward(user: Any, layer: Any, interface: Interface, douts: Sequence[Any], names: Sequence[str]) -> Any:
    """Run the user's backward; return the gradients of the inputs with these names, and let the layer keep the others.

    `user` has the user's own methods of the layer, `douts` are as these take them.
    """
    handed: dict[str, Any] = {}
    douts = douts if interface.bare else in_holders(interface, douts)
    own = {name: attributes_of(layer)[name] for name in interface.overheard}
    held = [array for _, array in parameters_of(layer)] if own else []
    attributes_of(layer).update({name: Overheard(item, held) for name, item in own.items()})
    own_step = _OwnStep(layer, interface)
    arguments = list(backward_arguments(user, layer, interface, douts, handed))
    if AGAIN in (kept := attributes_of(layer).get(KEPT, {})):
        kept[AGAIN]()
    seen = arrays_held(kept[HELD][0]) if interface.holder else []
    in_cells = arrays_in_cells(layer)
    if interface.slot:
        setattr(kept[HELD][1], interface.slot, douts[0])
    result = kept[GIVEN] if interface.gives else getattr(user, interface.backward)(*arguments)
    now = arrays_in_cells(layer).items()
    attributes_of(layer).update({name: item for name, item in now if item is not in_cells.get(name)})
    result = _gradients_in(layer, interface, result, kept, seen)
    result = _lines(result) if interface.row else result
    own_step.learned()
    take_recorded(layer)
    attributes_of(layer).update(own)
    if interface.found:
        result = _found(layer, interface)
    if handed:
        learn(layer, handed)
    if interface.stacked:
        result = np.stack(result)
    if interface.parted:
        result = tuple(result)
    if interface.local:
        return None if result is None else _times(douts[0], result)
    if isinstance(result, dict):
        return _by_key(layer, result, names)
    result = without_pairs(layer, result)
    return _divided(layer, interface, result, names) if interface.order else result


def _gradients_in(layer: Any, interface: Interface, result: Any, kept: Mapping[str, Any], seen: Sequence[Any]) -> Any:
    """What backward returned, or left in what holds an input, or in a buffer; None where it says something else."""
    says = isinstance(result, bool) and not interface.local  # that it went well
    tells = is_number(result) and hasattr(layer, "dout_loss")
    if says or tells:
        result = None
    if interface.slot:
        left = [getattr(one, interface.slot, None) for one in kept[HELD][0]]
        result = left[0] if len(left) == 1 else tuple(left)
    elif interface.holder:
        result = left_in(kept[HELD][0], seen) if result is None else bare(result, interface.holder)
    if isinstance(interface.holder, Maker):
        result = as_broadcast(result, kept[HELD][0], interface.holder)
    return kept.get(BUFFER, result)


def _found(layer: Any, interface: Interface) -> Any:
    """The gradients that backward left in attributes."""
    if interface.given:
        result = gradients_at(layer, interface.given, interface.found)
    else:
        result = tuple(held_at(layer, name) if name else None for name in interface.found)
    return result[0] if len(result) == 1 else result


class _OwnStep:
    """A step that backward takes by itself: its gradients are what it changes, by its rate.

    Parts of the layer hold copies while backward runs. What an optimizer changes is put back.
    """

    def __init__(self, layer: Any, interface: Interface) -> None:
        self.layer, self.forward, self.rate = layer, interface.forward, step_rate(layer, interface)
        steps = self.rate is not None
        changes = steps or OPTIMIZER in interface.roles or bool(collaborators_of(layer))
        self.before = {place: array.copy() for place, array in parameters_of(layer)} if changes else {}
        self.where = dict(parameters_of(layer)) if self.before else {}
        self.parts = arrays_of_parts(layer, self._read_by) if steps else {}
        for place, array in self.parts.items():
            put_at(layer, place, array.copy())
        self.alone = {name: item for name, item in attributes_of(layer).items() if steps and is_number(item)}

    def learned(self) -> None:
        """Let the layer keep the gradients of what was changed, and its parts what they held."""
        if self.rate is not None or any(item.updates for item in collaborators_of(self.layer)):
            read = reads_and_writes(type(self.layer), self.forward)[0]
            take_updates(self.layer, {**self.alone, **self.before}, self.where, self.rate, read)
        take_updates_of_parts(self.layer, self.parts, self.rate)

    def _read_by(self, part: Any) -> Collection[str]:
        """The attributes that a part of a network reads in its forward, which is called as that of the network."""
        cls = type(part)
        return reads_and_writes(cls, self.forward)[0] if callable(getattr(cls, self.forward, None)) else ()


def step_rate(layer: Any, interface: Interface) -> Any:
    """The learning rate at which backward itself steps along its gradient; None where it does not."""
    if not interface.steps:
        return None
    if interface.rate:
        return 1.0 if interface.rate == OWN_RATE else held_at(layer, interface.rate)
    return attributes_of(layer).get(OWN_RATE, RATE)


def step_at(layer: Any, interface: Interface, rate: float) -> None:
    """Let backward step at another rate."""
    if interface.rate:
        put_at(layer, interface.rate, rate)
    else:
        attributes_of(layer)[OWN_RATE] = rate


def backward_arguments(
    user: Any, layer: Any, interface: Interface, douts: Sequence[Any], handed: dict[str, Any]
) -> Iterator[Any]:
    """The arguments of the user's backward, by their roles. Gradients that it fills into a dict are `handed`."""
    given = iter(douts)
    kept = attributes_of(layer).get(KEPT, {})
    caches = iter(kept.get(CACHE, ()))
    taken: list[Any] = []
    uses: dict[int, int] = {}
    if OPTIMIZER in interface.roles:  # kept, to be asked what it was given
        attributes_of(layer)[KEPT] = kept = {**kept, OPTIMIZER: Collaborator()}
    plain_roles: Mapping[str, Callable[[], Any]] = {
        RATE_ROLE: lambda: attributes_of(layer).get(OWN_RATE, RATE), "True": lambda: True, "None": lambda: None,
        GRADS: lambda: handed,
        CACHE: lambda: next(caches, None), CONTEXT: lambda: kept.get(CONTEXT),
        OUTPUT: lambda: kept.get(OUTPUT), PENALTY: lambda: float(PENALTY),
    }  # fmt: skip
    shared = [int(role.removeprefix(SHARED)) - 1 for role in interface.roles if role.startswith(SHARED)]
    for at, role in enumerate(interface.roles):
        if role == DOUT:
            place = len(taken)
            taken.append(next(given, None))
            yield taken[place] * 0.5 ** shared.count(place) if place in shared else taken[place]
        elif role.endswith("=") and role not in kept:
            forward, name = getattr(user, interface.forward), role.removesuffix("=")
            yield name in switches_for(forward) or optional(forward)[name]
        elif role.startswith(SHARED):  # a half, then a quarter …: what a backward leaves out is missed
            place = int(role.removeprefix(SHARED)) - 1
            uses[place] = uses.get(place, 0) + 1
            yield taken[place] * 0.5 ** uses[place]
        elif role == EACH:
            yield from kept.get(EACH, ())
        elif role.startswith("self."):
            yield getattr(layer, role.removeprefix("self."))
        elif role in kept and role not in (CACHE, CONTEXT):
            yield as_asked(getattr(user, interface.backward), at, kept[role])
        else:
            yield plain_roles[role]()


def _lines(result: Any) -> Any:
    """Gradients without the axis of one that makes a row of a line, or of a column."""
    if isinstance(result, tuple | list):
        return tuple(map(_lines, result))
    if np.ndim(result) == 3 and np.shape(result)[1] == 1:
        return result[:, 0, :].T
    return result[0] if np.ndim(result) == 2 and np.shape(result)[0] == 1 else result


def _times(dout: Any, derivative: Any) -> Any:
    """A local derivative times what arrives: elementwise, or a Jacobian for each row."""
    if np.ndim(derivative) == np.ndim(dout) + 1:
        return (dout[..., None, :] @ derivative)[..., 0, :] if np.ndim(dout) > 0 else dout * derivative
    product = dout * derivative
    if np.size(derivative) > 1 and np.ndim(derivative) == np.ndim(dout) and np.shape(product) != np.shape(derivative):
        raise ValueError(f"the local derivative has shape {np.shape(derivative)}, the output {np.shape(dout)}")
    return product


def _by_key(layer: Any, result: Mapping[Any, Any], names: Sequence[str]) -> Any:
    """The inputs' gradients among those that stand in a dict, by their keys; the others are learned.

    Never by their places: a number that tells of an update is no gradient. An input may be called otherwise, as one:
    `{"x": dx, "W": dW}` of `forward(inputs)`.
    """
    parameters = [name for name, _ in parameters_of(layer) if not is_named_as_gradient(name)]
    inner = [place for place, item in places_of(layer).items() if "." in place and is_float_array(item)]
    owned = by_owner((*parameters, *names), result, inner)
    if not any(owned):
        arrays = [gradient for gradient in result.values() if is_float_array(gradient)]
        return arrays[0] if len(arrays) == len(names) == 1 else None
    without = [name for name in names if name not in owned]
    left = [result[key] for key in result if isinstance(key, str) and stem(key) in _INPUTS]
    if len(without) == len(left) == 1 and left[0] is owned.get("") and is_float_array(left[0]):
        owned[without[0]] = left[0]
    learn(layer, {name: g for name, g in owned.items() if name in (*parameters, *inner) and name not in names})
    return _in_order(owned, names)


def _divided(layer: Any, interface: Interface, result: Any, names: Sequence[str]) -> Any:
    """The inputs' gradients among what backward returned, by the order that says whose each is; the rest is learned."""
    owned = owned_by(interface.order, result)
    learn(layer, {name: g for name, g in owned.items() if name and name not in names})
    return _in_order(owned, names)


def _in_order(owned: Mapping[str, Any], names: Sequence[str]) -> Any:
    """The inputs' gradients by place, without those at the end that are not there."""
    found = [owned.get(name) for name in names]
    while len(found) > 1 and found[-1] is None:
        found.pop()
    return tuple(found) if len(found) > 1 else found[0]
