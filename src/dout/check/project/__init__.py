"""Folders and settings in; the files and layers to check out."""

__all__ = [
    "baseline",
    "discover",
    "finding_pictures",
    "fixed_files",
    "foreign_gradients",
    "ignore_comments",
    "settings",
    "target_kind",
]
