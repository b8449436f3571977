"""A layer in; how long it takes plainly and compiled out."""
