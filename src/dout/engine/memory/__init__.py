"""Steps in; where the result of each lives out."""

__all__ = ["buffer_layout", "memory_plan", "pool"]
