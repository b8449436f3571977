"""The table of `dout show --summary`: each layer with its shapes, parameters, bytes kept, and multiply-adds."""

from __future__ import annotations

from collections.abc import Iterator

from dout.draw.scene.layer_summary import LayerCost, LayerCosts
from dout.draw.scene.selection import Selection
from dout.draw.terminal.terminal_sizes import TerminalSizes
from dout.draw.words.safe_text import columns, shorten

HEADS = ("layer", "shape", "parameters", "kept for backward", "multiply-adds")
_UNITS = ("B", "KB", "MB", "GB", "TB")
_LEAST = 12  # columns of the names of layers


def layer_table(selection: Selection, width: int, *, unicode: bool) -> str:
    """The lines of the table, no wider than `width` unless its numbers are."""
    costs = LayerCosts(selection)
    if not costs.lines:
        return "no layer was called\n"
    rows = [HEADS, *(_cells(cost) for cost in (*costs.lines, costs.together))]
    wide = [max(columns(row[i]) for row in rows) for i in range(len(HEADS))]
    wide[0] = max(_LEAST, min(wide[0], width - sum(wide[1:]) - 2 * len(wide[1:])))
    lines = [*_aligned(rows[:-1], wide), *_aligned(rows[-1:], wide)]
    rule = "─" * columns(max(lines, key=columns))
    return TerminalSizes(unicode).say("\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], ""]))


def _cells(cost: LayerCost) -> tuple[str, ...]:
    shapes = ", ".join(str(tuple(shape)) for shape in cost.shapes[:2]) + (" …" if cost.shapes[2:] else "")
    kept = "" if cost.kept is None else _size(cost.kept)
    return "  " * cost.depth + cost.name, shapes, f"{cost.parameters:,}", kept, f"{cost.multiply_adds:,}"


def _size(many: int) -> str:
    """Bytes in the unit that suits them.

    >>> _size(512), _size(20_480)
    ('512 B', '20.5 KB')
    """
    power = max(0, (len(str(many)) - 1) // 3) if many else 0
    return f"{many:,} B" if power == 0 else f"{many / 1000**power:.1f} {_UNITS[min(power, 4)]}"


def _aligned(rows: list[tuple[str, ...]], wide: list[int]) -> Iterator[str]:
    """Names and shapes at the left of their columns, numbers at the right."""
    for row in rows:
        name = row[0].lstrip()
        indent = row[0][: len(row[0]) - len(name)]
        cells = [indent + shorten(name, max(1, wide[0] - len(indent))), *row[1:]]
        padded = (
            cell + " " * (room - columns(cell)) if i < 2 else " " * (room - columns(cell)) + cell
            for i, (cell, room) in enumerate(zip(cells, wide, strict=True))
        )
        yield "  ".join(padded).rstrip()
