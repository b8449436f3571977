"""A layer in another manner in; the same object as one whose forward and backward return what they make, out.

`check` finds out by trial how such a layer is called, and so does training: `forward_pass` and `backward_pass`, an
output that is left in `self.output`, gradients of parameters that backward returns beside that of its input.
"""

from __future__ import annotations

import dis
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from types import CodeType
from typing import Any

import numpy as np

from dout.errors import TargetError, TrainingError
from dout.run import attributes_of, deep_copy, keeping_random_states, quiet
from dout.trace.session.pairing import is_named_as_gradient

_OURS = ("dout.layers", "dout.train")
_WRITTEN = 1 << 9  # Python's flag of a class that is written in Python
_ANY = 1000  # gradients that a net may return
_FEW = 4  # samples of a batch, on which layers are tried


def is_otherwise(layer: Any, inputs: int) -> bool:
    """Whether the code of a layer says that it is called in another manner, where the net gives it so many inputs."""
    cls = type(layer)
    if cls.__module__.startswith(_OURS) or not cls.__dictoffset__ or not cls.__flags__ & _WRITTEN:
        return False
    ways = [getattr(layer, way, None) for way in ("forward", "backward")]
    if not all(map(callable, ways)):
        from dout.adapt.interface.method_pairs import pairs_of  # here: loading it takes a tenth of a second

        return bool(pairs_of(cls))
    codes = [getattr(way, "__code__", None) for way in ways]
    forward, backward = map(_items_returned, codes)
    return forward == {0} or (min(backward, default=0) > max(inputs, 1) and not _leaves_gradients(codes[1]))


@lru_cache(maxsize=1000)
def _leaves_gradients(code: CodeType | None) -> bool:
    """Whether a backward sets attributes that are called gradients: what else it returns is none of a parameter."""
    stored = (one.argval for one in dis.get_instructions(code) if one.opname == "STORE_ATTR") if code else ()
    return any(map(is_named_as_gradient, stored))


@lru_cache(maxsize=1000)
def _items_returned(code: CodeType | None) -> frozenset[int]:
    """What each `return` of a code gives: 0 for None, the number of items of a tuple that is written there, or 1."""
    found, before = set(), None
    for one in dis.get_instructions(code) if code is not None else ():
        given = one if one.opname == "RETURN_CONST" else before if one.opname == "RETURN_VALUE" else None
        if given is not None:
            is_none = given.opname.endswith("_CONST") and given.argval is None
            found.add(0 if is_none else int(given.arg or 0) if given.opname == "BUILD_TUPLE" else 1)
        before = one
    return frozenset(found)


def is_in_other_manner(net: Any) -> bool:
    """Whether a whole net is one such layer: it has no calls of its own by which it can be trained and asked."""
    has_calls = isinstance(getattr(net, "params", None), dict) or callable(getattr(net, "predict", None))
    return not isinstance(net, type) and not has_calls and is_otherwise(net, _ANY)


def settled(
    layers: Sequence[Any], steps: Sequence[tuple[Any, int, Sequence[str]]], inputs: Mapping[str, Any],
    unknown: Collection[int], inner: Callable[[Any, list[Any]], None],
) -> dict[int, Any]:  # fmt: skip
    """The layers at the places that are `unknown`, each as its manner says: a forward of copies with a few samples.

    `inner` is told of each layer what it is given. Where a forward raises, those behind it stay unknown: the training
    tells the error.
    """
    copies, found = deep_copy(list(layers)), dict[int, Any]()
    values = {name: np.array(one[:_FEW]) if np.ndim(one) else one for name, one in inputs.items()}
    with quiet(), keeping_random_states():
        for name, place, sources in steps:
            given = [values[source] for source in sources]
            inner(layers[place], given)
            if place in unknown and place not in found:
                manner = _manner_of(copies[place], given)
                copies[place], found[place] = (as_manner(one, manner) for one in (copies[place], layers[place]))
            try:
                out = copies[place].forward(*given)
            except Exception:
                break
            values |= {name: out} if isinstance(name, str) else dict(zip(name, out, strict=True))
    return found


def _manner_of(layer: Any, inputs: Sequence[Any]) -> type:
    """A class of `forward(*inputs)` and `backward(dout)`, made of the layer's; found by trials with copies.

    Raises TrainingError where none is found.
    """
    from dout.adapt import example
    from dout.adapt.argument_names import MODE_FLAGS
    from dout.adapt.interface.interface import Interface
    from dout.adapt.target import Target, passed

    target = Target.of(layer)
    cls: Any = type(layer)
    flags = {one.name: True for one in target.inputs()[len(inputs) :] if one.name in MODE_FLAGS}
    try:
        found = example(target, {}, {**{str(place): one for place, one in enumerate(inputs)}, **flags})
    except TargetError as error:
        raise TrainingError(f"{cls.__name__} has no forward and backward that training can call: {error}") from error
    taken = target.inputs(found.interface)
    ordered, _ = passed(taken, found.inputs)
    names = [one.name for one in taken][: len(ordered)]
    fixed = tuple(zip(names[len(inputs) :], ordered[len(inputs) :], strict=True))
    if any(name not in MODE_FLAGS or type(value) is not bool for name, value in fixed):
        said = f"{cls.__name__}.forward takes {', '.join(names)}, and the net gives it {len(inputs)} of these"
        raise TrainingError(f"{said}: give the others a default")
    if found.interface is not None and found.interface.steps:
        said = f"{cls.__name__}.{found.interface.backward} takes the step itself"
        raise TrainingError(f"{said}: let it keep the gradients, which the optimizer steps along")
    return _class_of(cls, found.interface or Interface(), tuple(names), fixed)


def as_manner(layer: Any, cls: Any) -> Any:
    """The layer as `settled` found it: both have the same attributes, for good."""
    if cls is type(layer):
        return layer
    attributes = attributes_of(layer)
    for name, value in cls.dout_given:
        if type(value) is bool:  # a flag is one of the layer's, so that an evaluation can turn it
            attributes.setdefault(name, value)
    other = cls.__new__(cls)
    other.__dict__ = attributes
    return other


@lru_cache(maxsize=256)
def _class_of(cls: Any, interface: Any, names: tuple[str, ...], fixed: tuple[tuple[str, Any], ...]) -> type:
    from dout.adapt.interface.adapted_layer import layer_class

    made: Any = layer_class(cls, interface, names, dict(fixed))
    if made is not cls:
        made.dout_given = fixed
        made.__reduce__ = lambda self: (_empty, (cls, interface, names, fixed), attributes_of(self))
    return made  # type: ignore[no-any-return]


def _empty(*known: Any) -> Any:
    """An object of such a class without attributes: a copy, or one that is read from a pickle, gets them next."""
    cls: Any = _class_of(*known)
    return cls.__new__(cls)
