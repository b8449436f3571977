"""Nodes in; formulas as data out, and these as text, LaTeX and MathML."""

__all__ = [
    "known_numbers",
    "latex_printer",
    "mathml_printer",
    "node_terms",
    "notation",
    "terms",
    "text_printer",
    "walk",
]
