"""The signs of formulas, spelt in ASCII."""

from __future__ import annotations

import re
import unicodedata

_SIGNS = {
    "∂": "d", "−": "-", "·": "*", "×": "x", "÷": "/", "→": "->", "✓": "ok", "✗": "WRONG", "…": "...", "∞": "inf",
    "≈": "~", "≤": "<=", "≥": ">=", "≠": "!=", "∧": "and", "∨": "or", "¬": "not ", "√": "sqrt", "Σ": "sum",
    "Π": "prod", "ᵀ": "^T", "π": "pi", "⊙": "*", "±": "+-", "∈": "in", "ℓ": "l", "’": "'", "“": '"', "”": '"', "–": "-",
}  # fmt: skip


def in_ascii(text: str) -> str:
    """The same in ASCII; what has no spelling is shown as Python writes it.

    >>> in_ascii("∂L/∂x = −Σₙ x² · Wᵀ")
    'dL/dx = -sum_n x^2 * W^T'
    >>> in_ascii("b / √D = √(b² / D)")
    'b / sqrt(D) = sqrt(b^2 / D)'
    """
    if text.isascii():
        return text
    text = re.sub(r"√(\w+)", r"√(\1)", text)
    text = re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿˣ]+", lambda run: "^" + unicodedata.normalize("NFKC", run[0]), text)
    text = re.sub("[₀-₋ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ]+", lambda run: "_" + unicodedata.normalize("NFKC", run[0]), text)
    spelt = "".join(_SIGNS.get(sign, sign) for sign in text)
    return spelt.encode("ascii", "backslashreplace").decode()
