"""An example that was found, at other sizes: lengths that were alike by chance, groups, room for windows, less work."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from dout.adapt.argument_names import names_samples
from dout.adapt.search.example_repair import alike
from dout.adapt.search.example_search import Example, ExampleSearch
from dout.adapt.sizes.proposed_arrays import array_of
from dout.adapt.source import axes_for
from dout.adapt.trial.trial import Fit
from dout.run import arrays, attributes_of, counted_lines, is_float_array, otherwise
from dout.trace.model.user_source import is_user_code

_TABLE, _IMAGES = 2, 4  # axes
_MANY_LINES = 600  # of the user's, in a forward: a recording of so many takes a second
_SHORT = (3, 2)  # lengths of axes
_OF_IMAGES = (3, 2, 4, 5)


def at_its_sizes(search: ExampleSearch, one: Example) -> Example:
    """The example with sizes that tell most, and cost least."""
    for way in (_with_fewer_axes, _as_columns, _of_images, _apart, _of_other_rows, _in_groups, _roomy, _lighter):
        one = way(search, one) or one
    return one


def _with_fewer_axes(search: ExampleSearch, one: Example) -> Example | None:
    """The same with tables and rows, where the code tells of no more axes: `np.sum(a - b, axis=1)` takes both."""
    what = search.target
    told = {name: axes_for(what.forward, name, what.cls) or 0 for name in one.chosen_inputs}
    tables = {name: x for name in told if is_float_array(x := one.inputs[name]) and np.ndim(x) > max(1, told[name])}
    if len(tables) < 2 or max(map(np.ndim, tables.values())) < _IMAGES - 1 or search.fits(one) != Fit.ALL:
        return None
    choice = replace(one, inputs={**one.inputs, **{n: alike(x, x[:, 0].shape, n) for n, x in tables.items()}})
    return replace(choice, interface=tried.interface) if (tried := search.run(choice)).fit == Fit.ALL else None


def _as_columns(search: ExampleSearch, one: Example) -> Example | None:
    """The same with a column for each sample, where tables are taken only if they are square: `J @ dout`."""
    name, *others = one.chosen_inputs or [""]
    x = one.inputs.get(name, 0.0)
    lengths: tuple[int, ...] = (*np.shape(x), 0, 0)
    rows, n, *more = lengths
    if others or n not in more[:-2] or search.fits(one) != Fit.ALL:
        return None
    shapes = (rows, n, *range(n + 1, n + len(more) - 1)), (rows, n, 1)
    apart, column = (replace(one, inputs={**one.inputs, name: alike(x, shape, name)}) for shape in shapes)
    if search.run(apart).fit == Fit.ALL or (tried := search.run(column)).fit != Fit.ALL:
        return None
    return replace(column, interface=tried.interface)


def _of_images(search: ExampleSearch, one: Example) -> Example | None:
    """The same with images, where forward gives back a table as it is, and makes a table of images."""
    tables = [name for name, x in one.chosen_inputs.items() if is_float_array(x)]
    if len(tables) != 1 or np.ndim(x := one.inputs[tables[0]]) != 2 or search.target.is_function:
        return None
    if not np.array_equal(search.output(_forward_of(search, one), one, ""), x):
        return None
    choice = replace(one, inputs={**one.inputs, tables[0]: array_of(_OF_IMAGES, tables[0])})
    if len(_output_shape(search, choice)) != 2 or (tried := search.run(choice)).fit != search.fits(one):
        return None
    return replace(choice, interface=tried.interface)


def _apart(search: ExampleSearch, one: Example) -> Example | None:
    """The same with one size longer of two that are alike by chance, and the inputs that are as long with it."""
    sizes = {name: n for name, n in one.init.items() if name in one.chosen and type(n) is int and n > 2}
    alike = [name for name, n in list(sizes.items())[1:] if list(sizes.values()).count(n) > 1]
    after = list(one.chosen_inputs)[1:]
    for name in alike if after and alike and search.fits(one) == Fit.ALL else ():
        n = sizes[name]
        for longer, axis in product((after, *([key] for key in after[1:])), (-1, 0)):
            inputs = {key: _longer(x, axis, n, key) if key in longer else x for key, x in one.inputs.items()}
            choice = replace(one, init={**one.init, name: n + 1}, inputs=inputs)
            if (tried := search.run(choice)).fit == Fit.ALL:
                return replace(choice, interface=tried.interface)
    return None


def _of_other_rows(search: ExampleSearch, one: Example) -> Example | None:
    """The same with more rows, where a number of the layer is theirs by chance: backward may read it so."""
    tables = {name: x for name, x in one.chosen_inputs.items() if isinstance(x, np.ndarray) and x.ndim}
    rows = len(next(iter(tables.values()), ()))
    if search.target.is_function or rows < 2 or (fit := search.fits(one)) < Fit.INPUTS:
        return None
    if rows not in (held := _numbers_held(search, one)):
        return None
    taken = {*held, *(n for x in tables.values() for n in x.shape)}
    more = next(n for n in range(rows + 1, 2 * rows + len(taken) + 2) if n not in taken)
    longer = {name: alike(x, (more, *x.shape[1:]), name) for name, x in tables.items() if len(x) == rows}
    choice = replace(one, inputs={**one.inputs, **longer})
    if (tried := search.run(choice)).fit != fit or _output_shape(search, choice)[:1] not in ((), (more,)):
        return None
    return replace(choice, interface=tried.interface)


@otherwise(frozenset())
def _numbers_held(search: ExampleSearch, one: Example) -> Collection[int]:
    """The whole numbers that a layer holds, but for how many samples there are, and the lengths of its tables.

    None of one that is never built.
    """
    layer = search.target.instance(one.init, search.target.cls)
    numbers = {n for name, n in attributes_of(layer).items() if type(n) is int and not names_samples(name)}
    is_cheap = all(np.ndim(x) <= _TABLE for x in one.inputs.values())
    return numbers | {n for a in arrays(layer).values() if is_cheap and a.ndim == _TABLE for n in a.shape}


def _in_groups(search: ExampleSearch, one: Example) -> Example | None:
    """The same with one of two equal sizes doubled, and the inputs with it: a group has several channels then."""
    sizes = {name: n for name, n in one.chosen_init.items() if type(n) is int and n > 1}
    for name, n in sizes.items():
        inputs = {key: _doubled(x, n, key) if key in one.chosen else x for key, x in one.inputs.items()}
        if list(sizes.values()).count(n) < 2 or all(inputs[key] is x for key, x in one.inputs.items()):
            continue
        alone = replace(one, init={**one.init, name: 2 * n})
        both = replace(alone, inputs=inputs)
        fit = search.fits(one)
        if search.run(alone).fit < fit and (tried := search.run(both)).fit == fit:
            return replace(both, interface=tried.interface)
    return None


def _roomy(search: ExampleSearch, one: Example) -> Example | None:
    """The same with larger images, where a window that is as large as they are leaves it a single place."""
    images = [name for name, x in one.chosen_inputs.items() if np.ndim(x) == _IMAGES and 1 not in np.shape(x)]
    if not images or search.target.is_function or 1 not in (before := _output_shape(search, one)):
        return None
    x = one.inputs[images[0]]
    for more in ((0, 0, 2, 3), (0, 2, 3, 0)):
        larger = array_of(tuple(np.add(x.shape, more)), images[0])
        choice = replace(one, inputs={**one.inputs, images[0]: larger})
        if _output_shape(search, choice).count(1) < before.count(1) and search.run(choice).fit == search.fits(one):
            return choice
    return None


def _lighter(search: ExampleSearch, one: Example) -> Example | None:
    """The same with shorter axes where forward takes many lines, as in loops over samples, channels and places."""
    lengths = sorted({n for x in one.chosen_inputs.values() for n in np.shape(x) if n > _SHORT[0]}, reverse=True)
    with counted_lines(counts=is_user_code) as lines:
        single = _output_shape(search, one).count(1) if lengths else 0
    lighter = one
    for length in lengths if lines.number > _MANY_LINES else ():
        used = {n for x in lighter.inputs.values() for n in np.shape(x)}
        for short in (n for n in _SHORT if n not in used):
            inputs = {
                name: _cut(x, length, short, name) if name in one.chosen else x for name, x in lighter.inputs.items()
            }
            choice = replace(lighter, inputs=inputs)
            has_room = _output_shape(search, choice).count(1) == single
            if has_room and (tried := search.run(choice)).fit == search.fits(one):
                lighter = replace(choice, interface=tried.interface)
                break
    return lighter


def _output_shape(search: ExampleSearch, one: Example) -> tuple[int, ...]:
    return search.output_shape(_forward_of(search, one), one, "")


def _forward_of(search: ExampleSearch, one: Example) -> str:
    return one.interface.forward if one.interface else search.target.forward_name


def _cut(x: Any, length: int, short: int, name: str) -> Any:
    """An input with axes of this length cut short."""
    shape = tuple(short if n == length else n for n in np.shape(x))
    return array_of(shape, name) if shape != np.shape(x) else x


def _longer(x: Any, axis: int, length: int, name: str) -> Any:
    """An input with one more along an axis of this length."""
    shape = [*np.shape(x)]
    if not shape or shape[axis] != length:
        return x
    shape[axis] += 1
    return array_of((*shape,), name)


def _doubled(x: Any, length: int, name: str) -> Any:
    """An input with twice as many along the first axis, but that of samples, of this length."""
    shape = [*np.shape(x)]
    if length not in shape[1:]:
        return x
    shape[shape.index(length, 1)] *= 2
    return array_of((*shape,), name)
