"""A function or layer in; the same, only faster, out."""

__all__ = ["compiled", "plan", "plan_text", "program_builder", "recording_lock"]
