"""All layers without a backward that explain and derive are tried on: one row a class, family by family."""

from importlib import import_module

from forwards import by_hand, by_hand_axes
from forwards.corpus_row import OTHER, SMALL, TIMED, Draw, Example, ForwardRow

FAMILIES = (
    "arithmetic", "bends", "smooth", "elementwise", "reductions", "softmaxes", "losses", "affine", "normalisations",
    "attention", "pooling", "convolutions", "recurrent", "indexing",
)  # fmt: skip


def rows() -> list[ForwardRow]:
    """Every row, in the order of families."""
    return [row for family in FAMILIES for row in import_module(f"forwards.{family}").ROWS]


def hand_written(row: ForwardRow) -> type | None:
    """The same layer with a backward by hand, where there is one."""
    return getattr(by_hand, row.name, None) or getattr(by_hand_axes, row.name, None)


__all__ = ["FAMILIES", "OTHER", "SMALL", "TIMED", "Draw", "Example", "ForwardRow", "hand_written", "rows"]
