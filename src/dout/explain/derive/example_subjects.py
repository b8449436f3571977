"""A target in; the subject with its example out, and the same with other lengths or other numbers for its settings."""

from __future__ import annotations

import inspect
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import FunctionType, MethodType
from typing import Any

import numpy as np

from dout.adapt.interface.collaborators import ContainedPart
from dout.adapt.interface.interface import Interface
from dout.adapt.interface.method_pairs import required
from dout.adapt.search.example import example
from dout.adapt.search.example_search import Example
from dout.adapt.sizes.proposed_arrays import array_of
from dout.adapt.target import Target, passed
from dout.errors import NotTakenError, TargetError
from dout.explain.derivation.length_runs import sizes_by_default
from dout.explain.derive.forward_runs import PLAIN, ForwardSubject, is_same, recorded, same_structure
from dout.explain.derive.forward_source import outputs_alone
from dout.judge.judged_run import is_label
from dout.run import arrays, attributes_of, copied, flat, fresh, is_float_array, mapped, places, quiet
from dout.trace.session.layer_calls import KINDS

_WITH_A_CACHE = 2  # arguments of a backward: dout, or a target, and the cache
_LARGE = 16  # a length: a kernel, or a number of heads, is less
_MOST_HELD = 20_000  # elements: exact arithmetic on them takes minutes
_TINY = 1e-3
_PRIMES = (3, 5, 7, 11, 13, 17, 19, 23, 29)
_OTHERS = (5, 6, 9, 7, 10, 11, 13, 14, 15)  # half of one, and the sum of two, is no other one in both


def found_subject(target: Any, init: Mapping[str, Any], inputs: Mapping[str, Any]) -> ForwardSubject:
    """The target with an example: what is given, the rest chosen. Raises TargetError as `example` does."""
    target = Target.alone(target)
    if isinstance(target.named, MethodType):
        raise TargetError(f"{target.name} is one method of several: write it as a function, or as forward of a class")
    try:
        found = example(target, init, inputs)
    except NotTakenError:
        raise
    except TargetError as error:  # of its backward, which may take a target; only forward is of interest
        if target.is_function or not target.has_both:
            raise
        alone = Target(target.adapted_to(target.forward_alone(target.forward_name)))
        try:
            found = replace(example(alone, init, inputs), interface=None)
        except TargetError:
            raise error from None
    if target.is_function:
        target = Target(outputs_alone(target.named, *passed(target.inputs(), found.inputs)))
    elif target.is_class:
        target = _without_cache(target, found)
    is_made = target.is_class or target.is_function
    chosen = {**sizes_by_default(target), **found.init} if is_made else _of_instance(target.named)
    interface = found.interface or _unwritten(target)
    if interface.forward == "__call__" and hasattr(target.cls, PLAIN.forward):  # which calls it
        interface = replace(interface, forward=PLAIN.forward)
    for item in chosen.values():
        make_layers(item, target.cls)
    subject = _with_floats(ForwardSubject(target, chosen, dict(found.inputs), interface))
    return replace(subject, is_warm=not target.is_function and _is_made_by_first_call(subject))


def _without_cache(target: Target, found: Example) -> Target:
    """The class with a forward that returns outputs alone; its backward reads the cache from self.

    So it is only where the user's backward takes more than an upstream gradient: a state that is returned is an output.
    """
    name = found.interface.forward if found.interface else target.forward_name
    forward = inspect.getattr_static(target.cls, name, None)
    backward = target.pairs[0][1] if target.pairs else ""
    takes = required(getattr(target.cls, backward), bound=True) if hasattr(target.cls, backward) else ()
    if type(forward) is not FunctionType or len(takes) < _WITH_A_CACHE:
        return target
    try:
        with quiet():
            layer = fresh(target.cls, found.init)
        ordered, keywords = passed(target.inputs(), found.inputs)
        alone = outputs_alone(forward, [layer, *ordered], keywords)
    except Exception:  # the user's code raises it again where it is recorded
        return target
    if alone is forward:
        return target
    own = {name: alone, "__module__": target.cls.__module__, "__qualname__": target.cls.__qualname__}
    return Target(type(target.cls.__name__, (target.cls,), own), joined=False)


def make_layers(item: Any, cls: type) -> None:
    """Make the parts that a container was given of a class in the user's module: their calls are recorded, then."""
    held = item if isinstance(item, list) else ()
    parts = [one for one in held if type(one) is ContainedPart and one.names == KINDS]
    if parts:
        kind = type("Part", (ContainedPart,), {"__module__": cls.__module__, "__getattr__": ContainedPart.__getattr__})
        for part in parts:
            part.__class__ = kind


def _with_floats(subject: ForwardSubject) -> ForwardSubject:
    """The same with a float for each whole number that forward has by default and that is no size: `slope=1`."""
    for name, item in subject.of_forward.items():
        if type(item) is int:
            one, other = (replace(subject, defaults={**subject.defaults, name: float(n)}) for n in (item, item + 1))
            with suppress(Exception):  # the user's code: it counts with this number, or raises in any case
                if same_structure(recorded(one).graph.nodes, recorded(other).graph.nodes) is None:
                    subject = one
    return subject


def _is_made_by_first_call(subject: ForwardSubject) -> bool:
    """Whether the first forward makes floats that the layer holds, and a later one on other inputs leaves them."""
    try:
        with quiet():
            layer = subject.bare()
            ordered, keywords = subject.arguments
            before = {place.path for place in places(layer) if place.item is not None}
            layer.forward(*ordered, **keywords)
            first = {place.path: place.item for place in places(layer) if place.path not in before}
            floats = {path: item for path, item in first.items() if is_float_array(item) or isinstance(item, float)}
            kept = copied(floats)
            ordered, keywords = subject.arguments
            layer.forward(*(1.5 * item + 0.25 if is_float_array(item) else item for item in ordered), **keywords)
            after = {place.path: place.item for place in places(layer)}
    except Exception:  # whatever the user's code raises, it raises again where it is recorded
        return False
    return any(is_same(after.get(path), item) for path, item in kept.items())


def _unwritten(target: Target) -> Interface:
    """How a class is called that has a forward alone: its backward has the name of a stub, or goes with forward's."""
    forward = target.forward_name or PLAIN.forward
    alike = forward.replace(PLAIN.forward, PLAIN.backward)
    stub = next((name for name in ("backprop", "back_propagate", "bprop") if hasattr(target.cls, name)), PLAIN.backward)
    return Interface(forward, stub if alike == forward else alike)


def _of_instance(layer: Any) -> dict[str, Any]:
    """What an instance was made of, as far as that may be otherwise: arrays of floats, and whole numbers."""
    return {name: item for name, item in attributes_of(layer).items() if type(item) is int or is_float_array(item)}


def resized(subject: ForwardSubject, numbers: Collection[Any] = ()) -> Iterator[ForwardSubject]:
    """The subject with other lengths: of all axes at once, of each length alone, of the first axis of what it is given.

    Numbers of the constructor that are lengths change with them. What an instance holds keeps its lengths. No axis gets
    a length that is among the `numbers` of the code.
    """
    primes, others = ([n for n in lengths if n not in numbers] for lengths in (_PRIMES, _OTHERS))
    is_instance = not subject.target.is_class and not subject.target.is_function
    held = _lengths_held(subject.target.named) - _lengths_in(dict(subject.init)) if is_instance else set()
    lengths = sorted(_lengths(subject) - held)
    if lengths:
        yield _with(subject, dict(zip(lengths, primes, strict=False)))
        yield _with(subject, dict(zip(lengths, others, strict=False)))
        for factor in (2, 3):  # where one length has to be a multiple of another
            yield _with(subject, {n: n * factor for n in lengths}, whole=False)
    for length in lengths:
        longer = {length: next((n for n in primes if n > length and n not in lengths), 2 * length + 1)}
        yield _with(subject, longer)
        if any(type(item) is int and item == length for item in subject.init.values()):
            yield _with(subject, longer, whole=False)  # it is a number of another kind
    yield with_rows(subject)


def renumbered(subject: ForwardSubject, name: str) -> Iterator[ForwardSubject]:
    """The subject with other numbers in the place of one setting."""
    for other in _other_numbers(subject.settings[name]):
        yield subject.with_number(name, other)


def is_numbers(item: Any) -> bool:
    """Whether a setting is a number, or a tuple or list of them."""
    if type(item) in (tuple, list):
        return bool(item) and all(type(part) in (int, float) for part in item)
    return type(item) in (int, float)


def _other_numbers(item: Any) -> Iterator[Any]:
    if type(item) in (tuple, list):
        if all(type(part) is int for part in item):
            yield type(item)(part + i for i, part in enumerate(item, 1))
        each = ([other for other in _other_numbers(part) if not isinstance(other, tuple)] for part in item)
        yield from (type(item)(parts) for parts in zip(*each, strict=False))
    elif type(item) is int:
        yield (item + 1, item + 2)  # of two axes, where forward takes a number for both
        yield from (item + 1, item * 2, item * 3, item - 1)
    else:
        yield from (0.5,) if abs(item) < _TINY else ()  # beside which something else counted until now
        yield from (item * 0.75 or 0.25, item * 1.25)


def with_rows(subject: ForwardSubject) -> ForwardSubject:
    """The subject with more rows in what forward is given."""
    firsts = [len(item) for item in subject.inputs.values() if isinstance(item, np.ndarray) and item.ndim][:1]
    return replace(subject, inputs={name: _longer_batch(item, firsts) for name, item in subject.inputs.items()})


def with_lengths_reversed(subject: ForwardSubject) -> ForwardSubject:
    """The subject in which the longest axes are the shortest, the second longest the second shortest, and so on."""
    lengths = sorted(_lengths(subject))
    return _with(subject, dict(zip(lengths, reversed(lengths), strict=True)))


Axis = tuple[str, str, int]  # "inputs" or "init", the name there, the axis


def axes_of(subject: ForwardSubject) -> dict[Axis, int]:
    """The axes of the arrays that a subject is given, with their lengths."""
    return {
        (given, name, axis): n
        for given in ("inputs", "init")
        for name, item in getattr(subject, given).items()
        if isinstance(item, np.ndarray)
        for axis, n in enumerate(item.shape)
    }


def with_longer(subject: ForwardSubject, axes: Sequence[Axis]) -> ForwardSubject:
    """The subject with one more along some axes, whatever other axes are of that length."""
    init, inputs = dict(subject.init), dict(subject.inputs)
    for given, name, axis in axes:
        items = init if given == "init" else inputs
        items[name] = _longer(items[name], axis, items[name].shape[axis] + 1)
    return replace(subject, init=init, inputs=inputs)


def _lengths(subject: ForwardSubject) -> set[int]:
    return _lengths_in([*subject.inputs.values(), *subject.init.values()])


def _lengths_in(item: Any) -> set[int]:
    return {n for part in flat(item) if isinstance(part, np.ndarray) for n in part.shape if n > 1}


def _lengths_held(layer: Any) -> set[int]:
    items = [place.item for place in places(layer)]
    return _lengths_in(items) | {item for item in items if type(item) is int}


def _with(subject: ForwardSubject, lengths: Mapping[int, int], *, whole: bool = True) -> ForwardSubject:
    inputs = {name: _resized(item, lengths) for name, item in subject.inputs.items()}
    init = {name: _resized(item, lengths, whole=whole) for name, item in subject.init.items()}
    setup = tuple((name, _resized(given, lengths, whole=True)) for name, given in subject.interface.setup)
    return replace(subject, init=init, inputs=inputs, interface=replace(subject.interface, setup=setup))


def _longer_batch(item: Any, firsts: list[int]) -> Any:
    if isinstance(item, np.ndarray) and item.ndim and [len(item)] == firsts:
        return _longer(item, 0, len(item) + 2)
    return item


def _resized(item: Any, lengths: Mapping[int, int], *, whole: bool = False) -> Any:
    def changed(part: Any) -> Any:
        if isinstance(part, np.ndarray):
            for axis, n in enumerate(part.shape):
                part = _longer(part, axis, lengths[n]) if n in lengths else part
            return part
        return lengths.get(part, part) if whole and type(part) is int else part

    return mapped(item, changed)


def _longer(item: Any, axis: int, length: int) -> Any:
    """An array of another length along an axis; labels are repeated, other floats are not the same twice."""
    rows = np.arange(length) % item.shape[axis]
    longer = np.take(item, rows, axis)
    if is_label(item):
        return np.ascontiguousarray(longer)
    shaken = longer * (1 + np.random.default_rng(length).uniform(-0.3, 0.3, longer.shape))
    return np.ascontiguousarray(shaken.astype(item.dtype))


def with_several_rows(subject: ForwardSubject) -> ForwardSubject:
    """The same with three rows where the example has one, if forward takes them: the sum over one row is no sum.

    To be asked where the inputs were chosen.
    """
    single = {n: x for n, x in subject.inputs.items() if isinstance(x, np.ndarray) and x.ndim and len(x) == 1}
    if not any(is_float_array(x) and x.ndim > 1 for x in single.values()):
        return subject
    longer = {n: array_of((3, *x.shape[1:]), n) if is_float_array(x) else np.repeat(x, 3, 0) for n, x in single.items()}
    with suppress(Exception):  # whatever the user's code raises for more rows
        return recorded(replace(subject, inputs={**subject.inputs, **longer})).subject
    return subject


def smaller_numbers(subject: ForwardSubject) -> list[dict[str, int]]:
    """Smaller numbers for those that the constructor has by default, of a layer that holds large arrays.

    Equal ones stay equal, and their order is kept; of the second choice, their ratios, too. None where the layer is
    small. To be asked where nothing was given.
    """
    defaults = {p.name: p.default for p in subject.target.constructor if type(p.default) is int}
    large = {name: n for name, n in defaults.items() if n >= _LARGE and name not in subject.of_forward}
    if not large or subject.target.is_function or sum(a.size for a in arrays(subject.bare()).values()) < _MOST_HELD:
        return []
    order = sorted(set(large.values()))
    most = max((n for n in defaults.values() if 0 < n < _LARGE), default=3)  # of heads, a width is a multiple
    unit = math.gcd(*order)
    ranked = {name: most * (2 + order.index(n)) for name, n in large.items()}
    return [ranked, {name: most * (n // unit) for name, n in large.items()}]
