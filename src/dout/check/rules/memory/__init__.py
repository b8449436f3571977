"""Plain runs in; findings on what a layer overwrites, shares and keeps out."""

__all__ = ["written_arrays"]
