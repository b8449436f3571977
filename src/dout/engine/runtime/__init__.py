"""The text of kernels in; native functions out, their cache, and the threads that run them."""

__all__ = [
    "binding",
    "blas_threads",
    "compile_progress",
    "kernel_cache",
    "parallel_threshold",
    "roofline",
    "shared_products",
    "threads",
]
