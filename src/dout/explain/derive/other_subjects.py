"""A subject in; the same with arrays of other lengths, or with other numbers for its settings, out."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dout.explain.derive.forward_runs import ForwardSubject
from dout.judge.judged_run import is_label
from dout.run import copied, places

_TINY = 1e-3
_PRIMES = (3, 5, 7, 11, 13, 17, 19, 23, 29)
_OTHERS = (5, 6, 9, 7, 10, 11, 13, 14, 15)  # half of one, and the sum of two, is no other one in both


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
    return _with(subject, {}, first=True)


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
    if isinstance(item, np.ndarray):
        return {n for n in item.shape if n > 1}
    if isinstance(item, dict):
        item = list(item.values())
    if isinstance(item, list | tuple):
        return set(itertools.chain.from_iterable(map(_lengths_in, item)))
    return set()


def _lengths_held(layer: Any) -> set[int]:
    items = [place.item for place in places(layer)]
    return _lengths_in(items) | {item for item in items if type(item) is int}


def _with(
    subject: ForwardSubject, lengths: Mapping[int, int], *, first: bool = False, whole: bool = True
) -> ForwardSubject:
    inputs = {name: _resized(item, lengths) for name, item in subject.inputs.items()}
    if first:
        firsts = [len(item) for item in inputs.values() if isinstance(item, np.ndarray) and item.ndim][:1]
        inputs = {name: _longer_batch(item, firsts) for name, item in inputs.items()}
    init = {name: _resized(item, lengths, whole=whole) for name, item in subject.init.items()}
    setup = tuple((name, _resized(given, lengths, whole=True)) for name, given in subject.interface.setup)
    return replace(subject, init=init, inputs=inputs, interface=replace(subject.interface, setup=setup))


def _longer_batch(item: Any, firsts: list[int]) -> Any:
    if isinstance(item, np.ndarray) and item.ndim and [len(item)] == firsts:
        return _longer(item, 0, len(item) + 2)
    return item


def _resized(item: Any, lengths: Mapping[int, int], *, whole: bool = False) -> Any:
    if isinstance(item, np.ndarray):
        for axis, n in enumerate(item.shape):
            if n in lengths:
                item = _longer(item, axis, lengths[n])
        return item
    if isinstance(item, dict):
        return {key: _resized(part, lengths, whole=whole) for key, part in item.items()}
    if isinstance(item, list | tuple) and type(item) in (list, tuple):
        return type(item)(_resized(part, lengths, whole=whole) for part in item)
    return lengths.get(item, item) if whole and type(item) is int else copied(item)


def _longer(item: Any, axis: int, length: int) -> Any:
    """An array of another length along an axis; labels are repeated, other floats are not the same twice."""
    rows = np.arange(length) % item.shape[axis]
    longer = np.take(item, rows, axis)
    if is_label(item):
        return np.ascontiguousarray(longer)
    shaken = longer * (1 + np.random.default_rng(length).uniform(-0.3, 0.3, longer.shape))
    return np.ascontiguousarray(shaken.astype(item.dtype))
