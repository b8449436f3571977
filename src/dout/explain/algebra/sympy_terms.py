"""SymPy's expressions as terms, and how long a term is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sympy

from dout.explain.algebra.known_constants import value_of
from dout.explain.terms.known_numbers import known_number
from dout.explain.terms.notation import plain_name
from dout.explain.terms.terms import FunctionCall, Number, Power, Symbol, Term, negated, number, product, total

Naming = Mapping[Any, Term]  # a symbol of SymPy's → what it is called


def term(expression: Any, names: Naming) -> Term:
    """The term of an expression; a symbol without a name is a constant."""
    if expression in names:
        return names[expression]
    if expression.is_Symbol:
        value = value_of(expression)
        return number(value) if value is not None else names[expression]
    if expression.is_Rational:
        return _rational(expression)
    rule = _RULES.get(type(expression)) or next((r for kind, r in _RULES.items() if isinstance(expression, kind)), None)
    if rule is not None:
        return rule(expression, names)
    if expression.is_number and not expression.args:
        return Symbol("π") if expression is sympy.pi else Symbol("e") if expression is sympy.E else Symbol("?")
    arguments = tuple(term(argument, names) for argument in expression.args)
    return FunctionCall(plain_name(type(expression).__name__), arguments)


def _rational(value: Any) -> Term:
    p, q = int(value.p), int(value.q)
    if q == 1:
        return number(p)
    if q & (q - 1) == 0 and q > 4:
        return number(p / q)
    made = product(Number(abs(p)), over=(Number(q),))
    return negated(made) if p < 0 else made


def _sum(expression: Any, names: Naming) -> Term:
    return total(*(term(part, names) for part in expression.as_ordered_terms()))


def _product(expression: Any, names: Naming) -> Term:
    above: list[Term] = []
    below: list[Term] = []
    coefficient, rest = expression.as_independent(*expression.free_symbols, as_Add=False)
    known = None if coefficient.is_Rational else known_number(abs(float(coefficient)))
    negative = known is not None and bool(coefficient < 0)
    for factor in _signed((rest if known else expression).as_ordered_factors()):
        if factor.is_Rational:
            negative ^= bool(factor < 0)
            above += [number(abs(int(factor.p)))]
            below += [number(int(factor.q))]
        elif factor.is_Pow and factor.exp.could_extract_minus_sign():
            below.append(term(factor.base**-factor.exp, names))
        else:
            above.append(term(factor, names))
    made = product(*above, *([known] if known else []), over=tuple(below))
    return negated(made) if negative else made


def _signed(factors: list[Any]) -> list[Any]:
    """The factors with a minus moved into a sum that it makes shorter to read: −(y − 1) · y is (1 − y) · y."""
    if not any(factor.is_Rational and factor < 0 for factor in factors):
        return factors
    for i, factor in enumerate(factors):
        base, exponent = factor.as_base_exp()
        odd = exponent in (1, -1) and base.is_Add
        if odd and any(part.could_extract_minus_sign() for part in base.args):
            others = factors[:i] + factors[i + 1 :]
            turned = next(k for k, f in enumerate(others) if f.is_Rational and f < 0)
            return [*others[:turned], -others[turned], *others[turned + 1 :], (-base) ** exponent]
    return factors


def _power(expression: Any, names: Naming) -> Term:
    base, exponent = expression.as_base_exp()
    if exponent.could_extract_minus_sign():
        return product(over=(term(base**-exponent, names),))
    if exponent == sympy.Rational(1, 2):
        return FunctionCall("sqrt", (term(base, names),))
    if exponent == sympy.Rational(1, 3):
        return FunctionCall("cbrt", (term(base, names),))
    if exponent.is_even and base.is_Add:
        constant = base.as_coeff_Add()[0]
        turned = constant < 0 if constant else base.could_extract_minus_sign()
        base = -base if turned else base  # (1 − y)², not (y − 1)²
    return Power(term(base, names), term(exponent, names))


def _exponential(expression: Any, names: Naming) -> Term:
    return FunctionCall("exp", (term(expression.exp, names),))


_RULES: dict[type, Callable[[Any, Naming], Term]] = {
    sympy.Add: _sum,
    sympy.Mul: _product,
    sympy.Pow: _power,
    sympy.exp: _exponential,
}
