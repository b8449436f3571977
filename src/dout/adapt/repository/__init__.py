"""A layer's file in; the files of the repository around it, and the example that its author gives, out."""

__all__ = ["declared_example", "project_files"]
