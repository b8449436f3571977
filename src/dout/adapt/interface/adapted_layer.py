"""A class in any interface as a layer: `forward(*inputs)` gives the outputs, `backward(dout)` the inputs' gradients.

The class that is made is a subclass of the user's: an instance has the user's attributes, methods and source, and what
reads, copies or edits a plain layer does so here. Inside a call the user's own names mean what they wrote.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from dout.adapt.argument_names import taken_by
from dout.adapt.interface.array_holders import arrays_held, bare, in_holders, left_in
from dout.adapt.interface.collaborators import RATE, Collaborator, Context
from dout.adapt.interface.function_pairs import arrays_in_cells
from dout.adapt.interface.held_values import Consumer, give, gradients_at, held_at, put_at
from dout.adapt.interface.interface import (
    BUFFER,
    CACHE,
    CONTEXT,
    DOUT,
    GRADS,
    OPTIMIZER,
    OUTPUT,
    PENALTY,
    RATE_ROLE,
    ROWS,
    SHARED,
    Interface,
    cache_place,
)
from dout.adapt.interface.learned_gradients import (
    FIXED,
    KEPT,
    OURS,
    OWN_RATE,
    arrays_in,
    arrays_of_parts,
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
from dout.adapt.interface.method_pairs import is_static, optional, reads_and_writes
from dout.adapt.interface.script_layers import methods_of
from dout.adapt.source import asked_of_objects, switches_for
from dout.errors import TargetError
from dout.run import attributes_of, copied, deep_copy, global_states
from dout.trace.model.user_source import behind
from dout.trace.record.record import METHODS_OF
from dout.trace.session.layer_calls import LayerMethods, plain_methods
from dout.trace.session.pairing import is_named_as_gradient, stem
from dout.trace.tracer.traced import plain

AGAIN, GIVEN, HELD = "_dout_again", "_dout_given", "_dout_held"
_inside: set[int] = set()  # layers in whose own code we are


def layer_class(cls: type, interface: Interface, names: Sequence[str], fixed: Mapping[str, Any] | None = None) -> type:
    """Return a class with `forward(*inputs)` and `backward(dout)`: `cls` itself where it is written so.

    `names` are those of the arguments of the user's forward, in their order. Those in `fixed` are no inputs here: each
    instance gives them in the same way (a dict of settings, the name of an activation). A dict of parameters among
    them is an attribute of the instance, as if the layer held it.
    """
    if interface.is_plain and not fixed and not is_static(cls, "forward"):
        return cls
    every, names = tuple(names), tuple(name for name in names if name not in (fixed or {}))
    held = {name: item for name, item in (fixed or {}).items() if any(True for _ in arrays_in(name, item))}
    made: dict[str, Any] = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    own: Any = getattr(cls, "forward", None)

    def __init__(self: Any, *args: Any, **keywords: Any) -> None:
        super(new, self).__init__(*args, **keywords)
        attributes_of(self).update({name: copied(item) for name, item in held.items()})
        set_up(self, interface)

    def forward(self: Any, *inputs: Any, **named: Any) -> Any:
        if not isinstance(self, new):  # a method of the class calls it so: `cls.forward(ctx, x)`
            return own(self, *inputs, **named)
        if id(self) in _inside:
            return super(new, self).forward(*inputs, **named)
        with _own_code(self):
            return _forward(super(new, self), self, interface, _every(self, inputs, every, fixed or {}), every)

    def backward(self: Any, *douts: Any, **named: Any) -> Any:
        if id(self) in _inside:
            return super(new, self).backward(*douts, **named)
        with _own_code(self):
            return _backward(super(new, self), self, interface, douts, names)

    made["__init__"] = __init__
    made["forward"] = _standing_for(
        forward, cls, interface.forward, names, () if fixed else _left_out(cls, interface, names)
    )
    made["backward"] = _standing_for(backward, cls, interface.backward, douts_of(interface))
    made["dout_interface"] = interface
    made[METHODS_OF] = staticmethod(cache(partial(_methods_of_parts, cls)))  # asked at each recording
    made["dout_inputs"] = lambda self, inputs: _every(self, inputs, every, fixed or {})
    new: Any = type(cls)(cls.__name__, (cls,), made)
    return new  # type: ignore[no-any-return]


def _methods_of_parts(own: type, cls: type) -> LayerMethods | None:
    """The methods of a part of an adapted layer, in whatever manner; the class made here has the layer's `own`."""
    return plain_methods(cls) if issubclass(own, cls) else methods_of(cls)


def is_adapted(cls: type) -> bool:
    """Whether a class was made here, of the user's class behind it."""
    return "dout_interface" in vars(cls)


def set_up(layer: Any, interface: Interface) -> None:
    """Call the methods, and set the attributes, that prepare a layer before its first forward."""
    for name, arguments in interface.setup:
        method = getattr(layer, name, None)
        own = [deep_copy(a) for a in arguments]
        if callable(method):
            method(*own)
        else:
            setattr(layer, name, *own)


def as_layer(instance: Any, cls: type) -> Any:
    """An instance of the user's class as one of `cls`, which was made of it; `instance` itself changes.

    Raises TargetError where the two are laid out otherwise in memory.
    """
    if type(instance) is cls:
        return instance
    try:
        instance.__class__ = cls
    except TypeError as error:
        raise TargetError(f"{cls.__qualname__} cannot be adapted ({error}): give the class instead") from None
    return instance


def as_written(layer: Any) -> Any:
    """A copy of an adapted layer as an instance of the user's own class. Raises TargetError like `as_layer`."""
    copied = as_layer(deep_copy(layer), type(layer).__mro__[1])
    for name in OURS:
        attributes_of(copied).pop(name, None)
    return copied


def own_arguments(layer: Any, inputs: Sequence[Any], douts: Sequence[Any]) -> tuple[list[Any], list[Any], Any]:
    """How the user's forward was called for these inputs, just now, and how their backward is called after it.

    The last are attributes that stand there before backward, in a dict.
    """
    interface = layer.dout_interface
    context = [attributes_of(layer)[KEPT][CONTEXT]] if interface.context else []
    ahead = [*context, *layer.dout_inputs(inputs)] if not interface.given else []
    if interface.gives:
        return ahead, ahead, {}  # it is one call
    arguments = _arguments(super(type(layer), layer), layer, interface, _arriving(layer, interface, douts), {})
    left = interface.upstream if BUFFER in interface.roles else None
    return ahead, list(arguments), {left: getattr(layer, left)} if left else {}


def _every(layer: Any, inputs: Sequence[Any], names: Sequence[str], fixed: Mapping[str, Any]) -> list[Any]:
    """The inputs with what is fixed in its places; an instance has its own copy of that, for it may be written into."""
    if not fixed:
        return list(inputs)
    attributes, given = attributes_of(layer), iter(inputs)
    own = attributes.setdefault(FIXED, {n: deep_copy(item) for n, item in fixed.items() if n not in attributes})
    return [(own[n] if n in own else attributes[n]) if n in fixed else next(given) for n in names]


def douts_of(interface: Interface) -> tuple[str, ...]:
    """What the upstream gradients are called: `dout`, or numbered where there are several."""
    number = max(1, interface.roles.count(DOUT))
    return (DOUT,) if number == 1 else tuple(f"{DOUT}{i + 1}" for i in range(number))


def _left_out(cls: type, interface: Interface, names: Sequence[str]) -> list[inspect.Parameter]:
    """The arguments of the user's forward that have a default and come after the inputs: they may be given, too."""
    taken = [p for p in taken_by(getattr(cls, interface.forward)) if p.name != "self"]
    places = [p for p in taken if p.kind is p.POSITIONAL_OR_KEYWORD]
    is_all = [p.name for p in places[: len(names)]] == list(names)
    return [p for p in places[len(names) :] if p.default is not p.empty] if is_all else []


def _standing_for(
    function: Any, cls: type, name: str, arguments: Sequence[str], more: Sequence[inspect.Parameter] = ()
) -> Any:
    """`function`, which says where the user's method of this name is written, and what its own arguments are called."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    written = inspect.getattr_static(cls, name)
    function.__wrapped__ = written.__func__ if isinstance(written, staticmethod | classmethod) else written
    names = [n if n.isidentifier() else f"input{i}" for i, n in enumerate(arguments)]
    function.__signature__ = inspect.Signature([*(inspect.Parameter(n, kind) for n in ("self", *names)), *more])
    return function


class _own_code:
    def __init__(self, layer: Any) -> None:
        self.key = id(layer)

    def __enter__(self) -> None:
        _inside.add(self.key)

    def __exit__(self, *error: object) -> None:
        _inside.discard(self.key)


# --- forward ----------------------------------------------------------------------------------------------------------


def _forward(user: Any, layer: Any, interface: Interface, inputs: Sequence[Any], names: Sequence[str]) -> Any:
    context = Context() if interface.context else None
    code = getattr(behind(getattr(user, interface.backward)), "__code__", None)
    runs_again = code is not None and interface.forward in code.co_names  # a backward that runs its forward again …
    again = global_states() if runs_again else None  # … is to draw what that drew
    method = getattr(user, interface.forward)
    bare_ones = [place for place, name in enumerate(names) if interface.slot and not asked_of_objects(method, name)]
    inputs = in_holders(interface, inputs, bare_ones=bare_ones if len(bare_ones) < len(names) else ())
    for place, item in zip(interface.given, inputs, strict=False):
        give(layer, place, item)
    inputs = () if interface.given else inputs
    result = method(context, *inputs) if interface.context else method(*inputs)
    held = (inputs, result) if interface.holder else None
    result = bare(result) if held else result
    if interface.out is not None:
        result = held_at(layer, interface.out)
    if interface.gives:
        result, given = _with_gradients(result, interface.forward)
    caches = interface.roles.count(CACHE)
    cache: tuple[Any, ...] = ()
    if caches and isinstance(result, tuple) and len(result) > 1:
        at = cache_place(getattr(method, "__func__", method), len(result)) or max(1, len(result) - caches)
        result, cache = result[:at], result[at : at + caches]
        result = result[0] if len(result) == 1 else result
    if interface.outputs is not None and isinstance(result, tuple):
        result = tuple(result[i] for i in interface.outputs)
        result = result if len(result) > 1 else result[0]
    known = zip(names, inputs, strict=False)
    kept = {role: value for name, value in known for role in (name, f"{name}=") if role in interface.roles}
    if OUTPUT in interface.roles and OUTPUT not in names:  # a loss may call its input so
        kept[OUTPUT] = held[1] if held and interface.slot else result
    if cache:
        kept[CACHE] = cache
    if BUFFER in interface.roles:
        kept[BUFFER] = inputs[0]
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


class NoLossError(TypeError):
    """What may be a loss with its gradients returned no number, or no arrays with it."""


def _with_gradients(result: Any, name: str) -> tuple[Any, Any]:
    """The number and the gradients among what a loss returned. Raises NoLossError where they are none."""
    value, *rest = result if isinstance(result, tuple) else (result,)
    arrays = [g for item in rest for g in (item.values() if isinstance(item, dict) else [item])]
    if np.size(plain(value)) != 1 or not any(is_float_array(g) and np.size(plain(g)) > 1 for g in arrays):
        raise NoLossError(f"{name} has returned no number with its gradients")
    return value, rest[0] if len(rest) == 1 else tuple(rest)


# --- backward ---------------------------------------------------------------------------------------------------------


def _backward(user: Any, layer: Any, interface: Interface, douts: Sequence[Any], names: Sequence[str]) -> Any:
    handed: dict[str, Any] = {}
    douts = _arriving(layer, interface, douts)
    douts = douts if interface.bare else in_holders(interface, douts)
    rate = step_rate(layer, interface)
    before = {place: array.copy() for place, array in parameters_of(layer)} if rate is not None else {}
    where = dict(parameters_of(layer)) if before else {}
    parts = arrays_of_parts(layer, partial(_reads, interface.forward)) if rate is not None else {}
    for place, array in parts.items():
        put_at(layer, place, array.copy())
    alone = {name: item for name, item in attributes_of(layer).items() if rate is not None and is_number(item)}
    arguments = list(_arguments(user, layer, interface, douts, handed))
    if AGAIN in (kept := attributes_of(layer).get(KEPT, {})):
        kept[AGAIN]()
    seen = arrays_held(kept[HELD][0]) if interface.holder else []
    in_cells = arrays_in_cells(layer)
    if interface.slot:
        setattr(kept[HELD][1], interface.slot, douts[0])
    result = kept[GIVEN] if interface.gives else getattr(user, interface.backward)(*arguments)
    now = arrays_in_cells(layer).items()
    attributes_of(layer).update({name: item for name, item in now if item is not in_cells.get(name)})
    tells = is_number(result) and hasattr(layer, "dout_loss")
    if (
        (isinstance(result, bool) and not interface.local)
        or tells
        or (interface.asked and np.array_equal(plain(result), plain(kept[OUTPUT])))
    ):
        result = None  # it says that it went well, or the loss, or what the network predicts
    if interface.slot:
        left = [getattr(one, interface.slot, None) for one in kept[HELD][0]]
        result = left[0] if len(left) == 1 else tuple(left)
    elif interface.holder:
        result = left_in(kept[HELD][0], seen) if result is None else bare(result)
    if BUFFER in kept:
        result = kept[BUFFER]
    for name in interface.after:
        getattr(user, name)()
    result = _lines(result) if interface.row else result
    if before or alone:
        take_updates(layer, {**alone, **before}, where, rate, reads_and_writes(type(layer), interface.forward)[0])
    take_updates_of_parts(layer, parts, rate)
    take_recorded(layer)
    kept = {parameter: held_at(layer, gradient) for parameter, gradient in interface.stepped}
    learn(layer, {parameter: item[-1] if isinstance(item, list) else item for parameter, item in kept.items()})
    if interface.given and interface.found:
        result = gradients_at(layer, interface.given, interface.found)
    elif interface.found:
        result = tuple(held_at(layer, name) for name in interface.found)
    if interface.found:
        result = result[0] if len(result) == 1 else result
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


def _reads(forward: str, part: Any) -> Collection[str]:
    """The attributes that a part of a network reads in its forward, which is called as that of the network."""
    return reads_and_writes(type(part), forward)[0] if callable(getattr(type(part), forward, None)) else ()


def step_rate(layer: Any, interface: Interface) -> Any:
    """The learning rate at which backward itself steps; None where it does not."""
    if interface.rate:
        return 1.0 if interface.rate == OWN_RATE else held_at(layer, interface.rate)
    return attributes_of(layer).get(OWN_RATE, RATE) if interface.steps else None


def step_at(layer: Any, interface: Interface, rate: float) -> None:
    """Let backward step at another rate."""
    if interface.rate:
        put_at(layer, interface.rate, rate)
    else:
        attributes_of(layer)[OWN_RATE] = rate


def _arriving(layer: Any, interface: Interface, douts: Sequence[Any]) -> Sequence[Any]:
    """The upstream gradients as the user's backward takes them; those that it takes from an attribute stand there.

    Gradients may be added to what stands where they are left: that is 0 before.
    """
    for place, owner in zip(interface.found, interface.given, strict=False):
        if place:
            value = np.asarray(plain(held_at(layer, owner)))
            put_at(layer, place, np.zeros(value.shape, np.result_type(value.dtype, np.float32)))
    if interface.upstream:
        put_at(layer, interface.upstream, douts[0] * 1.0)
    if BUFFER in interface.roles:
        kept = attributes_of(layer)[KEPT]
        kept[BUFFER] = kept[BUFFER] * 0.0
    return list(map(_as_rows, douts)) if interface.row else douts


def _arguments(
    user: Any, layer: Any, interface: Interface, douts: Sequence[Any], handed: dict[str, Any]
) -> Iterator[Any]:
    given = iter(douts)
    kept = attributes_of(layer).get(KEPT, {})
    caches = iter(kept.get(CACHE, ()))
    taken: list[Any] = []
    uses: dict[int, int] = {}
    if OPTIMIZER in interface.roles:  # kept, to be asked what it was given
        attributes_of(layer)[KEPT] = kept = {**kept, OPTIMIZER: Collaborator()}
    plain_roles: Mapping[str, Callable[[], Any]] = {
        RATE_ROLE: lambda: step_rate(layer, interface), "True": lambda: True, GRADS: lambda: handed,
        CACHE: lambda: next(caches, None), CONTEXT: lambda: kept.get(CONTEXT),
        OUTPUT: lambda: kept.get(OUTPUT), PENALTY: lambda: float(PENALTY),
    }  # fmt: skip
    shared = [int(role.removeprefix(SHARED)) - 1 for role in interface.roles if role.startswith(SHARED)]
    for role in interface.roles:
        if role == DOUT:
            place = len(taken)
            taken.append(next(given, None))
            dout = taken[place] * 0.5 ** shared.count(place) if place in shared else taken[place]
            yield Consumer(dout) if interface.asked else dout
        elif role.endswith("=") and role not in kept:
            forward, name = getattr(user, interface.forward), role.removesuffix("=")
            yield name in switches_for(forward) or optional(forward)[name]
        elif role.startswith(SHARED):  # a half, then a quarter …: what a backward leaves out is missed
            place = int(role.removeprefix(SHARED)) - 1
            uses[place] = uses.get(place, 0) + 1
            yield taken[place] * 0.5 ** uses[place]
        elif role.startswith("self."):
            yield getattr(layer, role.removeprefix("self."))
        else:
            yield kept[role] if role in kept and role not in (CACHE, CONTEXT) else plain_roles[role]()


def _as_rows(dout: Any) -> Any:
    """A line as a row; columns as a row for each of them, `(k, 1, n)` for `(n, k)`."""
    return dout[None] if np.ndim(dout) < 2 else dout.T[:, None, :]


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

    Never by their places: a number that tells of an update is no gradient.
    """
    parameters = [name for name, _ in parameters_of(layer) if not is_named_as_gradient(name)]
    every = (*parameters, *names)
    owners = {stem(name): name for name in every} | {name: name for name in every}  # `A` and `a`
    owned = {owners.get(str(key)) or owners.get(stem(str(key)), ""): item for key, item in result.items()}
    if not any(owned):
        arrays = [gradient for gradient in result.values() if is_float_array(gradient)]
        return arrays[0] if len(arrays) == len(names) == 1 else None
    learn(layer, {name: g for name, g in owned.items() if name in parameters and name not in names})
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
