"""A layer's file in; the repository around it out: its files, how its code calls, the example that its author gives."""

__all__ = ["calling_code", "declared_example", "project_files", "written_rounds"]
