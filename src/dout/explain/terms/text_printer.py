"""Terms as one line of Unicode: −∂L/∂y · y² · exp(−x).

>>> from dout.explain.terms.terms import ONE, FunctionCall, Partial, Symbol, negated, product, total
>>> x, y = Symbol("x"), Symbol("y")
>>> text(product(Partial("y"), y, total(ONE, negated(y))))
'∂L/∂y · y · (1 − y)'
>>> text(product(ONE, over=(total(ONE, FunctionCall("exp", (negated(x),))),)))
'1 / (1 + exp(−x))'
"""

from __future__ import annotations

from fractions import Fraction

from dout.explain.terms import notation
from dout.explain.terms.term_printer import Parts, Printed, Strength, TermPrinter
from dout.explain.terms.terms import Cases, FunctionCall, Number, Partial, Power, Product, SumOver, Symbol, Term


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

    def brackets(self, inside: str) -> str:
        """A formula in brackets."""
        return f"({inside})"

    def negate(self, inside: str) -> str:
        """A formula with a minus in front."""
        return f"−{inside}"

    def number(self, term: Number, parts: Parts) -> Printed:
        """The fewest digits that mean the number: 0.044715, 1.5 · 10⁻⁷."""
        negative = term.value < 0
        mantissa, exponent = notation.digits(-term.value if negative else term.value)
        if not exponent:
            whole = isinstance(term.value, Fraction) and term.value.denominator != 1
            return Printed(mantissa, Strength.FACTOR if whole else Strength.ATOM, negative)
        power = f"10{_raised(str(exponent).replace('-', '−'))}"
        if mantissa == "1":
            return Printed(power, Strength.POWER, negative)
        return Printed(f"{mantissa} · {power}", Strength.FACTOR, negative)

    def symbol(self, term: Symbol, parts: Parts) -> Printed:
        """A name: x, x[n, d]."""
        indices = self.comma.join(self.fit(part, Strength.LOGIC) for part in parts)
        return Printed(_name(term.name) + (f"[{indices}]" if parts else ""))

    def partial(self, term: Partial, parts: Parts) -> Printed:
        """∂L/∂y."""
        return Printed(f"∂L/∂{_name(term.of)}", Strength.FACTOR)

    def fraction(self, term: Product, above: Parts, below: Parts) -> Printed:
        """Factors over others: x · y / (a · b)."""
        bottom = self.fit(below[0], Strength.POWER) if len(below) == 1 else f"({self.multiplied(below)})"
        return Printed(f"{self.multiplied(above)} / {bottom}", Strength.PRODUCT, term.negative)

    def power(self, term: Power, parts: Parts) -> Printed:
        """y², x⁻¹, x^0.5, 2^(x + 1)."""
        base, raised = self.fit(parts[0], Strength.ATOM), _raised(self.fit(parts[1]))
        return Printed(base + (raised or f"^{self.fit(parts[1], Strength.ATOM)}"), Strength.POWER)

    def call(self, term: FunctionCall, parts: Parts) -> Printed:
        """A function by its sign or its name: √x, |x|, exp(x), meanₙ(x), x[0]."""
        name, word = notation.plain_name(term.function), _name(notation.word_of(term))
        numbered = notation.is_axis_number(term.axis)
        if name in notation.SUMS and len(parts) == 1 and term.axis and not numbered:
            return self._added_up(notation.SUMS[name], term.axis, parts[0])
        if len(parts) == 1 and not term.axis and name in notation.ROOTS:
            return Printed(notation.ROOTS[name][0] + self.fit(parts[0], Strength.ATOM), Strength.POWER)
        if len(parts) == 1 and name in notation.FENCES and "|" not in parts[0].text:
            start, end = notation.FENCES[name]
            return Printed(start + self.fit(parts[0]) + end)
        if len(parts) == 1 and name == "not":
            return Printed("¬" + self.fit(parts[0], Strength.ATOM), Strength.POWER)
        if len(parts) == 2 and name == "mod":
            return Printed(" mod ".join(self.fit(part, Strength.POWER) for part in parts), Strength.SUM)
        if len(parts) > 1 and name == "getitem":
            indices = self.comma.join(self.fit(part, Strength.LOGIC) for part in parts[1:])
            return Printed(f"{self.fit(parts[0], Strength.ATOM)}[{indices}]")
        if name in notation.PUTTING:
            base, indices = self.fit(parts[0], Strength.ATOM), self.comma.join(map(self.fit, parts[2:]))
            place = f"{base if isinstance(term.arguments[0], Symbol) else ''}[{indices}]"
            return Printed(f"{base} with {place} ← {self.fit(parts[1], Strength.SUM)}", Strength.CASES)
        if name in notation.BASES:
            word = "log" + _below(notation.BASES[name])
        inside = [self.fit(part, Strength.LOGIC if len(parts) > 1 else Strength.CASES) for part in parts]
        if numbered:
            inside.append(notation.numbered_axes(term.axis))
        elif term.axis:
            word += _below(*term.axis)
        return Printed(f"{word}({self.comma.join(inside)})")

    def relation(self, symbol: str, left: str, right: str) -> str:
        """X > 0."""
        return f"{left} {symbol} {right}"

    def cases(self, term: Cases, parts: Parts) -> Printed:
        """Each term with its condition: x where x > 0, else 0."""
        *pieces, last = (self.fit(part, Strength.LOGIC) for part in parts)
        chosen = [f"{one} where {condition}" for one, condition in zip(pieces[::2], pieces[1::2], strict=True)]
        return Printed(f"{self.comma.join(chosen)}, else {last}", Strength.CASES)

    def over(self, term: SumOver, parts: Parts) -> Printed:
        """Σₙ dout[n, m]."""
        return self._added_up(term.symbol, term.indices, parts[0])

    def _added_up(self, sign: str, indices: tuple[str, ...], part: Printed) -> Printed:
        """Σₙ Σ_d x[n, d]: the sign once an index, for subscripts have no comma."""
        signs = " ".join(f"{sign}{_below(index)}" for index in indices) or sign
        return Printed(f"{signs} {self.fit(part, Strength.PREFIX)}", Strength.PREFIX)

    def beside(self, left: str, right: str) -> str:
        """Two matrices with NumPy's sign: dout @ Wᵀ."""
        return f"{left} @ {right}"

    def turned(self, matrix: str) -> str:
        """Wᵀ."""
        return f"{matrix}ᵀ"


_PRINTER = TextPrinter()
