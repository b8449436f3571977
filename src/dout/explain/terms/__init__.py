"""Nodes and SymPy's expressions in; formulas as data out, and these as text, LaTeX and MathML."""
