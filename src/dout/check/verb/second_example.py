"""An example in; a second one of other sizes out, on which the layer is driven in the same way.

A gradient that is wrong on one example alone may be right: lengths are alike by chance, or a number is one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np

from dout.adapt.search.example import as_found
from dout.adapt.search.example_search import Example
from dout.check.settings.other_inputs import lengthened
from dout.check.verb.judged_layer import judged_as_adapted, subject_of
from dout.graph import Shape
from dout.judge.outcomes import Word
from dout.run import PlainRun, arrays, flat, mapped, otherwise

_MOST = 4  # lengths that are tried alone
_MOST_ELEMENTS = 20_000  # of an input


@dataclass(frozen=True)
class SecondExample:
    """What is wrong on it, what is right, and all that has a gradient there; in words, its inputs."""

    wrong: frozenset[str]
    right: frozenset[str]
    judged: frozenset[str]
    words: str


def second_example(target: Any, example: Example) -> SecondExample | None:
    """The first example of other sizes on which the layer runs forward and back; None where there is none."""
    shapes = _shapes_on(target, example)
    found = (_judged_on(target, other, shapes) for other in _resized(example))
    return next((one for one in found if one is not None), None)


@otherwise(dict[str, Shape]())
def _shapes_on(target: Any, example: Example) -> dict[str, Shape]:
    """The shapes of the inputs and of what the layer holds after a run."""
    return _shapes_in(subject_of(*as_found(target, example), example.init).run())


def _shapes_in(run: PlainRun) -> dict[str, Shape]:
    return {path: array.shape for path, array in (arrays([*run.inputs]) | arrays(run.layer)).items()}


def _are_alike_by_chance(before: Mapping[str, Shape], after: Mapping[str, Shape]) -> bool:
    """Whether lengths that were different are alike now: then rows may stand for columns, and nothing shows it."""
    both = [(before[path], after[path]) for path in before.keys() & after.keys()]
    pairs = {pair for one, two in both if len(one) == len(two) for pair in zip(one, two, strict=True)}
    return any(a != c and b == d > 1 for a, b in pairs for c, d in pairs)


@otherwise(None)
def _judged_on(target: Any, example: Example, shapes: Mapping[str, Shape]) -> SecondExample | None:
    """Which gradients are wrong there, and which right; None where all of them are 0, or lengths are alike by chance.

    `shapes` are those on the first example.
    """
    first, judgement = judged_as_adapted(*as_found(target, example), example.init)
    is_finite = all(np.size(out) and np.all(np.isfinite(out)) for out in first.outputs)
    if not is_finite or judgement.says_nothing or _are_alike_by_chance(shapes, _shapes_in(first)):
        return None
    words = {verdict.argument: verdict.word for verdict in judgement.verdicts}
    refuted = {name for name, word in words.items() if word == Word.REFUTED}
    wrong = frozenset(refuted if not judgement.elsewhere else ())  # on another side of a condition
    open_ = {name for name, word in words.items() if word == Word.INCONCLUSIVE}
    return SecondExample(wrong, frozenset({*words} - wrong - open_), frozenset(words), shapes_of(example))


def shapes_of(example: Example) -> str:
    """The inputs, and the shapes of arrays: `x (3, 4)`."""
    return ", ".join(f"{name} {np.shape(x)}" for name, x in example.chosen_inputs.items() if np.ndim(x))


def _resized(example: Example) -> Iterator[Example]:
    """The example with other lengths: of all axes at once, of its rows alone, of each other length alone.

    What was given keeps its lengths. Numbers of the constructor that are lengths change with them.
    """
    given = [x for items in (example.init, example.inputs) for n, x in items.items() if n not in example.chosen]
    fixed = _lengths_in(given) | {x for x in given if type(x) is int}
    lengths = sorted(_lengths_in([*example.chosen_inputs.values(), *example.chosen_init.values()]) - fixed)
    rows = next((len(x) for x in example.chosen_inputs.values() if np.ndim(x)), 0)
    if len(lengths) > 1:
        yield _with(example, {n: n + 1 for n in lengths})
        yield _with(example, {n: 2 * n for n in lengths})
    yield _with_more_rows(example, rows)
    for length in lengths[:_MOST]:
        yield _with(example, {length: next(n for n in count(length + 1) if n not in lengths)})


def _lengths_in(item: Any) -> set[int]:
    return {n for part in flat(item) if isinstance(part, np.ndarray) for n in part.shape if n > 1}


def _with(example: Example, lengths: Mapping[int, int]) -> Example:
    def changed(item: Any) -> Any:
        return mapped(item, lambda part: _of_lengths(part, lengths))

    def chosen(items: Mapping[str, Any]) -> dict[str, Any]:
        return {name: changed(item) if name in example.chosen else item for name, item in items.items()}

    interface = example.interface
    if interface is not None and interface.setup:
        interface = replace(interface, setup=tuple((name, changed(items)) for name, items in interface.setup))
    return replace(example, init=chosen(example.init), inputs=chosen(example.inputs), interface=interface)


def _of_lengths(part: Any, lengths: Mapping[int, int]) -> Any:
    """An array with its axes as long, or a number that is such a length."""
    if isinstance(part, np.ndarray):
        for axis, length in enumerate(part.shape):
            if length in lengths and part.size * lengths[length] <= _MOST_ELEMENTS * length:
                part = lengthened(part, axis, length, lengths[length])
        return part
    return lengths.get(part, part) if type(part) is int else part


def _with_more_rows(example: Example, rows: int) -> Example:
    inputs = {
        name: lengthened(x, 0, rows, rows + 2) if name in example.chosen and np.ndim(x) and len(x) == rows else x
        for name, x in example.inputs.items()
    }
    return replace(example, inputs=inputs)
