"""A wrong expression in; what it may have been meant to be, out: edits, the likeliest first."""

__all__ = [
    "candidate_edits", "compared_terms", "computed_edits", "expression_places", "forward_terms", "other_users",
    "parsed_file", "repair_table", "seen_values", "source_edit",
]  # fmt: skip
