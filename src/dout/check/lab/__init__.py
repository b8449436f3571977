"""A layer in; plain runs of it out: fresh, silent, repeatable, and never fatal."""
