"""A forward with loops in; a class with its backward, in which they are loops in reverse, out."""

__all__ = ["looped_class"]
