"""A function or layer in; the same, only faster, out."""
