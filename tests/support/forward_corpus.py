"""All layers without a backward that explain and derive are tried on: one row a class, family by family."""

from importlib import import_module

from forwards import by_hand, by_hand_axes, by_hand_loops
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
    found = (getattr(module, row.name, None) for module in (by_hand, by_hand_axes, by_hand_loops))
    return next(filter(None, found), None)


__all__ = ["FAMILIES", "OTHER", "SMALL", "TIMED", "Draw", "Example", "ForwardRow", "hand_written", "rows"]
