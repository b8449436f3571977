"""Terms as one line of Unicode: −∂L/∂y · y² · exp(−x).

>>> from dout.explain.terms.terms import ONE, FunctionCall, Partial, Symbol, negated, product, total
>>> x, y = Symbol("x"), Symbol("y")
>>> text(product(Partial("y"), y, total(ONE, negated(y))))
'∂L/∂y · y · (1 − y)'
>>> text(product(ONE, over=(total(ONE, FunctionCall("exp", (negated(x),))),)))
'1 / (1 + exp(−x))'
"""

from __future__ import annotations

from collections.abc import Sequence

from dout.explain.terms import notation
from dout.explain.terms.term_printer import Parts, Printed, Strength, TermPrinter
from dout.explain.terms.terms import Cases, FunctionCall, Power, Product, Symbol, Term


def text(term: Term) -> str:
    """A formula as one line of Unicode."""
    return _PRINTER.print(term)


def _name(name: str) -> str:
    """A name without what would move the cursor of a terminal."""
    return "".join(c if c.isprintable() else "�" for c in name)


def _raised(inside: str) -> str:
    """Digits as superscripts; empty where there are none."""
    return "".join(notation.RAISED[c] for c in inside) if all(c in notation.RAISED for c in inside) else ""


def _below(*indices: str) -> str:
    """Letters as subscripts: ₙ, or _d where Unicode has none."""
    joined = "".join(indices)
    if all(c in notation.LOWERED for c in joined):
        return "".join(notation.LOWERED[c] for c in joined)
    return f"_{_name(joined)}" if len(indices) == 1 else f"_{{{_name(', '.join(indices))}}}"


class TextPrinter(TermPrinter):
    """One line of Unicode."""

    brackets = "({})".format
    negate = "−{}".format
    letters = staticmethod(_name)
    stacked = "{}/{}".format  # ∂L/∂y, 1/3
    lowered = "{}[{}]".format  # x[n, d]
    beside = "{} @ {}".format  # NumPy's sign
    turned = "{}ᵀ".format
    relation = "{1} {0} {2}".format

    def raised(self, base: str, exponent: str) -> str:
        """10⁻⁷, 2^x."""
        return base + (_raised(exponent) or f"^{exponent}")

    def fraction(self, term: Product, above: Parts, below: Parts) -> Printed:
        """Factors over others: x · y / (a · b)."""
        bottom = self.fit(below[0], Strength.POWER) if len(below) == 1 else f"({self.multiplied(below)})"
        return Printed(f"{self.multiplied(above)} / {bottom}", Strength.PRODUCT, term.negative)

    def power(self, term: Power, parts: Parts) -> Printed:
        """y², x⁻¹, x^0.5, 2^(x + 1)."""
        level = Strength.CASES if _raised(self.fit(parts[1])) else Strength.ATOM
        return Printed(self.raised(self.fit(parts[0], Strength.ATOM), self.fit(parts[1], level)), Strength.POWER)

    def call(self, term: FunctionCall, parts: Parts) -> Printed:
        """What differs on one line: sums along numbered axes, and what is put in a place of an array."""
        name = notation.plain_name(term.function)
        if name in notation.SUMS and notation.is_axis_number(term.axis):
            return self.function(term, parts)
        if name not in notation.PUTTING:
            return super().call(term, parts)
        base, indices = self.fit(parts[0], Strength.ATOM), self.comma.join(map(self.fit, parts[2:]))
        place = f"{base if isinstance(term.arguments[0], Symbol) else ''}[{indices}]"
        return Printed(f"{base} with {place} ← {self.fit(parts[1], Strength.SUM)}", Strength.CASES)

    def function(self, term: FunctionCall, parts: Parts) -> Printed:
        """A function by its sign or its name: √x, |x|, exp(x), meanₙ(x)."""
        name, word = notation.plain_name(term.function), _name(notation.word_of(term))
        if len(parts) == 1 and not term.axis and name in notation.ROOTS:
            return Printed(notation.ROOTS[name][0] + self.fit(parts[0], Strength.ATOM), Strength.POWER)
        if len(parts) == 1 and name in notation.FENCES and "|" not in parts[0].text:
            start, end = notation.FENCES[name]
            return Printed(start + self.fit(parts[0]) + end)
        if len(parts) == 1 and name == "not":
            return Printed("¬" + self.fit(parts[0], Strength.ATOM), Strength.POWER)
        if len(parts) == 2 and name == "mod":
            return Printed(" mod ".join(self.fit(part, Strength.POWER) for part in parts), Strength.SUM)
        if name in notation.BASES:
            word = "log" + _below(notation.BASES[name])
        inside = [self.fit(part, Strength.LOGIC if len(parts) > 1 else Strength.CASES) for part in parts]
        if notation.is_axis_number(term.axis):
            inside.append(notation.numbered_axes(term.axis))
        elif term.axis:
            word += _below(*term.axis)
        return Printed(f"{word}({self.comma.join(inside)})")

    def cases(self, term: Cases, parts: Parts) -> Printed:
        """Each term with its condition: x where x > 0, else 0."""
        *pieces, last = (self.fit(part, Strength.LOGIC) for part in parts)
        chosen = [f"{one} where {condition}" for one, condition in zip(pieces[::2], pieces[1::2], strict=True)]
        return Printed(f"{self.comma.join(chosen)}, else {last}", Strength.CASES)

    def added_up(self, sign: str, indices: Sequence[str], part: Printed) -> Printed:
        """Σₙ Σ_d x[n, d]: the sign once an index, for subscripts have no comma."""
        signs = " ".join(f"{sign}{_below(index)}" for index in indices) or sign
        return Printed(f"{signs} {self.fit(part, Strength.PREFIX)}", Strength.PREFIX)


_PRINTER = TextPrinter()
