"""Names of arguments and axes in; sizes and arrays to try out."""

__all__ = ["axis_sizes", "proposed_arrays"]
