"""The user's forward, run in its interface: inputs in; outputs out, and what backward is to be given, kept."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from dout.adapt.argument_names import taken_by
from dout.adapt.array_makers import Maker, known_above
from dout.adapt.interface.array_holders import bare, in_holders, settings_asked
from dout.adapt.interface.collaborators import Context
from dout.adapt.interface.held_values import give, held_at
from dout.adapt.interface.interface import (
    BUFFER,
    CACHE,
    CONTEXT,
    EACH,
    FIRST,
    OUTPUT,
    ROWS,
    SLOPE,
    Interface,
)
from dout.adapt.interface.interface_candidates import cache_place
from dout.adapt.interface.learned_gradients import KEPT, is_float_array
from dout.adapt.interface.method_pairs import required
from dout.adapt.source import asked_of_objects, attributes_read
from dout.adapt.source.attribute_reads import users_with
from dout.adapt.source.returned_names import gradients_given
from dout.run import attributes_of, global_states
from dout.trace.model.user_source import behind
from dout.trace.tracer.traced import plain

AGAIN, GIVEN, HELD = "_dout_again", "_dout_given", "_dout_held"


@functools.lru_cache(maxsize=256)
def _own_context(cls: type, *methods: Any) -> type | None:
    """The user's class that has all that forward and backward ask of a context: they may know how it gives one item.

    It is looked for where the classes above are written.
    """
    taken = [(method, next((p.name for p in taken_by(method)), "")) for method in methods]
    asked = {name for method, first in taken for name in attributes_read(behind(method), first)}
    fitting = (c for c in known_above(cls) if asked and all(users_with(c, name) for name in asked))
    return next((c for c in fitting if all(p.default is not p.empty for p in taken_by(c))), None)


def run_forward(user: Any, layer: Any, interface: Interface, inputs: Sequence[Any], names: Sequence[str]) -> Any:
    """Run the user's forward on inputs with these names; return its outputs, without caches and gradients.

    `user` has the user's own methods of the layer. Raises NoLossError.
    """
    code = getattr(behind(getattr(user, interface.backward)), "__code__", None)
    runs_again = code is not None and interface.forward in code.co_names  # a backward that runs its forward again …
    again = global_states() if runs_again else None  # … is to draw what that drew
    method = getattr(user, interface.forward)
    asked_of = attributes_read if isinstance(interface.holder, Maker) else asked_of_objects
    asked = [place for place, name in enumerate(names) if interface.holder and asked_of(method, name)]
    bare_ones = [place for place in range(len(names)) if asked and interface.slot and place not in asked]
    backward = getattr(user, interface.backward)
    settings = settings_asked(interface.holder, (behind(method), behind(backward)))
    asked = asked if isinstance(interface.holder, Maker) else []
    inputs = in_holders(interface, inputs, bare_ones, asked, settings)
    for place, item in zip(interface.given, inputs, strict=False):
        give(layer, place, item)
    inputs = () if interface.given else inputs
    context: Any = None
    if interface.context or CONTEXT in interface.roles:
        cls: Any = type(layer)
        own = _own_context(cls, method, getattr(user, interface.backward)) if interface.context else None
        context = own() if own is not None else Context(() if interface.context else inputs)
    result = method(context, *inputs) if interface.context else method(*inputs)
    held = (inputs, result) if interface.holder else None
    result = bare(result, interface.holder) if held else result
    if interface.out is not None:
        result = held_at(layer, interface.out)
    if interface.gives:
        result, given = _with_gradients(result, method)
    first: Any = None
    if FIRST in interface.roles and isinstance(result, tuple):
        first, *others = result
        result = others[0] if len(others) == 1 else tuple(others)
    caches = interface.roles.count(CACHE)
    cache: tuple[Any, ...] = ()
    if caches and isinstance(result, tuple) and len(result) > 1:
        at = cache_place(getattr(method, "__func__", method), len(result)) or max(1, len(result) - caches)
        result, cache = result[:at], result[at : at + caches]
        result = result[0] if len(result) == 1 else result
    if interface.outputs is not None and isinstance(result, tuple | list):
        result = tuple(result[i] for i in interface.outputs)
        result = result if len(result) > 1 else result[0]
    known = zip(names, inputs, strict=False)
    kept = {role: value for name, value in known for role in (name, f"{name}=") if role in interface.roles}
    for name, value in zip(names, inputs, strict=False):
        if (role := f"{SLOPE} of {name}") in interface.roles:
            kept[role] = getattr(value, SLOPE, None)  # of ours alone
    if OUTPUT in interface.roles and OUTPUT not in names:  # a loss may call its input so
        kept[OUTPUT] = held[1] if held and (interface.slot or _is_asked_of(backward, interface)) else result
    if cache:
        kept[CACHE] = cache
    if BUFFER in interface.roles:
        kept[BUFFER] = inputs[0]
    if FIRST in interface.roles:
        kept[FIRST] = first
    if EACH in interface.roles:
        kept[EACH] = tuple(item for name, item in zip(names, inputs, strict=False) if "[" in name)
    if ROWS in interface.roles:
        kept[ROWS] = len(inputs[0])
    if context is not None:
        kept[CONTEXT] = context
    if interface.gives:
        kept[GIVEN] = given
    if held:
        kept[HELD] = held
    if kept:
        attributes_of(layer)[KEPT] = kept if again is None else {**kept, AGAIN: again}
    return result


def _is_asked_of(backward: Any, interface: Interface) -> bool:
    """Whether backward reads of the output what no array has: it is the object that forward gave, `node.inputs`."""
    taken = zip(required(backward), interface.roles, strict=False)
    return any(role == OUTPUT and asked_of_objects(backward, name) for name, role in taken)


class NoLossError(TypeError):
    """What may be a loss with its gradients returned no number, or no arrays with it."""


def _with_gradients(result: Any, method: Any) -> tuple[Any, Any]:
    """The number and the gradients among what a loss returned. Raises NoLossError where they are none."""
    value, *rest = result if isinstance(result, tuple) else (result,)
    rest = rest[: gradients_given(behind(method)) or len(rest)]
    arrays = [g for item in rest for g in (item.values() if isinstance(item, dict) else [item])]
    if np.size(plain(value)) != 1 or not any(is_float_array(g) and np.size(plain(g)) > 1 for g in arrays):
        raise NoLossError(f"{method.__name__} has returned no number with its gradients")
    return value, rest[0] if len(rest) == 1 else tuple(rest)
