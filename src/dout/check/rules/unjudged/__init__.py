"""A layer that cannot be judged in; the reason out."""

__all__ = ["d001_raises", "d002_not_judged", "d003_stopped", "d004_removed_numpy_name"]
