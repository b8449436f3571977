"""The paint of each style by theme, as data that every backend reads.

A style's name stands on every shape of a display list; its font is in `display_list.TEXTS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dout.draw.view_options import Theme

# The first of these that is there; every backend that can name several does.
SANS = (
    "Noto Sans", "DejaVu Sans", "Segoe UI", "Helvetica Neue", "Arial", "Noto Sans CJK JP", "Hiragino Sans",
    "sans-serif",
)  # fmt: skip
MONO = ("DejaVu Sans Mono", "Noto Sans Mono", "Menlo", "Consolas", "monospace")

PALETTES = {
    "light": {
        "paper": "#ffffff", "ink": "#1a1a1a", "quiet": "#5f6b7a", "value": "#0072b2", "gradient": "#b8460b",
        "wrong": "#c1121f", "wrong-fill": "#fde4e4", "panel": "#f6f8fa", "line": "#9aa5b1", "zero": "#e4e8ec",
    },
    "dark": {
        "paper": "#0f141a", "ink": "#eef2f6", "quiet": "#9aa7b5", "value": "#6db7ff", "gradient": "#ff9a5c",
        "wrong": "#ff6b6b", "wrong-fill": "#4a1d22", "panel": "#161d26", "line": "#5b6876", "zero": "#2a3440",
    },
    "print": {
        "paper": "#ffffff", "ink": "#000000", "quiet": "#555555", "value": "#000000", "gradient": "#444444",
        "wrong": "#000000", "wrong-fill": "#dddddd", "panel": "#ffffff", "line": "#777777", "zero": "#e6e6e6",
    },
}  # fmt: skip


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
