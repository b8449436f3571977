r"""An explanation in; frames for a slide out, to \input into a beamer document with amsmath."""

from __future__ import annotations

from collections.abc import Iterable

from dout.explain.formats.latex_cells import (
    aligned, equation_text, in_math, latex_of, sentence_in_text, tex_text,
)  # fmt: skip
from dout.explain.formats.outline import Cell, Equation, Outline, OutlinePart, brief, outline, place_text
from dout.explain.formats.terminal import COLUMNS
from dout.explain.formats.words import Language
from dout.explain.model.explanation import Explanation
from dout.explain.terms.terms import Symbol
from dout.files import Kind

LATEX = Kind("an explanation", (".tex",), rb"\A% Written by `dout explain`")
_FIRST = r"% Written by `dout explain`: \input it into a beamer document that uses amsmath and amssymb"
_MOST = 8  # rows of one frame


def to_latex(explanation: Explanation, *, language: Language = "en", numbers: bool = False, short: bool = False) -> str:
    """Everything an explanation says, as frames; `short`: one frame with the lines of a textbook."""
    first = _FIRST + (", with a font for Japanese" if language == "ja" else "") + "."
    if short:
        lines = brief(explanation, language)
        return "\n".join([first, *_frame(tex_text(explanation.name), _lines(lines))])
    whole = outline(explanation, numbers=numbers, language=language)
    frames = [line for part in whole.parts for line in _frames(whole, part)]
    return "\n".join([first, *_frame(_title(whole), _head(whole)), *frames])


def _title(whole: Outline, part: OutlinePart | None = None) -> str:
    words = f": {sentence_in_text(part.title)}" if part and part.title else ""
    return tex_text(whole.name) + words


def _head(whole: Outline) -> list[str]:
    lines = [rf"\[ {equation_text(whole.formula)} \]"] if whole.formula else []
    shapes = ", ".join(f"${latex_of(Symbol(name))}$ {tex_text(axes)}" for name, axes in whole.shapes)
    place = place_text(whole.where)
    lines += [shapes] if shapes else []
    return [*lines, rf"\par\hfill\texttt{{\footnotesize {tex_text(place)}}}"] if place else lines


def _frames(whole: Outline, part: OutlinePart) -> list[str]:
    """A part in as many frames as its rows need; a row keeps the number of its step."""
    lines: list[str] = []
    for start in range(0, len(part.rows), _MOST):
        rows = part.rows[start : start + _MOST]
        if part.key in ("keeping", "not_explained"):
            body = _lines(row.cells["sentence"] for row in rows)
        elif part.key == "beside":
            body = _beside(rows)
        else:
            keys = [column.key for column in COLUMNS[part.key]]
            body = [_alignment([row.cells[key] for key in keys if key in row.cells] for row in rows)]
        if part.seed is not None and not start:
            body = [rf"\[ {in_math(part.seed)} \]", *body]
        lines += _frame(_title(whole, part), body)
    return lines


def _alignment(rows: Iterable[list[Cell]]) -> str:
    """Rows of formulas: each begins with its equation; what stands before that (a step's number) goes to the end."""
    turned = []
    for cells in rows:
        at = next((i for i, cell in enumerate(cells) if isinstance(cell, Equation)), None)
        turned.append(cells if at is None else [*cells[at:], *cells[:at]])
    return "\\small\n" + aligned(turned, "align*")


def _beside(rows: Iterable[object]) -> list[str]:
    """The user's lines, each with what it is."""
    lines = []
    for row in rows:
        cells = row.cells  # type: ignore[attr-defined]
        mark = rf" & ${in_math(cells['mark'])}$" if "mark" in cells else " &"
        lines.append(rf"  {in_math(cells['source'])}{mark} \\")
    return [r"\small", r"\begin{tabular}{@{}ll@{}}", *lines, r"\end{tabular}"]


def _lines(cells: Iterable[Cell]) -> list[str]:
    cells = list(cells)
    return [
        rf"\[ {equation_text(cell)} \]" if isinstance(cell, Equation) else sentence_in_text(cell) + r"\par"
        for cell in cells
        if isinstance(cell, Equation | tuple)
    ]


def _frame(title: str, body: list[str]) -> list[str]:
    return ["", rf"\begin{{frame}}{{{title}}}", *(f"  {line}" for text in body for line in text.split("\n")), r"\end{frame}"]
