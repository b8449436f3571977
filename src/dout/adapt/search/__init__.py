"""A target in; an example on which it runs out, or the reason why there is none."""

__all__ = [
    "constructor_options", "example", "example_repair", "example_search", "own_faults", "raising_lines", "refusals",
    "unset_attributes", "written_builds",
]  # fmt: skip
