"""A scene in; lines of characters out."""

__all__ = ["terminal", "terminal_sizes"]
