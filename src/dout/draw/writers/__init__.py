"""Display lists in; the bytes of a file out, one module a format."""

__all__ = ["animation", "svg"]
