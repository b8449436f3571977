r"""Terms as LaTeX, with amsmath.

>>> from dout.explain.terms.terms import ONE, FunctionCall, Symbol, negated, product, total
>>> print(latex(product(ONE, over=(total(ONE, FunctionCall("exp", (negated(Symbol("x")),))),))))
\frac{1}{1 + e^{-x}}

A function is written as its primitive's row says; what stands around a place in that row tells whether an argument
needs brackets there.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from dout.explain.terms import notation
from dout.explain.terms.term_printer import Parts, Printed, Strength, TermPrinter
from dout.explain.terms.terms import Cases, FunctionCall, Term
from dout.ops import PRIMITIVES

_ROW_NAMES = {"abs": "absolute", "not": "logical_not", "round": "around"}
_PAIRS = {"max": "maximum", "min": "minimum"}
_SIGNS = {"Σ": r"\sum", "Π": r"\prod", "max": r"\max", "min": r"\min", "∂": r"\partial ", "∞": r"\infty"}
_RELATIONS = {
    row.symbol: row.latex
    for row in (PRIMITIVES[name] for name in ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal",
                                              "logical_and", "logical_or", "logical_xor"))
} | {"←": r"{0} \leftarrow {1}"}  # fmt: skip
_TALL = re.compile(r"\\(frac|begin|sum|prod|sqrt|max_|min_|operatorname\*)")


def latex(term: Term) -> str:
    """A formula as LaTeX, to stand in math mode."""
    return _PRINTER.print(term)


def _escaped(name: str) -> str:
    return "".join(notation.IN_TEX.get(c, c if c.isprintable() else "?") for c in name)


def _letters(name: str) -> str:
    r"""A name: one letter as it is, Greek ones as \gamma, others upright."""
    if name in notation.GREEK or name in _COMMANDS:
        return f"\\{_COMMANDS.get(name, name)}"
    plain = name.rstrip("₀₁₂₃₄₅₆₇₈₉")
    if plain and plain != name:
        return f"{_letters(plain)}_{{{unicodedata.normalize('NFKC', name[len(plain) :])}}}"
    if not name.isascii() or not name.isidentifier():
        return f"\\text{{{_escaped(name)}}}"
    return name if len(name) == 1 and name != "_" else f"\\mathrm{{{_escaped(name)}}}"


_COMMANDS = {sign: name for name, sign in notation.GREEK.items()}


@cache
def _places(row: str) -> tuple[Strength | None, ...]:
    """What each place of a row's LaTeX asks of its argument; None: brackets always, as those of a function."""
    marks = re.findall("[\ue000-\ue00f]", row)
    found: list[Strength | None] = []
    for mark in marks:
        before, _, after = row.partition(mark)
        before, after = before.rstrip(), after.lstrip()
        if before.endswith("{") and after.startswith("}"):
            found.append(Strength.ATOM if after.startswith("}^") else Strength.CASES)
        elif after.startswith("^"):
            found.append(Strength.ATOM)
        elif re.search(r"([(\[|,]|floor|ceil)$", before) and re.match(r"[)\]|,]|\\right", after):
            found.append(Strength.CASES)
        elif not after and re.fullmatch(r"(\\\w+)(_.|\{[^{}]*\}|_\{.*\})*", before):
            found.append(None)
        else:
            found.append(Strength.FACTOR)
    return tuple(found)


@cache
def _strength(row: str) -> Strength:
    """How strongly a row's LaTeX holds together, by what is outside of all brackets and braces."""
    bare = row
    while (less := re.sub(r"\\left.*\\right.|\\begin.*\\end|\{[^{}]*\}|\([^()]*\)", "", bare)) != bare:
        bare = less
    if re.search(r"[-+=]|\\(bmod|ast|cdot)", bare) or re.match("[\ue000-\ue00f]", row):
        return Strength.SUM
    return Strength.POWER if "^" in bare or bare.startswith(r"\lnot") else Strength.ATOM


class LatexPrinter(TermPrinter):
    """LaTeX with amsmath: fractions, powers and products as their rows have them."""

    minus, times = " - ", r" \cdot "
    negate = "-{}".format
    letters = staticmethod(_letters)
    stacked = PRIMITIVES["divide"].latex.format
    raised = PRIMITIVES["power"].latex.format
    beside = PRIMITIVES["matmul"].latex.replace("{0}", r"{0}\,").format
    turned = PRIMITIVES["transpose"].latex.format

    def brackets(self, inside: str) -> str:
        """A formula in brackets as tall as it is."""
        return rf"\left({inside}\right)" if _TALL.search(inside) else f"({inside})"

    def digits(self, inside: str) -> str:
        """A number's own characters."""
        return {"∞": r"\infty", "NaN": r"\mathrm{NaN}"}.get(inside, inside)

    def word(self, word: str) -> str:
        """A name that mathematics gives."""
        return _SIGNS.get(word) or rf"\operatorname{{{_escaped(word)}}}"

    def lowered(self, base: str, index: str) -> str:
        """A subscript."""
        base = f"{{{base}}}" if "_" in base else base  # TeX takes one subscript
        return f"{base}_{{{index}}}"

    def under(self, sign: str, indices: str) -> str:
        """A big sign with what it runs over; with nothing below it, over all elements."""
        if not indices:
            return f"{sign} "
        return f"{sign.replace('operatorname{', 'operatorname*{')}_{{{indices}}} "

    def relation(self, symbol: str, left: str, right: str) -> str:
        """Two formulas with the sign of a comparison between them."""
        return _RELATIONS[symbol].format(left, right)

    def function(self, term: FunctionCall, parts: Parts) -> Printed:
        """A function as its row says, if that has a place for each argument; otherwise its name."""
        name = notation.plain_name(term.function)
        name = _PAIRS.get(name, name) if len(parts) > 1 and not term.axis else _ROW_NAMES.get(name, name)
        row = PRIMITIVES.get(name) or PRIMITIVES.get(f"special_{name}") or PRIMITIVES.get(f"math_{name}")
        marks = [chr(0xE000 + i) for i in range(len(parts))]
        try:
            wanted = row.latex.format(*marks) if row else ""
        except IndexError:  # the row has more places
            wanted = ""
        places = _places(wanted)
        known = len(places) == len(parts) and r"\dots" not in wanted
        if not known or (term.axis and places != (None,)):
            wanted, places = (
                self.word(notation.word_of(term)) + ", ".join(marks).join("()"),
                (Strength.CASES,) * len(parts),
            )
            return Printed(self._filled(wanted, places, parts, term))
        return Printed(self._filled(wanted, places, parts, term), _strength(wanted))

    def _filled(self, row: str, places: tuple[Strength | None, ...], parts: Parts, term: FunctionCall) -> str:
        """A row's LaTeX with its arguments filled in, and the reduced axes below its name."""
        if term.axis:
            name, start, rest = (row[:-1].rstrip(), "", row[-1]) if places == (None,) else row.partition("(")
            row = f"{name}_{{{self.below(term.axis)}}}{start}{rest}"
        for i, (part, level) in enumerate(zip(parts, places, strict=True)):
            inside = self.brackets(self.fit(part)) if level is None else self.fit(part, level)
            before, _, after = row.partition(chr(0xE000 + i))
            row = (before.rstrip() if level is None else before) + inside + after
        return row

    def cases(self, term: Cases, parts: Parts) -> Printed:
        """A brace with a line for each term and its condition."""
        *pieces, last = (self.fit(part) for part in parts)
        lines = [f"{one} & {condition}" for one, condition in zip(pieces[::2], pieces[1::2], strict=True)]
        whole = r" \\ ".join([*lines, rf"{last} & \text{{otherwise}}"])
        return Printed(rf"\begin{{cases}} {whole} \end{{cases}}", Strength.CASES)


_PRINTER = LatexPrinter()
