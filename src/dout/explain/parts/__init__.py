"""Calls of other layers in a recorded forward: each becomes one step."""

__all__ = ["called_parts", "part_calls", "part_graph"]
