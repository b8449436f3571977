r"""An explanation in; frames for a slide out, to \input into a beamer document with amsmath."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dout.explain.formats.latex_cells import (
    aligned,
    equation_text,
    in_math,
    in_text,
    latex_of,
    sentence_in_text,
    tex_text,
)  # fmt: skip
from dout.explain.formats.outline import outline
from dout.explain.formats.outline_cells import (
    COLUMN_KEYS,
    Cell,
    Equation,
    Outline,
    OutlinePart,
    OutlineRow,
    place_text,
)  # fmt: skip
from dout.explain.formats.textbook import brief
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
    frames = [(_title(whole), _head(whole))]
    for part in whole.parts:
        if part.key == "keeping":  # a sentence takes no frame of its own
            frames[-1][1].extend(_lines(row.cells["sentence"] for row in part.rows))
        else:
            frames += _frames(whole, part)
    return "\n".join([first, *(line for title, body in frames for line in _frame(title, body)), ""])


def _title(whole: Outline, part: OutlinePart | None = None) -> str:
    words = f": {sentence_in_text(part.title)}" if part and part.title else ""
    return tex_text(whole.name) + words


def _head(whole: Outline) -> list[str]:
    lines = [rf"\[ {equation_text(whole.formula)} \]"] if whole.formula else []
    shapes = ", ".join(f"${latex_of(Symbol(name))}$ {tex_text(axes)}" for name, axes in whole.shapes)
    place = place_text(whole.where)
    lines += [shapes] if shapes else []
    return [*lines, rf"\par\hfill\texttt{{\footnotesize {tex_text(place)}}}"] if place else lines


def _frames(whole: Outline, part: OutlinePart) -> list[tuple[str, list[str]]]:
    """A part in as many frames as its rows need."""
    write = {"not_explained": _sentences, "beside": _beside}.get(part.key, _alignments)
    frames = []
    for start in range(0, len(part.rows), _MOST):
        seed = [rf"\[ {in_math(part.seed)} \]"] if part.seed is not None and not start else []
        body = [*seed, *write(part.key, part.rows[start : start + _MOST])]
        frames.append((_title(whole, part), body))
    return frames


def _alignments(key: str, rows: Sequence[OutlineRow]) -> list[str]:
    """Formulas that are aligned; a sentence stands between them."""
    lines, together = [r"\small"], list[OutlineRow]()
    for row in rows:
        if "says" in row.cells:
            lines += _alignment(key, together)
            words = [
                *(in_text(row.cells[k]) for k in ("number", "operator") if k in row.cells),
                in_text(row.cells["says"]),
            ]
            lines.append(r"\quad ".join(words) + r"\par")
            together = []
        else:
            together.append(row)
    return lines + _alignment(key, together)


def _alignment(key: str, rows: Sequence[OutlineRow]) -> list[str]:
    used = {name for row in rows for name in row.cells}
    keys = [name for name in COLUMN_KEYS[key] if name in used]
    return aligned(([row.cells.get(name) for name in keys] for row in rows), "align*").split("\n") if rows else []


def _sentences(key: str, rows: Sequence[OutlineRow]) -> list[str]:
    return _lines(row.cells["sentence"] for row in rows)


def _beside(key: str, rows: Sequence[OutlineRow]) -> list[str]:
    """The user's lines, each with what it is."""
    lines = [
        f"  {in_text(row.cells['source'])} & {in_text(row.cells['mark']) if 'mark' in row.cells else ''}" r" \\"
        for row in rows
    ]
    return [r"\small", r"\begin{tabular}{@{}ll@{}}", *lines, r"\end{tabular}"]


def _lines(cells: Iterable[Cell]) -> list[str]:
    return [
        rf"\[ {equation_text(cell)} \]" if isinstance(cell, Equation) else rf"{in_text(cell)}\par" for cell in cells
    ]


def _frame(title: str, body: list[str]) -> list[str]:
    return [
        "",
        rf"\begin{{frame}}{{{title}}}",
        *(f"  {line}" for text in body for line in text.split("\n")),
        r"\end{frame}",
    ]
