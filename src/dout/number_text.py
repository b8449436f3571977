"""A number as a person reads it: short, and right to the last digit shown."""

from __future__ import annotations

from decimal import ROUND_05UP, Context, Decimal
from fractions import Fraction
from typing import Any

import numpy as np

DIGITS = 4  # significant ones, where nobody asks for more
# Rounded so that rounding again to fewer digits is as if it were rounded once.
CAREFUL = Context(prec=60, rounding=ROUND_05UP, Emin=-999_999, Emax=999_999)
_WHOLE_DIGITS = 12  # whole numbers up to here are written out
_FIXED_BELOW = 1e6  # floats below this never lose a digit before the point
_SMALL_EXPONENT = -4


def format_number(value: Any, digits: int = DIGITS) -> str:
    """Return a number in `digits` significant digits, correctly rounded, zeros at the end left out.

    Whole numbers stay whole up to twelve digits; floats below 10**6 keep every digit before the point.

    >>> [format_number(x) for x in (100, 715.0000000000001, 3.3000000000000003, 12345.67, -0.0, 1e16, 1e-300)]
    ['100', '715', '3.3', '12346', '−0', '1e16', '1e-300']
    """
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, int | np.integer):
        return _minus(_whole(int(value), digits))
    if isinstance(value, complex | np.complexfloating):
        imaginary = format_number(float(value.imag), digits)
        sign = "" if imaginary.startswith("−") else "+"
        return f"{format_number(float(value.real), digits)}{sign}{imaginary}j"
    if isinstance(value, np.longdouble) and np.isfinite(value):
        value = decimal_of(Fraction(*value.as_integer_ratio()))
    return _minus(_float(value if isinstance(value, Decimal) else float(value), digits))


def _whole(value: int, digits: int) -> str:
    if abs(value) < 10**_WHOLE_DIGITS:
        return str(value)
    # Decimal is exact, and without Python's limit on the length of an int's text.
    return _scientific(format(Decimal(value), f".{digits - 1}e"))


def _float(value: float | Decimal, digits: int) -> str:
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "∞" if value > 0 else "-∞"
    if value == 0:
        return "-0" if str(value).startswith("-") else "0"
    rounded = format(value, f".{digits - 1}e")
    exponent = int(rounded.partition("e")[2])
    if _SMALL_EXPONENT <= exponent < digits:
        text = format(value, f".{digits - 1 - exponent}f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    if exponent >= 0 and abs(whole := round(value)) < _FIXED_BELOW:
        return str(whole)
    return _scientific(rounded)


def _scientific(text: str) -> str:
    mantissa, _, exponent = text.lower().partition("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{mantissa}e{int(exponent)}"


def _minus(text: str) -> str:
    return "−" + text[1:] if text.startswith("-") else text


def decimal_of(exact: Fraction) -> Decimal:
    """A fraction to sixty digits, rounded so that rounding again is right."""
    return CAREFUL.divide(Decimal(exact.numerator), Decimal(exact.denominator))
