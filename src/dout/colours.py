"""The colours of each theme and the fonts of the screen, for everything that dout draws or writes as a page."""

from __future__ import annotations

from collections.abc import Sequence

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


def family(names: Sequence[str]) -> str:
    """A list of fonts in CSS."""
    return ",".join(f"'{name}'" if " " in name else name for name in names)


def variables(theme: str) -> str:
    """The colours of a theme as variables in CSS."""
    scheme = "dark" if theme == "dark" else "light"
    return f"color-scheme:{scheme};" + ";".join(f"--{name}:{colour}" for name, colour in PALETTES[theme].items())
