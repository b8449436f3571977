"""What a picture shows, and how it looks: the choices that every face of it offers under the same names."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import inf
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

    def __post_init__(self) -> None:
        """Raise ValueError for digits that no number has."""
        if not 1 <= self.digits <= MOST_DIGITS:
            raise ValueError(f"digits are 1 to {MOST_DIGITS}, not {self.digits}")


@dataclass(frozen=True)
class Look:
    """How a picture is written: its `theme` ("auto" follows the reader), and its `width` in millimetres on paper."""

    theme: Theme = "auto"
    width: float | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for a width that no paper has."""
        if self.width is not None and not 0 < self.width < inf:
            raise ValueError(f"a width is a length in millimetres above 0, not {self.width}")
