"""A wrong expression in; what it may have been meant to be, out: edits, the likeliest first."""

__all__ = ["candidate_edits", "computed_edits", "expression_places", "repair_table"]
