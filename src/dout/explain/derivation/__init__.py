"""A target in; the derivation of its backward, from its recorded forward, out."""

__all__ = [
    "derivation",
    "length_runs",
    "part_code",
]
