"""What a program needs that is not here: where its imports count from; what stands for libraries and for data."""

__all__ = [
    "drawn_data",
    "main_module",
    "missing_files",
    "notebooks",
    "project_root",
    "removed_numpy_names",
    "script_imports",
    "stub_modules",
]
