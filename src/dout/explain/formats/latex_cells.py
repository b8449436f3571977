"""The cells of an outline as LaTeX, for the two formats that set mathematics with it: Markdown and slides."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from dout.errors import visible
from dout.explain.formats.outline_cells import (
    Cell,
    Equation,
    Figure,
    LineJudgement,
    Listing,
    LocalDerivative,
)  # fmt: skip
from dout.explain.formats.words import Sentence
from dout.explain.terms import latex_printer
from dout.explain.terms.notation import IN_TEX
from dout.explain.terms.terms import Symbol, Term
from dout.number_text import format_number

_SPELT = IN_TEX | {
    '"': r"\textquotedbl{}", "`": r"\textasciigrave{}",
    "×": r"$\times$", "−": "$-$", "·": r"$\cdot$", "→": r"$\to$", "Σ": r"$\sum$", "√": r"$\surd$", "∂": r"$\partial$",
    "≥": r"$\geq$", "≤": r"$\leq$", "≠": r"$\neq$", "²": "$^2$", "³": "$^3$", "ᵀ": r"$^\top$",
}  # fmt: skip
_MARKS = {"✓": r"\checkmark", "~": r"\sim", "✗": r"\times"}


def latex_of(term: Term) -> str:
    """A formula."""
    if isinstance(term, LocalDerivative):
        of, by = (latex_printer.latex(Symbol(name)) for name in (term.of, term.by))
        return rf"\frac{{\partial {of}}}{{\partial {by}}}"
    return latex_printer.latex(term)


def tex_text(text: str) -> str:
    r"""Text in which no character is a command.

    >>> tex_text("100% of x_1"), tex_text("×(−1)")
    ('100\\% of x\\_1', '$\\times$($-$1)')
    """
    return "".join(_SPELT.get(sign, sign) for sign in visible(text))


def sentence_in_math(sentence: Sentence) -> str:
    r"""A sentence inside a formula: its words in \text, but = as it is."""
    parts = (part for item in sentence for part in (re.split("( = )", item) if isinstance(item, str) else [item]))
    return " ".join(_in_formula(part) for part in parts if part != "")


def _in_formula(part: str | Term) -> str:
    if isinstance(part, Term):
        return latex_of(part)
    return "=" if part == " = " else rf"\text{{{tex_text(part)}}}"


def sentence_in_text(sentence: Sentence, text: Any = tex_text) -> str:
    """A sentence with its formulas between dollars; `text` escapes its words."""
    return "".join(text(part) if isinstance(part, str) else f"${latex_of(part)}$" for part in sentence)


def sides_of(cell: Equation) -> str:
    """The right side of an equation, with an = before each form."""
    return "".join(f" = {latex_of(side)}" for side in cell.sides).strip()


def equation_text(cell: Equation) -> str:
    """An equation in one line."""
    return f"{latex_of(cell.left)} {sides_of(cell)}" if cell.left is not None else sides_of(cell)


def figure_text(value: Any) -> str:
    r"""A number.

    >>> figure_text(-0.5), figure_text(1e-9)
    ('-0.5', '1 \\times 10^{-9}')
    """
    text = format_number(value).replace("−", "-").replace("∞", r"\infty").replace("NaN", r"\mathrm{NaN}")
    return re.sub(r"e(-?\d+)$", r" \\times 10^{\1}", text)


def in_math(cell: Cell | None) -> str:
    """A cell inside a formula."""
    if cell is None:
        return ""
    if isinstance(cell, Equation):
        return equation_text(cell)
    if isinstance(cell, Figure):
        return figure_text(cell.value)
    if isinstance(cell, Listing):
        return rf"\texttt{{{tex_text(cell.source)}}}"
    if isinstance(cell, LineJudgement):
        return rf"{_MARKS[cell.mark]}\ {sentence_in_math(cell.sentence)}"
    return sentence_in_math(cell)


def in_text(cell: Cell) -> str:
    """A cell between words."""
    if isinstance(cell, Listing):
        return in_math(cell)
    if isinstance(cell, LineJudgement):
        return f"${_MARKS[cell.mark]}$ {sentence_in_text(cell.sentence)}"
    return sentence_in_text(cell) if isinstance(cell, tuple) else f"${in_math(cell)}$"


def aligned(rows: Iterable[Sequence[Cell | None]], environment: str = "aligned") -> str:
    """Rows one below the other: each cell has two columns, the sides of an equation, or nothing and the cell."""
    lines = [" & ".join(map(_pair, row)).rstrip(" &") for row in rows]
    body = " \\\\\n".join(f"  {line}" for line in lines)
    return "\n".join([rf"\begin{{{environment}}}", body, rf"\end{{{environment}}}"])


def _pair(cell: Cell | None) -> str:
    if isinstance(cell, Equation):
        return f"{latex_of(cell.left) if cell.left is not None else ''} &{sides_of(cell)}".strip()
    return f"& {in_math(cell)}".strip()
