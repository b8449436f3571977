"""The paint of each style by theme, as data that every backend reads.

A style's name stands on every shape of a display list; its font is in `display_list.TEXTS`.
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
    "card-title": Style("ink"),
    "card-line": Style("gradient"),
    "card-line-forward": Style("value"),
    "operator": Style("paper", "ink", 1.6),
    "layer": Style("panel", "ink", 1.8),
    "layer-inner": Style("", "quiet", 1),
    "open": Style("panel", "quiet", 1.2, dash=(5, 4)),
    "cell-box": Style("paper", "line", 0.8),
    "cell-zero": Style("zero", "line", 0.8),
    "cell-on": Style("value", "line", 0.8),
    "tick": Style("", "paper", 1.8),
    "hatch": Style("", "line", 0.8),
    "cell-wrong": Style("wrong-fill", "wrong", 1.4),
    "bar": Style("value"),
    "gradient-bar": Style("gradient"),
    "symbol": Style("ink"),
    "word": Style("ink"),
    "name": Style("ink"),
    "kept-name": Style("quiet"),
    "result": Style("ink"),
    "title": Style("ink"),
    "caption": Style("quiet"),
    "constant": Style("quiet"),
    "note": Style("quiet"),
    "value": Style("value"),
    "head": Style("value"),
    "line": Style("value"),
    "cell": Style("value"),
    "gradient": Style("gradient"),
    "derived": Style("gradient", opacity=0.88),
    "gradient-head": Style("gradient"),
    "gradient-line": Style("gradient"),
    "gradient-cell": Style("gradient"),
    "derived-cell": Style("gradient", opacity=0.88),
    "loud": Style("wrong"),
    "wrong": Style("wrong"),
    "wrong-cell": Style("wrong"),
    "wrong-inside": Style("wrong"),
    "first": Style("wrong"),
    "wrong-note": Style("wrong"),
}


def palette_of(theme: Theme) -> Mapping[str, str]:
    """Return the colours of a theme, as #rrggbb by name; "auto" is light where nobody can be asked.

    Raises ValueError for a theme that there is not.
    """
    if theme == "auto":
        return PALETTES["light"]
    if theme not in PALETTES:
        raise ValueError(f"there is no theme {theme!r}; try {', '.join(PALETTES)} or auto")
    return PALETTES[theme]
