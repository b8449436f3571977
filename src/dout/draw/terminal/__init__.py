"""A scene in; lines of characters out."""

__all__ = ["layer_table", "terminal", "terminal_sizes", "training_table"]
