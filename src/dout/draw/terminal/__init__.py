"""A scene in; lines of characters out."""

__all__ = ["layer_table", "terminal", "training_table"]
