"""A class that keeps a tape in; each of its operations as a layer out."""

__all__ = ["tape_operations", "tape_syntax"]
