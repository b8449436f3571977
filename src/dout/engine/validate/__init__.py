"""A program and the plain run it was made from in; where the two differ out."""

__all__ = ["comparison"]
