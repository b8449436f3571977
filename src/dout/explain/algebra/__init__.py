"""Steps on single elements in; their derivatives in the shortest form out, by SymPy, each checked exactly."""
