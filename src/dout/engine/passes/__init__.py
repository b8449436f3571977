"""A graph in; an equal graph that costs less out. One module a pass."""

__all__ = ["fuse", "masked_writes", "pipeline", "stable_forms", "unalias_outputs"]
