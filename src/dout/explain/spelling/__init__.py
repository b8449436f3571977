"""Nodes in; NumPy as a person writes it out."""

__all__ = ["numpy_text", "size_words", "written_text"]
