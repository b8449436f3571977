"""Lines of text with styles, and what prints them: plain text, a terminal with colours, a notebook."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

Span = tuple[str, str]  # text and the name of a style
Line = list[Span]

_ASCII = str.maketrans({"✓": "v", "✗": "x", "·": "-", "−": "-", "×": "x", "…": "...", "∂": "d", "≤": "<=", "≥": ">="})
_RICH = {
    "good": "green", "bad": "bold red", "fair": "yellow", "open": "magenta", "dim": "dim", "title": "bold",
    "added": "green", "removed": "red", "code": "cyan", "": "", "verbatim": "",
    "value": "bold blue", "gradient": "rgb(215,95,0)",
}  # fmt: skip
_CSS = {
    "good": "color:#1a7f37", "bad": "color:#cf222e;font-weight:bold", "fair": "color:#9a6700", "open": "color:#8250df",
    "dim": "opacity:.65", "title": "font-weight:bold", "added": "color:#1a7f37", "removed": "color:#cf222e",
    "code": "color:#0550ae", "": "", "verbatim": "",
}  # fmt: skip


def wrapped(line: Line, width: int) -> Iterator[Line]:
    """A line in parts of at most `width`, broken at spaces and further indented; code stays whole.

    >>> for part in wrapped([("  ", ""), ("one two three", "bold")], 12):
    ...     print(part)
    [('  ', ''), ('one two', 'bold')]
    [('      ', ''), ('three', 'bold')]
    """
    text, styles = "".join(part for part, _ in line), [style for part, style in line for _ in part]
    if "verbatim" in styles or len(text) <= width:
        yield line
        return
    indent = len(text) - len(text.lstrip())

    def part(begin: int, end: int) -> Line:
        runs = (list(run) for _, run in groupby(range(begin, end), styles.__getitem__))
        spans = [(text[run[0] : run[-1] + 1], styles[run[0]]) for run in runs]
        return [(" " * (indent + 4), ""), *spans] if begin else spans

    begin = end = 0
    for word in re.finditer(r"\S+", text):
        room = width - indent - 4 if begin else width
        if word.end() - begin > room and end:
            yield part(begin, end)
            begin = word.start()
        end = word.end()
    yield part(begin, end)


def plain(lines: Iterable[Line]) -> str:
    """Lines as text without colours."""
    return "\n".join("".join(part for part, _ in line).rstrip() for line in lines)


def ascii_only(lines: Iterable[Line]) -> list[Line]:
    """The same lines for a terminal that knows ASCII alone."""
    return [
        [(part.translate(_ASCII).encode("ascii", "backslashreplace").decode(), style) for part, style in line]
        for line in lines
    ]


def coloured(lines: Iterable[Line]) -> Text:
    """Lines as rich text."""
    from rich.text import Text

    text = Text()
    for i, line in enumerate(lines):
        text.append("\n" if i else "")
        for part, style in line:
            text.append(part, style=_RICH[style])
    return text


def in_notebook(lines: Iterable[Line]) -> str:
    """Lines as one preformatted block of HTML, everything in it escaped."""
    body = html_spans(lines, lambda style: f'style="{_CSS[style]}"')
    return f'<pre style="white-space:pre-wrap;line-height:1.35">{body}</pre>'


def html_spans(lines: Iterable[Line], attribute: Callable[[str], str]) -> str:
    """Lines as spans, each with the attribute of its style; everything in them escaped."""
    rows = ("".join(_span(part, attribute(style)) for part, style in line if part) for line in lines)
    return "\n".join(rows)


def _span(part: str, attribute: str) -> str:
    return f"<span {attribute}>{html.escape(part)}</span>"
