"""A layer as a program uses it: what it was built with, what its forward was given, and what became of its backward."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dout.adapt.target import Target
from dout.graph import Where
from dout.run import attributes_of

_PLAIN = (bool, str, type(None))


@dataclass(eq=False)
class BackwardUse:
    """What a program does with the backward of a class; its uses share it.

    `turn` counts the classes that had theirs before its first call; it is -1 where there was none. `came_back` says
    that a call returned: one that raises says nothing for the layer. `is_asked` says that the program did something
    with what that was, and `of_entropy` that no dout was another one than that of a cross entropy: `-t / y`, or `-t` of
    a logarithm. `givers` are the losses whose forward was given what a forward of the class returned, and whose
    backward gave it its dout; "" for anything else.
    """

    turn: int = -1
    came_back: bool = False
    is_asked: bool = False
    of_entropy: bool = True
    givers: set[str] = field(default_factory=set)

    @property
    def dout_of(self) -> str:
        """The loss that gave it each dout; "" where there are several, or anything else."""
        return next(iter(self.givers)) if len(self.givers) == 1 else ""


@dataclass(eq=False)
class LayerUse:
    """A layer as a program uses it: what it was built with, and, at a forward, itself and its inputs.

    `init` is None where the constructor was not seen, or takes what cannot be given again by name. `layer` is a copy,
    None of a pair of functions and where there is no copy. `called_at` is the program's line. `instead_of` is the class
    that was used, where this one takes the same. `learned` are the inputs that other layers gave.
    """

    target: Any
    init: dict[str, Any] | None = None
    layer: Any = None
    inputs: dict[str, Any] = field(default_factory=dict)
    forward: str = ""
    called_at: Where | None = None
    back: BackwardUse = field(default_factory=BackwardUse)
    instead_of: str = ""
    learned: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What the class, or the forward function, is called."""
        return str(self.target.__qualname__)

    @property
    def file(self) -> str:
        """The file it is written in."""
        return Target(self.target).file or ""

    @property
    def of_one_sample(self) -> bool:
        """Whether its first array holds a single sample."""
        first = next((x for x in self.inputs.values() if isinstance(x, np.ndarray)), None)
        return first is not None and first.ndim > 1 and len(first) == 1

    @property
    def manner(self) -> str:
        """Its settings that are no numbers: flags, words and functions, by which its code may go another way."""
        items = {**(self.init or {}), **self.inputs, **(attributes_of(self.layer) if self.layer is not None else {})}
        plain = {k: v for k, v in items.items() if isinstance(v, _PLAIN)}
        called = {k: getattr(v, "__qualname__", type(v).__qualname__) for k, v in items.items() if callable(v)}
        return repr(sorted({**plain, **called}.items()))
