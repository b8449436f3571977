"""A layer in another manner in; the same object as one whose forward and backward return what they make, out.

`check` finds out by trial how such a layer is called, and so does training: `forward_pass` and `backward_pass`, an
output that is left in `self.output`, gradients of parameters that backward returns beside that of its input. Which
layers are to be tried, a run of copies tells: one forward and one backward, with a few samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np

from dout.errors import TargetError, TrainingError
from dout.run import attributes_of, deep_copy, named_objects, places, quiet, signature_of
from dout.trace.session.pairing import is_named_as_gradient
from dout.trace.tracer.traced import plain, plain_deep
from dout.trace.tracer.user_functions import current
from dout.train.state.set_names import shared_states

_OURS = ("dout.layers", "dout.train")
_WRITTEN = 1 << 9  # Python's flag of a class that is written in Python
_FEW = 4  # samples of a batch, on which layers are tried first

Step = tuple[Any, int, Sequence[str]]  # what a layer makes, its place, and what it is given


def has_both(layer: Any) -> bool:
    """Whether a layer has a forward and a backward of these names."""
    return all(callable(getattr(layer, way, None)) for way in ("forward", "backward"))


def is_of_user(item: Any) -> bool:
    """Whether something is of a class of the user's, or a function or two: a run has to tell how it is called."""
    cls = type(item)
    if isinstance(item, FunctionType | tuple | list):
        return True
    return not cls.__module__.startswith(_OURS) and bool(cls.__flags__ & _WRITTEN)


def may_be_layer(item: Any) -> bool:
    """Whether an object is a layer in some manner."""
    if has_both(item):
        return True
    from dout.adapt.interface.method_pairs import pairs_of  # here: loading it takes a tenth of a second

    return is_of_user(item) and bool(pairs_of(type(item)))


def net_in_manner(net: Any, inputs: Sequence[Any]) -> type | None:
    """The manner of a whole net of the user's whose forward, or backward, does not return what is usual; else None.

    Its backward may return nothing, the gradient of its input, or beside `params` a dict of gradients.
    """
    if isinstance(net, type) or not is_of_user(net) or callable(getattr(net, "predict", None)):
        return None
    for given in (_first(inputs), tuple(inputs)):
        with aside(net):
            ran = _Run.of(_plain_copy(net), given)
            if isinstance(ran.out, Exception) and not isinstance(ran.out, AttributeError | TypeError):
                continue
            returns = isinstance(ran.back, tuple | list | dict) and len(ran.back) > len(inputs)
            is_dict_beside = isinstance(ran.back, dict) and isinstance(getattr(net, "params", None), dict)
            if ran.out is None or isinstance(ran.out, Exception):
                return manner_of(_plain_copy(net), given)
            if returns and not is_dict_beside and not ran.leaves_gradients:
                with suppress(TrainingError):
                    return manner_of(_plain_copy(net), given)
            return None
    return None


@dataclass
class SettledLayers:
    """What a forward and a backward of copies have shown: the manner of layers by place, and who returns too much."""

    manners: dict[int, type] = field(default_factory=dict)
    known: set[int] = field(default_factory=set)  # places of layers that have been run
    returns_more: bool = False  # a backward returns gradients of what it was not given: a state, say


def settled(
    layers: Sequence[Any], steps: Sequence[Step], inputs: Mapping[str, Any], unknown: Sequence[int],
    inner: Callable[[Any, list[Any]], None],
) -> SettledLayers:  # fmt: skip
    """Find out how the layers at the places that are `unknown` are called: a forward of copies with a few samples.

    `inner` is told of each layer what it is given. A forward that takes no part of a batch is given the whole. Where
    that raises, too, those behind it stay unknown: the training tells the error.
    """
    found = SettledLayers()
    for values in (dict(zip(inputs, _first(list(inputs.values())), strict=True)), dict(inputs)):
        with aside(*layers):
            found = SettledLayers()
            copies = _plain_copies(layers, unknown)
            if copies is None or _has_run(copies, layers, steps, plain_deep(values), unknown, inner, found):
                return found
    return found


def _has_run(
    copies: list[Any], layers: Sequence[Any], steps: Sequence[Step], values: dict[str, Any], unknown: Sequence[int],
    inner: Callable[[Any, list[Any]], None], found: SettledLayers,
) -> bool:  # fmt: skip
    """Whether a forward of the copies came through; what it has shown stands in `found`."""
    first = set(values)
    for name, place, sources in steps:
        given = [values[source] for source in sources]
        inner(layers[place], given)
        shown = None
        if place in unknown and place not in found.known:
            shown = _shown(copies[place], given, needs_no_gradient=first.issuperset(sources))
            if shown.manner is not None:
                copies[place], found.manners[place] = as_manner(copies[place], shown.manner), shown.manner
            found.returns_more |= shown.returns_more
        out = shown.out if shown and not shown.manner else _called(copies[place], "forward", given)
        if isinstance(out, Exception):
            return False
        found.known.add(place)
        values |= {name: out} if isinstance(name, str) else dict(zip(name, out, strict=True))
    return True


class _Run(NamedTuple):
    """A forward and a backward of a copy: what they return or raise, and whether gradients are left in attributes."""

    out: Any
    back: Any
    leaves_gradients: bool

    @classmethod
    def of(cls, copy: Any, inputs: Sequence[Any]) -> _Run:
        """Run a copy: it is another one afterwards."""
        out = _called(copy, "forward", inputs)
        before = {place: (item, deep_copy(item)) for place, item in _gradients_in(copy)}
        back = None if isinstance(out, Exception) else _called(copy, "backward", [_ones(out)])
        now = _gradients_in(copy)
        return cls(out, back, any(not (place in before and _is_same(item, *before[place])) for place, item in now))


class _Shown(NamedTuple):
    """What a run of a layer has shown: its manner, or None where it is as usual, and then what forward gave."""

    manner: type | None
    out: Any = None
    returns_more: bool = False


def _shown(layer: Any, inputs: Sequence[Any], *, needs_no_gradient: bool) -> _Shown:
    """How a layer is called. One forward and one backward of a copy tell whether it is as usual.

    Something comes back for each input, and what comes back besides is none of a parameter, because the gradients of
    these are left in attributes.
    """
    if not has_both(layer):
        return _Shown(manner_of(layer, inputs))
    ran = _Run.of(deep_copy(layer), inputs)
    is_usual = ran.out is not None and not isinstance(ran.back, dict) and (ran.back is not None or needs_no_gradient)
    if is_usual and not isinstance(ran.out, Exception) and not isinstance(ran.back, Exception):
        more = isinstance(ran.back, tuple | list) and len(ran.back) > max(len(inputs), 1)
        if not more or ran.leaves_gradients:
            return _Shown(None, ran.out, more)
    try:
        return _Shown(manner_of(layer, inputs))
    except TrainingError:
        if ran.out is None or not (_takes(layer.forward, len(inputs)) and _takes(layer.backward, 1)):
            raise
        return _Shown(None, ran.out)  # the training tells what is wrong


def _gradients_in(layer: Any) -> list[tuple[tuple[str, str], Any]]:
    """What stands in attributes that are called gradients, in the layer and its parts."""
    return [
        ((path, name), item) for path, part in named_objects(layer=layer) for name, item in attributes_of(part).items()
        if is_named_as_gradient(name)
    ]  # fmt: skip


def _takes(method: Any, count: int) -> bool:
    """Whether a method takes so many arguments."""
    try:
        signature_of(method).bind(*[None] * count)
    except (TypeError, ValueError):
        return False
    return True


def _is_same(item: Any, before: Any, value: Any) -> bool:
    """Whether an attribute is the very item that it was, and, an array, holds the same numbers."""
    return item is before and not (isinstance(item, np.ndarray) and not np.array_equal(item, value, equal_nan=True))


def _ones(out: Any) -> Any:
    if isinstance(out, tuple):
        return tuple(map(_ones, out))
    return np.ones_like(out, dtype=np.result_type(out, np.float32)) if isinstance(out, np.ndarray) else 1.0


def _called(layer: Any, way: str, given: Sequence[Any]) -> Any:
    """What a method returns, or the error that it raises."""
    try:
        return getattr(layer, way)(*given)
    except Exception as error:  # the user's code, on what it may not be made for
        return error


def _first(inputs: Sequence[Any]) -> tuple[Any, ...]:
    """The first few samples of each input."""
    return tuple(np.array(plain(one)[:_FEW]) if np.ndim(plain(one)) else plain(one) for one in inputs)


def _plain_copy(layer: Any) -> Any:
    """A copy, in which the values of a recording that is under way are plain ones."""
    copy = deep_copy(layer)
    for place in list(places(copy)):
        if plain(place.item) is not place.item:
            place.put(plain(place.item))
    return copy


def _plain_copies(layers: Sequence[Any], unknown: Sequence[int]) -> list[Any] | None:
    """Copies of layers. None where there can be none, and all can be trained without being tried."""
    try:
        return [_plain_copy(layer) for layer in layers] if unknown else list(_plain_copy(list(layers)))
    except TargetError as error:
        if lost := next((layers[place] for place in unknown if not has_both(layers[place])), None):
            said = f"how {type(lost).__name__} is called can only be found out with a copy of the net"
            raise TrainingError(f"{said}: {error}") from error
        return None


@contextmanager
def aside(*layers: Any) -> Iterator[None]:
    """Run copies of layers silently, and outside of a recording that is under way.

    What copies share with them, random states and numbers of classes and modules, is put back.
    """
    put_back = shared_states(layers=layers)
    tracer: Any = current()
    kept = (tracer.recording, getattr(tracer, "paused", False)) if tracer is not None else None
    if tracer is not None:
        tracer.recording = tracer.paused = False
    try:
        with quiet():
            yield
    finally:
        put_back()
        if kept is not None:
            tracer.recording, tracer.paused = kept


def manner_of(layer: Any, inputs: Sequence[Any]) -> type:
    """A class of `forward(*inputs)` and `backward(dout)`, made of the layer's; found by trials with copies.

    Raises TrainingError where none is found, and for an object without a dict: the class has other slots.
    """
    from dout.adapt import example
    from dout.adapt.argument_names import MODE_FLAGS
    from dout.adapt.interface.interface import Interface
    from dout.adapt.target import Target, passed

    cls: Any = type(layer)
    if cls.__dictoffset__ == 0:
        said = f"{cls.__name__} keeps its attributes in __slots__ and is called in a manner of its own"
        raise TrainingError(f"{said}: leave out __slots__, or give it forward(x) and backward(dout) that return")
    target = Target.of(layer)
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
