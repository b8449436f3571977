"""Kernel groups and steps in; the text of kernels and of the driver out."""

__all__ = [
    "driver",
    "driver_steps",
    "driver_text",
    "guard_lines",
    "kernel_source",
    "kernel_words",
    "loop_body",
    "native_steps",
    "numpy_phrases",
]
