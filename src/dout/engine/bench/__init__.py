"""A layer in; how long it takes plainly and compiled out."""

__all__ = ["bench", "bench_subject", "layer_times", "script_network"]
