"""The text of a kernel in; its object code out: types and LLVM code in one walk over the syntax tree, without Numba."""

__all__ = ["kernel_object"]
