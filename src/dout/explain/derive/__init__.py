"""A forward in; a class with its backward, as source, out."""

__all__ = ["class_writer", "in_place"]
