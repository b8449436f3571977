"""A layer, a function or a script in; its trace out."""
