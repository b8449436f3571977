"""Nodes in; NumPy as a person writes it out."""

__all__ = ["index_text", "numpy_text", "size_words", "spare_names", "spelling_needs", "written_text"]
