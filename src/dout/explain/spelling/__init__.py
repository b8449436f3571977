"""Nodes in; NumPy as a person writes it out."""

__all__ = [
    "array_owners",
    "factor_groups",
    "gradient_places",
    "memory_text",
    "numpy_text",
    "part_text",
    "size_words",
    "softmax_text",
    "spare_names",
    "spelling_needs",
    "syntax_trees",
    "written_text",
]
