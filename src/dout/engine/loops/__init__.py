"""A function with loops in; the same with kernels in place of its loops out."""

__all__ = ["compiled_parts", "looped_function"]
