"""The same layer at other settings: each a subject of its own, with words for it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from enum import Enum
from functools import partial
from itertools import zip_longest
from typing import Any

import numpy as np

from dout.adapt import source
from dout.adapt.argument_names import names_evaluation, names_switch
from dout.adapt.interface.adapted_layer import users_class
from dout.adapt.interface.learned_gradients import FIXED
from dout.adapt.tapes.tape_operations import is_operation
from dout.adapt.target import Target
from dout.check.exact.subject import Subject
from dout.check.lab.other_values import same
from dout.check.settings.forward_settings import taken_in, with_default
from dout.check.settings.instance_attributes import held_settings
from dout.check.settings.other_inputs import (
    OtherSubject,
    doubled_inputs,
    forward_of,
    larger_inputs,
    lengthened,
    of_any_number,
    of_images,
    of_lengths,
    of_lists,
    of_more_axes,
    of_shape,
    of_told_axes,
)
from dout.judge.judged_run import STABILISER
from dout.run import attributes_of, deep_copy, otherwise, quiet
from dout.trace.model.user_source import behind

MOST_STRINGS = 4  # of one argument
MOST_DIVISORS = 3
_ACTIVATIONS = ("relu", "sigmoid", "tanh")
_REDUCTIONS = ("mean", "sum")  # of which code often names one: `if reduction == "mean": … else: …`
_ANY_WORD = "other"  # for an `else`
_SEVERAL = 3  # instead of one
_SWITCHED_ON = 0.3  # a rate, a share or a strength that is 0


def other_subjects(subject: Subject, target: Any, init: Mapping[str, Any], room: bool) -> Iterator[OtherSubject]:
    """Yield them: in training, one setting changed at a time, then the lengths of one axis, then one axis more.

    Where there is `room`, each setting comes on larger inputs, too.
    """
    what = Target(target)
    if (training := in_training(subject)) is not None:
        yield OtherSubject("in training", training)
    of_constructor = _of_constructor(subject, what, init) if what.is_class else ()
    for other in (*of_constructor, *_of_attributes(subject, what), *_of_forward(subject)):
        yield other
        if (doubled := doubled_inputs(other.subject)) is not None:
            yield replace(other, subject=replace(other.subject, inputs=doubled))
        larger = larger_inputs(other.subject) if room else None
        if larger is not None:
            yield replace(other, subject=replace(other.subject, inputs=larger))
    yield from of_lengths(subject)
    yield from of_lists(subject)
    yield from of_any_number(subject)
    yield from of_images(subject)
    yield from of_told_axes(subject)
    yield from of_more_axes(subject)


def _of_constructor(subject: Subject, what: Target, init: Mapping[str, Any]) -> Iterator[OtherSubject]:
    """With another value of each of the constructor's arguments that is a number, a word, a flag or a shape.

    The first of each comes before the second of any: there may be no time for all.
    """
    each = [_of_argument(subject, what, init, parameter) for parameter in what.constructor]
    for row in zip_longest(*each):
        yield from filter(None, row)


def _of_argument(
    subject: Subject, what: Target, init: Mapping[str, Any], parameter: inspect.Parameter
) -> Iterator[OtherSubject]:
    name, value = parameter.name, init.get(parameter.name, parameter.default)
    if value is parameter.empty or _is_of_training(name, value):
        return
    words = _words_for(what.cls, name, value) if isinstance(value, str | None) else ()
    members = [one for one in _members(parameter.default) if value not in (one, one.value)]
    others, divisors = _others(value), _divisors(what, init, name, value)
    yield from of_shape(subject, value) if others and isinstance(value, tuple) else ()
    for other in divisors:  # an input may come with as many
        make = partial(what.fresh, {**init, name: other})
        as_many = [*_of_so_many(subject, f"with {name} = {other}", make, value, other)]
        yield from as_many
        others = [n for n in divisors if not as_many]
    for other in (*others, *_other_words(value, words), *members[:MOST_STRINGS]):
        make = partial(what.fresh, {**init, name: other})
        is_any = other == _ANY_WORD and other not in words
        said = f"any {name} but {value!r}" if is_any else f"{name} = {other!r}"
        at = _at(said, replace(subject, make=make), value)
        meant = at.meant and (not is_any or value in _REDUCTIONS or _has_an_else(subject, what.cls, name))
        yield replace(at, changed={name: other}, of_a_word=isinstance(other, str | Enum), meant=meant)
    if value is None:
        return (yield from _instead_of_none(subject, what, init, name))
    for other in _equal(what, init, name, value):
        make = partial(what.fresh, {**init, name: other})
        for inputs in filter(None, (subject.inputs, larger_inputs(subject))):  # they may have to divide these
            yield _at(f"{name} = {other!r}", replace(subject, make=make, inputs=inputs), value)
    if type(value) is int and value == 1:
        yield from _of_several(subject, name, partial(what.fresh, {**init, name: _SEVERAL}))


def _divisors(what: Target, init: Mapping[str, Any], name: str, value: Any) -> list[int]:
    """The other whole numbers by which those can be divided that the code divides by this one: heads into groups."""
    if type(value) is not int or value < 1:
        return []
    given = {p.name: init.get(p.name, p.default) for p in what.constructor}
    divided = [given[n] for n in _first_read(source.divided_by, what.cls, name) if type(given.get(n)) is int]
    found = [n for n in range(1, min(divided, default=0) + 1) if n != value and all(item % n == 0 for item in divided)]
    return sorted(found, key=lambda n: abs(n - value))[:MOST_DIVISORS]


def _has_an_else(subject: Subject, cls: type, name: str) -> bool:
    """Whether forward has code of its own for any other word."""
    return source.goes_on_otherwise(cls, name, cls, subject.backward_name)


def _members(value: Any) -> list[Enum]:
    """The members of the enumeration that a value is of."""
    return [*type(value)] if isinstance(value, Enum) else []


def _of_several(subject: Subject, name: str, make: Callable[[], Any]) -> Iterator[OtherSubject]:
    """With several channels in place of one: an argument of the constructor together with an axis of the inputs."""
    axes = {axis for x in subject.inputs if isinstance(x, np.ndarray) for axis, n in enumerate(x.shape) if n == 1}
    for axis in sorted(axes):
        inputs = tuple(lengthened(x, axis, 1, _SEVERAL) for x in subject.fresh_inputs())
        words = f"with {name} = {_SEVERAL}"
        yield OtherSubject(words, replace(subject, make=make, inputs=inputs))


def _of_so_many(
    subject: Subject, words: str, make: Callable[[], Any], length: int, size: int
) -> Iterator[OtherSubject]:
    """With another number in the constructor, and one axis of one input that was as long: the output is as large."""
    outputs = [*map(np.shape, subject.forward())]
    for i, x in enumerate(subject.inputs):
        for axis in [axis for axis, n in enumerate(np.shape(x)) if n == length]:
            shorter = lengthened(x, axis, length, size)
            inputs = (*subject.fresh_inputs()[:i], shorter, *subject.fresh_inputs()[i + 1 :])
            found = replace(subject, make=make, inputs=inputs)
            if (made := _forward(found)) is not None and [*map(np.shape, made)] == outputs:
                yield OtherSubject(words, found)


def _of_attributes(subject: Subject, what: Target) -> Iterator[OtherSubject]:
    """With another value of a number that the layer holds: of an argument's if it is built already, or of a literal's.

    Nobody may ever give a literal another value.
    """
    held = attributes_of(subject.again())
    for setting in (one for cls in what.cls.__mro__[:-1] for one in held_settings(cls)):
        value = held.get(setting.name)
        if (setting.is_argument and what.is_class) or _is_of_training(setting.name, value):
            continue
        for other in _others(value):
            make = partial(_with, subject.make, setting.name, other)
            at = _at(f"self.{setting.name} = {other!r}", replace(subject, make=make), value)
            yield replace(at, meant=setting.is_argument)


def _with(make: Callable[[], Any], name: str, value: Any) -> Any:
    layer = make()
    attributes_of(layer)[name] = value
    return layer


def _equal(what: Target, init: Mapping[str, Any], name: str, value: Any) -> list[int]:
    """The values of whole numbers that the code compares one with: a stride that is the size of the window."""
    if type(value) is not int:
        return []
    mine = {*_first_read(source.comparisons_of, what.cls, name)}
    values = {p.name: init.get(p.name, p.default) for p in what.constructor if p.name != name}
    others = [n for n, other in values.items() if mine and type(other) is int and other != value]
    return [values[n] for n in others if mine.intersection(_first_read(source.comparisons_of, what.cls, n))]


def _words_for(cls: type, name: str, value: str | None) -> tuple[str, ...]:
    """What a constructor's argument is compared with, in the class or a parent of it; else other words of its kind."""
    return _first_read(source.strings_for, cls, name) or (_ACTIVATIONS if value in _ACTIVATIONS else ())


def _first_read(reads: Callable[[Any, str, type], tuple[str, ...]], cls: type, name: str) -> tuple[str, ...]:
    """What the source says first of a constructor's argument: that of the class, then of its parents."""
    constructors = (one.__dict__.get("__init__", one) for one in cls.__mro__[:-1])
    return next(filter(None, (reads(function, name, cls) for function in (*cls.__mro__[:-1], *constructors))), ())


def _instead_of_none(subject: Subject, what: Target, init: Mapping[str, Any], name: str) -> Iterator[OtherSubject]:
    """With a small number for an argument that is None, or as many weights as a sample has numbers.

    It has to be kept as it is where a number or None is kept now, and no other array may be made of it: one that stands
    for None has a shape to fit.
    """
    first = next((x for x in subject.inputs if isinstance(x, np.ndarray) and x.ndim), None)
    weights = [] if first is None else [np.linspace(0.5, 1.5, first.shape[-1])]
    others: list[Any] = [0, 1, 2, *weights]
    for other in others:
        make = partial(what.fresh, {**init, name: other})
        try:
            with quiet():
                mine, theirs = attributes_of(subject.again()), attributes_of(make())
        except Exception:  # the layer's own: it does not take this
            continue
        kept = [path for path, value in theirs.items() if type(value) is type(other) and np.array_equal(value, other)]
        made = _shapes_but(theirs, kept) != _shapes_but(mine, kept)
        if kept and not made and all(type(mine.get(path)) in (int, type(None)) for path in kept):
            said = other if isinstance(other, int) else f"array({len(other)})"
            yield OtherSubject(f"with {name} = {said}", replace(subject, make=make), of_nothing=True)


def _shapes_but(held: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    """The shapes of the arrays that a layer holds, but for some."""
    return {name: item.shape for name, item in held.items() if isinstance(item, np.ndarray) and name not in names}


def _of_forward(subject: Subject) -> Iterator[OtherSubject]:
    """With another value of a setting that forward is given or has by default: a number, a word, or an item of a dict.

    What backward has an argument for is told, too.
    """
    fixed = _fixed(subject)
    for name, item in fixed.items():
        if not isinstance(item, dict):
            for other in _others_of_forward(subject, name, item):
                yield _at(f"{name} = {other!r}", _fixed_to(subject, {**fixed, name: other}), item)
            continue
        for key, value in item.items():
            for other in () if _is_of_training(str(key), value) else _others(value):
                changed = {**fixed, name: {**item, key: other}}
                alone = _at(f"{name}[{key!r}] = {other!r}", _fixed_to(subject, changed), value)
                every = {k: other if type(v) is type(value) and v == value else v for k, v in item.items()}
                yield replace(alone, alike=_fixed_to(subject, {**fixed, name: every}))
    together: list[OtherSubject] = []
    for place, parameter in enumerate(taken_in(subject, "forward")):
        name, default = parameter.name, parameter.default
        if isinstance(default, bool | int | float | str) and name not in fixed and place >= len(subject.inputs):
            for other in _others_of_forward(subject, name, default):
                of_tape = is_operation(type(subject.again()))
                at = _given_at(subject, place, other) if of_tape else with_default(subject, name, other, fixed)
                yield _at(f"{name} = {other!r}", at, default)
        elif default is None and not fixed and place >= len(subject.inputs):
            axes = [*_axes_for(subject, name, place)]
            yield from (at for at in axes if not at.of_a_flag)
            together += (at for at in axes if at.of_a_flag)
            yield from _weights_for(subject, name, place)
    yield from together  # what is wrong with the flag alone is told of that


def _axes_for(subject: Subject, name: str, place: int) -> Iterator[OtherSubject]:
    """With each axis of the first input for an argument of forward that is None, where the code says it is an axis.

    An operation that keeps a reduced axis when it is told to does so there, too. A backward that takes it by that name
    is not told it here.
    """
    forward, cls = forward_of(subject)
    first = subject.inputs[0] if subject.inputs else None
    if name in inspect.signature(getattr(users_class(cls), subject.backward_name)).parameters:
        return
    if not isinstance(first, np.ndarray) or "axis" not in source.kinds_for(behind(forward), name, cls):
        return
    for axis in reversed(range(first.ndim if first.ndim > 1 else 0)):
        at = _given_at(subject, place, axis)
        yield OtherSubject(f"with {name} = {axis}", at)
        flags = [p for p in taken_in(subject, "forward")[len(at.inputs) :][:1] if isinstance(p.default, bool)]
        for flag in flags:
            both = replace(at, inputs=(*at.inputs, not flag.default))
            yield OtherSubject(f"with {name} = {axis} and {flag.name} = {not flag.default}", both, of_a_flag=True)


def _weights_for(subject: Subject, name: str, place: int) -> Iterator[OtherSubject]:
    """With a mask for an argument of forward that is None: an array that changes nothing but the output's numbers.

    It may stand for the input itself, which is another input then: the keys of an attention.
    """
    first = subject.inputs[0] if subject.inputs else None
    if not isinstance(first, np.ndarray) or first.dtype.kind != "f" or not first.ndim:
        return
    plain = _forward(subject)
    as_input = _forward(_given_at(subject, place, first))
    if plain is None or (as_input is not None and same(as_input, plain)):
        return
    for shape in (first.shape, first.shape[:-1]):
        for kind in (float, bool):
            other = _given_at(subject, place, np.resize([1, 0, 1, 1], shape).astype(kind))
            found = _forward(other)
            if found is not None and [*map(np.shape, found)] == [*map(np.shape, plain)] and not same(found, plain):
                return (yield OtherSubject(f"with {name} = array{shape} of 0 and 1", other))


_forward = otherwise(None)(Subject.forward)


def _others_of_forward(subject: Subject, name: str, value: Any) -> list[Any]:
    """Other values of an argument of forward."""
    forward, cls = forward_of(subject)
    methods = (forward, getattr(cls, subject.backward_name)) if isinstance(value, str) else ()
    words = tuple(dict.fromkeys(word for method in methods for word in source.strings_for(method, name, cls)))
    return [] if _is_of_training(name, value) else [*_others(value), *_other_words(value, words)]


def _is_of_training(name: str, value: Any) -> bool:
    """Whether a setting turns training off, to which backward belongs: D603 looks at that."""
    return (names_switch(name) or names_evaluation(name)) and (isinstance(value, bool) or value == "train")


def in_training(subject: Subject) -> Subject | None:
    """The layer in training, to which backward belongs, if a flag says it is not: one of forward, or one it holds."""
    fixed = _fixed(subject)
    for name in (name for name, item in fixed.items() if _is_off(name, item)):
        return _fixed_to(subject, {**fixed, name: not fixed[name]})
    for place, parameter in enumerate(() if fixed else taken_in(subject, "forward")):
        given = subject.inputs[place] if place < len(subject.inputs) else parameter.default
        if _is_off(parameter.name, given):
            return _given_at(subject, place, not given)
    for name, item in attributes_of(subject.again()).items():
        if _is_off(name, item):
            return replace(subject, make=partial(_with, subject.make, name, not item))
    return None


def _is_off(name: str, item: Any) -> bool:
    """Whether a flag says that the layer is not in training: `training=False`, `eval=True`."""
    return (names_switch(name) and item is False) or (names_evaluation(name) and item is True)


def _given_at(subject: Subject, place: int, value: Any) -> Subject:
    """With another value of an argument of forward, and defaults for those before it that are not given."""
    before = [p.default for p in taken_in(subject, "forward")[len(subject.inputs) : place]]
    inputs = (*subject.inputs[:place], *before, value, *subject.inputs[place + 1 :])
    return replace(subject, inputs=inputs)


def _at(words: str, subject: Subject, value: Any) -> OtherSubject:
    return OtherSubject(f"with {words}", subject, of_a_flag=isinstance(value, bool), of_a_word=isinstance(value, str))


def _fixed(subject: Subject) -> dict[str, Any]:
    """The settings that an adapter gives to forward, by name."""
    layer = subject.again()
    if not hasattr(layer, "dout_inputs"):
        return {}
    with quiet():
        layer.dout_inputs(subject.fresh_inputs())
    return dict(attributes_of(layer).get(FIXED, {}))


def _fixed_to(subject: Subject, fixed: Mapping[str, Any]) -> Subject:
    def make(original: Callable[[], Any]) -> Any:
        layer = original()
        attributes_of(layer)[FIXED] = deep_copy(dict(fixed))
        return layer

    return replace(subject, make=partial(make, subject.make))


def _others(value: Any) -> list[Any]:
    """Other values of a setting: the neighbours of a whole number, a rate that is on, another share, the other flag.

    >>> _others(1), _others(0), _others(-1), _others(0.5), _others(0.0), _others((2, 2))
    ([2, 0], [1], [0, 1], [0.35], [0.3], [(3, 3), (2, 3), (2, 2, 2)])
    """
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [0, 1] if value < 0 else [value + 1, value - 1] if value else [1]
    if isinstance(value, float):
        if value >= 1:  # the smaller one is a limit that numbers pass: the `delta` of a Huber loss
            return [round(0.375 * value, 6), round(0.05 * value, 6)]
        share = round(0.6 * value + 0.05, 6)
        return [_SWITCHED_ON] if value == 0 else [share] if value > STABILISER else []
    if isinstance(value, tuple) and value and all(type(item) is int for item in value):
        if len(value) == 1:
            return [(value[0] + 1,), (*value, *value)]
        return [tuple(item + 1 for item in value), (*value[:-1], value[-1] + 1), (*value, value[-1])]
    if isinstance(value, list) and value and all(type(item) is int for item in value):
        return [[*value, value[-1]]]
    return []


def _other_words(value: Any, words: tuple[str, ...]) -> list[str]:
    """The other words that an argument is compared with; where there are none, one that is none: for an `else`."""
    others = [word for word in words if word != value][:MOST_STRINGS]
    return others or ([_ANY_WORD] if value in words else [])
