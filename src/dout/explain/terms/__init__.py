"""Nodes in; formulas as data out, and these as text, LaTeX and MathML."""

__all__ = [
    "axis_row_terms",
    "known_numbers",
    "latex_printer",
    "length_numbers",
    "mathml_printer",
    "node_terms",
    "notation",
    "row_terms",
    "terms",
    "text_printer",
    "walk",
]
