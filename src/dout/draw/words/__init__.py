"""Numbers, arrays and names in; short and safe text out."""

__all__ = ["equations", "parameter_words", "readable_numbers", "safe_text"]
