"""Formulas as data. They are built by `product` and `total`, which bring them into one form, and read by printers.

>>> y = Symbol("y")
>>> product(Partial("y"), y, total(Number(1), negated(y)))
Product(factors=(Partial(of='y'), Symbol(name='y', indices=()), Sum(terms=(Number(value=1), \
Product(factors=(Symbol(name='y', indices=()),), over=(), negative=True)))), over=(), negative=False)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any


@dataclass(frozen=True)
class Term:
    """A formula."""


@dataclass(frozen=True)
class Number(Term):
    """A number as it is printed: a float in its shortest digits, a fraction as one. Negative ones are in a Product."""

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
    """A condition: x > 0; `symbol` is one of < ≤ > ≥ = ≠ ∧ ∨."""

    left: Term
    symbol: str
    right: Term


@dataclass(frozen=True)
class Cases(Term):
    """One term a condition, and what holds otherwise: { x where x > 0, 0 otherwise."""

    pieces: tuple[tuple[Term, Term], ...]  # (term, condition)
    otherwise: Term


@dataclass(frozen=True)
class SumOver(Term):
    """A term added up over indices: Σₙ dout[n, m]. `symbol` may be another: Π, max."""

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


ZERO, ONE, TWO = Number(0), Number(1), Number(2)


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
    """The product of factors over others, without ones, nested products and double signs; 0 where one is 0.

    Factors stand in the order of `rank`: a number, the gradient from downstream, values, powers, functions, sums.
    """
    above = list(_flat(factors))
    below: list[Term] = []
    negative = False
    for factor in over:
        inner = factor if isinstance(factor, Product) else Product((factor,))
        above += inner.over
        below += _flat(inner.factors)
        negative ^= inner.negative
    for factor in factors:
        if isinstance(factor, Product):
            below += factor.over
            negative ^= factor.negative
    if ZERO in above:
        return ZERO
    above = sorted((f for f in above if f != ONE), key=rank)
    below = sorted((f for f in below if f != ONE), key=rank)
    made = Product(tuple(above) or (ONE,), tuple(below), negative)
    return made.factors[0] if _is_one(made) else made


def _flat(factors: tuple[Term, ...]) -> Iterator[Term]:
    for factor in factors:
        yield from _flat(factor.factors) if isinstance(factor, Product) else (factor,)


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
