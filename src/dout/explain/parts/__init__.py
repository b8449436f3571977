"""A recorded forward that calls other layers in; the same with each such call as one step out."""

__all__ = ["called_parts", "part_calls", "part_graph"]
