"""An explanation in; Markdown as GitHub and notebooks show it, with formulas in LaTeX, out."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import groupby
from typing import Any

from dout.errors import visible
from dout.explain.formats.latex_cells import aligned, equation_text, figure_text, latex_of, sentence_in_text
from dout.explain.formats.outline import outline
from dout.explain.formats.outline_cells import (
    COLUMN_KEYS,
    HEADS,
    Cell,
    Equation,
    Figure,
    LineJudgement,
    Listing,
    Outline,
    OutlinePart,
    place_text,
)  # fmt: skip
from dout.explain.formats.textbook import brief
from dout.explain.formats.words import Language, Sentence, word
from dout.explain.model.explanation import Explanation
from dout.explain.terms.terms import Symbol
from dout.files import Kind

MARKDOWN = Kind("an explanation", (".md", ".markdown"), rb"\A<!-- written by `dout explain` -->\n")
_MARK = "<!-- written by `dout explain` -->\n"


def to_markdown(
    explanation: Explanation, *, language: Language = "en", numbers: bool = False, short: bool = False
) -> str:
    """Everything an explanation says; `short`: the lines of a textbook."""
    if short:
        return "\n\n".join(map(_paragraph, brief(explanation, language))) + "\n"
    whole = outline(explanation, numbers=numbers, language=language)
    blocks = [*_head(whole), *(block for part in whole.parts for block in _part(part, language))]
    return "\n\n".join(blocks) + "\n"


def document(explanation: Explanation, **options: Any) -> str:
    """The same as a file, which dout knows again as its own."""
    return _MARK + "\n" + to_markdown(explanation, **options)


def _head(whole: Outline) -> list[str]:
    place = place_text(whole.where)
    blocks = [f"## {_words(whole.name)}" + (f" ({_code(place)})" if place else "")]
    blocks += [_display(equation_text(whole.formula))] if whole.formula else []
    shapes = ", ".join(f"${latex_of(Symbol(name))}$ {_words(axes)}" for name, axes in whole.shapes)
    return [*blocks, shapes] if shapes else blocks


def _part(part: OutlinePart, language: Language) -> list[str]:
    set_rows: dict[str, Callable[[OutlinePart, Language], list[str]]] = {
        "forward": _formulas, "simplified": _formulas, "backward": _table, "beside": _lines,
        "keeping": _sentences, "not_explained": _sentences,
    }  # fmt: skip
    place = place_text(part.where)
    title = [f"### {_sentence(part.title)}" + (f" ({_code(place)})" if place else "")] if part.title else []
    seed = [_cell(part.seed) + (f" {_words(part.shape)}" if part.shape else "")] if part.seed else []
    return [*title, *seed, *set_rows[part.key](part, language)]


def _formulas(part: OutlinePart, language: Language) -> list[str]:
    keys = [key for key in COLUMN_KEYS[part.key] if key != "says"]
    blocks: list[str] = []
    for says, group in groupby(part.rows, lambda row: row.cells.get("says")):
        equations = ([row.cells.get(key) for key in keys] for row in group)
        blocks.append(_display(aligned(equations)) if says is None else _cell(says))
    return blocks


def _table(part: OutlinePart, language: Language) -> list[str]:
    """A table. Sentences take the place of a gradient."""
    used = {key for row in part.rows for key in row.cells}
    keys = [key for key in COLUMN_KEYS[part.key] if key in used and key in HEADS]
    if "index" in keys and "gradient" in keys:
        keys.remove("index")
    instead = {"gradient" if "gradient" in keys else "index": ("index", "says")}
    lines = [[word(HEADS[key], language) for key in keys], ["---"] * len(keys)]
    for row in part.rows:
        found = [next((row.cells[k] for k in (key, *instead.get(key, ())) if k in row.cells), None) for key in keys]
        lines.append([re.sub(r"(?<!\\)\|", r"\|", _cell(cell)) if cell else "" for cell in found])
    return ["\n".join(f"| {' | '.join(line)} |" for line in lines)]


def _lines(part: OutlinePart, language: Language) -> list[str]:
    """The user's lines, each with what it is."""
    rows = [(_cell(row.cells["source"]), row.cells.get("mark")) for row in part.rows]
    return ["\n".join(f"- {source}" + (f" {_cell(mark)}" if mark else "") for source, mark in rows)]


def _sentences(part: OutlinePart, language: Language) -> list[str]:
    return [_cell(row.cells["sentence"]) for row in part.rows]


def _paragraph(cell: Cell) -> str:
    return _display(equation_text(cell)) if isinstance(cell, Equation) else _cell(cell)


def _display(latex: str) -> str:
    return f"$$\n{latex}\n$$"


def _cell(cell: Cell) -> str:
    if isinstance(cell, Equation):
        return f"${equation_text(cell)}$"
    if isinstance(cell, Figure):
        return f"${figure_text(cell.value)}$"
    if isinstance(cell, Listing):
        return _code(cell.source)
    if isinstance(cell, LineJudgement):
        return f"{cell.mark} {_sentence(cell.sentence)}"
    return _sentence(cell)


def _sentence(sentence: Sentence) -> str:
    return sentence_in_text(sentence, _words)


def _words(text: str) -> str:
    """Text in which no character is a mark of Markdown's or of HTML's."""
    return re.sub(r"([\\`*_{}\[\]|~$])", r"\\\1", visible(text)).replace("&", "&amp;").replace("<", "&lt;")


def _code(source: str) -> str:
    """Code, between as many backticks as it needs."""
    source = visible(source)
    fence = "`" * (max(map(len, re.findall("`+", source)), default=0) + 1)
    space = " " if "`" in source else ""
    return f"{fence}{space}{source}{space}{fence}"
