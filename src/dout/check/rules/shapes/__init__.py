"""Plain runs on other shapes, and gradients in; findings on shapes and memory layout out."""
