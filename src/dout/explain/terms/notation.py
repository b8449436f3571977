"""How mathematics writes functions, Greek letters and numbers: words and signs that all printers share."""

from __future__ import annotations

import unicodedata
from fractions import Fraction
from typing import Any

from dout.explain.terms.terms import FunctionCall, Symbol

# Other names of a function; the first is how terms call it.
_ALIASES = {
    other: name
    for name, others in {
        "abs": "absolute fabs Abs",
        "max": "maximum amax",
        "min": "minimum amin",
        "sigmoid": "expit",
        "not": "logical_not invert",
        "round": "around",
        "arcsin": "asin",
        "arccos": "acos",
        "arctan": "atan",
        "arctan2": "atan2",
        "arcsinh": "asinh",
        "arccosh": "acosh",
        "arctanh": "atanh",
    }.items()
    for other in others.split()
}
FENCES = {"abs": ("|", "|"), "floor": ("⌊", "⌋"), "ceil": ("⌈", "⌉")}
ROOTS = {"sqrt": ("√", ""), "cbrt": ("∛", "3")}
BASES = {"log2": "2", "log10": "10"}
SUMS = {"sum": "Σ", "prod": "Π"}
COUNTER = Symbol("n")  # an array that counts rows: 0, 1, 2 …
PUTTING = frozenset(("scatter", "setitem", "add_at"))  # functions of places, for which mathematics has no word
_WORDS = {"sigmoid": "σ", "arctan2": "atan2", "rint": "round"}


def _greek_name(letter: str) -> str:
    """The name of a Greek letter: gamma, Gamma."""
    _, size, _, name = unicodedata.name(letter).lower().replace("lamda", "lambda").split()
    return name if size == "small" else name.capitalize()


RAISED = dict(zip("0123456789−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻", strict=True))
LOWERED = dict(zip("0123456789aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", strict=True))

# Those that LaTeX knows.
GREEK = {_greek_name(letter): letter for letter in "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩ"}
IN_TEX = {  # outside of math mode
    "\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", **{c: f"\\{c}" for c in "{}$&#_%"},
}  # fmt: skip


def plain_name(function: str) -> str:
    """The name of a function by which tables know it: abs for np.absolute, max for np.maximum."""
    return _ALIASES.get(function, function)


def word_of(call: FunctionCall) -> str:
    """A function as mathematics writes it."""
    name = plain_name(call.function)
    return _WORDS.get(name, name)


def numbered(name: str, number: int) -> str:
    """The name of one of several that add up; the plain name without a number.

    >>> numbered("dx", 2), numbered("dx", 0)
    ('dx₂', 'dx')
    """
    return name + ("".join(LOWERED[digit] for digit in str(number)) if number else "")


def is_axis_number(axis: tuple[str, ...]) -> bool:
    """Whether axes are numbers, for lack of letters."""
    return bool(axis) and all(one.lstrip("-").isdigit() for one in axis)


def numbered_axes(axis: tuple[str, ...]) -> str:
    """Axes that have numbers as NumPy takes them: axis=0.

    >>> numbered_axes(("0",)), numbered_axes(("0", "2"))
    ('axis=0', 'axis=(0, 2)')
    """
    return f"axis={axis[0]}" if len(axis) == 1 else f"axis=({', '.join(axis)})"


def digits(value: Any) -> tuple[str, int]:
    """A number that is not negative as digits and a power of ten: the fewest digits that mean it.

    >>> digits(1.0), digits(0.044715), digits(1.5e-07)
    (('1', 0), ('0.044715', 0), ('1.5', -7))
    """
    if isinstance(value, Fraction):
        return str(value), 0
    if value != value:
        return "NaN", 0
    if value == float("inf"):
        return "∞", 0
    if isinstance(value, int):
        return str(int(value)), 0  # True counts as 1
    if value.is_integer() and value < 1e16:
        return str(int(value)), 0
    mantissa, _, exponent = str(value).partition("e")
    return mantissa.removesuffix(".0"), int(exponent or 0)
