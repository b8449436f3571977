"""A derived class in; the same forward and backward for PyTorch or JAX, as source, out."""

__all__ = ["style_writer"]
