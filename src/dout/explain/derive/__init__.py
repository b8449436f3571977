"""A forward in; a class with its backward, as source, out."""

__all__ = [
    "backward_graph",
    "backward_text",
    "class_text",
    "class_writer",
    "derived_methods",
    "forward_runs",
    "forward_source",
    "line_text",
    "other_subjects",
    "validity",
    "verification",
]
