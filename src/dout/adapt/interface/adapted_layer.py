"""A class in any interface as a layer: `forward(*inputs)` gives the outputs, `backward(dout)` the inputs' gradients.

The class that is made is a subclass of the user's: an instance has the user's attributes, methods and source, and what
reads, copies or edits a plain layer does so here. Inside a call the user's own names mean what they wrote.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial, partialmethod
from typing import Any

import numpy as np

from dout.adapt.argument_names import taken_by
from dout.adapt.array_makers import Maker
from dout.adapt.interface.held_values import held_at, put_at
from dout.adapt.interface.interface import BUFFER, CONTEXT, DOUT, Interface
from dout.adapt.interface.learned_gradients import FIXED, KEPT, OURS, arrays_in
from dout.adapt.interface.method_pairs import is_static
from dout.adapt.interface.script_layers import methods_of
from dout.adapt.interface.users_backward import backward_arguments, run_backward
from dout.adapt.interface.users_forward import run_forward
from dout.errors import TargetError
from dout.run import attributes_of, copied, deep_copy
from dout.trace.record.record import METHODS_OF, know_parts
from dout.trace.session.layer_calls import LayerMethods, plain_methods
from dout.trace.tracer.traced import plain

_inside: set[int] = set()  # layers in whose own code we are


def layer_class(cls: type, interface: Interface, names: Sequence[str], fixed: Mapping[str, Any] | None = None) -> type:
    """Return a class with `forward(*inputs)` and `backward(dout)`: `cls` itself where it is written so.

    `names` are those of the arguments of the user's forward, in their order. Those in `fixed` are no inputs here: each
    instance gives them in the same way (a dict of settings, the name of an activation). A dict of parameters among
    them is an attribute of the instance, as if the layer held it.
    """
    if interface.is_plain and not fixed and not is_static(cls, "forward"):
        know_parts(cls, _methods_of_parts)
        return cls
    every, names = tuple(names), tuple(name for name in names if name not in (fixed or {}))
    held = {name: item for name, item in (fixed or {}).items() if any(True for _ in arrays_in(name, item))}
    made: dict[str, Any] = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    own: Any = getattr(cls, "forward", None)

    def __init__(self: Any, *args: Any, **keywords: Any) -> None:
        super(new, self).__init__(*args, **keywords)
        begin(self)

    def begin(self: Any) -> None:
        attributes_of(self).update({name: copied(item) for name, item in held.items()})
        set_up(self, interface)

    def forward(self: Any, *inputs: Any, **named: Any) -> Any:
        if not isinstance(self, new):  # a method of the class calls it so: `cls.forward(ctx, x)`
            return own(self, *inputs, **named)
        if id(self) in _inside:
            return super(new, self).forward(*inputs, **named)
        with _own_code(self):
            return run_forward(super(new, self), self, interface, _every(self, inputs, every, fixed or {}), every)

    def backward(self: Any, *douts: Any, **named: Any) -> Any:
        if id(self) in _inside:
            return super(new, self).backward(*douts, **named)
        with _own_code(self):
            return run_backward(super(new, self), self, interface, _arriving(self, interface, douts), names)

    holds = isinstance(inspect.getattr_static(cls, "__init__"), partialmethod)  # the arrays of functions
    never_built = not holds and is_static(cls, interface.forward) and is_static(cls, interface.backward)
    made["__init__"] = begin if never_built else __init__
    made["forward"] = _standing_for(
        forward, cls, interface.forward, names, () if fixed else _left_out(cls, interface, names)
    )
    made["backward"] = _standing_for(backward, cls, interface.backward, douts_of(interface))
    made["dout_interface"] = interface
    if isinstance(interface.holder, Maker):  # a recording reads the names in its code
        made["dout_maker"] = staticmethod(interface.holder.function)
    made[METHODS_OF] = staticmethod(partial(_methods_of_parts, cls))
    made["dout_inputs"] = lambda self, inputs: _every(self, inputs, every, fixed or {})
    new: Any = type(cls)(cls.__name__, (cls,), made)
    return new  # type: ignore[no-any-return]


def _methods_of_parts(own: type, cls: type) -> LayerMethods | None:
    """The methods of a part of an adapted layer, in whatever manner; the class made here has the layer's `own`."""
    return plain_methods(cls) if issubclass(own, cls) else _methods_of(cls)


_methods_of = lru_cache(maxsize=1000)(methods_of)  # asked at each recording, of many an `own`


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


def users_class(cls: type) -> type:
    """The user's own class of a layer that may be adapted."""
    return cls.__mro__[1] if is_adapted(cls) else cls


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
    arguments = backward_arguments(super(type(layer), layer), layer, interface, _arriving(layer, interface, douts), {})
    left = interface.upstream if BUFFER in interface.roles else None
    return ahead, list(arguments), {left: getattr(layer, left)} if left else {}


def _arriving(layer: Any, interface: Interface, douts: Sequence[Any]) -> Sequence[Any]:
    """The upstream gradients as the user's backward takes them; those that it takes from an attribute stand there.

    Gradients may be added to what stands where they are left: that is 0 before. A recording sees these zeros made here,
    in the module of the methods.
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


def _as_rows(dout: Any) -> Any:
    """A line as a row; columns as a row for each of them, `(k, 1, n)` for `(n, k)`."""
    return dout[None] if np.ndim(dout) < 2 else dout.T[:, None, :]


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
