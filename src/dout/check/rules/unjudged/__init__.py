"""A layer that cannot be judged in; the reason out."""
