"""The paint of each style by theme, as data that every backend reads.

A style's name stands on every shape of a display list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dout.colours import PALETTES
from dout.draw.view_options import Theme


@dataclass(frozen=True, slots=True)
class Style:
    """The paint of a shape. `fill` and `stroke` are names of colours in a palette, or "" for none.

    `width` is that of the stroke; `dash` is how long it is drawn and left out, in turn. Undashed lines
    have round ends.
    """

    fill: str = ""
    stroke: str = ""
    width: float = 1.0
    dash: tuple[float, ...] = ()
    opacity: float = 1.0


@dataclass(frozen=True, slots=True)
class TextStyle:
    """The font of a text: its size in pixels, its colour by its name in a palette, weight and slant."""

    size: float
    fill: str
    bold: bool = False
    italic: bool = False
    mono: bool = False
    opacity: float = 1.0


TEXTS = {
    "symbol": TextStyle(18, "ink"),
    "word": TextStyle(12.5, "ink"),  # the symbol of an operator where it is a word: exp, reshape
    "name": TextStyle(13.5, "ink"),
    "kept-name": TextStyle(13.5, "quiet"),
    "result": TextStyle(14, "ink", bold=True),
    "title": TextStyle(14, "ink", bold=True),
    "caption": TextStyle(10.5, "quiet"),
    "constant": TextStyle(12, "quiet"),
    "value": TextStyle(14, "value", bold=True),
    "head": TextStyle(12, "value", bold=True, mono=True),
    "line": TextStyle(12, "value"),
    "loud": TextStyle(12, "wrong", bold=True),
    "cell": TextStyle(12, "value", bold=True),
    "gradient": TextStyle(13, "gradient"),
    "derived": TextStyle(13, "gradient", italic=True, opacity=0.88),
    "gradient-head": TextStyle(12, "gradient", mono=True),
    "gradient-line": TextStyle(12, "gradient"),
    "gradient-cell": TextStyle(12, "gradient"),
    "derived-cell": TextStyle(12, "gradient", italic=True, opacity=0.88),
    "wrong": TextStyle(13, "wrong", bold=True),
    "wrong-cell": TextStyle(12, "wrong", bold=True),
    "wrong-inside": TextStyle(11, "wrong", bold=True),
    "first": TextStyle(11, "wrong", bold=True),
    "card-title": TextStyle(13, "ink", bold=True),
    "card-line": TextStyle(13, "gradient"),
    "card-line-forward": TextStyle(13, "value"),
    "note": TextStyle(12, "quiet"),
    "wrong-note": TextStyle(12, "wrong"),
}

STYLES = {
    "paper": Style("paper"),
    "edge": Style("", "ink", 1.6),
    "thick": Style("", "ink", 3),
    "kept-edge": Style("", "quiet", 1.6, dash=(5, 4)),
    "kept-thick": Style("", "quiet", 3, dash=(7, 5)),
    "quiet": Style("", "quiet", 1.1),
    "dot": Style("ink"),
    "ring": Style("", "gradient", 2.6),
    "ring-forward": Style("", "value", 2.6),
    "pointer": Style("", "gradient", 1.1, dash=(4, 3)),
    "pointer-forward": Style("", "value", 1.1, dash=(4, 3)),
    "card": Style("panel", "gradient", 1.4),
    "card-forward": Style("panel", "value", 1.4),
    "operator": Style("paper", "ink", 1.6),
    "layer": Style("panel", "ink", 1.8),
    "layer-inner": Style("", "quiet", 1),
    "open": Style("panel", "quiet", 1.2, dash=(5, 4)),
    "inside": Style("panel"),  # of an open layer that goes on to both sides
    "blank": Style("paper"),
    "cell-box": Style("paper", "line", 0.8),
    "cell-zero": Style("zero", "line", 0.8),
    "cell-on": Style("value", "line", 0.8),
    "tick": Style("", "paper", 1.8),
    "hatch": Style("", "line", 0.8),
    "cell-wrong": Style("wrong-fill", "wrong", 1.4),
    "bar": Style("value"),
    "gradient-bar": Style("gradient"),
} | {name: Style(text.fill, opacity=text.opacity) for name, text in TEXTS.items()}


def palette_of(theme: Theme) -> Mapping[str, str]:
    """Return the colours of a theme, as #rrggbb by name; "auto" is light where nobody can be asked.

    Raises ValueError for a theme that there is not.
    """
    if theme == "auto":
        return PALETTES["light"]
    if theme not in PALETTES:
        raise ValueError(f"there is no theme {theme!r}; try {', '.join(PALETTES)} or auto")
    return PALETTES[theme]
