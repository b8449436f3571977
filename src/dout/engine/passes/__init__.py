"""A graph in; an equal graph that costs less out. One module a pass."""

__all__ = ["add_products", "fuse", "group_products", "pipeline", "read_patches", "unalias_outputs"]
