"""Text that came from somewhere else (names, symbols, reprs): made safe, shortened, and measured."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

NAME_LIMIT = 24
_CYRILLIC, _EMOJI = 0x400, 0x1F000  # where these begin
_LOOK_AT = 4096  # a name of 10**5 characters is cut before anything looks at each of them

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b[\]PX^_].*?(?:\x1b\\|\x07|$)"  # OSC and its kin: titles, links
    r"|\x1b[@-Z\\-_ -/]?.?",
    re.DOTALL,
)
_BLANK = re.compile(r"\s+")
_DROPPED = ("Cf", "Cs", "Co", "Cn")  # formats (direction marks, joiners), halves of pairs, private, unassigned

# Widths of ASCII in DejaVu Sans Bold, in hundredths of the size: the widest of the usual screen fonts, so that a
# label never needs more room than it was given.
WIDTHS = [
    35, 46, 52, 84, 70, 100, 87, 31, 46, 46, 52, 84, 38, 42, 38, 37, 70, 70, 70, 70, 70, 70, 70, 70, 70, 70, 40, 40,
    84, 84, 84, 58, 100, 77, 76, 73, 83, 68, 68, 82, 84, 37, 37, 77, 64, 100, 84, 85, 73, 85, 77, 72, 68, 81, 77, 110,
    77, 72, 73, 46, 37, 46, 84, 50, 50, 67, 72, 59, 72, 68, 44, 72, 71, 34, 34, 67, 34, 104, 71, 69, 72, 72, 49, 60,
    48, 71, 65, 92, 65, 65, 58, 71, 37, 71, 84,
]  # fmt: skip

# The substitute for a character where only ASCII can be written, or no font has it.
PLAIN = {
    "−": "-", "×": "*", "◂": "<", "▸": ">", "▾": "v", "●": "o", "✗": "X", "✓": "right:", "▲": "^", "…": "~",
    "∞": "inf", "≈": "~", "≤": "<=", "≥": ">=", "≠": "!=", "¬": "not", "μ": "mean", "‖": "|", "·": ".", "Σ": "sum",
    "√": "sqrt", "²": "^2", "ᵀ": "T", "∅": "empty", "▁": "_", "▂": "_", "▃": ".", "▄": "-", "▅": "-", "▆": "=",
    "▇": "#", "█": "#", "─": "-",
}  # fmt: skip


def clean(text: str) -> str:
    r"""Return one line without escape sequences, control characters, or characters that XML or a terminal obeys.

    >>> clean("a\x1b[31mred\x1b[0m\n b\x00")
    'ared b'
    """
    text = text[:_LOOK_AT]
    if text.isascii() and text.isprintable():
        return text
    text = _BLANK.sub(" ", _ESCAPES.sub("", text))
    return "".join(c for c in text if c.isprintable() or not _dropped(c)).strip()


def _dropped(character: str) -> bool:
    category = unicodedata.category(character)
    return category == "Cc" or category in _DROPPED


def printable(text: str) -> str:
    """Return `text` without what neither XML nor TeX can hold: control characters, halves of pairs, direction marks."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c for c in text if c in "\n\u3000\u00a0" or c.isprintable())


def shorten(text: str, limit: int = NAME_LIMIT) -> str:
    """Return `text`, cleaned, in at most `limit` columns (wide characters take two), cut with … where it is longer.

    >>> shorten("mul_apple_layer", 8)
    'mul_app…'
    """
    text = clean(text)
    if len(text) <= limit and text.isascii():
        return text
    if columns(text) <= limit:
        return text
    room = limit - 1
    end = 0
    while end < len(text) and (room := room - columns(text[end])) >= 0:
        end += 1
    return text[:end] + "…" if limit else ""


def circled(number: int) -> str:
    """A number of an edge: ① to ⑳, then (21)."""
    return "①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳"[number - 1] if 0 < number <= 20 else f"({number})"


def columns(text: str) -> int:
    """Return how many columns of a terminal `text` takes: two for wide characters, none for combining ones."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def text_width(text: str, size: float, mono: bool = False) -> float:
    """Return the room that `text` needs at this font size, in pixels; never too little in the usual fonts."""
    if mono:
        return size * sum(0.61 * (2 if _wide(c) else 1) for c in text)
    return size * sum(map(_hundredths, text)) / 100


@cache
def _hundredths(character: str) -> int:
    """The room for one character, in hundredths of the size. Beyond ASCII, that for the widest of its kind."""
    code = ord(character)
    if 32 <= code < 127:
        return WIDTHS[code - 32]
    if unicodedata.combining(character):
        return 0
    if _wide(character):
        return 130 if code >= _EMOJI else 100
    if unicodedata.category(character) in ("Lu", "Ll", "Lt", "Lo"):
        return 110 if code < _CYRILLIC else 138
    return 100 if character == "…" else 84


def _wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF"
