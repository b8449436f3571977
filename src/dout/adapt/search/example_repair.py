"""An example on which a layer raised, mended by what it raised: other axes, another size, whole numbers.

The message says what is wrong, and the arrays at the line that raised say which input it came from. Every change is
tried, and its own error mended in turn, within bounds. Nothing here knows a layer: the table is one of messages.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from dout.adapt.argument_names import names_label
from dout.adapt.search.argument_repair import Change
from dout.adapt.search.failure import Failure, Values
from dout.adapt.sizes.axis_sizes import MANY
from dout.adapt.sizes.proposed_arrays import array_of, probabilities, whole_numbers
from dout.clock import WorkBudget

MOST_SECONDS = 3.0
MOST_TRIALS = 30  # from one of them
MOST_FAILURES = 6  # from which a search begins
DEEPEST = 8  # changes of one example
MOST_ELEMENTS = 100_000  # of an input
MOST_IN_A_MATRIX = 10_000_000  # 80 MB: sizes of one error lead to those of the next, and outgrow any memory

_SMALL = (7, 4, 5, 6, 8)  # sizes in place of large ones


def mended(
    failures: Iterable[Failure], retry: Callable[[Values, Values], Failure | None]
) -> Iterator[tuple[Values, Values]]:
    """Change the examples that raised until they are taken, within bounds; `retry` gives None where one is.

    Where nothing that an error says helps, axes are made multiples of numbers that the layer has.
    """
    begin, found = sorted(failures, key=lambda f: -f.progress)[:MOST_FAILURES], False
    for way in (changes, _with_multiples):
        for example in _searched(begin, retry, way):
            found = True
            yield example
        if found:
            return


def _searched(
    begin: Sequence[Failure],
    retry: Callable[[Values, Values], Failure | None],
    changes: Callable[[Failure], Iterator[Change]],
) -> Iterator[tuple[Values, Values]]:
    budget = WorkBudget(MOST_SECONDS)
    keys, seen = set[tuple[str, ...]](), set[str]()
    for failure in begin:
        keys.add(failure.key)
        stack = [(failure, changes(failure))]
        trials = 0
        while stack and trials < MOST_TRIALS and not budget.is_over():
            last, left = stack[-1]
            change = next(left, None)
            if change is None:
                stack.pop()
                continue
            init = {n: change.get(n, x) for n, x in last.init.items()}
            inputs = {**last.inputs, **{n: x for n, x in change.items() if n not in init}}
            if (what := _look(init, inputs)) in seen or _is_large(change, init, inputs):
                continue
            seen.add(what)
            trials += 1
            again = retry(init, inputs)
            if again is None:
                yield init, inputs
            elif again.key not in keys and len(stack) < DEEPEST:
                keys.add(again.key)
                stack.append((again, changes(again)))


def _is_large(change: Values, init: Values, inputs: Values) -> bool:
    """Whether an input has too many elements, or a changed size makes a matrix of the two largest too large."""
    sizes = sorted(abs(n) for n in init.values() if type(n) is int)[-2:]
    is_changed = any(type(n) is int and abs(n) in sizes for n in change.values())
    return any(np.size(x) > MOST_ELEMENTS for x in inputs.values()) or (
        is_changed and math.prod(sizes) > MOST_IN_A_MATRIX
    )


def changes(failure: Failure) -> Iterator[Change]:
    """What to change of an example, by its error; the likeliest first."""
    yield from _smaller(failure)
    yield from _asserted(failure)
    yield from failure.of_arguments() if failure.building else ()
    text = str(failure.error)
    for pattern, change in _BY_MESSAGE:
        if match := re.search(pattern, text, re.IGNORECASE):
            yield from change(failure, *match.groups())
    yield from failure.of_arguments() if not failure.building else ()
    yield from _numbers_said(failure)


def _with_multiples(failure: Failure) -> Iterator[Change]:
    yield from _multiples(failure) if _RESHAPES.search(str(failure.error)) else ()
    yield from changes(failure)


def as_labels(inputs: Values, free: Container[str]) -> Iterator[Change]:
    """Inputs of a network that ends in a loss, with those that may be labels as rows with one 1: all, or the later."""
    rows = [
        n for n, x in inputs.items() if n in free and isinstance(x, np.ndarray) and x.ndim > 1 and x.dtype.kind == "f"
    ]
    alike_ = len({inputs[n].shape[-1] for n in rows}) == 1
    for chosen in ([rows] if alike_ and len(rows) > 1 else []) + [[n for n in rows if n != next(iter(inputs))]]:
        if chosen:
            yield {n: _counted(np.zeros(1, int), inputs[n].shape, n) if n in chosen else x for n, x in inputs.items()}


# ------------------------------------------------------------------------------------------------------- number of axes


def _axes(failure: Failure, number: str) -> Iterator[Change]:
    """Give an input as many axes."""
    wanted = int(number)
    wrong = {n: x for n, x in failure.arrays.items() if x.ndim != wanted}
    for name, x in wrong.items():
        for shape in _shapes_of(wanted, x.shape, failure):
            like = [n for n in wrong if n != name and wrong[n].shape == x.shape]
            yield {name: alike(x, shape, name)}
            if like:
                yield {n: alike(wrong[n], shape, n) for n in (name, *like)}


def _vectors(failure: Failure) -> Iterator[Change]:
    """Give an argument of the constructor, or an input, one axis: `np.convolve` takes no more."""
    for name, x in failure.init.items():
        if name in failure.free and isinstance(x, np.ndarray) and x.ndim > 1:
            yield {name: array_of((3,), name)}
    yield from _axes(failure, "1")


def _asserted(failure: Failure) -> Iterator[Change]:
    """Give an input the shape that the line that raised asserts: `assert x.shape == (self.d,)`."""
    for array, shape in failure.asserted_shapes():
        yield from ({n: alike(x, shape, n)} for n, x in failure.arrays.items() if x is array or x.shape == array.shape)
        if array.shape[:-1] == shape:  # it was computed, of one sample
            yield {n: alike(x, x.shape[:-1], n) for n, x in failure.arrays.items()}
    for number, divisor in failure.remainders():
        yield from _size(failure, number, divisor)


def _shapes_of(number: int, shape: Sequence[int], failure: Failure) -> Iterator[tuple[int, ...]]:
    """Shapes with so many axes for an input that has this one."""
    rows = shape[0] if shape else 2
    for size in failure.init.values():
        if isinstance(size, tuple) and len(size) == number - 1 and all(type(n) is int and n > 0 for n in size):
            yield (rows, *size)
    if len(shape) > number:
        yield tuple(shape[:number])
        yield (rows, *shape[len(shape) - number + 1 :])
        return
    for kernel in failure.held:
        if kernel.ndim == number > 2:
            sizes = tuple(2 * n + 2 for n in kernel.shape[2:])
            yield (rows, kernel.shape[1], *sizes)
            yield (rows, *(2 * n + 2 for n in kernel.shape[:-2]), kernel.shape[-2])
    if shape and number - len(shape) == 1:
        yield (rows, 3, *shape[1:])
        yield (*shape, 3)
    if number == 4:
        yield from ((rows, 2, 6, 6), (rows, 6, 6, 2), (rows, 1, 8, 8))
    elif number == 3:
        yield from ((rows, 2, 8), (2, 6, 6))


def _axes_indexed(failure: Failure) -> Iterator[Change]:
    """Give an input as many axes as the line that raised asks for: `x.shape[2]`, `x.transpose(0, 2, 1)`."""
    places = [int(n) + 1 for n in re.findall(r"shape\[(\d)\]", failure.line)]
    orders = [len(re.findall(r"\d", order)) for order in re.findall(r"transpose\(([\d,\s()-]*)\)", failure.line)]
    for number in sorted({*places, *orders} - {0}, reverse=True):
        yield from _axes(failure, str(number))


# ------------------------------------------------------------------------------------------------------------ one size


def _smaller(failure: Failure) -> Iterator[Change]:
    """Small sizes for the large ones that a constructor has by default: equal ones stay equal."""
    large = {n: x for n, x in failure.init.items() if n in failure.free and type(x) is int and x > MANY}
    sizes = dict(zip(sorted({*large.values()}, reverse=True), _SMALL, strict=False))
    if large and len(sizes) == len({*large.values()}):
        inputs = {n: alike(x, [sizes.get(s, s) for s in x.shape], n) for n, x in failure.arrays.items()}
        yield {**inputs, **{name: sizes[x] for name, x in large.items()}}


def _sizes(failure: Failure, *found: str) -> Iterator[Change]:
    """Make one size the other, in an input or in a constructor argument."""
    one, two = map(int, found)
    of_parameters = {size for array in failure.held for size in array.shape}
    if one in of_parameters and two in of_parameters:  # of this layer's, or of what it kept
        of_parameters -= {size for x in failure.arrays.values() for size in x.shape}
    pairs = sorted(((one, two), (two, one)), key=lambda pair: pair[1] not in of_parameters)
    images = any(x.ndim > 3 for x in failure.arrays.values())  # are flattened: an equal axis is an accident
    for have, want in pairs:
        for change in (_derived, _size) if images else (_size, _derived):
            yield from change(failure, have, want)


def _size(failure: Failure, have: int, want: int) -> Iterator[Change]:
    if have == want or not want:
        return
    for name, item in failure.init.items():  # the bias of a layer, beside weights of another number of filters
        if name in failure.free and isinstance(item, np.ndarray) and item.shape == (have,):
            yield {name: alike(item, (want,), name)}
    fitting = {n: x for n, x in failure.arrays.items() if have in x.shape}
    for name, x in fitting.items():
        for place in [i for i, size in enumerate(x.shape) if size == have][::-1]:
            yield {name: alike(x, (*x.shape[:place], want, *x.shape[place + 1 :]), name)}
    everywhere = {n: alike(x, tuple(want if s == have else s for s in x.shape), n) for n, x in fitting.items()}
    if everywhere:
        yield everywhere
    for name, item in failure.init.items():
        if name in failure.free and type(item) is int and item == have and want > 1:
            yield {name: want}
            yield {name: want, **everywhere}


def _as_another(failure: Failure, have: str, want: str) -> Iterator[Change]:
    """Give an input the shape of another that has as many items as are wanted: a label for each step."""
    shapes = dict.fromkeys(x.shape for x in failure.arrays.values() if x.size == int(want))
    for name, x in failure.arrays.items():
        if x.size == int(have):
            yield from ({name: alike(x, shape, name)} for shape in shapes)


def _multiples(failure: Failure) -> Iterator[Change]:
    """Make an axis of an input a multiple of a number that the layer was given, or of its square: `c // r**2` channels.

    A number that was chosen is 2 first: arrays stay small.
    """
    held = {name: number for name, number in failure.init.items() if type(number) is int and 1 < number < MANY}
    ways: list[tuple[Change, int]] = [({name: 2}, 2) for name in held if name in failure.free]
    ways += [({}, number) for number in dict.fromkeys(held.values())]
    for change, number in ways:
        for factor in (number, number**2):
            for name, x in failure.arrays.items():
                for place, size in enumerate(x.shape):
                    if size % factor:
                        wider = alike(x, (*x.shape[:place], size * factor, *x.shape[place + 1 :]), name)
                        yield {**change, name: wider}


def _numbers_said(failure: Failure) -> Iterator[Change]:
    """Make a size of an input another number that the layer's own error says: "expected 784 features, got 3"."""
    own = failure.line.lstrip().startswith(("raise", "assert"))
    said = [int(n) for n in re.findall(r"\d+", str(failure.error))] if own else []
    sizes = {size for x in failure.arrays.values() for size in x.shape}
    for want in dict.fromkeys(n for n in said if n > 1 and n not in sizes):
        for have in dict.fromkeys(n for n in said if n in sizes):
            yield from _size(failure, have, want)


def _derived(failure: Failure, have: int, want: int) -> Iterator[Change]:
    """Where the size was computed of an input: a column was added to it, or an image was flattened."""
    for name, x in failure.arrays.items():
        if have in x.shape and x.ndim < 4:
            continue
        if x.ndim > 2:
            yield from ({name: alike(x, shape, name)} for shape in _images_scaled(x.shape, want / max(have, 1)))
        elif x.ndim and x.shape[-1] + want - have > 0:
            yield {name: alike(x, (*x.shape[:-1], x.shape[-1] + want - have), name)}


def _images_scaled(shape: Sequence[int], factor: float) -> Iterator[tuple[int, ...]]:
    """Images of which there is about so much more; multiples of four first, as they can be halved twice."""
    last = len(shape) == 4 and shape[1] == shape[2] != shape[3]  # channels
    guess = max(shape[1:3] if last else shape[-2:]) * factor ** (1 / 2)
    nearest = 4 * round(guess / 4)
    for side in dict.fromkeys((nearest, nearest + 4, nearest - 4, round(guess), round(guess) + 1, round(guess) - 1)):
        if 0 < side <= 64:
            yield (shape[0], side, side, shape[3]) if last else (*shape[:-2], side, side)


def _broadcast(failure: Failure, *found: str) -> Iterator[Change]:
    """Give an input the shape that it met, or one of its sizes."""
    shapes = [tuple(map(int, re.findall(r"\d+", text))) for text in re.findall(r"\([\d, ]*\)", " ".join(found))]
    for one, two in pairwise((*shapes[:2], shapes[0])):
        for name, x in failure.arrays.items():
            if x.shape == one:
                yield {name: _counted(x, two, name)}
    for one, two in pairwise((*shapes[:2], shapes[0])):
        for a, b in zip(reversed(one), reversed(two), strict=False):
            if a != b:
                yield from _size(failure, a, b)


def _indices(failure: Failure, found: str) -> Iterator[Change]:
    """Give whole numbers the shape of those beside which they index: one for each row."""
    shapes = [tuple(map(int, re.findall(r"\d+", text))) for text in re.findall(r"\([\d, ]*\)", found)]
    whole = {n: x for n, x in failure.arrays.items() if x.dtype.kind in "iu" and x.shape in shapes}
    if len(whole) > 1:  # all index side by side: a centre and its context for each sample
        yield from ({n: alike(x, shape, n) for n, x in whole.items()} for shape in dict.fromkeys(shapes))
    yield from ({n: alike(x, shape, n)} for n, x in whole.items() for shape in shapes if shape != x.shape)


# --------------------------------------------------------------------------------------------- what an input is made of


def _whole(failure: Failure, *_: str) -> Iterator[Change]:
    """Make an input of whole numbers, as indices are."""
    floats = {n: x for n, x in failure.arrays.items() if x.dtype.kind == "f"}
    for name, x in floats.items():
        yield {name: whole_numbers(x.shape, 2)}
    if len(floats) > 1:
        yield {name: whole_numbers(x.shape, 2) for name, x in floats.items()}


def _a_number(failure: Failure, *_: str) -> Iterator[Change]:
    """Make an input one number."""
    yield from ({name: array_of((), name)} for name in failure.arrays)
    yield {name: array_of((), name) for name in failure.arrays}


def _below(failure: Failure, size: str) -> Iterator[Change]:
    """Keep whole numbers below a size."""
    for name, x in failure.arrays.items():
        if x.dtype.kind in "iu" and x.size and x.max() >= int(size) > 0:
            yield {name: x % int(size)}


def _an_array(failure: Failure, *_: str) -> Iterator[Change]:
    """Make an input that is no array, or was left out, labels of the first array, or an array like it."""
    shapes = [x.shape for x in failure.inputs.values() if isinstance(x, np.ndarray) and x.ndim]
    wanted = [n for n in (*failure.inputs, *failure.optional) if n in failure.free]
    for name in dict.fromkeys(wanted) if shapes else ():
        if not isinstance(failure.inputs.get(name), np.ndarray):
            labels = whole_numbers(shapes[0][:1], shapes[0][-1])
            yield {name: labels}
            yield {name: np.eye(shapes[0][-1])[labels] if names_label(name) else array_of(shapes[0], name)}


def alike(like: Any, shape: Sequence[int], name: str) -> Any:
    """An array of another shape, made of what this one is made of: whole numbers, rows with one 1, shares, numbers."""
    shape = tuple(shape)
    if math.prod(shape) > MOST_ELEMENTS:
        return like  # too large to be tried, or to be made
    if like.dtype.kind == "b":
        return whole_numbers(shape, 2) > 0
    if like.dtype.kind in "iu":
        return whole_numbers(shape, int(like.max(initial=1)) + 1)
    if like.ndim and shape and like.size and np.allclose(like.sum(-1), 1) and like.min() >= 0:
        is_one_hot = np.isin(like, (0, 1)).all()
        return np.eye(shape[-1])[whole_numbers(shape[:-1], shape[-1])] if is_one_hot else probabilities(shape, name)
    return array_of(shape, name)


def _counted(like: Any, shape: Sequence[int], name: str) -> Any:
    """An array to count with: where whole numbers were labels, rows with one 1."""
    is_label = like.dtype.kind in "iu" and shape
    return np.eye(shape[-1])[whole_numbers(tuple(shape[:-1]), shape[-1])] if is_label else alike(like, shape, name)


def _look(init: Values, inputs: Values) -> str:
    """What an example looks like: equal looks need not be tried twice."""
    return repr([(n, x.shape, x.dtype.kind, x.max() if x.size else 0) if isinstance(x, np.ndarray) else (n, x)
                 for n, x in (*init.items(), *inputs.items())])  # fmt: skip


_RESHAPES = re.compile(r"array of size \d+ into shape \(\d+,\d")
_SHAPES = r"((?:\([\d, ]*\) ?)+)"
_BY_MESSAGE: tuple[tuple[str, Callable[..., Iterator[Change]]], ...] = (
    (r"unpack \(expected ([1-5])\b", _axes),
    (r"but (\d) were indexed", _axes),
    (
        r"tuple index out of range|axes don't match|axis \d is out of bounds|out of bounds for array of dim",
        _axes_indexed,
    ),
    (r"(?<!\d)([1-5])[ -]?d(?:im|\b)", _axes),
    (r"object too deep", _vectors),
    (
        r"array element with a sequence|truth value of an array|where the mask is true|only (?:size-1|length-1|0-dim)",
        _a_number,
    ),
    (r"integer|valid indices|indices must be", _whole),
    (r"index \d+ is out of bounds for axis \d with size (\d+)", _below),
    (r"not aligned: (\d+) \(dim \d\) != (\d+)", _sizes),
    (r"size (\d+) is different from (\d+)", _sizes),
    (r"size of axis is (\d+) but size of corresponding boolean axis is (\d+)", _sizes),
    (rf"indexing arrays could not be broadcast together with shapes {_SHAPES}", _indices),
    (rf"could not be broadcast together with (?:remapped )?shapes {_SHAPES}", _broadcast),
    (rf"input array from shape {_SHAPES}into shape {_SHAPES}", _broadcast),
    (rf"operand with shape {_SHAPES}doesn't match the broadcast shape {_SHAPES}", _broadcast),
    (r"array of size (\d+) into shape \((\d+),\)", _as_another),
    (
        r"NoneType|unsized object|has no len|missing \d required positional|no number with its gradients|^'\w+'$"
        r"|has no attribute",
        _an_array,
    ),
)
