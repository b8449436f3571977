"""A forward in; a class with its backward, as source, out."""

__all__ = [
    "backward_graph",
    "backward_text",
    "class_text",
    "class_writer",
    "derived_methods",
    "example_subjects",
    "forward_runs",
    "forward_source",
    "forward_watch",
    "line_text",
    "validity",
    "verification",
]
