"""Steps on single elements in; their derivatives in the shortest form out, by SymPy, each checked exactly."""

__all__ = ["calculus", "derivative_forms", "exact_values", "known_constants", "pieces", "sympy_terms"]
