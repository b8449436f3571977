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

# Widths of ASCII in DejaVu Sans, in hundredths of the size, and in DejaVu Sans Bold: the widest of the usual screen
# fonts, so that a label never needs more room than it was given.
WIDTHS = [
    32, 41, 46, 84, 64, 96, 78, 28, 40, 40, 50, 84, 32, 37, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 34, 34,
    84, 84, 84, 54, 100, 69, 69, 70, 77, 64, 58, 78, 76, 30, 30, 66, 56, 91, 75, 79, 61, 79, 70, 64, 62, 74, 69, 99,
    69, 62, 69, 40, 34, 40, 84, 50, 50, 62, 64, 55, 64, 62, 36, 64, 64, 28, 28, 58, 28, 98, 64, 62, 64, 64, 42, 53,
    40, 64, 60, 82, 60, 60, 53, 64, 34, 64, 84,
]  # fmt: skip
BOLD_WIDTHS = [
    35, 46, 53, 84, 70, 101, 88, 31, 46, 46, 53, 84, 38, 42, 38, 37, 70, 70, 70, 70, 70, 70, 70, 70, 70, 70, 40, 40,
    84, 84, 84, 59, 100, 78, 77, 74, 84, 69, 69, 83, 84, 38, 38, 78, 64, 100, 84, 86, 74, 86, 77, 73, 69, 82, 78, 111,
    78, 73, 73, 46, 37, 46, 84, 50, 50, 68, 72, 60, 72, 68, 44, 72, 72, 35, 35, 67, 35, 105, 72, 69, 72, 72, 50, 60,
    48, 72, 66, 93, 65, 66, 59, 72, 37, 72, 84,
]  # fmt: skip
OTHER_WIDTHS = {"·": 38, "‖": 55, "μ": 74, "…": 100}  # of summaries, light or bold

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


def text_width(text: str, size: float, *, mono: bool = False, bold: bool = False) -> float:
    """Return the room that `text` needs at this font size, in pixels; never too little in the usual fonts."""
    if mono:
        return size * sum(0.61 * (2 if _wide(c) else 1) for c in text)
    return size * sum(_hundredths(c, bold) for c in text) / 100


@cache
def _hundredths(character: str, bold: bool) -> int:
    """The room for one character, in hundredths of the size. Beyond ASCII, that for the widest of its kind."""
    code = ord(character)
    if 32 <= code < 127:
        return (BOLD_WIDTHS if bold else WIDTHS)[code - 32]
    if character in OTHER_WIDTHS:
        return OTHER_WIDTHS[character]
    if unicodedata.combining(character):
        return 0
    if _wide(character):
        return 130 if code >= _EMOJI else 100
    if unicodedata.category(character) in ("Lu", "Ll", "Lt", "Lo"):
        return 110 if code < _CYRILLIC else 138
    return 84


def _wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF"
