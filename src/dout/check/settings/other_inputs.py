"""The same layer on other inputs: longer along an axis, with room for more windows, images, one axis more."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from dout.adapt import source
from dout.adapt.argument_names import taken_by
from dout.check.exact.exact_route import Examination
from dout.check.exact.subject import Subject
from dout.check.lab.batch_axis import resized_along
from dout.check.lab.example_doubts import read_as
from dout.check.program.use_sizes import is_permutation
from dout.judge.judged_run import is_label, is_one_hot, keeps_a_shape
from dout.run import arrays as held_arrays
from dout.run import otherwise

_IMAGES = (3, 2, 4, 5)
_MOST_IN_A_LIST = 6  # arrays that somebody joins; more are rows
_MOST_OF_SHAPE = 1000  # elements that are made of a shape
_APART = 0.0213  # by how much a number is larger at the end of larger inputs: no two are equal


@dataclass(frozen=True, eq=False)
class OtherSubject:
    """A layer at another setting, which `words` say. It may not be `meant` for that."""

    words: str
    subject: Subject
    meant: bool = True
    of_inputs: bool = False  # it is the same layer, on other inputs
    of_a_flag: bool = False
    of_a_word: bool = False
    of_nothing: bool = False  # instead of None: what the layer makes of it may be a parameter, which fits by chance
    changed: Mapping[str, Any] = field(default_factory=dict)  # an argument of the constructor, and its value here
    alike: Subject | None = None  # with all of the numbers of forward that equalled the changed one


def forward_of(subject: Subject) -> tuple[Callable[..., Any], type]:
    """The user's forward, and the class that it is of."""
    cls = type(subject.again())
    return getattr(cls, subject.forward_name), cls


def larger_inputs(subject: Subject) -> tuple[Any, ...] | None:
    """Inputs with room for more windows, none of which ends where they end; None of lines and of whole numbers."""
    first = subject.inputs[0] if subject.inputs else None
    if not isinstance(first, np.ndarray) or first.ndim < 2 or first.dtype.kind != "f" or is_label(first):
        return None
    found = subject.fresh_inputs()
    for axis in range(min(2, first.ndim - 1), first.ndim):
        length = first.shape[axis]
        if length > 1:
            found = tuple(lengthened(x, axis, length, length + max(axis + 1, 3)) for x in found)
    apart = np.linspace(0, _APART, found[0].size, dtype=first.dtype)  # of equal numbers the maximum has no derivative
    return (found[0] + apart.reshape(found[0].shape), *found[1:])


def doubled_inputs(subject: Subject) -> tuple[Any, ...] | None:
    """Inputs with twice as many rows, or twice as long behind them, if forward takes no others: it splits them."""
    inputs = subject.fresh_inputs()
    if is_taken(subject, inputs) or not inputs:
        return None
    for of_rows in (True, False):
        doubled = tuple(_doubled(x, of_rows) if isinstance(x, np.ndarray) else x for x in inputs)
        if is_taken(subject, doubled):
            return doubled
    return None


def _doubled(x: Any, of_rows: bool) -> Any:
    for axis in range(min(1, x.ndim)) if of_rows else range(1, x.ndim):
        x = resized_along(x, axis, x.shape[axis], 2 * x.shape[axis])
    return x


def of_lengths(subject: Subject) -> Iterator[OtherSubject]:
    """With one element more along an axis: of each input by itself, and of all that have the same length there.

    The first axis is one of samples, and has a rule of its own. A layer is not meant for more where its text says 1.
    What was no length before it is: of two that are alike by chance nothing tells which one a constant counts.
    """
    forward, cls = forward_of(subject)
    said = source.shapes_for(forward, cls)
    ones = {i: [n for n, size in enumerate(said.get(name, ())) if size == "1"] for i, name in enumerate(subject.names)}
    arrays = {i: x for i, x in enumerate(subject.inputs) if isinstance(x, np.ndarray)}
    tried = set()
    labels = {x.shape for x in arrays.values() if _is_of_classes(x)}  # of scores that have as many columns
    taken = {length for x in arrays.values() for length in x.shape}
    for i, x in arrays.items():
        for axis in range(1, x.ndim if not _is_of_classes(x) else 0):
            length = x.shape[axis]
            alike = tuple(j for j, other in arrays.items() if other.shape[: axis + 1] == x.shape[: axis + 1])
            together = x.shape in labels or any(_are_places(x, arrays[j]) for j in alike if j != i)
            for group in (alike,) if together else dict.fromkeys(((i,), alike)):
                is_alone = length < 2 and len(group) < max(len(arrays), 2)  # it may be there to be repeated
                if is_alone or (group, axis) in tried:
                    continue
                tried.add((group, axis))
                size = min({*range(max(length + 1, 3), length + len(taken) + 4)} - taken)
                inputs = tuple(
                    lengthened(item, axis, length, size) if j in group else item
                    for j, item in enumerate(subject.fresh_inputs())
                )
                yield replace(_on(subject, inputs, group), meant=all(axis not in ones.get(j, ()) for j in group))


def _are_places(one: Any, other: Any) -> bool:
    """Whether one of two arrays has a whole number for each place of the first axes of the other: labels of scores."""
    whole, scores = (one, other) if one.dtype.kind in "iu" else (other, one)
    return whole.dtype.kind in "iu" and scores.dtype.kind == "f" and whole.shape == scores.shape[: whole.ndim]


def lengthened(x: Any, axis: int, length: int, size: int) -> Any:
    """An input with another length along an axis; labels, as rows with one 1, get zeros there, if it is of classes."""
    if np.ndim(x) == 1 and len(x) == length and x.dtype.kind in "iu":  # they are of the axis that grows
        is_order = is_permutation(x)
        return np.concatenate([x, np.arange(length, size, dtype=x.dtype)]) if is_order else np.resize(x, size)
    found = resized_along(x, axis, length, size)
    of_samples = np.ndim(x) == 2 and axis < 2 and is_one_hot(np.moveaxis(x, 1 - axis, 1)) and not is_one_hot(x)
    if np.shape(found) != np.shape(x) and _is_of_classes(x) and not of_samples:
        found[(slice(None),) * axis + (slice(length, None),)] = 0.0
    return found


def _is_of_classes(x: Any) -> bool:
    """Whether these are labels with a column for each class, which there are as many of as in the scores."""
    return (x.dtype.kind == "f" and is_label(x) and x.min() >= 0) or (x.ndim == 2 and is_one_hot(x))


def of_lists(subject: Subject) -> Iterator[OtherSubject]:
    """With arrays of different lengths in a list, where the only input is one array, or several alike: they are joined.

    Halves of equal lengths hide a gradient that is split at the wrong place.
    """
    given, interface = subject.inputs[0] if len(subject.inputs) == 1 else None, subject.interface
    is_list = isinstance(given, list | tuple) or (interface is not None and interface.stacked)  # so its gradients are
    items = list(given) if is_list and given is not None else []
    shapes = {x.shape if isinstance(x, np.ndarray) and x.dtype.kind == "f" else () for x in items}
    if not 2 <= len(items) <= _MOST_IN_A_LIST or len(shapes) > 1:
        return
    for axis, length in enumerate(shapes.pop()):
        longer = [lengthened(x, axis, length, length + more) for more, x in enumerate(items)]
        if is_taken(subject, (longer,)):
            lengths = ", ".join(str(x.shape[axis]) for x in longer)
            words = f"with {subject.names[0]} as a list of arrays of {lengths} elements along axis {axis}"
            there = replace(subject, inputs=(longer,))
            if interface is not None:  # what comes back is in a list, as the arrays are
                there = read_as(there, replace(interface, stacked=False, parted=False))
            yield OtherSubject(words, there, of_inputs=True)


def of_any_number(subject: Subject) -> Iterator[OtherSubject]:
    """With one input more, all of different lengths, where forward takes any number of them and is given two alike."""
    forward, _ = forward_of(subject)
    first, *others = subject.inputs if len(subject.inputs) == 2 else (None,)
    takes_any = any(p.kind is p.VAR_POSITIONAL for p in taken_by(forward))
    if not takes_any or not isinstance(first, np.ndarray) or any(np.shape(x) != first.shape for x in others):
        return
    for axis, length in enumerate(first.shape):
        inputs = tuple(lengthened(x, axis, length, length + more) for more, x in enumerate((first, *others, first)))
        more = replace(subject, names=(*subject.names, "input2")) if subject.names else subject
        if is_taken(more, inputs):
            words = f"with three inputs of other lengths along axis {axis}"
            yield OtherSubject(words, replace(more, inputs=inputs), of_inputs=True)


def of_images(subject: Subject) -> Iterator[OtherSubject]:
    """On images, a layer that only moves the numbers of a table: what flattens rows is there to flatten images."""
    x = subject.inputs[0] if len(subject.inputs) == 1 else None
    if not isinstance(x, np.ndarray) or x.ndim != 2 or x.dtype.kind != "f" or x.size < 2:
        return
    outputs = subject.forward()
    if len(outputs) == 1 and np.array_equal(np.sort(np.ravel(outputs[0])), np.sort(x.ravel())):
        yield _on(subject, (np.random.default_rng(0).normal(size=_IMAGES),), (0,))


def of_shape(subject: Subject, shape: tuple[int, ...]) -> Iterator[OtherSubject]:
    """On a first input of the shape that the constructor is told: there may be nothing left to do, `x.shape == s`."""
    first, size = subject.inputs[0] if subject.inputs else None, math.prod(shape)
    if not isinstance(first, np.ndarray) or first.dtype.kind != "f" or first.shape == shape:
        return
    if min(shape) > 0 and size <= _MOST_OF_SHAPE:
        numbers = (np.resize(first, size) + np.linspace(0, _APART, size)).astype(first.dtype)
        yield _on(subject, (numbers.reshape(shape), *subject.fresh_inputs()[1:]), (0,))


def of_more_axes(subject: Subject) -> Iterator[OtherSubject]:
    """With one axis more behind the samples, if axes are counted from the end, and forward goes on as with two.

    It does the same in each place, or takes them for more rows. The layer may not be meant for that, unless it makes a
    table of what is one: `gamma`'s gradient is often summed over the first axis, and right for matrices.
    """
    arrays, layer = [x for x in subject.inputs if isinstance(x, np.ndarray)], subject.again()
    if (
        not any(map(source.counts_from_the_end, (layer.backward, layer.forward)))
        or not arrays
        or any(x.ndim != 2 or x.dtype.kind != "f" for x in arrays)
    ):
        return
    parts = [tuple(way * x if isinstance(x, np.ndarray) else x for x in subject.fresh_inputs()) for way in (1, -0.75)]
    stacked = tuple(
        np.stack(pair, axis=1) if isinstance(pair[0], np.ndarray) else pair[0] for pair in zip(*parts, strict=True)
    )
    rows = tuple(x.reshape(-1, x.shape[-1]) if isinstance(x, np.ndarray) else x for x in stacked)

    def forward(inputs: tuple[Any, ...]) -> list[Any]:
        return [np.asarray(out) for out in subject.forward(inputs)]

    try:
        whole, (one, two), more = forward(stacked), map(forward, parts), forward(rows)
        places = [np.stack(pair, axis=1) for pair in zip(one, two, strict=True)]
        goes_on = any(
            all(a.size == b.size and np.allclose(a.ravel(), b.ravel()) for a, b in zip(whole, other, strict=True))
            for other in (places, more)
        )
    except Exception:  # the layer's own: it takes two axes alone
        return
    group = tuple(i for i, x in enumerate(subject.inputs) if isinstance(x, np.ndarray))
    if goes_on:
        may_know_its_shape = not held_arrays(layer)
        on_more = _on(subject, stacked, group)
        yield replace(on_more, meant=_flattens_a_table(subject), of_inputs=may_know_its_shape)


def of_told_axes(subject: Subject) -> Iterator[OtherSubject]:
    """With more axes, behind the samples or last, where the code tells so many apart: `x.ndim == 4`.

    What it does otherwise than with the given number is meant for more, if it takes no fewer. Not beside labels with a
    column for each class: nothing tells which axis is then that of classes.
    """
    first = subject.inputs[0] if subject.inputs else None
    if not isinstance(first, np.ndarray) or first.ndim < 1 or first.dtype.kind != "f":
        return
    if any(isinstance(x, np.ndarray) and x.ndim > 1 and _is_of_classes(x) for x in subject.inputs[1:]):
        return
    own, layer = first.ndim, subject.again()
    told = {n for method in (layer.forward, layer.backward) for n in source.axis_counts(method, subject.names[1:])}
    counts = sorted(n for n in told if n > own)
    if own in told and not any(is_taken(subject, _indexed(subject, index)) for index in (0, (..., 0))):
        counts += [own + 1, own + 2]
    for count in dict.fromkeys(counts):
        for last in (False, True):
            group = tuple(i for i, x in enumerate(subject.inputs) if _goes_along(x, first, last))
            inputs = subject.fresh_inputs()
            stacked = tuple(_stacked(x, count - own, last) if i in group else x for i, x in enumerate(inputs))
            if is_taken(subject, stacked):
                return (yield _on(subject, stacked, group))


def _indexed(subject: Subject, index: Any) -> tuple[Any, ...]:
    return tuple(x[index] if isinstance(x, np.ndarray) and x.ndim > 1 else x for x in subject.fresh_inputs())


def _goes_along(x: Any, first: Any, last: bool) -> bool:
    """Whether an input gets the axes that the first one gets: labels have those of samples alone."""
    return isinstance(x, np.ndarray) and (x.shape == first.shape if last else x.ndim > 0 and len(x) == len(first))


def _stacked(x: Any, count: int, last: bool) -> Any:
    for way in (-0.75, 0.6)[:count]:
        other = way * x if x.dtype.kind == "f" and not is_label(x) else x
        x = np.stack([x, other], axis=x.ndim if last else 1)
    return x


@otherwise(False)
def is_taken(subject: Subject, inputs: tuple[Any, ...]) -> bool:
    """Whether forward runs on these inputs, and gives finite numbers."""
    return all(np.all(np.isfinite(output)) for output in subject.forward(inputs))


@otherwise(False)
def _flattens_a_table(subject: Subject) -> bool:
    """Whether forward reshapes an array to the shape it has: it expects others, `x.reshape(-1, x.shape[-1])`."""
    nodes = Examination(subject.recorded(subject.run().douts)).forward
    return keeps_a_shape(nodes)


def _on(subject: Subject, inputs: tuple[Any, ...], group: tuple[int, ...]) -> OtherSubject:
    names = [subject.names[i] if i < len(subject.names) else f"input {i}" for i in group]
    shapes = ", ".join(f"{name} {np.shape(inputs[i])}" for name, i in zip(names, group, strict=True))
    return OtherSubject(f"on {shapes}", replace(subject, inputs=inputs), of_inputs=True)
