"""What a command prints, as the terminal can show it: with colours or without, in Unicode or in ASCII."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from dout.errors import visible
from dout.files import Kind, write

if TYPE_CHECKING:
    from dout.styled_lines import Line


def is_unicode(stream: TextIO) -> bool:
    """Whether a stream takes more than ASCII."""
    return "utf" in (stream.encoding or "").lower()


def has_colours() -> bool:
    """Whether stdout is a terminal that shows colours, and nobody asked for none."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def tell(lines: Iterable[Line], in_ascii: Callable[[Iterable[Line]], Iterable[Line]] = list) -> None:
    """Print lines on stdout; `in_ascii` spells them for a terminal that knows ASCII alone, if they are not yet."""
    from dout.styled_lines import coloured, plain

    if not is_unicode(sys.stdout):
        lines = in_ascii(lines)
    if has_colours():
        from rich.console import Console

        Console(highlight=False, soft_wrap=True).print(coloured(lines))
    else:
        click.echo(plain(lines))


def save(path: Path, text: str, kind: Kind, *, inputs: Iterable[str | Path] = (), force: bool = False) -> None:
    """Write a file and say so. Raises TargetError."""
    write([path], [text.encode(errors="backslashreplace")], kind, inputs=inputs, force=force)
    click.echo(visible(f"wrote {path}"), err=True)
