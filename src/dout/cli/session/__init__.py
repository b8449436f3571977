"""Files that change in; what checks find in them out, again and again, in an editor and on a terminal."""

__all__ = ["editor_server", "watch"]
