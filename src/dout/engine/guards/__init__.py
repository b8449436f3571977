"""What a run can have read in; what the next call must have in common with it out."""

__all__ = ["class_attributes", "equality", "loaded_names", "reachable_state"]
