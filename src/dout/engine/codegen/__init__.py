"""Kernel groups and steps in; the text of kernels and of the driver out."""
