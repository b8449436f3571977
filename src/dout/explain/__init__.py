"""A layer in; the derivation of its backward out: in words and formulas, and as a class with the backward written."""
