"""A forward in; a class with its backward, as source, out."""

__all__ = ["class_writer", "forward_runs", "in_place"]
