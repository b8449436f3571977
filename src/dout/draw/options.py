"""What a picture shows, and how it looks: the choices that every face of it offers under the same names."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

Theme = Literal["auto", "light", "dark", "print"]
DIGITS = 4
MOST_DIGITS = 17  # tell every two floats apart


@dataclass(frozen=True)
class View:
    """What is in a picture.

    `open` says which layers show their inside: "auto" (one that is alone), "all", "none", or the names or classes of
    layers, of stacks of equal ones ("Block ×12"), and of the parts that a large graph is divided into ("part3");
    `depth` how deep at most, layers in layers counted from outside. `digits` are significant digits; without `values`
    or `gradients` these are left out. `backward` draws the hand-written backward in place of the forward.
    """

    open: str | Collection[str] = "auto"
    depth: int | None = None
    digits: int = DIGITS
    values: bool = True
    gradients: bool = True
    backward: bool = False


@dataclass(frozen=True)
class Look:
    """How a picture is written: its `theme` ("auto" follows the reader), and its `width` in millimetres on paper."""

    theme: Theme = "auto"
    width: float | None = None
