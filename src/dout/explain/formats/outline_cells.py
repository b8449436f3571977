"""What an outline is made of: parts with rows, rows with cells, and the columns that these stand in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dout.errors import visible
from dout.explain.formats.words import Sentence
from dout.explain.spelling.written_text import tupled
from dout.explain.terms.terms import Term
from dout.graph import Where

COLUMN_KEYS: Mapping[str, tuple[str, ...]] = {  # the columns of each part, in their order
    "forward": ("says", "equation", "value"),
    "backward": ("number", "operator", "says", "index", "local", "gradient", "shapes", "code", "value"),
    "simplified": ("form", "since"),
    "keeping": ("sentence",),
    "beside": ("source", "mark"),
    "not_explained": ("sentence",),
}

HEADS: Mapping[str, str] = {  # the words at the head of a column, where a format has such
    "number": "title.step", "operator": "title.operator", "local": "title.local", "gradient": "title.gradient",
    "index": "title.gradient", "shapes": "title.shapes", "code": "title.code", "value": "title.value",
}  # fmt: skip


@dataclass(frozen=True)
class LocalDerivative(Term):
    """The derivative of a step's output by one of its inputs: ∂y/∂c."""

    of: str
    by: str


@dataclass(frozen=True)
class Equation:
    """A chain of equal terms; `left` is None where it goes on from the line before. `of` is the name it is about."""

    left: Term | None
    sides: tuple[Term, ...]
    of: str = ""


@dataclass(frozen=True)
class Figure:
    """A number."""

    value: Any
    gradient: bool = False


@dataclass(frozen=True)
class Listing:
    """Code."""

    source: str


@dataclass(frozen=True)
class LineJudgement:
    """The judgement on a line of the user's; "~" is right up to the number of samples, or for some inputs only."""

    mark: Literal["✓", "~", "✗"]
    sentence: Sentence


Cell = Equation | Figure | Listing | LineJudgement | Sentence


@dataclass(frozen=True)
class OutlineRow:
    """A row of a part: a cell for each column by the column's key. `name` is the value that it is about."""

    cells: Mapping[str, Cell]
    step: int | None = None
    name: str = ""


@dataclass(frozen=True)
class OutlinePart:
    """A part with its title, and what stands beside the title: the upstream gradient, its shape, a place."""

    key: str
    title: Sentence
    rows: tuple[OutlineRow, ...]
    seed: Cell | None = None
    shape: str = ""
    where: Where | None = None


@dataclass(frozen=True)
class Outline:
    """A whole explanation; `shapes` are the named values with their axes."""

    name: str
    formula: Equation | None
    shapes: tuple[tuple[str, str], ...]
    where: Where | None
    parts: tuple[OutlinePart, ...]


def shape_text(axes: tuple[str, ...]) -> str:
    """Axes as Python writes a shape.

    >>> shape_text(("N", "D")), shape_text(("M",)), shape_text(())
    ('(N, D)', '(M,)', '')
    """
    return tupled(list(axes)) if axes else ""


def place_text(where: Where | None) -> str:
    """A place as it is seen from the working folder; outside of it, the name of the file."""
    if where is None:
        return ""
    try:
        file = Path(where.file).absolute().relative_to(Path.cwd()).as_posix()
    except (ValueError, OSError):
        file = Path(where.file).name
    return visible(f"{file}:{where.line}")
