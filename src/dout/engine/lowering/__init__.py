"""The text of a kernel in; LLVM's code of it, and of the door from Python into it, out."""

__all__ = ["entry_point", "kernel_code", "parallel_loop"]
