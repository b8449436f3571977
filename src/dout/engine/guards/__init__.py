"""What a run can have read in; what the next call must have in common with it out."""

__all__ = ["array_guard", "class_attributes", "equality", "loaded_names", "memory_guard", "reachable_state"]
