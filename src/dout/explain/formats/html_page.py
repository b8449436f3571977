"""An explanation in; one HTML page out, without network, with formulas in MathML, in the colours of pictures.

Everything that comes from the user is escaped; the page's policy allows its own styles and its own script alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from html import escape
from importlib.resources import files

from dout.colours import SANS, family, variables
from dout.errors import visible
from dout.explain.formats.outline import outline
from dout.explain.formats.outline_cells import (
    COLUMN_KEYS,
    HEADS,
    Cell,
    Equation,
    Figure,
    LineJudgement,
    Listing,
    LocalDerivative,
    Outline,
    OutlinePart,
    OutlineRow,
    place_text,
)  # fmt: skip
from dout.explain.formats.textbook import brief
from dout.explain.formats.words import Language, Sentence, word
from dout.explain.model.explanation import Explanation
from dout.explain.terms import mathml_printer
from dout.explain.terms.terms import Symbol, Term
from dout.files import HTML_MARK, Kind, page_policy
from dout.number_text import format_number

_MARKS = {"✓": "right", "~": "nearly", "✗": "wrong"}
_ROW, _TITLE, _MOST = 38, 66, 900  # pixels: the height of a row and of a title, and of a frame at most
PAGE = Kind("an explanation", (".html", ".htm"), HTML_MARK)


def to_page(
    explanation: Explanation, *, language: Language = "en", numbers: bool = False, short: bool = False,
    picture: str = "",
) -> str:  # fmt: skip
    """The page of an explanation. `picture` is an SVG of one run, as `Picture.svg()` writes it; it stands on top."""
    style, script = _style(), _source("explain_page.js")
    body = _body(explanation, language, numbers, short, picture)
    title = escape(visible(word("title.explained", language, name=explanation.name)))
    styles = [style, *re.findall(r"<style>(.*?)</style>", picture, re.DOTALL)]
    return "\n".join([
        "<!doctype html>",
        f'<html lang="{language}">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="generator" content="dout">',
        f'<meta http-equiv="Content-Security-Policy" content="{page_policy(styles, script)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title>",
        f"<style>{style}</style>",
        "</head>",
        "<body>",
        body,
        f"<script>{script}</script>",
        "</body>",
        "</html>",
        "",
    ])  # fmt: skip


def to_frame(explanation: Explanation, *, language: Language = "en", numbers: bool = False) -> str:
    """The page in a frame, for notebooks: its styles and its script touch nothing outside it."""
    whole = outline(explanation, numbers=numbers, language=language)
    height = 120 + sum(_TITLE + _ROW * len(part.rows) for part in whole.parts)
    content = escape(to_page(explanation, language=language, numbers=numbers))
    style = f"width: 100%; height: {min(height, _MOST)}px; border: 0"
    title = _text(explanation.name)
    return f'<iframe title="{title}" style="{style}" sandbox="allow-scripts" srcdoc="{content}"></iframe>'


def _body(explanation: Explanation, language: Language, numbers: bool, short: bool, picture: str) -> str:
    if short:
        lines = [f"<p>{_cell(cell, block=True)}</p>" for cell in brief(explanation, language)]
        return "\n".join([f"<header><h1>{_text(explanation.name)}</h1></header>", "<main>", *lines, "</main>"])
    whole = outline(explanation, numbers=numbers, language=language)
    parts = [*_picture(picture, language), *(_part(part, language) for part in whole.parts)]
    return "\n".join([_head(whole), "<main>", *parts, "</main>"])


def _head(whole: Outline) -> str:
    formula = _cell(whole.formula) if whole.formula else ""
    shapes = "".join(
        f' <span class="shape">{_cell((Symbol(name),))} {_text(axes)}</span>' for name, axes in whole.shapes
    )
    return f"<header><h1>{_text(whole.name)}</h1>{formula}{shapes}{_place(place_text(whole.where))}</header>"


def _picture(picture: str, language: Language) -> list[str]:
    if not picture:
        return []
    caption = f"<figcaption>{_text(word('title.picture', language))}</figcaption>"
    return [f'<figure><div class="picture" tabindex="0" role="group">{picture}</div>{caption}</figure>']


def _part(part: OutlinePart, language: Language) -> str:
    if part.key == "keeping":
        sentences = "".join(f"<p>{_cell(row.cells['sentence'])}</p>" for row in part.rows)
        return f'<section class="keeping">{sentences}</section>'
    seed = f'<span class="seed">{_cell(part.seed)}</span>' if part.seed else ""
    shape = f'<span class="shape">{_text(part.shape)}</span>' if part.shape else ""
    title = f"<h2>{_cell(part.title)}{seed}{shape}{_place(place_text(part.where))}</h2>"
    used = {key for row in part.rows for key in row.cells}
    keys = [key for key in COLUMN_KEYS[part.key] if key in used and key != "says"]
    if "index" in keys and "local" in keys:
        keys.remove("index")
    rows = "\n".join(_row(row, keys) for row in _continued(part.rows))
    heads = "".join(f'<th scope="col">{_text(word(HEADS[key], language))}</th>' for key in keys if key in HEADS)
    head = f'<thead class="unseen"><tr>{heads}</tr></thead>\n' if part.key == "backward" else ""
    return f'<section class="{part.key}">{title}<div class="scroll"><table>\n{head}{rows}\n</table></div></section>'


def _continued(rows: Iterable[OutlineRow]) -> Iterator[OutlineRow]:
    """The rows; an equation that goes on from the one before has room for the same left side."""
    left: Term | None = None
    for row in rows:
        form = row.cells.get("form")
        if isinstance(form, Equation) and form.left is None and left is not None:
            row = replace(row, cells={**row.cells, "form": replace(form, left=Unseen(left))})
        left = form.left if isinstance(form, Equation) and form.left is not None else left
        yield row


def _row(row: OutlineRow, keys: list[str]) -> str:
    """A row: one cell a column; a sentence takes all columns from the third on, a formula alone those of two."""
    cells: list[str] = []
    left = keys
    while left:
        key, left = left[0], left[1:]
        if "says" in row.cells and key not in ("number", "operator"):
            cells.append(_data("says", row.cells["says"], f' colspan="{len(left) + 1}"'))
            break
        if key == "local" and "index" in row.cells:
            cells.append(_data("index", row.cells["index"], ' colspan="2"'))
            left = left[1:]  # that of the gradient
        else:
            cells.append(_data(key, row.cells.get(key)))
    about = f' data-step="{row.step}"' if row.step is not None else ""
    about += f' data-name="{_text(row.name)}"' if row.name else ""
    about += ' tabindex="0"' if about else ""
    return f"<tr{about}>{''.join(cells)}</tr>"


def _data(key: str, cell: Cell | None, more: str = "") -> str:
    is_gradient = isinstance(cell, Figure) and cell.gradient
    is_plain = key == "index" and isinstance(cell, Equation) and not cell.of
    kind = f"{key}{' gradient' if is_gradient else ''}{' plain' if is_plain else ''}"
    return f'<td class="{kind}"{more}>{"" if cell is None else _cell(cell)}</td>'


@dataclass(frozen=True)
class Unseen(Term):
    """The room for a formula."""

    term: Term


# --- cells ------------------------------------------------------------------------------------------------------------


def _cell(cell: Cell, block: bool = False) -> str:
    if isinstance(cell, Equation):
        left = _inner(cell.left) if cell.left is not None else ""
        sides = "".join(f"<mo>=</mo>{_inner(side)}" for side in cell.sides)
        return mathml_printer.framed(f"<mrow>{left}{sides}</mrow>", block=block)
    if isinstance(cell, Figure):
        return _text(format_number(cell.value))
    if isinstance(cell, Listing):
        return f"<code>{_text(cell.source)}</code>"
    if isinstance(cell, LineJudgement):
        return f'<span class="{_MARKS[cell.mark]}">{cell.mark}</span> {_sentence(cell.sentence)}'
    return _sentence(cell)


def _sentence(sentence: Sentence) -> str:
    return "".join(_text(p) if isinstance(p, str) else mathml_printer.framed(_inner(p)) for p in sentence)


def _inner(term: Term) -> str:
    """A formula without the element around it."""
    if isinstance(term, LocalDerivative):
        of, by = (_inner(Symbol(name)) for name in (term.of, term.by))
        sign = '<mi mathvariant="normal">∂</mi>'
        return f"<mfrac><mrow>{sign}{of}</mrow><mrow>{sign}{by}</mrow></mfrac>"
    if isinstance(term, Unseen):
        return f'<mphantom aria-hidden="true">{_inner(term.term)}</mphantom>'
    return mathml_printer.inner(term)


def _place(place: str) -> str:
    return f'<span class="place">{_text(place)}</span>' if place else ""


def _text(text: str) -> str:
    """Text of the user's that cannot become markup."""
    return escape(visible(text), quote=True)


# --- the page ---------------------------------------------------------------------------------------------------------


def _style() -> str:
    dark = f"@media (prefers-color-scheme:dark){{:root{{{variables('dark')}}}}}"
    light = f":root{{--sans:{family(SANS)};{variables('light')}}}"
    printed = f"@media print{{:root{{{variables('light')}}}}}"
    return "\n".join([light, dark, printed, _source("explain_page.css")])


def _source(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")
