"""What a training was like: a row for each epoch in; a table, a curve in the terminal, and one as SVG out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dout.colours import PALETTES, SANS, family
from dout.draw.terminal.training_table import curve
from dout.draw.writers.svg import safe
from dout.files import CHART, write
from dout.number_text import format_number
from dout.styled_lines import Line, coloured, plain

if TYPE_CHECKING:
    from rich.text import Text

Row = dict[str, float]
UNDRAWN = ("epoch", "seconds", "lr")
_MOST_ROWS = 12  # of the table
_WIDTH, _HEIGHT, _LEFT, _TOP = 640, 220, 56, 34


@dataclass
class History:
    """The epochs of a training. `best` is the row with the smallest `watched`; `stopped` says why it ended early."""

    rows: list[Row] = field(default_factory=list)
    watched: str = "loss"
    stopped: str = ""

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, name: str) -> list[float]:
        """A column: `history["loss"]`."""
        return [row[name] for row in self.rows if name in row]

    def __iter__(self) -> Iterator[Row]:
        """The rows."""
        return iter(self.rows)

    @property
    def best(self) -> Row | None:
        """The epoch that was best."""
        rows = [row for row in self.rows if isfinite(row.get(self.watched, float("nan")))]
        return min(rows, key=lambda row: row[self.watched]) if rows else None

    @property
    def columns(self) -> list[str]:
        """The names of everything that was measured."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def lines(self) -> Iterator[Line]:
        """The table, some of its rows left out where there are many, and a curve for each number below."""
        if not self.rows:
            yield [("no epoch has ended", "dim")]
            return
        names = [name for name in self.columns if name != "lr"]
        shown, best = _spread(self.rows, self.best), self.best
        cells = [[_text(name, row.get(name)) for name in names] for row in shown]
        wide = [max(len(name), *(len(row[i]) for row in cells)) for i, name in enumerate(names)]
        yield [("  ".join(name.rjust(w) for name, w in zip(names, wide, strict=True)), "title")]
        for row, texts in zip(shown, cells, strict=True):
            line = "  ".join(text.rjust(w) for text, w in zip(texts, wide, strict=True))
            yield [(line, "good" if row is best else ""), ("  best" if row is best else "", "good")]
        drawn = [name for name in names if name not in UNDRAWN]
        for name in drawn if len(self.rows) > 1 else ():
            yield [(f"{name:{max(map(len, drawn))}}  ", ""), (curve([*filter(isfinite, self[name])] or [0.0]), "value")]
        if self.stopped:
            yield [(self.stopped, "dim")]

    def __str__(self) -> str:
        return plain(self.lines())

    def __rich__(self) -> Text:
        return coloured(self.lines())

    def svg(self) -> str:
        """Two charts side by side in one picture: losses, and everything else that was measured."""
        drawn = [name for name in self.columns if name not in UNDRAWN]
        groups = [g for g in ([n for n in drawn if "loss" in n], [n for n in drawn if "loss" not in n]) if g]
        parts = [part for i, group in enumerate(groups) for part in self._chart(group, _TOP + i * (_HEIGHT + _TOP))]
        height = _TOP + max(1, len(groups)) * (_HEIGHT + _TOP)
        said = f"training: {', '.join(drawn) or 'nothing'} over {len(self.rows)} epochs"
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
        head += f'height="{height}" class="dout-history" role="img" aria-label="{safe(said)}">'
        dark = f"@media (prefers-color-scheme:dark){{{_colours('dark')}}}"
        style = f"<style>text{{font:12px {family(SANS)}}}path{{fill:none}}{_colours('light')}{dark}</style>"
        paper = f'<rect class="paper" width="{_WIDTH}" height="{height}"/>'
        return "\n".join([head, style, paper, *parts, "</svg>", ""])

    _repr_svg_ = svg

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write the charts to a file `.svg`. Raises TargetError where another file is in the way."""
        write([Path(path)], [self.svg().encode()], CHART, force=force)

    def _chart(self, names: Sequence[str], top: float) -> Iterator[str]:
        values = [value for name in names for value in self[name] if isfinite(value)]
        low, high = min(values, default=0.0), max(values, default=1.0)
        high = high if high > low else low + 1
        right = _WIDTH - 150.0

        def at(epoch: float, value: float) -> str:
            share = (epoch - 1) / max(len(self.rows) - 1, 1)
            return f"{_LEFT + share * (right - _LEFT):.1f} {top + _HEIGHT * (high - value) / (high - low):.1f}"

        for value in (low, high):
            y = float(at(1, value).split()[1])
            yield f'<path class="grid" d="M{_LEFT} {y}H{right:.0f}"/>'
            here = f'x="{_LEFT - 6}" y="{y + 4:.1f}"'
            yield f'<text class="quiet" text-anchor="end" {here}>{_text("", value)}</text>'
        yield f'<text class="quiet" x="{_LEFT}" y="{top + _HEIGHT + 16}">epoch 1</text>'
        yield f'<text class="quiet" text-anchor="end" x="{right:.0f}" y="{top + _HEIGHT + 16}">{len(self.rows)}</text>'
        for place, name in enumerate(names):
            points = [(row["epoch"], row[name]) for row in self.rows if isfinite(row.get(name, float("nan")))]
            if points:
                style = f"{'gradient' if 'validation' in name else 'value'}{' dashed' if place > 1 else ''}"
                yield f'<path class="{style}" d="M{"L".join(at(*point) for point in points)}"/>'
                yield f'<text class="{style}" x="{right + 8:.0f}" y="{top + 16 + 18 * place}">{safe(name)}</text>'


def _spread(rows: Sequence[Row], best: Row | None) -> list[Row]:
    """Some rows from the first to the last, the best among them."""
    if len(rows) <= _MOST_ROWS:
        return list(rows)
    places = {round(i * (len(rows) - 1) / (_MOST_ROWS - 1)) for i in range(_MOST_ROWS)}
    return [row for i, row in enumerate(rows) if i in places or row is best]


def _text(name: str, value: float | None) -> str:
    if value is None:
        return ""
    return str(int(value)) if name == "epoch" else f"{value:.1f}" if name == "seconds" else format_number(value, 4)


def _colours(theme: str) -> str:
    palette: dict[str, Any] = PALETTES[theme]
    return (
        f".paper{{fill:{palette['paper']}}}text.quiet{{fill:{palette['quiet']}}}.grid{{stroke:{palette['zero']}}}"
        f"path.value{{stroke:{palette['value']};stroke-width:2}}text.value{{fill:{palette['value']}}}"
        f"path.gradient{{stroke:{palette['gradient']};stroke-width:2}}text.gradient{{fill:{palette['gradient']}}}"
        "path.dashed{stroke-dasharray:6 4}"
    )
