"""Functions that kernels call: exp, log, sin and their like as code that LLVM turns into vector instructions."""

__all__ = ["accumulate", "vector_math"]
