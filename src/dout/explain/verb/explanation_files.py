"""The formats of explanations, one row each: by the word of an option, and by the suffix of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dout.errors import TargetError
from dout.explain.formats import html_page, json_document, latex_slide, markdown, terminal_lines
from dout.explain.formats.words import Language
from dout.explain.model.explanation import Explanation
from dout.files import Kind, refuse

_TEXT_END = "explained by dout\n"
TEXT = Kind("an explanation", (".txt",), rb"\nexplained by dout\n\Z")


@dataclass(frozen=True)
class Wanted:
    """The options of an explanation: language, numbers, and an SVG for formats that can show one."""

    language: Language = "en"
    numbers: bool = False
    short: bool = False
    picture: str = ""

    @property
    def words(self) -> dict[str, Any]:
        """What all formats but JSON are told."""
        return {"language": self.language, "numbers": self.numbers, "short": self.short}


@dataclass(frozen=True)
class ExplanationFormat:
    """A format: the function that writes it, and the kind of its files."""

    write: Callable[[Explanation, Wanted], str]
    kind: Kind


FORMATS: Mapping[str, ExplanationFormat] = {
    "terminal": ExplanationFormat(
        lambda made, wanted: f"{terminal_lines.render(made, width=80, **wanted.words)}\n\n{_TEXT_END}", TEXT
    ),
    "markdown": ExplanationFormat(lambda made, wanted: markdown.document(made, **wanted.words), markdown.MARKDOWN),
    "html": ExplanationFormat(
        lambda made, wanted: html_page.to_page(made, picture=wanted.picture, **wanted.words), html_page.PAGE
    ),
    "latex": ExplanationFormat(lambda made, wanted: latex_slide.to_latex(made, **wanted.words), latex_slide.LATEX),
    "json": ExplanationFormat(
        lambda made, wanted: json_document.to_json(made, language=wanted.language), json_document.DOCUMENT
    ),
}


def format_for(path: Path, word: str | None = None) -> ExplanationFormat:
    """The named format, or the one of the file's suffix. Raises TargetError, which lists all formats."""
    if word is not None:
        return FORMATS[word]
    for form in FORMATS.values():
        if path.suffix.lower() in form.kind.suffixes:
            return form
    suffixes = ", ".join(suffix for form in FORMATS.values() for suffix in form.kind.suffixes)
    raise TargetError(f"{path}: an explanation ends in {suffixes}")


def refuse_file(path: Path, word: str | None, inputs: Iterable[str], force: bool) -> ExplanationFormat:
    """The format of a file that may be written. Raises TargetError, before anything runs."""
    form = format_for(path, word)
    refuse(path, form.kind, inputs=inputs, force=force)
    return form
