"""A row of the corpus: a class with a forward, how it is made and called at several sizes, and what is known of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

# Sizes of the axes that shapes name: N rows, D features, M features that come out, H hidden, T steps, V classes,
# C channels, O channels that come out, P and Q height and width.
SMALL = {"N": 3, "D": 4, "M": 5, "H": 2, "T": 6, "V": 7, "C": 2, "O": 4, "P": 5, "Q": 6}
OTHER = {"N": 5, "D": 3, "M": 4, "H": 6, "T": 2, "V": 8, "C": 3, "O": 2, "P": 6, "Q": 4}
TIMED = {"N": 64, "D": 128, "M": 96, "H": 32, "T": 16, "V": 100, "C": 4, "O": 8, "P": 16, "Q": 12}


@dataclass(frozen=True)
class Draw:
    """Random numbers of a kind, in a shape that names its axes: "N D", "H 4H" (a number times an axis), "D+H".

    `below` is the axis that whole numbers stay below.
    """

    kind: str
    shape: str = ""
    below: str = ""

    def make(self, rng: np.random.Generator, dtype: Any, sizes: Mapping[str, int]) -> Any:
        """An array in the given dtype; labels are int64, and masks bool."""
        shape = tuple(_size(axis, sizes) for axis in self.shape.split())
        drawn = KINDS[self.kind](rng, shape, _size(self.below or "V", sizes))
        return drawn if drawn.dtype.kind in "ib" else drawn.astype(dtype)

    @property
    def has_gradient(self) -> bool:
        """Whether a small change of it makes sense."""
        return self.kind not in {"labels", "mask", "one_hot", "signs", "zero_one"}

    @property
    def has_scale(self) -> bool:
        """Whether its numbers may be of any size: probabilities may not."""
        return self.kind in {"normal", "spread", "wide", "positive"}


def _size(axis: str, sizes: Mapping[str, int]) -> int:
    if "+" in axis:
        return sum(_size(part, sizes) for part in axis.split("+"))
    number = axis.rstrip("NDMHTVCOPQ")
    return int(number or 1) * sizes.get(axis[len(number) :], 1)


KINDS = {
    "normal": lambda rng, shape, below: rng.normal(size=shape),
    "spread": lambda rng, shape, below: rng.uniform(-4, 4, shape),
    "wide": lambda rng, shape, below: rng.uniform(-5, 12, shape),
    "positive": lambda rng, shape, below: rng.uniform(0.3, 2, shape),
    "between": lambda rng, shape, below: rng.uniform(0.05, 0.95, shape),
    "share": lambda rng, shape, below: rng.dirichlet(np.full(shape[-1], 2.0), shape[:-1]),
    "log_share": lambda rng, shape, below: np.log(rng.dirichlet(np.full(shape[-1], 2.0), shape[:-1])),
    "labels": lambda rng, shape, below: rng.integers(below, size=shape),
    "one_hot": lambda rng, shape, below: np.eye(shape[-1])[rng.integers(shape[-1], size=shape[:-1])],
    "zero_one": lambda rng, shape, below: rng.integers(2, size=shape).astype(float),
    "signs": lambda rng, shape, below: rng.choice([-1.0, 1.0], size=shape),
    "mask": lambda rng, shape, below: rng.random(shape) > 0.4,
}


def normal(shape: str = "N D") -> Draw:
    """Numbers of either sign around 0."""
    return Draw("normal", shape)


def spread(shape: str = "N D") -> Draw:
    """Numbers of either sign up to 4."""
    return Draw("spread", shape)


def wide(shape: str = "N D") -> Draw:
    """Numbers between -5 and 12."""
    return Draw("wide", shape)


def positive(shape: str = "N D") -> Draw:
    """Numbers between 0.3 and 2."""
    return Draw("positive", shape)


def between(shape: str = "N D") -> Draw:
    """Numbers between 0 and 1."""
    return Draw("between", shape)


def labels(shape: str = "N", below: str = "V") -> Draw:
    """Whole numbers below the size of an axis."""
    return Draw("labels", shape, below)


@dataclass(frozen=True)
class Example:
    """Constructor arguments and inputs."""

    init: Mapping[str, Any]
    inputs: Mapping[str, Any]

    def made(self, layer: type) -> Any:
        """A layer of a class, with arrays of its own."""
        return layer(**{name: copied(value) for name, value in self.init.items()})

    @property
    def arguments(self) -> tuple[Any, ...]:
        """The inputs by place, as copies."""
        return tuple(copied(value) for value in self.inputs.values())


def copied(value: Any) -> Any:
    """A copy of an array; of anything else it is the same."""
    return value.copy() if isinstance(value, np.ndarray) else value


@dataclass(frozen=True, eq=False)
class ForwardRow:
    """A class with a forward, and what is known of it.

    `torch` is what PyTorch computes the same with, and `same` what NumPy or SciPy does, as expressions in the names of
    inputs and constructor arguments. `shortest` is the shortest known form of dy/dx of an activation, in x, the output
    y and the constructor's arguments; `by_output` says whether y alone determines it. `fixed` names arguments that
    are data, and have no gradient. `random` says that forward draws.
    """

    layer: type
    inputs: Mapping[str, Any]
    init: Mapping[str, Any]
    torch: str | None = None
    same: str | None = None
    shortest: str | None = None
    by_output: bool | None = None
    fixed: tuple[str, ...] = ()
    random: bool = False

    @property
    def name(self) -> str:
        """The name of the class."""
        return self.layer.__name__

    @property
    def family(self) -> str:
        """The file that it is in."""
        return self.layer.__module__.rpartition(".")[2]

    @cached_property
    def differentiable(self) -> tuple[str, ...]:
        """The inputs that have a gradient."""
        return tuple(
            n for n, d in self.inputs.items() if isinstance(d, Draw) and d.has_gradient and n not in self.fixed
        )

    @cached_property
    def learned(self) -> tuple[str, ...]:
        """The constructor's arguments that have a gradient."""
        return tuple(n for n, d in self.init.items() if isinstance(d, Draw) and d.has_gradient and n not in self.fixed)

    def example(self, sizes: Mapping[str, int], rng: np.random.Generator, dtype: Any = np.float64) -> Example:
        """Arguments at given sizes."""
        made = [
            {name: d.make(rng, dtype, sizes) if isinstance(d, Draw) else d for name, d in given.items()}
            for given in (self.init, self.inputs)
        ]
        return Example(*made)


def row(layer: type, *inputs: Any, fixed: str = "", init: Mapping[str, Any] | None = None, **known: Any) -> ForwardRow:
    """A row; inputs are given in the order of forward's arguments."""
    code = layer.forward.__code__
    names = code.co_varnames[1 : code.co_argcount]
    return ForwardRow(layer, dict(zip(names, inputs, strict=False)), init or {}, fixed=tuple(fixed.split()), **known)
