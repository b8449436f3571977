"""Formulas as data. They are built by `product` and `total`, which bring them into one form, and read by printers.

>>> y = Symbol("y")
>>> product(Partial("y"), y, total(Number(1), negated(y)))
Product(factors=(Partial(of='y'), Symbol(name='y', indices=()), Sum(terms=(Number(value=1), \
Product(factors=(Symbol(name='y', indices=()),), over=(), negative=True)))), over=(), negative=False)
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any


@dataclass(frozen=True)
class Term:
    """A formula."""


@dataclass(frozen=True)
class Number(Term):
    """A number as printed: a float in its shortest digits, or a fraction. Its sign stands in a Product."""

    value: int | float | Fraction


@dataclass(frozen=True)
class Symbol(Term):
    """A value by its name; with `indices` one element of an array: x[n, d]."""

    name: str
    indices: tuple[Term, ...] = ()


@dataclass(frozen=True)
class Partial(Term):
    """The gradient of the loss with respect to a value: ∂L/∂y."""

    of: str


@dataclass(frozen=True)
class Sum(Term):
    """Terms that are added; a negative one is a Product that says so."""

    terms: tuple[Term, ...]


@dataclass(frozen=True)
class Product(Term):
    """Factors above and below a fraction bar, maybe negated: −∂L/∂y · y² / c."""

    factors: tuple[Term, ...]
    over: tuple[Term, ...] = ()
    negative: bool = False


@dataclass(frozen=True)
class Power(Term):
    """A power; a root is a Call of sqrt."""

    base: Term
    exponent: Term


@dataclass(frozen=True)
class FunctionCall(Term):
    """A function of terms, by NumPy's name: exp(x), tanh(x), max(x, 0). `axis` names the axes it goes along."""

    function: str
    arguments: tuple[Term, ...]
    axis: tuple[str, ...] = ()


@dataclass(frozen=True)
class Compare(Term):
    """A condition: x > 0; `symbol` is one of < ≤ > ≥ = ≠ ∧ ∨. An order whose left side is one is a chain: 0 < x < 1."""

    left: Term
    symbol: str
    right: Term


@dataclass(frozen=True)
class Cases(Term):
    """A term for each condition, and the term otherwise: { x where x > 0, 0 otherwise."""

    pieces: tuple[tuple[Term, Term], ...]  # (term, condition)
    otherwise: Term


@dataclass(frozen=True)
class SumOver(Term):
    """A term added up over indices: Σₙ dout[n, m]; without any, over all elements. `symbol` may be Π, max, min."""

    indices: tuple[str, ...]
    term: Term
    symbol: str = "Σ"


@dataclass(frozen=True)
class MatrixProduct(Term):
    """A product of matrices: dout · Wᵀ."""

    left: Term
    right: Term


@dataclass(frozen=True)
class Transposed(Term):
    """A matrix with its last two axes swapped: Wᵀ."""

    matrix: Term


ORDER = ("<", "≤")
ZERO, ONE, TWO = Number(0), Number(1), Number(2)


def parts(term: Term) -> tuple[Term, ...]:
    """The terms in a term, in the order in which it names them: of cases each term before its condition."""
    return _inside(term)[0]


def _inside(term: Term) -> tuple[tuple[Term, ...], Any]:
    """The terms in a term, and what else it says."""
    found: list[Term] = []
    says = _without_terms(tuple(vars(term).values()), found)
    return tuple(found), says


def _without_terms(item: Any, found: list[Term]) -> Any:
    """An item with None for each term in it, which is added to those `found`."""
    if isinstance(item, Term):
        found.append(item)
        return None
    return tuple([_without_terms(part, found) for part in item]) if isinstance(item, tuple) else item


def alike(one: Term, other: Term) -> bool:
    """Whether two terms are the same formula; iterative, where `==` would meet Python's recursion limit."""
    waiting, seen = [(one, other)], set()
    while waiting:
        a, b = waiting.pop()
        if a is b or (id(a), id(b)) in seen:
            continue
        seen.add((id(a), id(b)))
        if type(a) is not type(b):
            return False
        (inside, says), (others, say) = _inside(a), _inside(b)
        if says != say or len(inside) != len(others):
            return False
        waiting += zip(inside, others, strict=True)
    return True


def between(low: Term, x: Term, high: Term, *, below: str = "<") -> Term:
    """The condition that a term is between two others; `below` is < or ≤."""
    return Compare(Compare(low, below, x), "<", high)


def number(value: Any) -> Term:
    """A number of any sign."""
    return negated(Number(-value)) if value < 0 else Number(value)


def negated(term: Term) -> Term:
    """A term with the other sign."""
    if isinstance(term, Product):
        flipped = Product(term.factors, term.over, not term.negative)
        return flipped.factors[0] if _is_one(flipped) else flipped
    if term == ZERO:
        return term
    return Product((term,), negative=True)


def _is_one(product: Product) -> bool:
    """Whether a product is only its one factor."""
    return len(product.factors) == 1 and not product.over and not product.negative


def product(*factors: Term, over: tuple[Term, ...] = ()) -> Term:
    """The product of factors over divisors, without ones, nested products and double signs; 0 if a factor is 0.

    Equal factors are one power, and numbers one number as long as no digit is lost. Factors stand in the order of
    `rank`: a number, the gradient from downstream, values, powers, functions, sums.
    """
    above, below, negative = _flat(factors, over)
    if ZERO in above:
        return ZERO
    made = Product(tuple(_gathered(above)) or (ONE,), tuple(_gathered(below)), negative)
    return made.factors[0] if _is_one(made) else made


def _flat(factors: tuple[Term, ...], over: tuple[Term, ...]) -> tuple[list[Term], list[Term], bool]:
    """What stands above and below the bar once nested products are dissolved, and whether that is negated."""
    sides: dict[bool, list[Term]] = {True: [], False: []}
    negative = False
    waiting = [(f, False) for f in reversed(over)] + [(f, True) for f in reversed(factors)]
    while waiting:
        term, up = waiting.pop()
        if isinstance(term, Product):
            negative ^= term.negative
            waiting += [(f, not up) for f in reversed(term.over)] + [(f, up) for f in reversed(term.factors)]
        else:
            sides[up].append(term)
    return sides[True], sides[False], negative


def _gathered(factors: list[Term]) -> list[Term]:
    """The factors in their order, without ones, each base once."""
    value: Any = 1
    found: dict[Any, list[tuple[Term, int]]] = {}  # bases with their exponents; those that may be alike together
    rest: list[Term] = []
    for factor in factors:
        base, exponent = (factor.base, factor.exponent) if isinstance(factor, Power) else (factor, ONE)
        if isinstance(factor, Number):
            exact = _exact_product(value, factor.value)
            value, rest = (value, [*rest, factor]) if exact is None else (exact, rest)
        elif isinstance(exponent, Number) and isinstance(exponent.value, int) and exponent.value > 0:
            same = found.setdefault((type(base), _inside(base)[1]), [])
            place = next((i for i, (other, _) in enumerate(same) if alike(base, other)), len(same))
            same[place:] = [(base, exponent.value + (same[place][1] if place < len(same) else 0)), *same[place + 1 :]]
        else:
            rest.append(factor)
    powers = [b if n == 1 else Power(b, Number(n)) for same in found.values() for b, n in same]
    return sorted([*([] if value == 1 else [Number(value)]), *powers, *rest], key=rank)


def _exact_product(one: Any, other: Any) -> Any:
    """The product of two numbers, or None where it would be rounded."""
    if one == 1 or other == 1:
        return other if one == 1 else one
    try:
        made = one * other
        return made if Fraction(made) == Fraction(one) * Fraction(other) else None
    except (OverflowError, ValueError):  # no fraction is infinite, or no number
        return None


def total(*terms: Term) -> Term:
    """The sum of terms without zeros and nested sums: numbers first, negative terms last, else as they come."""
    flat = [part for term in terms for part in (term.terms if isinstance(term, Sum) else (term,)) if part != ZERO]
    flat.sort(key=lambda part: (is_negative(part), not isinstance(part, Number)))
    return Sum(tuple(flat)) if len(flat) > 1 else flat[0] if flat else ZERO


def is_negative(term: Term) -> bool:
    """Whether a term is printed with a minus in front."""
    return isinstance(term, Product) and term.negative


def rank(factor: Term) -> int:
    """The place of a factor in a product."""
    order = (Number, Partial, Symbol, Power, FunctionCall)
    if isinstance(factor, Symbol) and factor.name == "dout":
        return 1
    kind = type(factor.base) if isinstance(factor, Power) and not isinstance(factor.base, Sum) else type(factor)
    return order.index(kind) if kind in order else len(order)
