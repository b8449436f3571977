"""Plain runs on other shapes, and gradients in; findings on shapes and memory layout out."""

__all__ = ["d501_gradient_shape", "d502_more_gradients", "d506_other_rows"]
