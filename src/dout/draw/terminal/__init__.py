"""A scene in; lines of characters out."""
