"""A target in; its explanation, or a class with its backward, out, each of which shows itself."""

__all__ = ["derive_verb", "explain_verb", "explanation_files", "in_place"]
