"""A layer in; its recorded runs at several sizes, with each flag on and off, out."""

__all__ = ["resized_samples", "sample_runs", "size_decisions", "symbolic_sizes"]
