"""What LaTeX and MathML share: what stands above, below or under something needs no brackets."""

from __future__ import annotations

from abc import abstractmethod

from dout.explain.terms import notation
from dout.explain.terms.term_printer import Parts, Printed, Strength, TermPrinter
from dout.explain.terms.terms import FunctionCall, Number, Partial, Power, Product, SumOver, Symbol


class StackedPrinter(TermPrinter):
    """Prints in two dimensions."""

    @abstractmethod
    def digits(self, inside: str) -> str:
        """A number's own characters."""

    @abstractmethod
    def word(self, word: str) -> str:
        """A name that mathematics gives: max, σ, Σ."""

    @abstractmethod
    def letters(self, name: str) -> str:
        """A name that the user gives."""

    @abstractmethod
    def named(self, inside: str, name: str) -> str:
        """A formula that stands for a value."""

    @abstractmethod
    def stacked(self, above: str, below: str) -> str:
        """A fraction."""

    @abstractmethod
    def raised(self, base: str, exponent: str) -> str:
        """A superscript."""

    @abstractmethod
    def lowered(self, base: str, index: str) -> str:
        """A subscript."""

    @abstractmethod
    def under(self, sign: str, indices: str) -> str:
        """A big sign with what it runs over."""

    @abstractmethod
    def function(self, term: FunctionCall, parts: Parts) -> Printed:
        """A function, by its sign where mathematics has one."""

    def number(self, term: Number, parts: Parts) -> Printed:
        """The fewest digits that mean the number: 0.044715, 1.5 · 10⁻⁷, a fraction over its bar."""
        negative = term.value < 0
        mantissa, exponent = notation.digits(-term.value if negative else term.value)
        top, bar, bottom = mantissa.partition("/")
        if bar:
            return Printed(self.stacked(self.digits(top), self.digits(bottom)), Strength.FACTOR, negative)
        if not exponent:
            return Printed(self.digits(mantissa), Strength.ATOM, negative)
        size = self.digits(str(abs(exponent)))
        power = self.raised(self.digits("10"), self.negate(size) if exponent < 0 else size)
        if mantissa == "1":
            return Printed(power, Strength.POWER, negative)
        return Printed(self.row(self.digits(mantissa) + self.times + power), Strength.FACTOR, negative)

    def symbol(self, term: Symbol, parts: Parts) -> Printed:
        """A name, maybe with its indices as a subscript."""
        name = self.letters(term.name)
        whole = self.lowered(name, self.listed(parts)) if parts else name
        return Printed(self.named(whole, term.name))

    def listed(self, parts: Parts) -> str:
        """Formulas with commas between them."""
        return self.row(self.comma.join(self.fit(part, Strength.LOGIC) for part in parts))

    def partial(self, term: Partial, parts: Parts) -> Printed:
        """∂L over ∂y."""
        above = self.row(self.word("∂") + self.letters("L"))
        whole = self.stacked(above, self.row(self.word("∂") + self.letters(term.of)))
        return Printed(self.named(whole, f"∂L/∂{term.of}"), Strength.FACTOR)

    def fraction(self, term: Product, above: Parts, below: Parts) -> Printed:
        """A fraction; gradients from downstream stand before it, for a fraction in a fraction is small."""
        partials = [part for f, part in zip(term.factors, above, strict=True) if isinstance(f, Partial)]
        inner = [part for f, part in zip(term.factors, above, strict=True) if not isinstance(f, Partial)]
        made = self.stacked(self._side(inner), self._side(below))
        if not partials:
            return Printed(made, Strength.FACTOR, term.negative)
        text = self.row(self.times.join([*(part.text for part in partials), made]))
        return Printed(text, Strength.PRODUCT, term.negative)

    def _side(self, factors: Parts | list[Printed]) -> str:
        """What stands on one side of the bar."""
        if not factors:
            return self.digits("1")
        return self.fit(factors[0]) if len(factors) == 1 else self.multiplied(tuple(factors))

    def power(self, term: Power, parts: Parts) -> Printed:
        """A superscript."""
        return Printed(self.raised(self.fit(parts[0], Strength.ATOM), self.fit(parts[1])), Strength.POWER)

    def call(self, term: FunctionCall, parts: Parts) -> Printed:
        """A function; sums with what they run over below them, elements with their place."""
        name = notation.plain_name(term.function)
        if name in notation.SUMS and len(parts) == 1 and term.axis:
            return self._added_up(notation.SUMS[name], self.axes(term), parts[0])
        if len(parts) > 1 and name == "getitem":
            return Printed(self.lowered(self.fit(parts[0], Strength.ATOM), self.listed(parts[1:])))
        if name in notation.PUTTING:
            base = self.fit(parts[0], Strength.ATOM)
            place = self.lowered(base, self.listed(parts[2:]))
            written = self.relation("←", place, self.fit(parts[1], Strength.SUM))
            return Printed(self.row(self.beside(self.beside(base, self.word("with")), written)), Strength.CASES)
        return self.function(term, parts)

    def axes(self, term: FunctionCall) -> str:
        """The axes that a function goes along, as they stand below it."""
        if notation.is_axis_number(term.axis):
            return self.relation("=", self.letters("axis"), self.row(self.comma.join(map(self.digits, term.axis))))
        return self.row(self.comma.join(map(self.letters, term.axis)))

    def over(self, term: SumOver, parts: Parts) -> Printed:
        """A big sign with the indices under it."""
        indices = self.row(self.comma.join(map(self.letters, term.indices)))
        return self._added_up(term.symbol, indices, parts[0])

    def _added_up(self, sign: str, indices: str, part: Printed) -> Printed:
        return Printed(
            self.row(self.under(self.word(sign), indices) + self.fit(part, Strength.PREFIX)), Strength.PREFIX
        )
