"""A function with loops in; the same with kernels in place of its loops, or with compiled parts, out."""

__all__ = ["compiled_parts", "looped_function"]
