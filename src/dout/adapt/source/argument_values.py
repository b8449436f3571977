"""Small values for arguments that nobody gave, by what the arguments are called: tables, and no trial yet.

A setting is an input of some shape together with the shapes of weights, biases, states and labels that go with it.
Numbers are short binary fractions, none of them 0 and no two alike: they print whole, and no tie is met by accident.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dout.adapt.argument_names import names_indices, names_label, stands_for

Shape = tuple[int, ...]

# The slides' own array first: two signs, no symmetry, and it prints whole.
_ARRAYS = (
    [[1.0, -0.5], [-2.0, 3.0]],
    [[0.5, 2.0], [1.5, -1.0]],
    [[-1.5, 1.0], [0.25, 2.5]],
    [[2.0, 0.5], [3.0, -0.75]],
)
_NUMBERS = (2.0, 3.0, 0.5, -1.5)
_ROWS = ([[1.0, -0.5, 0.25], [-2.0, 3.0, 0.75]], [[0.5, 2.0, -1.0], [1.5, -0.75, 0.25]])
_BETWEEN = ([[0.25, 0.75, 0.5], [0.625, 0.125, 0.875]], [[0.5, 0.375, 0.25], [0.125, 0.75, 0.625]])  # in (0, 1)


@dataclass(frozen=True)
class Setting:
    """One way to try a layer: its inputs in order, the shapes of its weights, and labels that fit the first input."""

    family: str
    inputs: tuple[Any, ...]
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    labels: tuple[Any, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)  # features in and out

    def input(self, name: str, place: int, loss: bool, names: Sequence[str] = ()) -> list[Any]:
        """What the argument `name`, the one at `place` of forward, may be given; the likeliest first."""
        plain = self.inputs[place % len(self.inputs)]
        kind = stands_for(name)
        if place and names_indices(name) and self.labels:
            return [self.labels[0], plain]
        linear = {"W", "b"} <= {stands_for(n) for n in names[1:]}  # else a and b may be anything
        if place and kind in self.shapes and (len(name) > 1 or kind == "h" or linear):
            made = numbers(self.shapes[kind], name)
            return [made, plain] if kind == "h" else [made]
        if place and name == "y" and not loss:
            return [plain, *self.labels]
        if place and names_label(name):
            return [*self.labels, plain]
        if place and name.lower().endswith("mask"):
            return [np.asarray(plain) > 0, np.asarray(plain > 0, dtype=float)]
        return [plain]

    def argument(self, name: str, first: str = "") -> list[Any]:
        """What the constructor's argument `name` may be given; the likeliest first. `first` is forward's first one.

        What is given weights, as a regulariser is, has none of its own: its `weight` is a number.
        """
        kind = stands_for(name)
        if kind in self.shapes and not kind == stands_for(first) == "W":
            return [numbers(self.shapes[kind], name)]
        return _numbers_for(name.lower(), self.sizes)


def takes_target(wanted: Sequence[str], taken: Sequence[str], loss: bool) -> bool:
    """Whether backward wants the target, and forward does not: the gradient is that of a loss that is given nowhere.

    So is that of a whole network which is trained by `backward(X, y)`. A `t` may be anything.
    """
    asked = any(names_label(name) and name.lower() not in ("t", "ts") and name not in taken for name in wanted)
    return asked and not loss and not any(map(names_label, taken))


def numbers(shape: Shape, name: str = "") -> Any:
    """Numbers for an array of this shape: no two alike, none of them 0; the name decides their order.

    >>> numbers((2, 2))
    array([[ 0.75,  0.25],
           [-0.25, -0.75]])
    """
    size = int(np.prod(shape))
    order = np.random.default_rng([*name.encode(), 3]).permutation(size)
    scale = 2.0 ** max(1, int(np.ceil(np.log2(size or 1))) - 1)
    return ((order - size // 2 + 0.5) / scale).reshape(shape)[()]


def settings(weights: bool, labels: bool) -> Iterator[Setting]:
    """Every setting, in the order in which they are tried, where `weights` are to be made or `labels` to be given."""
    rows = tuple(map(np.array, _ROWS))
    between = tuple(map(np.array, _BETWEEN))
    whole, one_hot = np.array([0, 2]), np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    if not (weights or labels):
        yield from _without_names()
    for inputs, family in ((rows, "rows"), (between, "rows between 0 and 1")):
        for shapes in _OF_ROWS if weights else ({},):
            yield Setting(family, inputs, shapes, (whole, one_hot), {"in": 3, "out": 4})
    if weights or labels:
        yield from _without_names(labels=True)
    steps = tuple(numbers((2, 3, 4), key) * 2 for key in "xy")
    times = (np.array([[0, 2, 1], [3, 1, 0]]), np.eye(4)[[[0, 2, 1], [3, 1, 0]]])
    for shapes in _OF_STEPS if weights else ({},):
        yield Setting("steps", steps, shapes, times, {"in": 4, "out": 5})
    images = tuple(numbers((2, 2, 4, 4), key) * 2 for key in "xy")
    for shapes in _OF_IMAGES if weights else ({},):
        yield Setting("images", images, shapes, (np.array([0, 1]),), {"in": 2, "out": 3})
    larger = tuple(numbers((2, 4, 6, 6), key) * 2 for key in "xy")
    yield Setting("larger images", larger, {"W": (2, 4, 3, 3), "b": (2,), "gamma": (4,)}, (), {"in": 4, "out": 2})
    lines = tuple(np.array(a[0]) for a in _ARRAYS)
    for shapes in _OF_LINES if weights else ():
        yield Setting("a line", lines, shapes, (1, np.array([0.0, 1.0])), {"in": 2, "out": 3})
    for shapes in ({"W": (3, 4)},):
        yield Setting(
            "whole numbers", (np.array([0, 2, 1, 2, 0]), np.array([1, 0, 2, 1, 1])), shapes, (), {"in": 3, "out": 4}
        )
        indices = np.array([[0, 2, 2], [1, 0, 2]])
        yield Setting("rows of whole numbers", (indices,), shapes, (np.array([0, 1]),), {"in": 3, "out": 4})


def _without_names(labels: bool = False) -> Iterator[Setting]:
    sizes = {"in": 2, "out": 2}
    if not labels:
        square = tuple(map(np.array, _ARRAYS))
        yield Setting("square", square, {"b": (2,), "gamma": (2,)}, (), sizes)
        yield Setting("square between 0 and 1", tuple(np.array(a)[:, :2] for a in _BETWEEN), {}, (), sizes)
    yield Setting("numbers", _NUMBERS, {}, (1, 1.0), sizes)
    yield Setting("lines", tuple(np.array(a[0]) for a in _ARRAYS), {}, (np.array([0, 1]), np.array([0.0, 1.0])), sizes)


_OF_ROWS: tuple[Mapping[str, Shape], ...] = (
    # x (2, 3)
    {"W": (3, 4), "Wh": (4, 4), "W2": (4, 2), "b": (4,), "b2": (2,), "h": (2, 4), "gamma": (3,)},
    {"W": (4, 3), "Wh": (4, 4), "W2": (2, 4), "b": (4,), "b2": (2,), "h": (2, 4), "gamma": (1, 3)},  # x @ W.T
    {"W": (3, 16), "Wh": (4, 16), "b": (16,), "h": (2, 4)},  # four gates, as in an LSTM
    {"W": (3, 12), "Wh": (4, 12), "b": (12,), "h": (2, 4)},  # three, as in a GRU
    {"W": (3, 3), "Wh": (3, 3), "W2": (3, 3), "b": (3,), "b2": (3,), "h": (2, 3)},
    {"W": (4, 2), "Wh": (4, 4), "W2": (2, 4), "b": (4, 1), "b2": (2, 1), "h": (4, 3)},  # W @ x
    {"W": (3,), "b": (), "h": (2, 3)},
    {"W": (3,), "b": (3,), "h": (2, 3)},
    {"W": (), "b": (), "gamma": ()},
)
_OF_LINES: tuple[Mapping[str, Shape], ...] = (
    {"W": (2, 3), "Wh": (3, 3), "W2": (3, 2), "b": (3,), "b2": (2,), "h": (3,)},
    {"W": (3, 2), "Wh": (3, 3), "W2": (2, 3), "b": (3,), "b2": (2,), "h": (3,)},
    {"W": (2,), "b": ()},
)
_OF_IMAGES: tuple[Mapping[str, Shape], ...] = (
    # x (2, 2, 4, 4)
    {"W": (3, 2, 3, 3), "b": (3,), "gamma": (2,)},
    {"W": (3, 2, 3, 3), "b": (3, 1, 1), "gamma": (1, 2, 1, 1)},
    {"W": (3, 2), "b": (3,), "gamma": (32,)},
    {"W": (2, 3, 3), "b": (2,)},
    {"W": (32, 3), "b": (3,)},
)
_OF_STEPS: tuple[Mapping[str, Shape], ...] = (
    # x (2, 3, 4)
    {"W": (4, 5), "Wh": (5, 5), "b": (5,), "h": (2, 5), "gamma": (4,)},
    {"W": (4, 20), "Wh": (5, 20), "b": (20,), "h": (2, 5)},
    {"W": (4, 15), "Wh": (5, 15), "b": (15,), "h": (2, 5)},
    {"W": (4, 4), "Wh": (4, 4), "b": (4,), "h": (2, 4)},
    {"W": (2, 3, 2), "b": (2,)},
    {"W": (3, 2, 2), "b": (2,)},
)

_BY_NAME: tuple[tuple[str, tuple[Any, ...]], ...] = (  # constructor arguments that are numbers
    (r"(.*_)?(stride|dilation)s?(_.*)?", (1, 2)),
    (r"(.*_)?(pad|padding)(_.*)?", (0, 1)),
    (r"(pool|kernel|window|filter|block|patch)(_?(size|h|w|height|width))?|[fk](h|w)|k", (2, 3)),
    (r"(num_|n_?)?heads?(_num)?", (2, 1)),
    (r"(vocab|vocabulary|num_embeddings|n_vocab)(_?size)?|v", (4, 3)),
    (r"axis", (-1, 1, 0)),
    (r"eps(ilon)?", (1e-5,)),
    (r"p|.*(ratio|rate|prob|drop|alpha|slope|momentum|decay|rho|lr|factor|scale|temperature|margin|delta|weight).*",
     (0.5, 2)),
    (r"shape|.*_shape", ((2, 3),)),
)  # fmt: skip


def _numbers_for(name: str, sizes: Mapping[str, int]) -> list[Any]:
    found = next((values for pattern, values in _BY_NAME if re.fullmatch(pattern, name)), None)
    if found is not None:
        return list(found)
    parts = re.split(r"[_\d]+", name)
    if {"out", "output", "hidden", "units", "outputs", "m"} & set(parts):
        return [sizes.get("out", 3)]
    if {"in", "input", "inputs", "dim", "d", "size", "features", "channels", "n", "num"} & set(parts):
        return [sizes.get("in", 2), 2]
    return [2, 0.5]
