"""Files in; what checks find in them out: again and again, in an editor, on a terminal, on several machines."""

__all__ = ["editor_server", "spread_files", "watch"]
