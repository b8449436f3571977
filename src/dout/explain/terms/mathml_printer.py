"""Terms as presentation MathML, the core that browsers draw. Each name has a mark, by which a page can light it up.

>>> from dout.explain.terms.terms import Symbol
>>> framed(inner(Symbol("x")))
'<math xmlns="http://www.w3.org/1998/Math/MathML"><mi data-name="x">x</mi></math>'
"""

from __future__ import annotations

import re
from html import escape

from dout.explain.terms import notation
from dout.explain.terms.term_printer import Parts, Printed, Strength, TermPrinter
from dout.explain.terms.terms import Cases, FunctionCall, Term

_APPLY = "<mo>&#x2061;</mo>"  # invisible; a screen reader says "of"
_LARGE = ("Σ", "Π")


def inner(term: Term) -> str:
    """A formula as elements of MathML, without the `math` around them.

    Names are in `data-name`: that of a value as it is, of a gradient as ∂L/∂y.
    """
    return _PRINTER.print(term)


def framed(inside: str, *, block: bool = False) -> str:
    """Elements of MathML in a `math` element; `block` gives it a line of its own."""
    display = ' display="block"' if block else ""
    return f'<math xmlns="http://www.w3.org/1998/Math/MathML"{display}>{inside}</math>'


def _safe(name: str) -> str:
    """A name for text and attributes of XML, without characters that XML forbids."""
    return escape("".join(c if c.isprintable() else "�" for c in name))


class MathmlPrinter(TermPrinter):
    """MathML Core; what is printed is always one element."""

    plus, minus, times, comma = "<mo>+</mo>", "<mo>−</mo>", "<mo>·</mo>", "<mo>,</mo>"
    row = "<mrow>{}</mrow>".format
    negate = '<mrow><mo form="prefix">−</mo>{}</mrow>'.format
    digits = "<mn>{}</mn>".format
    stacked = "<mfrac>{}{}</mfrac>".format
    raised = "<msup>{}{}</msup>".format
    lowered = "<msub>{}{}</msub>".format
    beside = '<mrow>{}<mspace width="0.17em"/>{}</mrow>'.format
    turned = '<msup>{}<mi mathvariant="normal">T</mi></msup>'.format

    def brackets(self, inside: str) -> str:
        """A formula in brackets."""
        return self.fenced("(", inside, ")")

    def fenced(self, start: str, inside: str, end: str) -> str:
        """A formula between signs that grow with it."""
        first, last = (f'<mo fence="true" form="{form}" stretchy="true">' for form in ("prefix", "postfix"))
        return self.row(f"{first}{start}</mo>{inside}{last}{end}</mo>")

    def word(self, word: str) -> str:
        """A name that mathematics gives."""
        if word in _LARGE:
            return f"<mo>{'∑' if word == 'Σ' else '∏'}</mo>"
        return f'<mi mathvariant="normal">{_safe(word)}</mi>' if len(word) == 1 else f"<mi>{_safe(word)}</mi>"

    def letters(self, name: str) -> str:
        """A name that the user gives; Greek ones as Greek letters."""
        return f"<mi>{_safe(notation.GREEK.get(name, name))}</mi>"

    def named(self, inside: str, name: str) -> str:
        """An element with the name of the value that it stands for."""
        return re.sub("^<[a-z]+", lambda tag: f'{tag[0]} data-name="{_safe(name)}"', inside)

    def under(self, sign: str, indices: str) -> str:
        """A big sign with what it runs over; with nothing below it, over all elements."""
        return sign if indices == self.row("") else f"<munder>{sign}{indices}</munder>"

    def relation(self, symbol: str, left: str, right: str) -> str:
        """Two formulas with the sign of a comparison between them."""
        return self.row(f"{left}<mo>{escape(symbol)}</mo>{right}")

    def function(self, term: FunctionCall, parts: Parts) -> Printed:
        """A function, by its sign where mathematics has one."""
        name = notation.plain_name(term.function)
        if len(parts) == 2 and name == "mod":
            return Printed(self.relation("mod", *(self.fit(part, Strength.POWER) for part in parts)), Strength.SUM)
        if len(parts) == 1 and not term.axis:
            if name in notation.ROOTS:
                return Printed(self._root(self.fit(parts[0]), notation.ROOTS[name][1]))
            if name in notation.FENCES:
                start, end = notation.FENCES[name]
                return Printed(self.fenced(start, self.fit(parts[0]), end))
            if name == "exp":
                return Printed(self.raised("<mi>e</mi>", self.fit(parts[0])), Strength.POWER)
            if name == "not":
                return Printed(self.row(f"<mo>¬</mo>{self.fit(parts[0], Strength.ATOM)}"), Strength.POWER)
        word = self.word(notation.word_of(term))
        if name in notation.BASES:
            word = self.lowered(self.word("log"), self.digits(notation.BASES[name]))
        if term.axis:
            word = self.lowered(word, self.below(term.axis))
        inside = self.brackets(self.row(self.comma.join(self.fit(part, Strength.LOGIC) for part in parts)))
        return Printed(self.row(f"{word}{_APPLY}{inside}"))

    def _root(self, inside: str, degree: str) -> str:
        return f"<mroot>{inside}{self.digits(degree)}</mroot>" if degree else f"<msqrt>{inside}</msqrt>"

    def cases(self, term: Cases, parts: Parts) -> Printed:
        """A brace with a line for each term and its condition."""
        *pieces, last = (self.fit(part) for part in parts)
        lines = [*zip(pieces[::2], pieces[1::2], strict=True), (last, "<mtext>otherwise</mtext>")]
        cell = '<mtd style="text-align: left">{}</mtd>'.format
        cells = "".join(f"<mtr>{cell(one)}{cell(condition)}</mtr>" for one, condition in lines)
        brace = '<mo fence="true" form="prefix" stretchy="true">{</mo>'
        return Printed(self.row(f"{brace}<mtable>{cells}</mtable>"), Strength.CASES)


_PRINTER = MathmlPrinter()
