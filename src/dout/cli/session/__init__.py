"""Files that change in; what checks find in them out, again and again, in an editor, on a terminal and on several machines."""

__all__ = ["editor_server", "spread_files", "watch"]
