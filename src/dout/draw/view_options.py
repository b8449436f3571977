"""The options of a picture: its content (View) and its look. Python, the shell and notebooks use the same names."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from math import inf
from numbers import Integral, Real
from typing import Literal, get_args

from dout.errors import TargetError
from dout.number_text import DIGITS

Theme = Literal["auto", "light", "dark", "print"]
Direction = Literal["right", "down"]
MOST_DIGITS = 17  # tell every two floats apart
_UNITS = {"mm": 1.0, "cm": 10.0, "in": 25.4, "pt": 25.4 / 72}


@dataclass(frozen=True)
class View:
    """The content of a picture.

    `open` says which layers show their inside: "auto" (one that is alone), "all", "none", or the names or classes of
    layers, of steps that repeat ("Block ×12"), and of the parts that a large graph is divided into ("part3");
    `depth` how deep at most, layers in layers counted from outside. `digits` are significant digits; without `values`
    or `gradients` these are left out. `backward` draws the hand-written backward in place of the forward. `unfold`
    draws steps that repeat one by one.
    """

    open: str | Collection[str] = "auto"
    depth: int | None = None
    digits: int = DIGITS
    values: bool = True
    gradients: bool = True
    backward: bool = False
    unfold: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError for digits that no number has, and TargetError where `open` names nothing."""
        if not isinstance(self.digits, Integral) or not 1 <= self.digits <= MOST_DIGITS:
            raise ValueError(f"digits are 1 to {MOST_DIGITS}, not {self.digits!r}")
        if not isinstance(self.open, Collection) or not all(isinstance(name, str) for name in self.open):
            raise TargetError(
                f'open is "auto", "all", "none", or names of layers such as ["Affine"], not {self.open!r}'
            )


@dataclass(frozen=True)
class Look:
    """The look of a picture: its `theme` ("auto" follows the reader), its `width` on paper, in millimetres.

    `direction` is the way that its edges run: to the right, or down. A `note` stands below it; without `hover` the
    pointer tells nothing.
    """

    theme: Theme = "auto"
    width: float | None = None
    direction: Direction = "right"
    note: str = ""
    hover: bool = True

    def __post_init__(self) -> None:
        """Raise ValueError for a width that no paper has, and for another direction."""
        if self.direction not in get_args(Direction):
            raise ValueError(f"there is no direction {self.direction!r}; try right or down")
        if self.width is not None and not 0 < self.width < inf:
            raise ValueError(f"a width is a length in millimetres above 0, not {self.width}")


def millimetres(length: float | str | None) -> float | None:
    """Return a length in millimetres; text has a unit. Raises ValueError for anything but a length.

    >>> millimetres("8.5cm"), millimetres(85)
    (85.0, 85)
    """
    if length is None or isinstance(length, Real):
        return length
    match = re.fullmatch(r"(\d+(?:\.\d+)?) *(mm|cm|in|pt)", length.strip()) if isinstance(length, str) else None
    if match is None or not float(match[1]):
        raise ValueError(f"{length!r} is no length; write 85mm, 8.5cm or 3.3in")
    return float(match[1]) * _UNITS[match[2]]
