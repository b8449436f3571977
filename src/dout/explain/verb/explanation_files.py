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
    """What is wanted of an explanation: its words, its numbers, and an SVG to stand above it, for formats that can."""

    language: Language = "en"
    numbers: bool = False
    short: bool = False
    picture: str = ""


@dataclass(frozen=True)
class ExplanationFormat:
    """A format: what writes it, and the kind of its files."""

    write: Callable[[Explanation, Wanted], str]
    kind: Kind


def _words(wanted: Wanted) -> dict[str, Any]:
    return {"language": wanted.language, "numbers": wanted.numbers, "short": wanted.short}


def _text(explanation: Explanation, wanted: Wanted) -> str:
    return f"{terminal_lines.render(explanation, width=80, **_words(wanted))}\n\n{_TEXT_END}"


def _markdown(explanation: Explanation, wanted: Wanted) -> str:
    return markdown.document(explanation, **_words(wanted))


def _html(explanation: Explanation, wanted: Wanted) -> str:
    return html_page.to_page(explanation, picture=wanted.picture, **_words(wanted))


def _latex(explanation: Explanation, wanted: Wanted) -> str:
    return latex_slide.to_latex(explanation, **_words(wanted))


def _json(explanation: Explanation, wanted: Wanted) -> str:
    return json_document.to_json(explanation, language=wanted.language)


FORMATS: Mapping[str, ExplanationFormat] = {
    "terminal": ExplanationFormat(_text, TEXT),
    "markdown": ExplanationFormat(_markdown, markdown.MARKDOWN),
    "html": ExplanationFormat(_html, html_page.PAGE),
    "latex": ExplanationFormat(_latex, latex_slide.LATEX),
    "json": ExplanationFormat(_json, json_document.DOCUMENT),
}


def format_for(path: Path, word: str | None = None) -> ExplanationFormat:
    """The format of a file: the one that is named, or that of its suffix. Raises TargetError, which names all."""
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
