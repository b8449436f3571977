"""Nodes along axes in; letters for axes, formulas of one element and of whole arrays, with shapes and reasons, out."""

__all__ = [
    "alike_turns",
    "array_forms",
    "axis_classes",
    "axis_letters",
    "axis_parts",
    "element_rules",
    "term_values",
]
