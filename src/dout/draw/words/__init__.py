"""Numbers, arrays and names in; short and safe text out."""

__all__ = ["equations", "gradient_formula", "histograms", "parameter_words", "readable_numbers", "safe_text"]
